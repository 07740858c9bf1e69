"""The page: files of the built web app, with headers that let a browser run nothing else."""

from __future__ import annotations

import gzip
import stat
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import anyio
from litestar import Request, Response, route
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException

from fireside.accounts.access import Rule
from fireside.errors import NotFound
from fireside.kit.hashing import sha256_hex

CONTENT_SECURITY_POLICY = "; ".join([
    "default-src 'self'",
    "script-src 'self'",
    "style-src 'self' 'unsafe-inline'",  # KaTeX and syntax colours set style attributes
    "img-src 'self' data: blob:",
    "font-src 'self' data:",
    "media-src 'self' blob:",
    "connect-src 'self'",
    "worker-src 'self'",
    "manifest-src 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "object-src 'none'",
])

SECURITY_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "geolocation=(), camera=(), payment=(), usb=()",
}

MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".ico": "image/x-icon",
    ".js": "text/javascript",
    ".json": "application/json",
    ".map": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".txt": "text/plain",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
}
COMPRESSED = frozenset({".css", ".html", ".js", ".json", ".svg", ".txt", ".webmanifest"})
API_PATHS = ("/api/", "/v1/")
HASHED_FOLDER = "assets/"
FOREVER = "public, max-age=31536000, immutable"
NEVER = "no-cache"

NO_PAGE = """<!doctype html><meta charset=utf-8><title>Fireside</title>
<body style="font:16px system-ui;max-width:36em;margin:12vh auto;padding:0 1em">
<h1>The page is not built</h1><p>The API is running. To build the page, run <code>make run</code>
from the project's folder.</p>"""


class _File(NamedTuple):
    plain: bytes
    packed: bytes | None
    tag: str


class PageFiles:
    """The files under `root`, read when first asked for and kept until they change."""

    def __init__(self, root: Path | None) -> None:
        self._root = root.resolve() if root is not None else None

    def response(self, path: str, accepts_gzip: bool, etag: str | None) -> Response[bytes]:
        """The file at `path`, or the app's own page for addresses that the app routes itself.

        Raises NotFound for a missing file with an ending, so that a stale script is not answered
        with HTML.
        """
        name = path.strip("/") or "index.html"
        found = self.read(name)
        if found is None and Path(name).suffix in MEDIA_TYPES:
            raise NotFound("no_such_file", "There is no such file.", hint="Reload the page.")
        if found is None:
            name, found = "index.html", self.read("index.html")
        headers = dict(SECURITY_HEADERS)
        if found is None:
            headers["cache-control"] = NEVER
            return Response(NO_PAGE.encode(), media_type="text/html", headers=headers)
        headers["cache-control"] = FOREVER if name.startswith(HASHED_FOLDER) else NEVER
        headers["etag"] = found.tag
        headers["vary"] = "accept-encoding"
        if etag == found.tag:
            return Response(b"", status_code=304, headers=headers)
        body = found.plain
        if found.packed is not None and accepts_gzip:
            headers["content-encoding"] = "gzip"
            body = found.packed
        return Response(
            body,
            media_type=MEDIA_TYPES.get(Path(name).suffix, "application/octet-stream"),
            headers=headers,
        )

    def read(self, name: str) -> _File | None:
        """The file called `name` as it is now; None when there is none."""
        if self._root is None or "\0" in name:
            return None
        path = (self._root / name).resolve()
        try:
            found = path.stat()
        except OSError:
            return None
        if not path.is_relative_to(self._root) or not stat.S_ISREG(found.st_mode):
            return None
        return _packed(path, found.st_mtime_ns)


@lru_cache(maxsize=1024)
def _packed(path: Path, _mtime_ns: int) -> _File:
    plain = path.read_bytes()
    packed = gzip.compress(plain, 6, mtime=0) if path.suffix in COMPRESSED else None
    return _File(plain, packed, f'"{sha256_hex(plain)[:20]}"')


def find_page_root() -> Path | None:
    """Where the built page lies: inside the installed package, or in a checkout's web/dist."""
    package = Path(__file__).resolve().parent.parent
    for root in (package.parent / "web" / "dist", package / "webui"):
        if (root / "index.html").is_file():
            return root
    return None


@route(
    ["/", "/{path:path}"],
    http_method=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
    opt={"rule": Rule.PUBLIC},
    status_code=200,
    include_in_schema=False,
)
async def serve_page(
    request: Request[Any, Any, Any], page: NamedDependency[PageFiles]
) -> Response[bytes]:
    """Serve the page and its files. Addresses of the API that do not exist are answered in kind."""
    path = str(request.path_params.get("path", ""))
    if request.method not in {"GET", "HEAD"} or path.startswith(API_PATHS):
        raise HTTPException(status_code=404)
    return await anyio.to_thread.run_sync(
        page.response,
        path,
        "gzip" in request.headers.get("accept-encoding", ""),
        request.headers.get("if-none-match"),
    )

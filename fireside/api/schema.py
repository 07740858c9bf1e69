"""The OpenAPI document of this server."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec
from litestar import Litestar, Request, Response, Router, get
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import (
    OpenAPI,
    OpenAPIMediaType,
    OpenAPIResponse,
    Reference,
)

from fireside import __version__
from fireside.accounts.access import Rule


def openapi_config() -> OpenAPIConfig:
    """What Litestar needs to describe the routes; it serves the document under /api/schema too."""
    return OpenAPIConfig(
        title="Fireside",
        version=__version__,
        use_handler_docstrings=True,
        openapi_router=Router(
            path="/api/schema",
            route_handlers=[],
            opt={"rule": Rule.PUBLIC},
            include_in_schema=False,
        ),
        render_plugins=[JsonRenderPlugin()],
    )


@lru_cache(maxsize=4)
def document(app: Litestar) -> bytes:
    """The document as JSON, with its keys in a stable order."""
    _describe_errors(app.openapi_schema)
    schema = app.openapi_schema.to_schema()
    return msgspec.json.format(msgspec.json.encode(schema, order="deterministic"), indent=2)


def _describe_errors(described: OpenAPI) -> None:
    """Say of every operation that its errors are `ErrorEnvelope`s; Litestar assumes its own."""
    body = OpenAPIMediaType(Reference("#/components/schemas/ErrorEnvelope"))
    error = OpenAPIResponse("An error", content={"application/json": body})
    for path in (described.paths or {}).values():
        for operation in (path.get, path.put, path.post, path.patch, path.delete):
            if operation is not None and operation.responses is not None:
                operation.responses.pop("400", None)
                operation.responses["default"] = error


@get("/openapi.json", opt={"rule": Rule.PUBLIC}, include_in_schema=False, sync_to_thread=True)
def serve_document(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The OpenAPI document."""
    return Response(document(request.app), media_type="application/json")

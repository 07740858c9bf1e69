"""The HTTP interface: the OpenAPI document and a page that lists its operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fireside.app import Application

Document = dict[str, Any]
WHO = {"public": "anybody", "signed_in": "signed in", "admin": "administrators"}
METHODS = ("get", "post", "put", "patch", "delete")


def application() -> Application:
    """The HTTP application with every setting at its default, not started."""
    from fireside.app import asgi, build
    from fireside.settings import load

    settings, _sources = load({}, environ={})
    return asgi(build(settings))


def openapi_text(app: Application) -> str:
    """The document that the server serves at /openapi.json."""
    from fireside.api.schema import document

    return document(app.litestar).decode() + "\n"


def rules(app: Application) -> dict[tuple[str, str], str]:
    """(method, path) -> who may call it, in words."""
    found = {}
    for route in app.litestar.routes:
        for handler in getattr(route, "route_handlers", []):
            rule = handler.opt.get("rule")
            if rule is not None:
                scope = f", keys with `{rule.scope}`" if rule.scope else ""
                for method in handler.http_methods:
                    found[method.lower(), route.path_format] = WHO[rule.access.value] + scope
    return found


def overview(document: Document, who: dict[tuple[str, str], str]) -> str:
    """One line per operation: who may call it and what it does."""
    lines = ["# HTTP interface", "", document["info"].get("description", ""), ""]
    lines += [
        "The whole contract is `openapi.json` beside this page; the server serves its own at "
    ]
    lines += ["`/openapi.json`.", ""]
    groups: dict[str, list[str]] = {}
    for path, operations in sorted(document["paths"].items()):
        for method in METHODS:
            if method in operations:
                operation = operations[method]
                group = (operation.get("tags") or [path.split("/")[1] or "root"])[0]
                groups.setdefault(group, []).append(_row(path, method, operation, who))
    for group, rows in sorted(groups.items()):
        lines += [
            f"## {group}",
            "",
            "| operation | who | what it does |",
            "| --- | --- | --- |",
        ]
        lines += [*rows, ""]
    return "\n".join(lines).rstrip() + "\n"


def _row(path: str, method: str, operation: Document, who: dict[tuple[str, str], str]) -> str:
    meaning = operation.get("description") or operation.get("summary") or ""
    first = " ".join(meaning.split("\n\n")[0].split())
    return f"| `{method.upper()} {path}` | {who.get((method, path), '')} | {first} |"

"""The HTTP interface: the OpenAPI document and a page that lists its operations."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]
METHODS = ("get", "post", "put", "patch", "delete")


def openapi_text() -> str:
    """The document that the server serves at /openapi.json, without starting it."""
    from fireside.cli.serve import build_openapi
    from fireside.settings import load

    settings, _sources = load({}, environ={})
    return build_openapi(settings) + "\n"


def overview(document: Document) -> str:
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
                groups.setdefault(group, []).append(_row(path, method, operation))
    for group, rows in sorted(groups.items()):
        lines += [
            f"## {group}",
            "",
            "| operation | answers | what it does |",
            "| --- | --- | --- |",
        ]
        lines += [*rows, ""]
    return "\n".join(lines).rstrip() + "\n"


def _row(path: str, method: str, operation: Document) -> str:
    answers = ", ".join(sorted(operation.get("responses", {})))
    meaning = operation.get("description") or operation.get("summary") or ""
    return f"| `{method.upper()} {path}` | {answers} | {' '.join(meaning.split())} |"

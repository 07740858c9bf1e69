"""The OpenAPI document tells the truth about the developer's API and about errors."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fireside.cli.serve import build_openapi
from fireside.settings import load


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    settings, _sources = load({}, environ={})
    return msgspec.json.decode(build_openapi(settings), type=dict[str, Any])


def test_every_operation_says_that_its_errors_are_ours(document: dict[str, Any]) -> None:
    ours = {"$ref": "#/components/schemas/ErrorEnvelope"}
    wrong = [
        f"{method} {path}"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if operation["responses"]["default"]["content"]["application/json"]["schema"] != ours
        or "400" in operation["responses"]
    ]
    assert wrong == []
    assert set(document["components"]["schemas"]["ErrorBody"]["required"]) == {
        "message", "type", "param", "code", "hint"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "body", "reply"),
    [
        ("/v1/chat/completions", "ChatCompletionIn", "ChatCompletionOut"),
        ("/v1/completions", "TextCompletionIn", "TextCompletionOut"),
        ("/v1/embeddings", "EmbeddingsIn", "EmbeddingsOut"),
    ],
)
def test_bodies_that_routes_read_themselves_are_documented(
    document: dict[str, Any], path: str, body: str, reply: str
) -> None:
    operation = document["paths"][path]["post"]
    asked = operation["requestBody"]["content"]["application/json"]["schema"]
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert asked == {"$ref": f"#/components/schemas/{body}"}
    assert answer == {"$ref": f"#/components/schemas/{reply}"}
    assert "model" in document["components"]["schemas"][body]["required"]

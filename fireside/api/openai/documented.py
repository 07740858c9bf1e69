"""What the OpenAPI document says of routes that read and write their bodies themselves."""

from __future__ import annotations

from typing import Any

from litestar.di import Provide
from litestar.openapi.datastructures import ResponseSpec

from fireside.api.errors import ErrorEnvelope


def documented(body: type, reply: type, *, streams: bool = False) -> dict[str, Any]:
    """Arguments for a route decorator that put `body` and `reply` into the document.

    Litestar documents a request body from a parameter `data`, which would also decode it. It looks
    for one in the dependencies too, and calls only those that the handler names: so a dependency
    that no handler names documents the body and costs nothing.
    """

    def describe(data: object) -> None:
        """Never called."""

    describe.__annotations__ = {"data": body, "return": None}
    said = "The answer; with stream: true, server-sent events" if streams else "The answer"
    return {
        "dependencies": {"documented_body": Provide(describe, sync_to_thread=False)},
        "responses": {
            200: ResponseSpec(reply, generate_examples=False, description=said),
            503: ResponseSpec(
                ErrorEnvelope,
                generate_examples=False,
                description="No room or no engine now; Retry-After says when to come back",
            ),
        },
    }

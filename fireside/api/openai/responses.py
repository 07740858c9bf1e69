"""Ready-made answers, without the framework's response machinery in the hot path."""

from __future__ import annotations

import msgspec
from litestar.types import Receive, Scope, Send

_encode = msgspec.json.Encoder().encode


class JsonReply:
    """A whole JSON response with status 200."""

    def __init__(self, value: msgspec.Struct) -> None:
        self._value = value

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        body = _encode(self._value)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})


async def to_nobody(scope: Scope, receive: Receive, send: Send) -> None:
    """The answer to a client that is gone: none."""

"""Reading a request body: bounded, and decoded into one struct."""

from __future__ import annotations

from typing import TypeVar, cast

import anyio.to_thread
import msgspec
from litestar.types import HTTPReceiveMessage, HTTPScope, Receive

from fireside.api.settings import ApiSettings
from fireside.errors import TooLarge, UserError

T = TypeVar("T")

LARGE_BYTES = 1_000_000
"""Bodies above this are decoded in a thread."""


class ClientGone(Exception):
    """The client hung up; there is nobody to answer."""


async def read_json(
    scope: HTTPScope, receive: Receive, decoder: msgspec.json.Decoder[T], settings: ApiSettings
) -> T:
    """The body as the decoder's type.

    Raises TooLarge, UserError for another content type, msgspec's errors for what does not decode,
    and ClientGone when the client hangs up while sending.

    The decoder holds the interpreter for as long as it runs, in whatever thread: long strings cost
    it nothing, 8 million empty lists cost it 9 seconds. Hence the bound on commas, of which every
    value but the first of its container has one.
    """
    _check_headers(scope, settings.max_body_bytes)
    body = await _read(receive, settings.max_body_bytes)
    if len(body) > settings.max_body_commas and body.count(b",") > settings.max_body_commas:
        raise _too_many(settings.max_body_commas)
    if len(body) > LARGE_BYTES:
        return await anyio.to_thread.run_sync(decoder.decode, body)
    return decoder.decode(body)


async def _read(receive: Receive, max_bytes: int) -> bytes:
    pieces: list[bytes] = []
    num_bytes = 0
    while True:
        message = cast(HTTPReceiveMessage, await receive())
        if message["type"] == "http.disconnect":
            raise ClientGone
        piece = message["body"]
        num_bytes += len(piece)
        if num_bytes > max_bytes:
            raise _too_large(max_bytes)
        pieces.append(piece)
        if not message["more_body"]:
            return b"".join(pieces) if len(pieces) > 1 else piece


def _check_headers(scope: HTTPScope, max_bytes: int) -> None:
    for name, value in scope["headers"]:
        if name == b"content-length":
            if int(value) > max_bytes:
                raise _too_large(max_bytes)
        elif name == b"content-type" and b"json" not in value.lower():
            raise UserError(
                "unsupported_media_type",
                "The body of this request must be JSON.",
                hint="Send a JSON object with Content-Type: application/json.",
            )


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(
        "request_too_large",
        f"The body of your request is larger than {max_bytes} bytes.",
        hint="Shorten it; the operator sets the limit with FIRESIDE__API__MAX_BODY_BYTES.",
    )


def _too_many(max_commas: int) -> TooLarge:
    return TooLarge(
        "request_too_complex",
        f"The body of your request holds more than {max_commas} commas.",
        hint="Shorten it; the operator sets the limit with FIRESIDE__API__MAX_BODY_COMMAS.",
    )

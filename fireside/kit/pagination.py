"""Keyset pages: a page of items and an opaque cursor to the next one."""

from __future__ import annotations

import base64
import binascii
from typing import Generic, TypeVar

import msgspec

from fireside.errors import UserError

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True):
    """`next_cursor` is None on the last page."""

    items: list[T]
    next_cursor: str | None = None


def encode_cursor(*keys: str) -> str:
    """An opaque cursor from the sort keys of a page's last item."""
    return base64.urlsafe_b64encode(msgspec.json.encode(keys)).decode().rstrip("=")


def decode_cursor(cursor: str, num_keys: int) -> list[str]:
    """The sort keys in `cursor`. Raises UserError when it was not made by `encode_cursor`."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        keys = msgspec.json.decode(base64.urlsafe_b64decode(padded), type=list[str])
    except (binascii.Error, msgspec.DecodeError, UnicodeError, ValueError) as error:
        raise bad_cursor() from error
    if len(keys) != num_keys:
        raise bad_cursor()
    return keys


def bad_cursor() -> UserError:
    """What is said of a cursor that this server did not make."""
    return UserError(
        "bad_cursor", "This cursor is not valid.", hint="Start again from the first page."
    )

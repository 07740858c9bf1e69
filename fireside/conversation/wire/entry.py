"""One conversation of an export at a time, so that a broken one does not lose the others."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import msgspec

from fireside.conversation.message import _Value
from fireside.conversation.tree import Conversation
from fireside.conversation.wire.errors import BrokenExport
from fireside.errors import FiresideError

T = TypeVar("T")
_ESCAPE = re.compile(
    rb"\\\\"  # an escaped backslash, so that what follows it is no escape
    rb"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # both halves of a character
    rb"|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\\u0000"
)


class ImportProblem(_Value, frozen=True):
    """A conversation that could not be taken over; `reason` is one sentence for its owner."""

    title: str
    reason: str


class _Titled(msgspec.Struct):
    title: str | None = None


def read_entries(
    entries: Iterable[msgspec.Raw], read: Callable[[bytes], Conversation]
) -> Iterator[Conversation | ImportProblem]:
    """Each entry as `read` makes it, or the problem it has."""
    for number, entry in enumerate(entries, start=1):
        data = bytes(entry)
        if b"\\u0000" in data:
            data = storable(data)
        try:
            yield read(data)
        except msgspec.DecodeError as error:
            # Names the field and what was expected of it; shown to the file's owner only.
            yield ImportProblem(_title(data, number), f"It is not as expected: {error}.")
        except UnicodeDecodeError:
            yield ImportProblem(_title(data, number), "Its text is not valid UTF-8.")
        except RecursionError:
            yield ImportProblem(_title(data, number), "It is nested too deeply.")
        except FiresideError as error:
            yield ImportProblem(_title(data, number), error.message)


def decode(data: bytes, type: type[T]) -> T:
    """`data` as `type`, with BrokenExport for JSON that is none."""
    try:
        return msgspec.json.decode(data, type=type)
    except msgspec.ValidationError as error:
        raise BrokenExport(f"The file is not laid out as expected: {error}.") from error
    except RecursionError as error:
        raise BrokenExport("The file is nested too deeply.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if "truncated" in str(error):
            raise BrokenExport("The file ends in the middle; it is not complete.") from error
        raise BrokenExport(f"The file is not valid JSON: {error}.") from error


def _title(data: bytes, number: int) -> str:
    try:
        return msgspec.json.decode(data, type=_Titled).title or f"Conversation {number}"
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return f"Conversation {number}"


def storable(data: bytes) -> bytes:
    """The same JSON with a mark where no database stores what is there: NUL characters, and halves
    of characters, which browsers write when they cut a text in the middle of an emoji."""
    return _ESCAPE.sub(lambda match: match[0] if len(match[0]) in {2, 12} else rb"\ufffd", data)

"""Plant a foreign tree of messages under new ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from fireside.conversation.message import Message, MessageId, Part, ToolResult
from fireside.conversation.wire.errors import BrokenExport
from fireside.kit.ids import NewId


class Cutting(msgspec.Struct, frozen=True):
    """One node of a foreign tree under its foreign id.

    `message` is None where nothing was said; what hangs below is then joined to the node above.
    `children` gives the order among siblings; a node's place is what its own `parent_id` says.
    """

    id: str
    parent_id: str | None
    message: Message | None
    children: Sequence[str] = ()


class Grafted(msgspec.Struct, frozen=True):
    """Messages by new id, oldest first, and the foreign id -> new id of every node.

    A node without a message stands for the nearest message above it; None if there is none.
    """

    messages: dict[MessageId, Message]
    new_ids: dict[str, MessageId | None]


def graft(cuttings: Mapping[str, Cutting], new_id: NewId) -> Grafted:
    """Give every message a new id, so that ids sort parents before children, siblings in their
    order, and otherwise by time.

    A `call_id` that names another message is renamed with it; a parent that is missing makes a
    root. Raises BrokenExport when parents form a cycle. Takes O(n log n), without recursion.
    """
    line = _oldest_first(cuttings)
    new_ids: dict[str, MessageId | None] = {}
    messages: dict[MessageId, Message] = {}
    for cutting in line:
        parent = new_ids.get(cutting.parent_id) if cutting.parent_id is not None else None
        if cutting.message is None:
            new_ids[cutting.id] = parent
            continue
        own = MessageId(new_id())
        new_ids[cutting.id] = own
        messages[own] = msgspec.structs.replace(
            cutting.message,
            id=own,
            parent_id=parent,
            parts=tuple(_renamed(part, new_ids) for part in cutting.message.parts),
        )
    return Grafted(messages, new_ids)


def _renamed(part: Part, new_ids: Mapping[str, MessageId | None]) -> Part:
    if isinstance(part, ToolResult) and (call_id := new_ids.get(part.call_id)) is not None:
        return msgspec.structs.replace(part, call_id=call_id)
    return part


def _oldest_first(cuttings: Mapping[str, Cutting]) -> list[Cutting]:
    below: dict[str | None, list[Cutting]] = {}
    for cutting in cuttings.values():
        parent = cutting.parent_id if cutting.parent_id in cuttings else None
        below.setdefault(parent, []).append(cutting)
    keyed: list[tuple[float, int, Cutting]] = []
    stack: list[tuple[str | None, float]] = [(None, 0.0)]
    while stack:
        parent, latest = stack.pop()
        for cutting in _in_order(below.get(parent, ()), cuttings.get(parent or "")):
            at = cutting.message.created_at if cutting.message is not None else None
            if at is not None:
                latest = max(latest, at.timestamp())
            keyed.append((latest, len(keyed), cutting))
            stack.append((cutting.id, latest))
    if len(keyed) != len(cuttings):
        raise BrokenExport("This conversation's messages answer each other in a circle.")
    keyed.sort(key=lambda each: each[:2])
    return [cutting for _, _, cutting in keyed]


def _in_order(siblings: Iterable[Cutting], parent: Cutting | None) -> list[Cutting]:
    rank = {id: index for index, id in enumerate(parent.children if parent is not None else ())}
    return sorted(siblings, key=lambda each: rank.get(each.id, len(rank)))


def when(seconds: float | None) -> datetime | None:
    """A Unix time in seconds, or in milli- or nanoseconds where it is too large for seconds;
    None when it is no time at all."""
    if seconds is None or not 0 < seconds < 1e20:
        return None
    while seconds > 1e11:  # seconds of the year 5138, milliseconds of 1973
        seconds /= 1000
    return datetime.fromtimestamp(seconds, UTC)

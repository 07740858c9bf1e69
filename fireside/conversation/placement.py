"""Where the events of a further generation land in a message that was begun. Pure."""

from __future__ import annotations

from typing import assert_never

import msgspec

from fireside.conversation.event import (
    Failure,
    Finish,
    MessageStart,
    PartEnd,
    PartStart,
    Snapshot,
    StreamEvent,
    TextDelta,
    TitleChanged,
    ToolCallDelta,
    UsageReport,
)
from fireside.conversation.message import Part, Reasoning, Text, Usage
from fireside.errors import Bug


class Placement:
    """Moves the events of a continued generation behind the parts that are already there.

    A generation numbers its parts from 0. When it goes on with the kind of part the message ends
    with, its first part is that same part and only its text is added.
    """

    def __init__(self, parts: tuple[Part, ...]) -> None:
        self._last = parts[-1] if parts else None
        self._offset = len(parts)
        self._joined = False

    def place(self, event: StreamEvent) -> StreamEvent | None:
        """The event as the message's reader must see it; None when it adds nothing."""
        match event:
            case PartStart(index=0, part=part) if self._joins(part):
                self._joined = True
                self._offset -= 1
                text = part.text if isinstance(part, Text | Reasoning) else ""
                return TextDelta(self._offset, text) if text else None
            case PartStart() | TextDelta() | ToolCallDelta() | PartEnd():
                if not self._offset:
                    return event
                return msgspec.structs.replace(event, index=event.index + self._offset)
            case UsageReport() | Finish() | Failure():
                return event
            case MessageStart() | Snapshot() | TitleChanged():
                raise Bug("unexpected_event", "An engine sent an event that is not its to send.")
            case _:
                assert_never(event)

    def _joins(self, part: Part) -> bool:
        return self._last is not None and type(part) is type(self._last) and not self._joined


def total_usage(before: Usage | None, now: Usage) -> Usage:
    """The usage of a reply that took several generations: tokens add up, the first TTFT stays."""
    if before is None:
        return now
    return Usage(
        prompt_tokens=before.prompt_tokens + now.prompt_tokens,
        cached_tokens=before.cached_tokens + now.cached_tokens,
        completion_tokens=before.completion_tokens + now.completion_tokens,
        ttft_ms=before.ttft_ms if before.ttft_ms is not None else now.ttft_ms,
        inter_token_ms=now.inter_token_ms,
    )

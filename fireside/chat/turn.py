"""Pure decisions of a turn: where engine events land in the message, and how a turn resumes."""

from __future__ import annotations

from enum import StrEnum
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
from fireside.conversation.message import (
    FinishReason,
    Message,
    Part,
    Reasoning,
    Role,
    Status,
    Text,
    Usage,
)
from fireside.errors import Bug


class TurnState(StrEnum):
    """A turn is `running` until its reply is closed; what the reply became is on the message."""

    RUNNING = "running"
    ENDED = "ended"


class Resumption(StrEnum):
    """What to do with a reply that a stopped process left unfinished."""

    CONTINUE = "continue"
    RESTART = "restart"
    INTERRUPT = "interrupt"


def resumption(message: Message, attempts: int, max_attempts: int) -> Resumption:
    """Go on writing after whole text, begin again where nothing was said, give up otherwise.

    A begun tool call cannot be continued half-way, and after `max_attempts` runs the reply itself
    may be what brings the process down.
    """
    if attempts >= max_attempts:
        return Resumption.INTERRUPT
    if not message.parts:
        return Resumption.RESTART
    return Resumption.CONTINUE if can_continue(message) else Resumption.INTERRUPT


def can_continue(message: Message) -> bool:
    """Whether a model can go on where this reply stands."""
    if message.author.role is not Role.ASSISTANT or not message.parts:
        return False
    return isinstance(message.parts[-1], Text)


def was_cut_short(message: Message) -> bool:
    """Whether a person may ask for more of this reply."""
    stopped = message.status is Status.INTERRUPTED or message.finish_reason is FinishReason.LENGTH
    return (stopped or message.status is Status.FAILED) and can_continue(message)


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

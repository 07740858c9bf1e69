"""Fold stream events into messages. The page does the same in web/src/lib/conversation/fold.ts."""

from __future__ import annotations

from collections.abc import Iterable
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
    Code,
    FinishReason,
    Message,
    MessageError,
    Part,
    Reasoning,
    Status,
    Text,
    ToolCall,
)
from fireside.errors import Bug


class Fold:
    """Accumulates one message. Appending a delta costs the delta, not the message.

    Raises Bug when an event does not fit: a part index out of order, a text delta for a part that
    holds no text, or anything after the end.
    """

    def __init__(self, message: Message) -> None:
        self._message = message
        self._parts: list[Part] = list(message.parts)
        self._pieces: list[str] = []  # pending text of the last part
        self.ended = False

    def apply(self, event: StreamEvent) -> None:
        """Take one event of this message."""
        if self.ended and not isinstance(event, TitleChanged):
            raise Bug("event_after_end", "A stream went on after its message had ended.")
        match event:
            case TextDelta(index=index, text=text):
                self._check_last(index, (Text, Reasoning, Code))
                self._pieces.append(text)
            case ToolCallDelta(index=index, arguments=arguments):
                self._check_last(index, (ToolCall,))
                self._pieces.append(arguments)
            case PartStart(index=index, part=part):
                self._flush()
                if index != len(self._parts):
                    raise Bug("part_out_of_order", "A stream started its parts out of order.")
                self._parts.append(part)
            case PartEnd(index=index):
                self._check_last(index, (object,))
                self._flush()
            case UsageReport(usage=usage):
                self._message = msgspec.structs.replace(self._message, usage=usage)
            case Finish(reason=reason):
                status = Status.INTERRUPTED if reason is FinishReason.ABORT else Status.COMPLETE
                self._end(status=status, finish_reason=reason)
            case Failure(code=code, message=text, hint=hint):
                self._end(status=Status.FAILED, error=MessageError(code, text, hint))
            case MessageStart(message=message) | Snapshot(message=message):
                self.__init__(message)  # type: ignore[misc]
                self.ended = message.status not in {Status.STREAMING, Status.QUEUED}
            case TitleChanged():
                pass
            case _:
                assert_never(event)

    def message(self) -> Message:
        """The message as it stands."""
        self._flush()
        return msgspec.structs.replace(self._message, parts=tuple(self._parts))

    @property
    def num_parts(self) -> int:
        """How many parts have begun."""
        return len(self._parts)

    def _check_last(self, index: int, kinds: tuple[type, ...]) -> None:
        last = self._parts[-1:]
        if index != len(self._parts) - 1 or not last or not isinstance(last[0], kinds):
            raise Bug("delta_misplaced", "A stream's event does not fit the part it names.")

    def _flush(self) -> None:
        if not self._pieces:
            return
        more = "".join(self._pieces)
        self._pieces.clear()
        last = self._parts[-1]
        match last:
            case Text() | Reasoning():
                self._parts[-1] = msgspec.structs.replace(last, text=last.text + more)
            case Code():
                self._parts[-1] = msgspec.structs.replace(last, source=last.source + more)
            case ToolCall():
                self._parts[-1] = msgspec.structs.replace(last, arguments=last.arguments + more)

    def _end(self, **changes: object) -> None:
        self._flush()
        self._message = msgspec.structs.replace(self._message, **changes)
        self.ended = True


def fold(message: Message, events: Iterable[StreamEvent]) -> Message:
    """The message that `events` make of `message`, starting from what it already holds."""
    state = Fold(message)
    for event in events:
        state.apply(event)
    return state.message()

"""What a model run emits, one event at a time; folding them gives back the message.

    turn     ::= message+
    message  ::= message_start (part_start (text_delta | tool_call_delta)* part_end?)* usage? end
    end      ::= finish | failure

Engines emit everything but `message_start`. The same events go into the journal, over the wire to
the page and into `fireside.conversation.fold`; their JSON is shared with the page by the golden
files in tests/golden/streams.
"""

from __future__ import annotations

import msgspec

from fireside.conversation.message import FinishReason, Message, Part, Usage


class TokenLogprob(msgspec.Struct, frozen=True):
    """One token's natural-log probability and its alternatives (without nesting)."""

    token: str
    logprob: float
    bytes: list[int] | None = None
    top_logprobs: tuple[TokenLogprob, ...] = ()


class MessageStart(msgspec.Struct, frozen=True, tag="message_start"):
    """A message begins; `message` is its skeleton, with parts only when a reply is continued."""

    message: Message


class PartStart(msgspec.Struct, frozen=True, tag="part_start"):
    """Part number `index` (0-based, in order) begins with what `part` already holds."""

    index: int
    part: Part


class TextDelta(msgspec.Struct, frozen=True, tag="text_delta", omit_defaults=True):
    """More text for a text, reasoning or code part. `logprobs` is not kept by folding."""

    index: int
    text: str
    logprobs: tuple[TokenLogprob, ...] = ()


class ToolCallDelta(msgspec.Struct, frozen=True, tag="tool_call_delta"):
    """More of the JSON text of a tool call's arguments."""

    index: int
    arguments: str


class PartEnd(msgspec.Struct, frozen=True, tag="part_end"):
    """Part number `index` is complete."""

    index: int


class UsageReport(msgspec.Struct, frozen=True, tag="usage"):
    """What the generation used so far; the last one counts."""

    usage: Usage


class Finish(msgspec.Struct, frozen=True, tag="finish"):
    """The message ended in order. `abort` leaves it interrupted, all else complete."""

    reason: FinishReason


class Failure(msgspec.Struct, frozen=True, tag="failure", omit_defaults=True):
    """The message ended because something broke; what was said so far stays."""

    code: str
    message: str
    hint: str = ""


class Snapshot(msgspec.Struct, frozen=True, tag="snapshot"):
    """The whole state of a message, for a reader whose offset is no longer kept."""

    message: Message


class TitleChanged(msgspec.Struct, frozen=True, tag="title"):
    """The conversation got a title; not part of any message."""

    conversation_id: str
    title: str


StreamEvent = (
    MessageStart
    | PartStart
    | TextDelta
    | ToolCallDelta
    | PartEnd
    | UsageReport
    | Finish
    | Failure
    | Snapshot
    | TitleChanged
)

encode_event = msgspec.json.Encoder().encode
decode_event = msgspec.json.Decoder(StreamEvent).decode

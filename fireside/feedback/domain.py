"""What people say about replies. Events are only ever added; the newest of a message counts. Pure.

An event carries who wrote the reply (release and adapter) and whether its person had agreed, at
that moment, that it may improve the model. Withdrawing consent later is the reader's affair: an
event says what was true when it was made.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from fireside.conversation.message import ConversationId, Message, MessageId, Role, UserId
from fireside.errors import UserError

MAX_COMMENT_CHARS = 4000


class Thumb(StrEnum):
    """A verdict on one reply; `none` takes an earlier one back."""

    UP = "up"
    DOWN = "down"
    NONE = "none"


class Reason(StrEnum):
    """Why. Praise goes with a thumb up, the rest with a thumb down, `other` with both."""

    CORRECT = "correct"
    HELPFUL = "helpful"
    CLEAR = "clear"
    WELL_WRITTEN = "well_written"
    INCORRECT = "incorrect"
    NOT_HELPFUL = "not_helpful"
    NOT_FOLLOWED = "not_followed"
    INCOMPLETE = "incomplete"
    TOO_LONG = "too_long"
    TOO_SHORT = "too_short"
    UNCLEAR = "unclear"
    STYLE = "style"
    BAD_CODE = "bad_code"
    REPETITIVE = "repetitive"
    UNSAFE = "unsafe"
    REFUSED = "refused"
    OTHER = "other"


PRAISE = frozenset({Reason.CORRECT, Reason.HELPFUL, Reason.CLEAR, Reason.WELL_WRITTEN})


class Writer(msgspec.Struct, frozen=True):
    """What wrote a reply: the release its model name pointed to, and a LoRA adapter if any."""

    model: str | None
    release: str | None
    adapter: str | None


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    id: str
    user_id: UserId
    conversation_id: ConversationId
    consented: bool
    at: datetime

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id})"


class ThumbEvent(_Event, frozen=True, kw_only=True, tag="thumb"):
    """A verdict on one reply."""

    message_id: MessageId
    thumb: Thumb
    writer: Writer
    reasons: tuple[Reason, ...] = ()
    comment: str = ""


class ChoiceEvent(_Event, frozen=True, kw_only=True, tag="choice"):
    """Of two replies to the same question, which one is better."""

    chosen_id: MessageId
    rejected_id: MessageId
    chosen_writer: Writer
    rejected_writer: Writer


FeedbackEvent = ThumbEvent | ChoiceEvent


def writer_of(reply: Message) -> Writer:
    """What wrote a message. Raises UserError unless the assistant did."""
    if reply.author.role is not Role.ASSISTANT or reply.deleted:
        raise UserError(
            "not_a_reply",
            "Only replies of the assistant can be rated.",
            hint="Point at an assistant's message.",
            param="message_id",
        )
    return Writer(reply.model, reply.release, reply.adapter)


def check_reasons(thumb: Thumb, reasons: tuple[Reason, ...]) -> None:
    """Raise UserError unless the reasons are fitting and named once."""
    if len(set(reasons)) != len(reasons):
        raise UserError("repeated_reason", "A reason is named twice.", param="reasons")
    misfits: list[Reason]
    match thumb:
        case Thumb.UP:
            misfits = [r for r in reasons if r not in PRAISE and r is not Reason.OTHER]
        case Thumb.DOWN:
            misfits = [r for r in reasons if r in PRAISE]
        case Thumb.NONE:
            misfits = list(reasons)
    if misfits:
        raise UserError(
            "reason_does_not_fit",
            f"The reason {misfits[0].value} does not go with thumb {thumb.value}.",
            param="reasons",
        )


def check_alternatives(chosen: Message, rejected: Message) -> None:
    """Raise UserError unless the two are different replies at the same place."""
    if chosen.id == rejected.id or chosen.parent_id != rejected.parent_id:
        raise UserError(
            "not_alternatives",
            "A choice is between two different replies to the same message.",
            hint="Point at two versions of one reply.",
            param="rejected_id",
        )

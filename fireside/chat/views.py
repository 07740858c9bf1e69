"""What the turn's endpoints take and give; see also fireside.history for conversations."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from fireside.conversation.message import Message

Uuid = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
MAX_EVENT_NUMBER = 2**53 - 1

ModelName = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Send(msgspec.Struct, tag="send", tag_field="kind", forbid_unknown_fields=True, frozen=True):
    """A person's message. An edit is a send with the edited message's parent as `parent_id`."""

    request_id: Uuid
    text: str
    conversation_id: Uuid | None = None
    parent_id: Uuid | None = None
    model: ModelName | None = None
    folder_id: Uuid | None = None


class Regenerate(
    msgspec.Struct, tag="regenerate", tag_field="kind", forbid_unknown_fields=True, frozen=True
):
    """Another version of the reply `message_id`, perhaps by another model."""

    request_id: Uuid
    conversation_id: Uuid
    message_id: Uuid
    model: ModelName | None = None


class Continue(
    msgspec.Struct, tag="continue", tag_field="kind", forbid_unknown_fields=True, frozen=True
):
    """Go on writing a reply that was cut short."""

    request_id: Uuid
    conversation_id: Uuid
    message_id: Uuid


class Temporary(
    msgspec.Struct, tag="temporary", tag_field="kind", forbid_unknown_fields=True, frozen=True
):
    """A reply to messages that only the page keeps; nothing of it is stored."""

    request_id: Uuid
    messages: Annotated[tuple[Message, ...], msgspec.Meta(min_length=1, max_length=2000)]
    model: ModelName | None = None


TurnIn = Send | Regenerate | Continue | Temporary


class WaitChoiceIn(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What to do about a reply that waits. `model` is needed for `smaller_model`."""

    choice: Literal["later", "smaller_model"]
    model: ModelName | None = None


class RunningTurn(msgspec.Struct, frozen=True):
    """A reply that is being written; follow it from event number `offset` on."""

    turn_id: str
    conversation_id: str | None
    message_id: str
    offset: int

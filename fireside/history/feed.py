"""What a person's open tabs are told when their conversations change."""

from __future__ import annotations

import msgspec

from fireside.conversation.message import ConversationId, UserId
from fireside.history.domain import ConversationView
from fireside.kit.pubsub import Broker


class ConversationChanged(msgspec.Struct, tag="conversation", frozen=True):
    """It is new, or something about it is."""

    conversation: ConversationView


class ConversationDeleted(msgspec.Struct, tag="conversation_deleted", frozen=True):
    """It is out of sight."""

    id: ConversationId


class Resync(msgspec.Struct, tag="resync", frozen=True):
    """So much changed that it is best read again."""


FeedEvent = ConversationChanged | ConversationDeleted | Resync

_encode = msgspec.json.Encoder().encode


def publish(broker: Broker, owner_id: UserId, event: FeedEvent) -> None:
    """Tell the owner's tabs. Call it after the transaction has committed."""
    broker.publish(f"user:{owner_id}", _encode(event))

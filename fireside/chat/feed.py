"""The feed: what changes for a person, told to all their open tabs."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import msgspec

from fireside.chat.views import RunningTurn
from fireside.conversation.message import ConversationId, UserId
from fireside.engine.service import EVERYONE
from fireside.kit import sse
from fireside.kit.pubsub import Broker

KEEP_ALIVE_S = 20.0
HEARD_WITHIN_S = 1.0


class TurnBegan(msgspec.Struct, tag="turn", frozen=True):
    """A reply is being written."""

    turn: RunningTurn


class TurnEnded(msgspec.Struct, tag="turn_ended", frozen=True):
    """A reply is complete, stopped or failed."""

    turn_id: str
    conversation_id: str


class TitleChanged(msgspec.Struct, tag="title", frozen=True):
    """The model named a conversation."""

    conversation_id: str
    title: str


_encode = msgspec.json.Encoder().encode
_RESYNC = sse.encode(b'{"type":"resync"}')
_END = b""


class Feed:
    """Publishes to, and reads from, the topic of one person."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def turn_began(self, owner_id: UserId, turn: RunningTurn) -> None:
        """Other tabs may follow it."""
        self._broker.publish(topic(owner_id), _encode(TurnBegan(turn)))

    def turn_ended(self, owner_id: UserId, turn_id: str, conversation_id: ConversationId) -> None:
        """Readers that do not follow it may fetch it."""
        self._broker.publish(topic(owner_id), _encode(TurnEnded(turn_id, conversation_id)))

    def title_changed(self, owner_id: UserId, conversation_id: ConversationId, title: str) -> None:
        """Sidebars show the new title."""
        self._broker.publish(topic(owner_id), _encode(TitleChanged(conversation_id, title)))

    async def follow(self, owner_id: UserId) -> AsyncIterator[bytes]:
        """Server-sent events until the reader leaves. Begins with `resync`: what came before is
        not repeated, so read the present state once the feed is open. Ends when this process
        leaves; the reader comes back to another.
        """
        with self._broker.subscribe(topic(owner_id), EVERYONE) as subscription:
            await subscription.heard(HEARD_WITHIN_S)
            yield _RESYNC
            messages = aiter(subscription)
            while True:
                payload: bytes | None = None
                with anyio.move_on_after(KEEP_ALIVE_S) as waiting:
                    payload = await anext(messages, _END)
                if waiting.cancelled_caught:
                    messages = aiter(subscription)
                    yield sse.COMMENT
                elif payload is _END:
                    return
                else:
                    yield _RESYNC if payload is None else sse.encode(payload)


def topic(owner_id: UserId) -> str:
    """The broker's topic for one person."""
    return f"user:{owner_id}"

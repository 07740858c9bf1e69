"""Tell whoever listens in any process: the broker over Valkey's publish and subscribe.

Failure policy: readers and publishers never see an error. While Valkey is away messages reach the
listeners of this process only; once it is back every listener, in every process, is told that
messages were lost.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import anyio
import structlog
from redis.asyncio.client import PubSub

from fireside.kit.pubsub import Broker, Subscription
from fireside.kit.valkey import Valkey, ValkeyGone

MAX_OUTGOING = 10_000
BATCH = 500
RETRY_S = 0.2
QUIET_S = 5.0
"""A connection that is silent for so long is asked whether it is alive; then for so long again."""

NAME_BYTES = 8
EVERYWHERE = "lost"
"""Every process listens here: a message means that somebody's messages were lost."""

logger = structlog.get_logger(__name__)


class ValkeyBroker(Broker):
    """A `Broker` whose topics reach every process that uses the same Valkey."""

    is_shared = True

    def __init__(self, valkey: Valkey) -> None:
        super().__init__()
        self._valkey = valkey
        self._name = os.urandom(NAME_BYTES)  # so that a process knows its own messages
        self._outgoing: deque[tuple[str, bytes]] = deque()
        self._has_lost = False
        self._to_send = anyio.Event()
        self._asked: set[str] = set()
        self._confirmed: set[str] = set()
        self._topics_changed = anyio.Event()
        self.is_connected = False

    def publish(self, topic: str, payload: bytes) -> None:
        """Hand `payload` to every subscriber of `topic`, here at once, elsewhere soon."""
        super().publish(topic, payload)
        if len(self._outgoing) >= MAX_OUTGOING:
            self._lose_outgoing()
        self._outgoing.append((topic, payload))
        self._to_send.set()

    async def run(self) -> None:
        """Carry messages until cancelled; what was published by then is still sent."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._send_forever)
                tasks.start_soon(self._listen_forever)
        finally:
            with anyio.CancelScope(shield=True), anyio.move_on_after(1):
                await self._send_or_lose()

    def _subscription(self, topics: tuple[str, ...]) -> Subscription:
        self._topics_changed.set()
        return Subscription(len(set(topics) - self._confirmed))

    def _topics_left(self) -> None:
        self._topics_changed.set()

    # sending

    async def _send_forever(self) -> None:
        while True:
            await self._to_send.wait()
            self._to_send = anyio.Event()
            if not await self._send_or_lose():
                self._to_send.set()  # the loss itself is to be told
                await anyio.sleep(RETRY_S)

    async def _send_or_lose(self) -> bool:
        try:
            while self._has_lost or self._outgoing:
                await self._send()
        except ValkeyGone:
            if not self._has_lost:
                logger.warning("messages_lost", reason="valkey_unavailable")
            self._lose_outgoing()
            return False
        return True

    async def _send(self) -> None:
        batch = [self._outgoing.popleft() for _ in range(min(BATCH, len(self._outgoing)))]
        if self._has_lost:
            batch.insert(0, (EVERYWHERE, b""))
        with self._valkey.reached() as client:
            async with client.pipeline(transaction=False) as pipeline:
                for topic, payload in batch:
                    pipeline.publish(self._channel(topic), self._name + payload)
                await pipeline.execute()
        self._has_lost = False

    def _lose_outgoing(self) -> None:
        self._outgoing.clear()
        self._has_lost = True

    # listening

    async def _listen_forever(self) -> None:
        while True:
            with suppress(ValkeyGone):
                await self._listen()
            if self.is_connected:
                logger.warning("valkey_lost")
            self.is_connected = False
            self._asked.clear()
            self._confirmed.clear()
            await anyio.sleep(RETRY_S)

    async def _listen(self) -> None:
        with self._valkey.reached() as client:
            pubsub = client.pubsub()
            try:
                await pubsub.subscribe(self._channel(EVERYWHERE))
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._follow_topics, pubsub, tasks.cancel_scope)
                    await self._receive(pubsub, tasks.cancel_scope)
            finally:
                with anyio.CancelScope(shield=True), anyio.move_on_after(1):
                    await pubsub.aclose()  # type: ignore[no-untyped-call]

    async def _follow_topics(self, pubsub: PubSub, both: anyio.CancelScope) -> None:
        """Keep the channels that are listened to those that somebody here listens to."""
        try:
            while True:
                self._topics_changed = anyio.Event()
                wanted = set(self._topics)
                with self._valkey.reached():
                    await self._ask_for(pubsub, wanted)
                await self._topics_changed.wait()
        except ValkeyGone:
            both.cancel()

    async def _ask_for(self, pubsub: PubSub, wanted: set[str]) -> None:
        if gone := self._asked - wanted:
            self._confirmed -= gone
            self._asked -= gone
            await pubsub.unsubscribe(*map(self._channel, gone))
        if new := wanted - self._asked:
            self._asked |= new
            await pubsub.subscribe(*map(self._channel, new))

    async def _receive(self, pubsub: PubSub, both: anyio.CancelScope) -> None:
        try:
            while True:
                self._take(await self._next(pubsub))
        except ValkeyGone:
            both.cancel()

    async def _next(self, pubsub: PubSub) -> Mapping[str, Any]:
        with self._valkey.reached():
            message: Mapping[str, Any] | None = await pubsub.get_message(timeout=QUIET_S)
            if message is None:
                await pubsub.ping()
                message = await pubsub.get_message(timeout=QUIET_S)
        if message is None:
            raise ValkeyGone
        return message

    def _take(self, message: Mapping[str, Any]) -> None:
        topic = (message["channel"] or b"").decode()[len(self._channel("")) :]
        if message["type"] == "subscribe":
            self._heard_from_now_on(topic)
        elif message["type"] == "message" and message["data"][:NAME_BYTES] != self._name:
            self._received(topic, message["data"][NAME_BYTES:])

    def _heard_from_now_on(self, topic: str) -> None:
        if topic == EVERYWHERE:
            self.is_connected = True
            return
        if topic in self._asked:
            self._confirmed.add(topic)
        for subscription in self._topics.get(topic, ()):
            subscription.confirm()

    def _received(self, topic: str, payload: bytes) -> None:
        if topic != EVERYWHERE:
            super().publish(topic, payload)
            return
        for subscription in {each for some in self._topics.values() for each in some}:
            subscription.lose()

    def _channel(self, topic: str) -> str:
        return self._valkey.name("topic", topic)

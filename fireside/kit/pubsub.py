"""Tell whoever listens: topics with bounded queues.

`Broker` reaches the listeners of this process; `kit/valkey_broker.py` those of every process.

A slow subscriber never holds a publisher up: when its queue is full it is marked as lagging, its
queue is emptied and it is told so, and it re-reads the state it follows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import anyio

MAX_QUEUED = 256


class Subscription:
    """One listener's queue. Iterate it; None means that messages were lost.

    The iteration ends when the broker is closed.
    """

    def __init__(self, num_unconfirmed: int = 0) -> None:
        self._queue: deque[bytes] = deque()
        self._lagging = False
        self._ended = False
        self._wake = anyio.Event()
        self._num_unconfirmed = num_unconfirmed
        self.stays = False
        self._is_awaited = False

    @property
    def is_over(self) -> bool:
        """Whether the broker was closed."""
        return self._ended

    def put(self, payload: bytes) -> None:
        """Take a message, or forget all of them when too many wait."""
        if len(self._queue) >= MAX_QUEUED:
            self.lose()
        else:
            self._queue.append(payload)
            self._wake.set()

    def lose(self) -> None:
        """Messages were lost: forget those that wait, and say so."""
        self._queue.clear()
        self._lagging = True
        self._wake.set()

    def end(self) -> None:
        """No more messages come."""
        self._ended = True
        self._wake.set()

    def confirm(self) -> None:
        """One more of the topics is heard from everywhere, from now on."""
        if not self._num_unconfirmed:
            self.lose()  # it was heard before, so the connection was lost in between
            return
        self._num_unconfirmed -= 1
        if not self._is_awaited:
            self.lose()
        self._wake.set()

    async def heard(self, limit_s: float) -> bool:
        """Wait until every message from now on comes; False when that takes too long.

        Call it before reading the state that the messages change. Where it says False, as for who
        does not call it, a None follows once every message comes.
        """
        self._is_awaited = True
        with anyio.move_on_after(limit_s):
            while self._num_unconfirmed and not self._ended:
                self._wake = anyio.Event()
                await self._wake.wait()
        self._is_awaited = False
        if self._num_unconfirmed:
            return False
        self._lagging = False
        return True

    async def __aiter__(self) -> AsyncIterator[bytes | None]:
        while True:
            if self._lagging:
                self._lagging = False
                yield None
            while self._queue:
                yield self._queue.popleft()
            if self._ended:
                return
            self._wake = anyio.Event()
            if not self._queue and not self._lagging:
                await self._wake.wait()


class Broker:
    """Publish and subscribe within one process."""

    is_shared = False
    is_connected = True

    def __init__(self) -> None:
        self._topics: dict[str, set[Subscription]] = {}
        self._closed = False

    async def run(self) -> None:
        """Carry messages to and from other processes until cancelled; here there are none."""
        await anyio.sleep_forever()

    def publish(self, topic: str, payload: bytes) -> None:
        """Hand `payload` to every present subscriber of `topic`."""
        for subscription in self._topics.get(topic, ()):
            subscription.put(payload)

    @contextmanager
    def subscribe(self, *topics: str, stays: bool = False) -> Iterator[Subscription]:
        """Listen to all of `topics` until the block ends. `stays`: also when the broker closes."""
        subscription = self._subscription(topics)
        subscription.stays = stays
        if self._closed and not stays:
            subscription.end()
        for topic in topics:
            self._topics.setdefault(topic, set()).add(subscription)
        try:
            yield subscription
        finally:
            for topic in topics:
                listeners = self._topics[topic]
                listeners.discard(subscription)
                if not listeners:
                    del self._topics[topic]
            self._topics_left()

    def close(self) -> None:
        """Send all readers away, those to come included; this process is leaving."""
        self._closed = True
        for listeners in self._topics.values():
            for subscription in listeners:
                if not subscription.stays:
                    subscription.end()

    def _subscription(self, topics: tuple[str, ...]) -> Subscription:
        return Subscription()

    def _topics_left(self) -> None:
        """Some topics may have no listener any more."""

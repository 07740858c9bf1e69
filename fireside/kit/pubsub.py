"""Tell whoever listens in this process: topics with bounded queues.

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
    """One listener's queue. Iterate it; None means that messages were lost."""

    def __init__(self) -> None:
        self._queue: deque[bytes] = deque()
        self._lagging = False
        self._wake = anyio.Event()

    def put(self, payload: bytes) -> None:
        """Take a message, or forget all of them when too many wait."""
        if len(self._queue) >= MAX_QUEUED:
            self._queue.clear()
            self._lagging = True
        else:
            self._queue.append(payload)
        self._wake.set()

    async def __aiter__(self) -> AsyncIterator[bytes | None]:
        while True:
            if self._lagging:
                self._lagging = False
                yield None
            while self._queue:
                yield self._queue.popleft()
            self._wake = anyio.Event()
            if not self._queue and not self._lagging:
                await self._wake.wait()


class Broker:
    """Publish and subscribe within one process."""

    def __init__(self) -> None:
        self._topics: dict[str, set[Subscription]] = {}

    def publish(self, topic: str, payload: bytes) -> None:
        """Hand `payload` to every present subscriber of `topic`."""
        for subscription in self._topics.get(topic, ()):
            subscription.put(payload)

    @contextmanager
    def subscribe(self, *topics: str) -> Iterator[Subscription]:
        """Listen to all of `topics` until the block ends."""
        subscription = Subscription()
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

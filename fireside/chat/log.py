"""The events of one running reply in memory: appended once, read by any number of followers.

Events are numbered from `base` + 1. When a restarted server takes a reply up again, a few events
that were on screen may be missing from the journal, so the new run starts a new range of numbers
with a snapshot: a reader that comes with a number of an earlier range is given the snapshot first.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

import anyio

from fireside.conversation.event import StreamEvent, encode_event
from fireside.conversation.fold import Fold, fold
from fireside.conversation.message import ConversationId, Message, MessageId, UserId
from fireside.kit import sse


class _Notice(NamedTuple):
    """The last announced frame, and the number of events before it."""

    frame: bytes = b""
    number: int = 0
    at: int = -1


class TurnLog:
    """Event number `base + n` is `frames[n - 1]`, encoded once for journal and followers alike."""

    def __init__(
        self,
        turn_id: str,
        owner_id: UserId,
        conversation_id: ConversationId | None,
        message: Message,
        base: int = 0,
    ) -> None:
        self.turn_id = turn_id
        self.owner_id = owner_id
        self.conversation_id = conversation_id
        self.message_id: MessageId = message.id
        self.base = base
        self.frames: list[bytes] = []
        self.num_journaled = 0
        self.dirty_since_s: float | None = None
        self.scope = anyio.CancelScope()
        self.stop_asked = False
        self.left = False
        self.on_growth: Callable[[TurnLog], None] | None = None
        self._fold = Fold(message)
        self._wake: anyio.Event | None = None
        self._notice = _Notice()

    @property
    def offset(self) -> int:
        """The number of the last event."""
        return self.base + len(self.frames)

    @property
    def ended(self) -> bool:
        """Whether the terminal event is in."""
        return self._fold.ended

    @property
    def is_open(self) -> bool:
        """Whether this process is writing the reply."""
        return not self.ended and not self.left

    def message(self) -> Message:
        """The reply as it stands."""
        return self._fold.message()

    def message_ended_by(self, end: StreamEvent) -> Message:
        """The reply as `end` will leave it."""
        return fold(self._fold.message(), [end])

    def append(self, event: StreamEvent) -> None:
        """Add an event and wake the followers."""
        self._fold.apply(event)
        self.frames.append(encode_event(event))
        self._wake_followers()

    def announce(self, frame: bytes) -> None:
        """Hand a whole server-sent frame to the followers: neither numbered nor journaled.

        A follower that joins later is given the last one, unless an event came after it.
        """
        self._notice = _Notice(frame, self._notice.number + 1, len(self.frames))
        self._wake_followers()

    @property
    def notice(self) -> tuple[bytes, int, int]:
        """The last announced frame, how many were announced, and the number of events before it."""
        return self._notice

    def leave(self) -> None:
        """This process writes the reply no longer: followers are let go, to come back elsewhere."""
        self.left = True
        self._wake_followers()

    def _wake_followers(self) -> None:
        if self.on_growth is not None:
            self.on_growth(self)
        if self._wake is not None:
            self._wake.set()
            self._wake = None

    async def follow(self, after: int) -> AsyncIterator[bytes]:
        """Server-sent events from number `after` + 1 on, until the reply ends or leaves here.

        What is ready together comes as one piece.
        """
        at = max(0, after - self.base)
        heard = self._notice.number - (self._notice.at == len(self.frames))
        while True:
            notice, until = self._notice, len(self.frames)
            if notice.number > heard:
                heard = notice.number
                split = max(at, notice.at)
                yield self._encoded(at, split) + notice.frame + self._encoded(split, until)
            elif at < until:
                yield self._encoded(at, until)
            elif self.ended or self.left:
                return
            else:
                if self._wake is None:
                    self._wake = anyio.Event()
                await self._wake.wait()
            at = max(at, until)

    def _encoded(self, begin: int, end: int) -> bytes:
        numbered = enumerate(self.frames[begin:end], self.base + begin + 1)
        return b"".join(sse.encode(frame, number) for number, frame in numbered)

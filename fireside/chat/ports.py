"""What turns need from the world to be followed in other processes.

Failure policy: none of these raises. While the relay is away replies go on, and who reads them in
another process is given what the journal holds, a moment later.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from typing import Protocol

from fireside.chat.log import TurnLog
from fireside.chat.reading import Group
from fireside.conversation.message import UserId
from fireside.kit.pubsub import Subscription


class Relay(Protocol):
    """Hands what a running reply says to readers in other processes."""

    @property
    def is_connected(self) -> bool:
        """Whether what other processes send is heard."""
        ...

    async def run(self) -> None:
        """Send until cancelled."""
        ...

    def attach(self, log: TurnLog) -> None:
        """Send what this reply says, from its first event on, until it ends or leaves."""
        ...

    def listen(self, turn_id: str) -> AbstractContextManager[Subscription]:
        """Hear, while the block runs, what is said in a turn; see `read`."""
        ...

    def read(self, payload: bytes) -> Group:
        """What one message of `listen` says."""
        ...

    async def groups(self, turn_id: str, after: int) -> list[Group] | None:
        """What is kept of events above number `after`; None when the relay is away."""
        ...

    async def temporary_owner(self, turn_id: str) -> UserId | None:
        """Whose temporary chat this is that another process runs, or ran a moment ago."""
        ...

    def follow_temporary(self, turn_id: str, after: int) -> AsyncIterator[bytes]:
        """Server-sent events of a temporary chat of another process."""
        ...

"""What history is told by the rooms above it.

Failure policy: `RunningTurns` reads memory, or the caller's transaction, and fails as that does. An
`ExportSection` that fails ends the archive: half of a person's data must not look like all of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from typing import Protocol

from fireside.conversation.message import ConversationId, UserId
from fireside.db.database import ReadTransaction


class RunningTurns(Protocol):
    """Knows which turns write to a conversation now."""

    async def running_in(
        self,
        tx: ReadTransaction,
        owner_id: UserId,
        conversation_ids: Collection[ConversationId],
    ) -> Mapping[ConversationId, list[str]]:
        """Turn ids by conversation; those without any may be left out."""
        ...


class NoRunningTurns:
    """Nothing is ever running, as for the command line."""

    async def running_in(
        self,
        tx: ReadTransaction,
        owner_id: UserId,
        conversation_ids: Collection[ConversationId],
    ) -> Mapping[ConversationId, list[str]]:
        return {}


class ExportSection(Protocol):
    """One more file in the archive of everything a person has here."""

    @property
    def file_name(self) -> str:
        """For example `account.json`."""
        ...

    def read(self, owner_id: UserId) -> AsyncIterator[bytes]:
        """The file's content, a piece at a time."""
        ...

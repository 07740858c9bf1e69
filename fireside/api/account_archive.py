"""What the archive of everything holds beside conversations: the account, and feedback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec

from fireside.accounts.service import AccountService
from fireside.conversation.message import UserId
from fireside.db.database import Database
from fireside.feedback.service import FeedbackService


@dataclass(frozen=True)
class AccountSection:
    """The profile, sign-ins and keys (never a secret)."""

    db: Database
    accounts: AccountService
    file_name: str = "account.json"

    async def read(self, owner_id: UserId) -> AsyncIterator[bytes]:
        """One JSON object."""
        async with self.db.read() as tx:
            account = await self.accounts.export(tx, owner_id)
        yield _json(account)


@dataclass(frozen=True)
class FeedbackSection:
    """Every feedback event the person gave."""

    db: Database
    feedback: FeedbackService
    file_name: str = "feedback.json"

    async def read(self, owner_id: UserId) -> AsyncIterator[bytes]:
        """One JSON list."""
        async with self.db.read() as tx:
            events = await self.feedback.export(tx, owner_id)
        yield _json(events)


def _json(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2)

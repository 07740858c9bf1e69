"""What the accounts room asks of others: who is asking, and erasing what no foreign key reaches."""

from __future__ import annotations

from typing import Protocol

from fireside.accounts.domain import Principal
from fireside.conversation.message import UserId
from fireside.db.database import Transaction


class Identities(Protocol):
    """Turns a presented secret into the caller.

    Fails closed: raises BackendFailed when the store does not answer. None means that the secret
    is unknown, expired, revoked, or that its owner is disabled.
    """

    async def by_key(self, key: str) -> Principal | None:
        """The holder of an API key (`fs-...`)."""
        ...

    async def by_session(self, secret: str) -> Principal | None:
        """The person whose login session's cookie holds `secret`."""
        ...


class Eraser(Protocol):
    """Something a room keeps of a person that no foreign key reaches (an index, files).

    Called inside the transaction that erases the account; what it raises undoes the erasure.
    """

    async def erase(self, tx: Transaction, user_id: UserId) -> None:
        """Erase what is theirs."""
        ...

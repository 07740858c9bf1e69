"""Token budgets in the database: windows that are counted, and the leases within them.

Statements take locks in one order (leases, then windows by owner and start), and the sweep passes
over leases that somebody else holds, so that servers never wait for each other in a circle.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec
from sqlalchemy import bindparam, delete, insert, select, update

from fireside.capacity.repository import insert_into
from fireside.capacity.tables import TokenLeaseRow, TokenWindowRow
from fireside.db.database import ReadTransaction, Transaction

SWEEP_ROWS = 1000


class Account(NamedTuple):
    """One owner's budget in one window of time."""

    owner: str
    window_start: datetime


class TokenLease(msgspec.Struct, frozen=True):
    """Tokens that are set aside until it is settled, or until it expires."""

    id: str
    account: Account
    tokens: int


class TokenRepository:
    """Rows of `token_windows` and `token_leases`."""

    async def reserve(self, tx: Transaction, account: Account, tokens: int, limit: int) -> bool:
        """Set `tokens` aside unless that would pass `limit`: one statement, so never by two."""
        if tokens > limit:
            return False
        statement = insert_into(tx, TokenWindowRow).values(
            owner=account.owner, window_start=account.window_start, used=0, reserved=tokens
        )
        statement = statement.on_conflict_do_update(
            index_elements=["owner", "window_start"],
            set_={"reserved": TokenWindowRow.reserved + statement.excluded.reserved},
            where=TokenWindowRow.used + TokenWindowRow.reserved + statement.excluded.reserved
            <= limit,
        )
        granted = await tx.execute(statement.returning(TokenWindowRow.reserved))
        return granted.first() is not None

    async def hold(
        self, tx: Transaction, leases: Sequence[TokenLease], process: str, expires_at: datetime
    ) -> None:
        """Write down who holds what was set aside in this transaction."""
        rows = [
            {
                "id": lease.id,
                "owner": lease.account.owner,
                "window_start": lease.account.window_start,
                "tokens": lease.tokens,
                "process": process,
                "expires_at": expires_at,
            }
            for lease in leases
        ]
        if rows:
            await tx.execute(insert(TokenLeaseRow), rows)

    async def release(self, tx: Transaction, ids: Sequence[str]) -> dict[str, TokenLease]:
        """Take leases away; those that were still there. Their tokens stay set aside: `book`."""
        if not ids:
            return {}
        statement = (
            delete(TokenLeaseRow)
            .where(TokenLeaseRow.id.in_(ids))
            .returning(
                TokenLeaseRow.id,
                TokenLeaseRow.owner,
                TokenLeaseRow.window_start,
                TokenLeaseRow.tokens,
            )
        )
        found = await tx.execute(statement)
        return {
            row.id: TokenLease(row.id, Account(row.owner, row.window_start), row.tokens)
            for row in found
        }

    async def book(
        self, tx: Transaction, released: Mapping[Account, int], used: Mapping[Account, int]
    ) -> None:
        """Set tokens free that were set aside, and count those that were used."""
        statement = (
            update(TokenWindowRow)
            .where(
                TokenWindowRow.owner == bindparam("account_owner"),
                TokenWindowRow.window_start == bindparam("account_start"),
            )
            .values(
                reserved=TokenWindowRow.reserved - bindparam("released"),
                used=TokenWindowRow.used + bindparam("spent"),
            )
        )
        for account in sorted({*released, *used}):
            values = {
                "account_owner": account.owner,
                "account_start": account.window_start,
                "released": released.get(account, 0),
                "spent": used.get(account, 0),
            }
            await tx.execute(statement, values)

    async def renew(self, tx: Transaction, process: str, expires_at: datetime) -> int:
        """Keep what a process holds from expiring; how many leases."""
        statement = (
            update(TokenLeaseRow)
            .where(TokenLeaseRow.process == process)
            .values(expires_at=expires_at)
        )
        return (await tx.execute(statement)).rowcount

    async def sweep(self, tx: Transaction, now: datetime) -> int:
        """Set free what expired leases held; how many there were, at most 1,000 at once."""
        expired = (
            select(TokenLeaseRow.id)
            .where(TokenLeaseRow.expires_at <= now)
            .order_by(TokenLeaseRow.id)
            .limit(SWEEP_ROWS)
            .with_for_update(skip_locked=True)
        )
        ids = list((await tx.execute(expired)).scalars())
        gone = await self.release(tx, ids)
        released: dict[Account, int] = defaultdict(int)
        for lease in gone.values():
            released[lease.account] += lease.tokens
        await self.book(tx, released, {})
        return len(gone)

    async def forget_windows(self, tx: Transaction, before: datetime) -> None:
        """Delete windows that began before then and hold nothing."""
        await tx.execute(
            delete(TokenWindowRow).where(
                TokenWindowRow.window_start < before, TokenWindowRow.reserved <= 0
            )
        )

    async def counted(self, tx: ReadTransaction, account: Account) -> tuple[int, int]:
        """(used, reserved) of a budget."""
        query = select(TokenWindowRow.used, TokenWindowRow.reserved).where(
            TokenWindowRow.owner == account.owner,
            TokenWindowRow.window_start == account.window_start,
        )
        row = (await tx.execute(query)).first()
        return (row.used, row.reserved) if row else (0, 0)

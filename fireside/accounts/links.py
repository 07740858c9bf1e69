"""Invites and reset links in the database; their secrets come as digests."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import delete, insert, select, update
from sqlalchemy.engine import Row

from fireside.accounts.domain import Invite, UserRole
from fireside.accounts.repository import insert_into
from fireside.accounts.tables import InviteRow, ResetLinkRow
from fireside.conversation.message import UserId
from fireside.db.database import ReadTransaction, Transaction
from fireside.kit.ids import is_uuid


class LinkRepository:
    """Rows of `invites` and `reset_links`."""

    async def insert_invite(
        self, tx: Transaction, author_id: UserId, invite: Invite, digest: str
    ) -> None:
        """Store a new invite."""
        await tx.execute(
            insert(InviteRow).values(
                id=invite.id,
                secret_sha256=digest,
                email=invite.email,
                role=invite.role.value,
                created_by=author_id,
                created_at=invite.created_at,
                expires_at=invite.expires_at,
            )
        )

    async def invites(self, tx: ReadTransaction) -> list[Invite]:
        """Every invite, newest first."""
        statement = select(*_INVITE).order_by(InviteRow.id.desc())
        return [_invite(row) for row in await tx.execute(statement)]

    async def take_invite(self, tx: Transaction, digest: str, now: datetime) -> Invite | None:
        """The unused, unexpired invite with that digest, marked used; for one caller only."""
        statement = (
            update(InviteRow)
            .where(
                InviteRow.secret_sha256 == digest,
                InviteRow.used_at.is_(None),
                InviteRow.expires_at > now,
            )
            .values(used_at=now)
            .returning(*_INVITE)
        )
        row = (await tx.execute(statement)).first()
        return msgspec.structs.replace(_invite(row), used_at=None) if row else None

    async def delete_invite(self, tx: Transaction, invite_id: str) -> bool:
        """Withdraw an invite; whether it was there."""
        if not is_uuid(invite_id):
            return False
        statement = delete(InviteRow).where(InviteRow.id == invite_id)
        return (await tx.execute(statement)).rowcount == 1

    async def replace_reset_link(
        self,
        tx: Transaction,
        link_id: str,
        user_id: UserId,
        *,
        digest: str,
        author_id: UserId | None,
        now: datetime,
        expires_at: datetime,
    ) -> None:
        """Store a person's reset link in place of an earlier one."""
        fields = {
            "id": link_id,
            "secret_sha256": digest,
            "created_by": author_id,
            "created_at": now,
            "expires_at": expires_at,
        }
        statement = insert_into(tx, ResetLinkRow).values(user_id=user_id, **fields)
        await tx.execute(statement.on_conflict_do_update(index_elements=["user_id"], set_=fields))

    async def has_reset_link(self, tx: ReadTransaction, digest: str, now: datetime) -> bool:
        """Whether an unexpired reset link has that digest."""
        statement = select(ResetLinkRow.id).where(
            ResetLinkRow.secret_sha256 == digest, ResetLinkRow.expires_at > now
        )
        return (await tx.execute(statement)).first() is not None

    async def take_reset_link(self, tx: Transaction, digest: str, now: datetime) -> UserId | None:
        """Whose unexpired reset link has that digest; it is gone afterwards."""
        statement = (
            delete(ResetLinkRow)
            .where(ResetLinkRow.secret_sha256 == digest, ResetLinkRow.expires_at > now)
            .returning(ResetLinkRow.user_id)
        )
        row = (await tx.execute(statement)).first()
        return UserId(row.user_id) if row else None

    async def delete_expired(self, tx: Transaction, now: datetime) -> None:
        """Forget reset links that ran out."""
        await tx.execute(delete(ResetLinkRow).where(ResetLinkRow.expires_at <= now))


_INVITE = (
    InviteRow.id,
    InviteRow.email,
    InviteRow.role,
    InviteRow.created_at,
    InviteRow.expires_at,
    InviteRow.used_at,
)


def _invite(row: Row[*tuple[Any, ...]]) -> Invite:
    return Invite(
        id=row.id,
        email=row.email,
        role=UserRole(row.role),
        created_at=row.created_at,
        expires_at=row.expires_at,
        used_at=row.used_at,
    )

"""Login sessions, API keys, invites and reset links in the database; secrets come as digests."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.engine import Row

from fireside.accounts.domain import ApiKey, Invite, LoginSession, Scope, UserRole, UserStatus
from fireside.accounts.repository import insert_into
from fireside.accounts.tables import ApiKeyRow, InviteRow, LoginSessionRow, ResetLinkRow, UserRow
from fireside.conversation.message import UserId
from fireside.db.database import ReadTransaction, Transaction
from fireside.kit.ids import is_uuid

_SCOPES = msgspec.json.Decoder(list[Scope])


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """The active person behind a digest, and the credential's id, age and scopes."""

    user_id: UserId
    role: UserRole
    credential_id: str
    created_at: datetime
    scopes: frozenset[Scope]


class CredentialRepository:
    """Rows of `login_sessions`, `api_keys`, `invites` and `reset_links`."""

    async def key_holder(self, tx: ReadTransaction, digest: str) -> Holder | None:
        """Who holds the live API key with that digest."""
        statement = (
            select(
                UserRow.id.label("user_id"),
                UserRow.role,
                ApiKeyRow.id,
                ApiKeyRow.created_at,
                ApiKeyRow.scopes,
            )
            .join(UserRow, UserRow.id == ApiKeyRow.user_id)
            .where(
                ApiKeyRow.secret_sha256 == digest,
                ApiKeyRow.revoked_at.is_(None),
                UserRow.status == UserStatus.ACTIVE.value,
            )
        )
        row = (await tx.execute(statement)).first()
        if row is None:
            return None
        return Holder(
            user_id=UserId(row.user_id),
            role=UserRole(row.role),
            credential_id=row.id,
            created_at=row.created_at,
            scopes=frozenset(_SCOPES.decode(row.scopes)),
        )

    async def session_holder(
        self, tx: ReadTransaction, digest: str, now: datetime
    ) -> tuple[Holder, datetime] | None:
        """Whose live login session has that digest, and when it expires unless it is used."""
        statement = (
            select(
                UserRow.id.label("user_id"),
                UserRow.role,
                LoginSessionRow.id,
                LoginSessionRow.created_at,
                LoginSessionRow.expires_at,
            )
            .join(UserRow, UserRow.id == LoginSessionRow.user_id)
            .where(
                LoginSessionRow.secret_sha256 == digest,
                LoginSessionRow.expires_at > now,
                UserRow.status == UserStatus.ACTIVE.value,
            )
        )
        row = (await tx.execute(statement)).first()
        if row is None:
            return None
        holder = Holder(
            user_id=UserId(row.user_id),
            role=UserRole(row.role),
            credential_id=row.id,
            created_at=row.created_at,
            scopes=frozenset(Scope),
        )
        return holder, row.expires_at

    async def insert_session(
        self, tx: Transaction, user_id: UserId, session: LoginSession, digest: str
    ) -> None:
        """Store a new login session."""
        await tx.execute(
            insert(LoginSessionRow).values(
                id=session.id,
                user_id=user_id,
                secret_sha256=digest,
                user_agent=session.user_agent,
                address=session.address,
                created_at=session.created_at,
                last_seen_at=session.last_seen_at,
                expires_at=session.expires_at,
            )
        )

    async def sessions(
        self, tx: ReadTransaction, user_id: UserId, now: datetime
    ) -> list[LoginSession]:
        """A person's live login sessions, last used first."""
        statement = (
            select(
                LoginSessionRow.id,
                LoginSessionRow.user_agent,
                LoginSessionRow.address,
                LoginSessionRow.created_at,
                LoginSessionRow.last_seen_at,
                LoginSessionRow.expires_at,
            )
            .where(LoginSessionRow.user_id == user_id, LoginSessionRow.expires_at > now)
            .order_by(LoginSessionRow.last_seen_at.desc(), LoginSessionRow.id.desc())
        )
        return [
            LoginSession(
                id=row.id,
                user_agent=row.user_agent,
                address=row.address,
                created_at=row.created_at,
                last_seen_at=row.last_seen_at,
                expires_at=row.expires_at,
            )
            for row in await tx.execute(statement)
        ]

    async def delete_session(self, tx: Transaction, user_id: UserId, session_id: str) -> bool:
        """End one login session; whether it was there and theirs."""
        if not is_uuid(session_id):
            return False
        statement = delete(LoginSessionRow).where(
            LoginSessionRow.id == session_id, LoginSessionRow.user_id == user_id
        )
        return (await tx.execute(statement)).rowcount == 1

    async def delete_sessions(
        self, tx: Transaction, user_id: UserId, *, keep: str | None = None
    ) -> None:
        """End all of a person's login sessions but `keep`."""
        statement = delete(LoginSessionRow).where(LoginSessionRow.user_id == user_id)
        if keep is not None:
            statement = statement.where(LoginSessionRow.id != keep)
        await tx.execute(statement)

    async def touch_sessions(
        self, tx: Transaction, seen: Iterable[tuple[str, datetime, datetime]]
    ) -> None:
        """Store (session id, seen at, expires at)."""
        rows = [{"session": id, "at": at, "end": end} for id, at, end in seen]
        if rows:
            statement = (
                update(LoginSessionRow)
                .where(LoginSessionRow.id == bindparam("session"))
                .values(last_seen_at=bindparam("at"), expires_at=bindparam("end"))
            )
            await tx.execute(statement, rows)

    async def insert_key(self, tx: Transaction, user_id: UserId, key: ApiKey, digest: str) -> None:
        """Store a new API key."""
        await tx.execute(
            insert(ApiKeyRow).values(
                id=key.id,
                user_id=user_id,
                name=key.name,
                prefix=key.prefix,
                secret_sha256=digest,
                scopes=msgspec.json.encode(sorted(key.scopes)),
                created_at=key.created_at,
            )
        )

    async def keys(self, tx: ReadTransaction, user_id: UserId) -> list[ApiKey]:
        """A person's live API keys, newest first."""
        statement = (
            select(
                ApiKeyRow.id,
                ApiKeyRow.name,
                ApiKeyRow.prefix,
                ApiKeyRow.scopes,
                ApiKeyRow.created_at,
                ApiKeyRow.last_used_at,
            )
            .where(ApiKeyRow.user_id == user_id, ApiKeyRow.revoked_at.is_(None))
            .order_by(ApiKeyRow.id.desc())
        )
        return [
            ApiKey(
                id=row.id,
                name=row.name,
                prefix=row.prefix,
                scopes=frozenset(_SCOPES.decode(row.scopes)),
                created_at=row.created_at,
                last_used_at=row.last_used_at,
            )
            for row in await tx.execute(statement)
        ]

    async def count_keys(self, tx: ReadTransaction, user_id: UserId) -> int:
        """How many live API keys a person holds."""
        statement = select(func.count()).where(
            ApiKeyRow.user_id == user_id, ApiKeyRow.revoked_at.is_(None)
        )
        return (await tx.execute(statement)).scalar_one()

    async def revoke_key(
        self, tx: Transaction, user_id: UserId, key_id: str, now: datetime
    ) -> bool:
        """Revoke a key; whether it was live and theirs."""
        if not is_uuid(key_id):
            return False
        statement = (
            update(ApiKeyRow)
            .where(
                ApiKeyRow.id == key_id,
                ApiKeyRow.user_id == user_id,
                ApiKeyRow.revoked_at.is_(None),
            )
            .values(revoked_at=now)
        )
        return (await tx.execute(statement)).rowcount == 1

    async def touch_keys(self, tx: Transaction, used: Iterable[tuple[str, datetime]]) -> None:
        """Store (key id, used at)."""
        rows = [{"key": key_id, "at": at} for key_id, at in used]
        if rows:
            statement = (
                update(ApiKeyRow)
                .where(ApiKeyRow.id == bindparam("key"))
                .values(last_used_at=bindparam("at"))
            )
            await tx.execute(statement, rows)

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
        """Forget login sessions and reset links that are over."""
        await tx.execute(delete(LoginSessionRow).where(LoginSessionRow.expires_at <= now))
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

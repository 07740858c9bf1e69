"""Login sessions and API keys in the database; their secrets come as digests."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec
from sqlalchemy import bindparam, delete, func, insert, select, update

from fireside.accounts.domain import ApiKey, LoginSession, Scope, UserRole, UserStatus
from fireside.accounts.tables import ApiKeyRow, LoginSessionRow, UserRow
from fireside.conversation.message import UserId
from fireside.db.database import ReadTransaction, Transaction
from fireside.kit.ids import is_uuid

_SCOPES = msgspec.json.Decoder(list[Scope])


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """The active person behind a digest, their plan, and the credential's id, age and scopes."""

    user_id: UserId
    role: UserRole
    credential_id: str
    created_at: datetime
    scopes: frozenset[Scope]
    plan: str
    network: str


class CredentialRepository:
    """Rows of `login_sessions` and `api_keys`."""

    async def key_holder(self, tx: ReadTransaction, digest: str) -> Holder | None:
        """Who holds the live API key with that digest."""
        statement = (
            select(
                UserRow.id.label("user_id"),
                UserRow.role,
                UserRow.plan,
                UserRow.network,
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
            plan=row.plan or "",
            network=row.network or "",
        )

    async def session_holder(
        self, tx: ReadTransaction, digest: str, now: datetime
    ) -> tuple[Holder, datetime] | None:
        """Whose live login session has that digest, and when it expires unless it is used."""
        statement = (
            select(
                UserRow.id.label("user_id"),
                UserRow.role,
                UserRow.plan,
                UserRow.network,
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
            plan=row.plan or "",
            network=row.network or "",
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

    async def delete_expired(self, tx: Transaction, now: datetime) -> None:
        """Forget login sessions that are over."""
        await tx.execute(delete(LoginSessionRow).where(LoginSessionRow.expires_at <= now))

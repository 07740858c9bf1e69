"""The versions of the gate's policy in the database."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Select, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Row

from fireside.accounts.tables import UserRow
from fireside.capacity.policy import Policy, default_policy
from fireside.capacity.tables import CapacityPolicyRow
from fireside.conversation.message import UserId
from fireside.db.base import Base
from fireside.db.database import ReadTransaction, Transaction

_POLICY = msgspec.json.Decoder(Policy)


class PolicyVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of the policy. Version 0 is what a new house starts with; nobody wrote it."""

    version: int
    policy: Policy
    author_id: UserId | None = None
    reason: str = ""
    at: datetime | None = None


class PolicyChange(msgspec.Struct, frozen=True, kw_only=True):
    """Who put a version in force, when and why. `author` is a name, "" when they are gone."""

    version: int
    author: str
    reason: str
    at: datetime | None


FIRST = PolicyVersion(version=0, policy=default_policy())


class PolicyRepository:
    """Rows of `capacity_policies`."""

    async def newest_version(self, tx: ReadTransaction) -> int:
        """The number of the version in force."""
        query = (
            select(CapacityPolicyRow.version).order_by(CapacityPolicyRow.version.desc()).limit(1)
        )
        return (await tx.execute(query)).scalar_one_or_none() or 0

    async def newest(self, tx: ReadTransaction) -> PolicyVersion:
        """The version in force. Raises msgspec.ValidationError when this code cannot read it."""
        query = _versions().order_by(CapacityPolicyRow.version.desc()).limit(1)
        row = (await tx.execute(query)).first()
        return FIRST if row is None else _version(row)

    async def version(self, tx: ReadTransaction, number: int) -> PolicyVersion | None:
        """An earlier version. Raises msgspec.ValidationError when this code cannot read it."""
        if number == FIRST.version:
            return FIRST
        row = (await tx.execute(_versions().where(CapacityPolicyRow.version == number))).first()
        return None if row is None else _version(row)

    async def append(self, tx: Transaction, version: PolicyVersion) -> bool:
        """Store a version; false when there is one of that number already."""
        statement = (
            insert_into(tx, CapacityPolicyRow)
            .values(
                version=version.version,
                policy=msgspec.json.encode(version.policy),
                author_id=version.author_id,
                reason=version.reason,
                created_at=version.at,
            )
            .on_conflict_do_nothing()
        )
        return (await tx.execute(statement)).rowcount == 1

    async def changes(self, tx: ReadTransaction, *, limit: int = 200) -> list[PolicyChange]:
        """The latest versions, newest first, without their contents."""
        query = _changes().order_by(CapacityPolicyRow.version.desc()).limit(limit)
        return [_change(row) for row in await tx.execute(query)]

    async def change(self, tx: ReadTransaction, version: int) -> PolicyChange:
        """Who made that version; of version 0 nobody."""
        query = _changes().where(CapacityPolicyRow.version == version)
        row = (await tx.execute(query)).first()
        return _change(row) if row else PolicyChange(version=version, author="", reason="", at=None)


def insert_into(tx: Transaction, row: type[Base]) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that knows ON CONFLICT and RETURNING; both databases spell it alike."""
    if tx.dialect.name == "postgresql":
        return postgresql.insert(row)
    return sqlite.insert(row)


def _versions() -> Select[int, bytes, str | None, str, datetime]:
    return select(
        CapacityPolicyRow.version,
        CapacityPolicyRow.policy,
        CapacityPolicyRow.author_id,
        CapacityPolicyRow.reason,
        CapacityPolicyRow.created_at,
    )


def _version(row: Row[*tuple[Any, ...]]) -> PolicyVersion:
    return PolicyVersion(
        version=row.version,
        policy=_POLICY.decode(row.policy),
        author_id=UserId(row.author_id) if row.author_id else None,
        reason=row.reason,
        at=row.created_at,
    )


def _changes() -> Select[int, str, datetime, str, str]:
    return select(
        CapacityPolicyRow.version,
        CapacityPolicyRow.reason,
        CapacityPolicyRow.created_at,
        UserRow.name,
        UserRow.email,
    ).outerjoin(UserRow, UserRow.id == CapacityPolicyRow.author_id)


def _change(row: Row[*tuple[Any, ...]]) -> PolicyChange:
    return PolicyChange(
        version=row.version,
        author=row.name or row.email or "",
        reason=row.reason,
        at=row.created_at,
    )

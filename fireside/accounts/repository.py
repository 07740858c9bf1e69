"""People and policy in the database. Login sessions, keys and links are in `credentials`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import bindparam, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Row

from fireside.accounts.domain import (
    PlanAssignment,
    Preferences,
    SignUpMode,
    SignUpPolicy,
    User,
    UserRole,
    UserStatus,
)
from fireside.accounts.tables import PlanAssignmentRow, PolicyRow, SetupRow, UserRow
from fireside.conversation.message import UserId
from fireside.db.base import Base
from fireside.db.database import ReadTransaction, Transaction
from fireside.errors import Conflict, NotFound
from fireside.kit.ids import is_uuid

SIGN_UP_MODE = "sign_up_mode"

_USER = (
    UserRow.id,
    UserRow.email,
    UserRow.name,
    UserRow.role,
    UserRow.status,
    UserRow.preferences,
    UserRow.created_at,
    UserRow.last_seen_at,
    UserRow.plan,
    UserRow.network,
)
_USER_BY_ID = select(*_USER).where(UserRow.id == bindparam("user"))  # run in every turn: built once
_PREFERENCES = msgspec.json.Decoder(Preferences)


class UserRepository:
    """Rows of `users`, `setup`, `policies` and `plan_assignments`."""

    async def claim_setup(self, tx: Transaction, now: datetime) -> bool:
        """Whether the caller makes the first account; true for exactly one transaction ever.

        A second one waits here until the first commits (then false) or rolls back (then true).
        """
        statement = _insert_if_absent(tx, SetupRow).values(slot=1, claimed_at=now)
        return (await tx.execute(statement)).rowcount == 1

    async def is_set_up(self, tx: ReadTransaction) -> bool:
        """Whether the first account was ever made."""
        return (await tx.execute(select(SetupRow.slot))).first() is not None

    async def insert(self, tx: Transaction, user: User, password_hash: str | None) -> None:
        """Store a new person. Raises Conflict when the address is taken."""
        statement = _insert_if_absent(tx, UserRow).values(
            id=user.id,
            email=user.email,
            name=user.name,
            role=user.role.value,
            status=user.status.value,
            password_hash=password_hash,
            preferences=msgspec.json.encode(user.preferences),
            network=user.network or None,
            created_at=user.created_at,
            updated_at=user.created_at,
        )
        if (await tx.execute(statement)).rowcount != 1:
            raise Conflict(
                "email_taken",
                "There is an account with this e-mail address already.",
                hint="Sign in, or ask an administrator for a link to set a new password.",
                param="email",
            )

    async def user(self, tx: ReadTransaction, user_id: str) -> User:
        """The person with that id. Raises NotFound."""
        row = None
        if is_uuid(user_id):
            row = (await tx.execute(_USER_BY_ID, {"user": user_id})).first()
        if row is None:
            raise NotFound("user_not_found", "There is no such person.")
        return _user(row)

    async def user_by_email(self, tx: ReadTransaction, email: str) -> User | None:
        """The person with that normalised address."""
        row = (await tx.execute(select(*_USER).where(UserRow.email == email))).first()
        return _user(row) if row else None

    async def emails(self, tx: ReadTransaction, user_ids: Iterable[str]) -> dict[str, str]:
        """The addresses of people by id; whoever is gone is not in it."""
        ids = [user_id for user_id in user_ids if is_uuid(user_id)]
        if not ids:
            return {}
        query = select(UserRow.id, UserRow.email).where(UserRow.id.in_(ids))
        return {row.id: row.email for row in await tx.execute(query)}

    async def password_hash(self, tx: ReadTransaction, user_id: UserId) -> str | None:
        """The stored hash; None when a password was never set or the person is gone."""
        statement = select(UserRow.password_hash).where(UserRow.id == user_id)
        return (await tx.execute(statement)).scalar_one_or_none()

    async def set_password_hash(
        self, tx: Transaction, user_id: UserId, password_hash: str, now: datetime
    ) -> None:
        """Store a new hash."""
        await tx.execute(
            update(UserRow)
            .where(UserRow.id == user_id)
            .values(password_hash=password_hash, updated_at=now)
        )

    async def update_profile(
        self, tx: Transaction, user_id: UserId, name: str, preferences: Preferences, now: datetime
    ) -> None:
        """Store what a person may change about themselves."""
        await tx.execute(
            update(UserRow)
            .where(UserRow.id == user_id)
            .values(name=name, preferences=msgspec.json.encode(preferences), updated_at=now)
        )

    async def update_standing(
        self, tx: Transaction, user_id: UserId, role: UserRole, status: UserStatus, now: datetime
    ) -> None:
        """Store what an administrator decides about a person."""
        await tx.execute(
            update(UserRow)
            .where(UserRow.id == user_id)
            .values(role=role.value, status=status.value, updated_at=now)
        )

    async def assign_plan(
        self, tx: Transaction, assignment_id: str, user_id: UserId, assignment: PlanAssignment
    ) -> None:
        """Put a person on a plan, and keep who did it and why."""
        await tx.execute(
            update(UserRow)
            .where(UserRow.id == user_id)
            .values(plan=assignment.plan or None, updated_at=assignment.at)
        )
        await tx.execute(
            insert_into(tx, PlanAssignmentRow).values(
                id=assignment_id,
                user_id=user_id,
                plan=assignment.plan or None,
                author_id=assignment.author_id,
                reason=assignment.reason,
                at=assignment.at,
            )
        )

    async def plan_assignments(
        self, tx: ReadTransaction, user_id: UserId, *, limit: int = 100
    ) -> list[PlanAssignment]:
        """What was decided about a person's plan, newest first."""
        statement = (
            select(
                PlanAssignmentRow.plan,
                PlanAssignmentRow.reason,
                PlanAssignmentRow.author_id,
                PlanAssignmentRow.at,
            )
            .where(PlanAssignmentRow.user_id == user_id)
            .order_by(PlanAssignmentRow.id.desc())
            .limit(limit)
        )
        return [
            PlanAssignment(
                plan=row.plan or "",
                reason=row.reason,
                author_id=UserId(row.author_id) if row.author_id else None,
                at=row.at,
            )
            for row in await tx.execute(statement)
        ]

    async def delete(self, tx: Transaction, user_id: UserId) -> None:
        """Erase a person and, by foreign keys, everything that is theirs."""
        await tx.execute(delete(UserRow).where(UserRow.id == user_id))

    async def lock_active_admins(self, tx: Transaction) -> list[UserId]:
        """Administrators who can act, locked until the transaction ends.

        Two transactions that each take one of the last two away run one after the other, and the
        second sees what the first did.
        """
        statement = (
            select(UserRow.id)
            .where(UserRow.role == UserRole.ADMIN.value, UserRow.status == UserStatus.ACTIVE.value)
            .order_by(UserRow.id)
            .with_for_update()
        )
        return [UserId(row.id) for row in await tx.execute(statement)]

    async def page(
        self, tx: ReadTransaction, *, query: str, before_id: str | None, limit: int
    ) -> list[User]:
        """Newest first, at most `limit`; `query` is looked for in addresses and names."""
        statement = select(*_USER).order_by(UserRow.id.desc()).limit(limit)
        if query:
            pattern = f"%{_escape_like(query.lower())}%"
            statement = statement.where(
                or_(
                    UserRow.email.like(pattern, escape="\\"),
                    func.lower(UserRow.name).like(pattern, escape="\\"),
                )
            )
        if before_id is not None:
            statement = statement.where(UserRow.id < before_id)
        return [_user(row) for row in await tx.execute(statement)]

    async def count(self, tx: ReadTransaction) -> int:
        """How many accounts there are."""
        return (await tx.execute(select(func.count()).select_from(UserRow))).scalar_one()

    async def mark_seen(self, tx: Transaction, seen: Iterable[tuple[UserId, datetime]]) -> None:
        """Store when people were last seen."""
        rows = [{"user": user_id, "at": at} for user_id, at in seen]
        if rows:
            statement = (
                update(UserRow)
                .where(UserRow.id == bindparam("user"))
                .values(last_seen_at=bindparam("at"))
            )
            await tx.execute(statement, rows)

    async def sign_up_policy(self, tx: ReadTransaction) -> SignUpPolicy:
        """The policy in force."""
        newest = await self.sign_up_policies(tx, limit=1)
        return newest[0] if newest else SignUpPolicy()

    async def sign_up_policies(
        self, tx: ReadTransaction, *, limit: int = 100
    ) -> list[SignUpPolicy]:
        """The latest versions, newest first."""
        statement = (
            select(PolicyRow.value, PolicyRow.reason, PolicyRow.author_id, PolicyRow.created_at)
            .where(PolicyRow.name == SIGN_UP_MODE)
            .order_by(PolicyRow.id.desc())
            .limit(limit)
        )
        return [
            SignUpPolicy(
                mode=SignUpMode(row.value),
                reason=row.reason,
                author_id=UserId(row.author_id) if row.author_id else None,
                at=row.created_at,
            )
            for row in await tx.execute(statement)
        ]

    async def insert_sign_up_policy(
        self, tx: Transaction, policy_id: str, policy: SignUpPolicy
    ) -> None:
        """Put a new version in force; older ones stay as they were."""
        statement = insert_into(tx, PolicyRow).values(
            id=policy_id,
            name=SIGN_UP_MODE,
            value=policy.mode.value,
            author_id=policy.author_id,
            reason=policy.reason,
            created_at=policy.at,
        )
        await tx.execute(statement)


def insert_into(tx: Transaction, row: type[Base]) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that knows ON CONFLICT; both databases spell it alike."""
    if tx.dialect.name == "postgresql":
        return postgresql.insert(row)
    return sqlite.insert(row)


def _insert_if_absent(tx: Transaction, row: type[Base]) -> sqlite.Insert | postgresql.Insert:
    return insert_into(tx, row).on_conflict_do_nothing()


def _escape_like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _user(row: Row[*tuple[Any, ...]]) -> User:
    return User(
        id=UserId(row.id),
        email=row.email,
        name=row.name,
        role=UserRole(row.role),
        status=UserStatus(row.status),
        preferences=_PREFERENCES.decode(row.preferences),
        created_at=row.created_at,
        last_seen_at=row.last_seen_at,
        plan=row.plan or "",
        network=row.network or "",
    )

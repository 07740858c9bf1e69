"""The policy in force: read from memory, saved as a new version, followed from other processes.

Failure policy: while the database is away, or holds a version that this code cannot read, the last
one that was read stays in force.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import anyio
import msgspec
import structlog

from fireside.capacity.policy import (
    Band,
    BandPolicy,
    PlanPolicy,
    Policy,
    PolicyRefused,
    checked,
)
from fireside.capacity.repository import (
    FIRST,
    PolicyChange,
    PolicyRepository,
    PolicyVersion,
)
from fireside.conversation.message import UserId
from fireside.db.database import Database, ReadTransaction, Transaction
from fireside.errors import BackendFailed, Conflict, NotFound, UserError
from fireside.kit.clock import Clock

MAX_REASON_CHARS = 1000
MAX_PLANS = 200
MAX_PLAN_NAME_CHARS = 64

Kind = TypeVar("Kind", bound=msgspec.Struct)

log = structlog.get_logger(__name__)


class PolicyService:
    """Owns the policy. Run `run` in a task group of the application."""

    def __init__(self, db: Database, clock: Clock, poll_s: float) -> None:
        self._db = db
        self._clock = clock
        self._poll_s = poll_s
        self._repository = PolicyRepository()
        self._in_force = FIRST
        self._unreadable = -1  # a version that was complained about already
        self._listeners: list[Callable[[Policy], None]] = []

    def current(self) -> Policy:
        """The policy in force, from memory."""
        return self._in_force.policy

    @property
    def in_force(self) -> PolicyVersion:
        """The same with its number, author and reason."""
        return self._in_force

    def on_change(self, listener: Callable[[Policy], None]) -> None:
        """Call `listener` with each policy that comes into force, whoever saved it."""
        self._listeners.append(listener)

    async def save(
        self, tx: Transaction, policy: Policy, author_id: UserId | None, reason: str, based_on: int
    ) -> PolicyVersion:
        """Store a new version; once it is committed, give it to `adopt`.

        Raises PolicyRefused, Conflict when `based_on` is not the version in force any more,
        UserError without a reason.
        """
        checked(policy)
        reason = reason.replace("\x00", "").strip()
        if not reason or len(reason) > MAX_REASON_CHARS:
            raise UserError(
                "reason_needed",
                f"Say why, in 1 to {MAX_REASON_CHARS} characters.",
                hint="Whoever looks at the history later wants to know.",
                param="reason",
            )
        newest = await self._repository.newest_version(tx)
        version = PolicyVersion(
            version=based_on + 1,
            policy=policy,
            author_id=author_id,
            reason=reason,
            at=self._clock.now(),
        )
        if newest != based_on or not await self._repository.append(tx, version):
            raise Conflict(
                "policy_changed",
                f"Somebody else saved a policy meanwhile; you changed version {based_on}.",
                hint="Load the policy in force, make your change again and save it.",
                param="based_on",
            )
        return version

    def adopt(self, version: PolicyVersion) -> None:
        """Put a committed version in force here, and tell the listeners."""
        if version.version <= self._in_force.version:
            return
        self._in_force = version
        for listener in self._listeners:
            listener(version.policy)

    async def changes(self, tx: ReadTransaction) -> list[PolicyChange]:
        """Who changed the policy when and why, newest first."""
        return await self._repository.changes(tx)

    async def change(self, tx: ReadTransaction, version: int) -> PolicyChange:
        """Who made that version."""
        return await self._repository.change(tx, version)

    async def version(self, tx: ReadTransaction, number: int) -> PolicyVersion:
        """An earlier version with its contents. Raises NotFound."""
        try:
            found = await self._repository.version(tx, number)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            raise NotFound(
                "policy_unreadable",
                f"Version {number} was saved by another release and cannot be read by this one.",
                hint="Choose another version.",
            ) from error
        if found is None:
            raise NotFound("unknown_policy", f"There is no version {number}.", hint="Reload.")
        return found

    async def refresh(self) -> None:
        """Take over what was saved elsewhere."""
        try:
            async with self._db.read() as tx:
                version = await self._repository.newest_version(tx)
                if version <= self._in_force.version or version == self._unreadable:
                    return
                self.adopt(await self._repository.newest(tx))
        except BackendFailed as error:
            log.warning("policy_not_read", code=error.code)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            # A later release saved it: it knows fields or bands that this one does not.
            self._unreadable = version
            log.warning("policy_unreadable", version=version, error=str(error))

    async def run(self) -> None:
        """Follow what other processes save, until cancelled."""
        while True:
            await self.refresh()
            await anyio.sleep(self._poll_s)


def parse_policy(raw: Mapping[str, Any]) -> Policy:
    """A policy as sent. Raises PolicyRefused that names the field; fields left out get defaults."""
    bands, plans = raw.get("bands"), raw.get("plans")
    for param, value in (("bands", bands), ("plans", plans)):
        if not isinstance(value, Mapping):
            raise PolicyRefused(f"The {param} are missing: an object with a name for each.", param)
    assert isinstance(bands, Mapping) and isinstance(plans, Mapping)
    if len(plans) > MAX_PLANS:
        raise PolicyRefused(f"There can be {MAX_PLANS} plans at most.", "plans")
    for name, value in bands.items():
        if name not in set(Band):
            known = ", ".join(Band)
            raise PolicyRefused(f"There is no band {name!r}; there are {known}.", f"bands.{name}")
        _convert(value, BandPolicy, f"bands.{name}")
    for name, value in plans.items():
        if not name.isprintable() or not 1 <= len(name.strip()) == len(name) <= MAX_PLAN_NAME_CHARS:
            raise PolicyRefused(
                f"A plan's name has 1 to {MAX_PLAN_NAME_CHARS} characters, no blanks around it.",
                "plans",
            )
        _convert(value, PlanPolicy, f"plans.{name}")
    return checked(_convert(raw, Policy, ""))


def _convert(raw: Any, kind: type[Kind], path: str) -> Kind:
    try:
        value = msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        text, _, at = str(error).partition(" - at `$")
        param = f"{path}{at.rstrip('`')}".strip(".") or "policy"
        raise PolicyRefused(f"{param}: {text}.", param) from error
    known = msgspec.to_builtins(value)
    for name in sorted(set(raw) - set(known)):
        param = f"{path}.{name}".strip(".")
        raise PolicyRefused(f"There is no field {param}.", param)
    if isinstance(raw.get("ladder"), Mapping):
        for name in sorted(set(raw["ladder"]) - set(known["ladder"])):
            raise PolicyRefused(f"There is no field ladder.{name}.", f"ladder.{name}")
    return value

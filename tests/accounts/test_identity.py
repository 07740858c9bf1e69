"""The memory of who is asking: how often it reads, and what it never gets wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from fireside.accounts.domain import Principal, UserRole
from fireside.accounts.identity import IdentityCache
from fireside.accounts.service import AccountService, build_accounts
from fireside.accounts.settings import AccountsSettings
from fireside.db.database import Database, ReadTransaction, Transaction
from fireside.errors import BackendFailed
from fireside.kit.clock import FakeClock
from fireside.kit.ids import new_id
from tests.accounts.conftest import FAST

pytestmark = pytest.mark.anyio


class Counting(Database):
    """Counts what goes through to a real database; can hold reads up, or be unplugged."""

    def __init__(self, real: Database) -> None:
        self._real = real
        self.num_reads = 0
        self.gate: anyio.Event | None = None
        self.unplugged = False

    @asynccontextmanager
    async def read(self) -> AsyncIterator[ReadTransaction]:
        self.num_reads += 1
        self._check()
        async with self._real.read() as tx:
            yield tx
        # Outside the transaction, which nobody can cancel half-way.
        if self.gate is not None:
            await self.gate.wait()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Transaction]:
        self._check()
        async with self._real.write() as tx:
            yield tx

    def _check(self) -> None:
        if self.unplugged:
            raise BackendFailed("database_unavailable", "No answer.", retryable=True)


class Holder:
    """Somebody with a key, and the memory under test."""

    def __init__(
        self, db: Counting, accounts: AccountService, user: Principal, key: str, key_id: str
    ) -> None:
        self.db, self.accounts, self.user_id = db, accounts, user.user_id
        self.key, self.key_id = key, key_id
        self.cache: IdentityCache = accounts.identities


@pytest.fixture
async def holder(database: Database, clock: FakeClock) -> Holder:
    db = Counting(database)
    accounts = build_accounts(db, FAST, clock, new_id)
    async with database.write() as tx:
        user = accounts.new_user("a@example.org", "A", UserRole.MEMBER)
        await accounts.users.insert(tx, user, None)
        info, key = await accounts.create_key(tx, user, "laptop")
    principal = await accounts.identities.by_key(key)
    assert principal is not None
    accounts.identities.forget(user.id)
    await accounts.identities.flush()
    db.num_reads = 0
    return Holder(db, accounts, principal, key, info.id)


async def test_a_known_key_costs_no_reading(holder: Holder, clock: FakeClock) -> None:
    for _ in range(50):
        assert await holder.cache.by_key(holder.key) is not None
    assert holder.db.num_reads == 1
    clock.advance(FAST.identity_ttl_s + 0.01)
    assert await holder.cache.by_key(holder.key) is not None
    assert holder.db.num_reads == 2


async def test_many_who_ask_at_once_read_once(holder: Holder) -> None:
    found: list[Principal | None] = []

    async def ask() -> None:
        found.append(await holder.cache.by_key(holder.key))

    async with anyio.create_task_group() as tasks:
        for _ in range(30):
            tasks.start_soon(ask)
    assert len(found) == 30
    assert None not in found
    assert holder.db.num_reads == 1


async def test_an_answer_read_before_a_revocation_is_not_remembered(holder: Holder) -> None:
    """The read has its snapshot; then the key is revoked; then the read comes back."""
    holder.db.gate = anyio.Event()
    waiting: list[Principal | None] = []

    async def ask() -> None:
        waiting.append(await holder.cache.by_key(holder.key))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        while holder.db.num_reads == 0:
            await anyio.sleep(0.001)
        async with holder.db.write() as tx:
            await holder.accounts.revoke_key(tx, holder.user_id, holder.key_id)
        holder.cache.forget(holder.user_id)
        tasks.start_soon(ask)  # asks after the revocation: must not be told the old answer
        await anyio.wait_all_tasks_blocked()
        holder.db.gate.set()
    assert waiting[-1] is None
    assert await holder.cache.by_key(holder.key) is None


async def test_a_cancelled_asker_does_not_take_the_others_along(holder: Holder) -> None:
    holder.db.gate = anyio.Event()
    found: list[Principal | None] = []

    async def ask() -> None:
        found.append(await holder.cache.by_key(holder.key))

    async with anyio.create_task_group() as tasks:
        with anyio.move_on_after(0.05):
            await holder.cache.by_key(holder.key)
        tasks.start_soon(ask)
        tasks.start_soon(ask)
        await anyio.sleep(0)
        holder.db.gate.set()
    assert len(found) == 2
    assert None not in found


async def test_an_outage_is_told_to_all_who_wait_and_is_not_remembered(holder: Holder) -> None:
    holder.db.unplugged = True
    with pytest.raises(BackendFailed):
        await holder.cache.by_key(holder.key)
    holder.db.unplugged = False
    assert await holder.cache.by_key(holder.key) is not None


async def test_last_use_survives_an_outage(holder: Holder, clock: FakeClock) -> None:
    clock.advance(100)
    await holder.cache.by_key(holder.key)
    used_at = clock.now()
    holder.db.unplugged = True
    with pytest.raises(BackendFailed):
        await holder.cache.flush()
    holder.db.unplugged = False
    clock.advance(100)
    await holder.cache.flush()
    async with holder.db.read() as tx:
        (key,) = await holder.accounts.credentials.keys(tx, holder.user_id)
    assert key.last_used_at == used_at


async def test_what_was_collected_is_written_when_the_server_stops(
    holder: Holder, clock: FakeClock
) -> None:
    clock.advance(100)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(holder.accounts.run)
        await holder.cache.by_key(holder.key)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    async with holder.db.read() as tx:
        (key,) = await holder.accounts.credentials.keys(tx, holder.user_id)
    assert key.last_used_at == clock.now()


async def test_nothing_is_remembered_when_the_memory_is_off(
    database: Database, clock: FakeClock, holder: Holder
) -> None:
    db = Counting(database)
    cache = IdentityCache(db, AccountsSettings(identity_ttl_s=0), clock)
    for _ in range(3):
        assert await cache.by_key(holder.key) is not None
    assert db.num_reads == 3

"""Goal O6: parallel calls on one budget never overspend it, and nothing that is reserved leaks."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
import pytest

from fireside.capacity.budgets import Budgets, Window, account_of, window_at
from fireside.capacity.policy import Band, PlanPolicy
from fireside.capacity.rates import RateLimiter, duration
from fireside.capacity.token_repository import TokenLease, TokenRepository
from fireside.db.database import Database, connect
from fireside.db.settings import DatabaseSettings
from fireside.errors import BackendFailed, LimitReached, UserError
from fireside.kit.clock import Clock, FakeClock, SystemClock
from fireside.kit.ids import new_id
from tests.capacity.conftest import Away

LEASE_S = 30.0


def budgets(database: Database, clock: Clock) -> Budgets:
    return Budgets(database, clock, new_id, LEASE_S)


async def counted(database: Database, clock: Clock, owner: str) -> tuple[int, int]:
    start, _end = window_at(Window.DAY, clock.now())
    async with database.read() as tx:
        return await TokenRepository().counted(tx, account_of(owner, Window.DAY, start))


@asynccontextmanager
async def servers(url: str, clock: Clock, num: int) -> AsyncIterator[list[Budgets]]:
    """Several servers over one database, each with connections of its own."""
    settings = DatabaseSettings(sqlite_synchronous="NORMAL")
    async with AsyncExitStack() as stack:
        opened = []
        for _ in range(num):
            database = connect(url, settings)
            stack.push_async_callback(database.aclose)
            opened.append(budgets(database, clock))
        yield opened


async def rush(
    them: list[Budgets], owner: str, tokens: Callable[[int], int], limit: int, num_calls: int = 200
) -> tuple[list[tuple[Budgets, TokenLease]], int]:
    """All calls start together; the leases that were had, and how many were denied."""
    barrier, had, denied = anyio.Event(), [], 0
    num_ready = 0

    async def call(number: int) -> None:
        nonlocal denied, num_ready
        mine = them[number % len(them)]
        num_ready += 1
        await barrier.wait()
        try:
            had.append((mine, await mine.reserve(owner, tokens(number), limit)))
        except LimitReached:
            denied += 1

    async with anyio.create_task_group() as tasks:
        for number in range(num_calls):
            tasks.start_soon(call, number)
        while num_ready < num_calls:
            await anyio.sleep(0)
        barrier.set()
    return had, denied


async def rounds(database: Database, url: str, clock: FakeClock, num: int) -> None:
    """Each round: 200 calls from two servers want 3 times the budget; half of what is had is used.

    A second rush then takes what was given back, and never a token more.
    """
    async with servers(url, clock, 2) as them:
        for number in range(num):
            owner, limit = f"o{number}", 7_000
            had, denied = await rush(them, owner, lambda _: 100, limit)
            assert (len(had), denied) == (70, 130)
            assert await counted(database, clock, owner) == (0, limit)
            for mine, lease in had:
                mine.settle(lease, 50)
            for mine in them:
                await mine.flush()
            assert await counted(database, clock, owner) == (3_500, 0)
            again, _denied = await rush(them, owner, lambda n: 37 + n % 80, limit)
            reserved = sum(lease.tokens for _mine, lease in again)
            used, held = await counted(database, clock, owner)
            assert used + held == 3_500 + reserved <= limit
            assert limit - used - held < 117  # what is left is less than somebody wanted


async def test_200_parallel_calls_overspend_by_nothing(
    database: Database, database_url: str, clock: FakeClock
) -> None:
    await rounds(database, database_url, clock, 20)


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_200_parallel_calls_overspend_by_nothing_a_thousand_times(
    database: Database, database_url: str, clock: FakeClock
) -> None:
    await rounds(database, database_url, clock, 1000)


async def test_callers_who_come_together_share_transactions(
    sqlite_database: Database, clock: FakeClock
) -> None:
    num_writes = 0

    class Counting(Away):
        @asynccontextmanager
        async def write(self):  # type: ignore[no-untyped-def]
            nonlocal num_writes
            num_writes += 1
            async with self.inner.write() as tx:
                yield tx

    had, denied = await rush([budgets(Counting(sqlite_database), clock)], "o", lambda _: 1, 1000)
    assert (len(had), denied) == (200, 0)
    assert num_writes <= 3


async def test_a_denial_says_what_is_used_up_and_when_it_comes_back(
    database: Database, clock: FakeClock
) -> None:
    mine = budgets(database, clock)
    clock.advance(3600)
    await mine.reserve("o", 60, 100)
    with pytest.raises(LimitReached) as denial:
        await mine.reserve("o", 60, 100)
    assert denial.value.limit == "tokens_per_day"
    assert (denial.value.resets_at - clock.now()).total_seconds() == 23 * 3600
    with pytest.raises(UserError, match="may take 101 tokens") as refusal:
        await mine.reserve("o", 101, 100)
    assert refusal.value.param == "max_tokens"
    await mine.reserve("other", 60, 100)
    clock.advance(23 * 3600)
    await mine.reserve("o", 60, 100)


async def test_days_and_minutes_are_counted_apart(database: Database, clock: FakeClock) -> None:
    mine = budgets(database, clock)
    await mine.reserve("o", 60, 100)
    await mine.reserve("o", 60, 100, Window.MINUTE)
    with pytest.raises(LimitReached) as denial:
        await mine.reserve("o", 60, 100, Window.MINUTE)
    assert (denial.value.resets_at - clock.now()).total_seconds() == 60


async def test_what_is_settled_late_counts_once(database: Database, clock: FakeClock) -> None:
    mine, other = budgets(database, clock), budgets(database, clock)
    lease = await mine.reserve("o", 60, 100)
    clock.advance(LEASE_S)
    await other.look_after()
    assert await counted(database, clock, "o") == (0, 0)
    mine.settle(lease, 40)
    await mine.flush()
    assert await counted(database, clock, "o") == (40, 0)


async def test_a_lease_that_is_renewed_outlives_its_time(
    database: Database, clock: FakeClock
) -> None:
    mine, other = budgets(database, clock), budgets(database, clock)
    lease = await mine.reserve("o", 60, 100)
    for _ in range(5):
        clock.advance(LEASE_S / 2)
        await mine.look_after()
        await other.look_after()
    assert await counted(database, clock, "o") == (0, 60)
    mine.settle(lease, 10)
    await mine.flush()
    assert await counted(database, clock, "o") == (10, 0)


CHILD = """
import anyio, sys
from fireside.capacity.budgets import Budgets
from fireside.db.database import connect
from fireside.db.settings import DatabaseSettings
from fireside.kit.clock import SystemClock
from fireside.kit.ids import new_id

async def main():
    database = connect(sys.argv[1], DatabaseSettings())
    mine = Budgets(database, SystemClock(), new_id, 30.0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(mine.run)
        for _ in range(7):
            await mine.reserve("o", 100, 1000)
        print("held", flush=True)
        await anyio.sleep_forever()

anyio.run(main)
"""


async def test_a_server_killed_with_leases_in_hand_leaks_nothing(
    database: Database, database_url: str
) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, database_url], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    with child.stdout:
        assert await anyio.to_thread.run_sync(child.stdout.readline) == "held\n"
        child.send_signal(signal.SIGKILL)
        assert await anyio.to_thread.run_sync(child.wait) == -signal.SIGKILL
    clock = FakeClock(SystemClock().now())
    mine = budgets(database, clock)
    await mine.look_after()
    assert await counted(database, clock, "o") == (0, 700)
    clock.advance(LEASE_S + 1)  # the goal allows 60 s; servers look every LEASE_S / 3
    await mine.look_after()
    start, _end = window_at(Window.DAY, SystemClock().now())
    async with database.read() as tx:
        account = account_of("o", Window.DAY, start)
        assert await TokenRepository().counted(tx, account) == (0, 0)


async def test_an_outage_fails_new_calls_and_loses_no_settlement(
    sqlite_database: Database, clock: FakeClock
) -> None:
    away = Away(sqlite_database)
    mine = budgets(away, clock)
    lease = await mine.reserve("o", 60, 100)
    away.away = True
    mine.settle(lease, 25)
    await mine.flush()
    with pytest.raises(BackendFailed):
        await mine.reserve("o", 10, 100)
    away.away = False
    await mine.flush()
    assert await counted(sqlite_database, clock, "o") == (25, 0)


async def test_a_commit_whose_answer_was_lost_is_neither_leaked_nor_counted_twice(
    sqlite_database: Database, clock: FakeClock
) -> None:
    class Losing(Away):
        lose = False

        @asynccontextmanager
        async def write(self):  # type: ignore[no-untyped-def]
            async with self.inner.write() as tx:
                yield tx
            if self.lose:
                raise BackendFailed("database_unavailable", "lost", retryable=True)

    losing = Losing(sqlite_database)
    mine = budgets(losing, clock)
    lease = await mine.reserve("o", 60, 100)
    losing.lose = True
    mine.settle(lease, 25)
    with pytest.raises(BackendFailed):
        await mine.reserve("o", 30, 100)
    losing.lose = False
    await mine.flush()
    assert await counted(sqlite_database, clock, "o") == (25, 0)


async def test_a_caller_who_leaves_while_asking_holds_nothing(
    database: Database, clock: FakeClock
) -> None:
    mine = budgets(database, clock)

    async def call() -> None:
        lease = await mine.reserve("o", 1, 10_000)
        try:
            await anyio.sleep_forever()
        finally:
            mine.settle(lease, 0)

    for _ in range(10):
        async with anyio.create_task_group() as tasks:
            for _number in range(20):
                tasks.start_soon(call)
            await anyio.sleep(0)
            await anyio.sleep(0)
            tasks.cancel_scope.cancel()
    await mine.flush()
    await mine.reserve("o", 10, 10_000)  # whoever is left over in the queue is swept along
    await mine.flush()
    assert await counted(database, clock, "o") == (0, 10)


async def test_the_background_work_settles_by_itself(database: Database, clock: FakeClock) -> None:
    mine = budgets(database, clock)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(mine.run)
        lease = await mine.reserve("o", 60, 100)
        mine.settle(lease, 5)
        with anyio.fail_after(5):
            while await counted(database, clock, "o") != (5, 0):
                await anyio.sleep(0.01)
        last = await mine.reserve("o", 60, 100)
        mine.settle(last, 7)
        tasks.cancel_scope.cancel()
    assert await counted(database, clock, "o") == (12, 0)
    async with database.read() as tx:
        assert await mine.used(tx, "o") == 12


# requests and tokens per minute

PLAN = PlanPolicy(band=Band.PAID, requests_per_minute=60, tokens_per_minute=6000)


def test_a_minutes_requests_come_back_one_by_one() -> None:
    limiter = RateLimiter()
    answers = [limiter.take("f", PLAN, 0, 0.0) for _ in range(61)]
    assert [each.ok for each in answers] == [True] * 60 + [False]
    assert answers[-1].refused_by == "requests_per_minute"
    assert answers[-1].retry_after_s == pytest.approx(1.0)
    assert not limiter.take("f", PLAN, 0, 0.9).ok
    assert limiter.take("f", PLAN, 0, 1.0).ok
    assert limiter.take("other", PLAN, 0, 1.0).ok


def test_tokens_that_were_not_used_come_back_at_once() -> None:
    limiter = RateLimiter()
    assert limiter.take("f", PLAN, 6000, 0.0).ok
    refusal = limiter.take("f", PLAN, 100, 0.0)
    assert (refusal.ok, refusal.refused_by) == (False, "tokens_per_minute")
    assert refusal.retry_after_s == pytest.approx(1.0)
    assert refusal.requests is not None
    assert refusal.requests.remaining == 59  # a refused request takes nothing
    limiter.give_back("f", 5000)
    assert limiter.take("f", PLAN, 5000, 0.0).ok
    assert limiter.take("f", PLAN, 6001, 0.0).impossible


def test_a_clock_that_is_set_back_gives_nothing_away() -> None:
    limiter = RateLimiter()
    assert limiter.take("f", PLAN, 6000, 100.0).ok
    assert not limiter.take("f", PLAN, 1000, 50.0).ok
    assert limiter.take("f", PLAN, 1000, 60.0).ok


def test_headers_are_in_the_originals_form() -> None:
    limiter = RateLimiter()
    assert limiter.take("f", PLAN, 1500, 0.0).headers() == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-limit-tokens": "6000",
        "x-ratelimit-remaining-tokens": "4500",
        "x-ratelimit-reset-tokens": "15s",
    }
    assert limiter.take("f", PlanPolicy(band=Band.FREE), 10**9, 0.0).headers() == {}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0ms"), (0.0201, "21ms"), (0.5, "500ms"), (1, "1s"), (59.2, "1m0s"), (3600, "1h0m0s")],
)
def test_durations_are_written_as_the_original_does(seconds: float, text: str) -> None:
    assert duration(seconds) == text

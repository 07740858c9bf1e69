"""Metering through its public door, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import anyio
import msgspec
import pytest

from fireside.billing.domain import (
    Feature,
    UsageBy,
    UsageEntry,
    UsageShare,
    UsageStatus,
    UsageTotals,
)
from fireside.billing.repository import UsageRepository
from fireside.billing.service import Meter
from fireside.billing.settings import BillingSettings
from fireside.conversation.message import Usage, UserId
from fireside.db.database import Database, Transaction, connect
from fireside.db.settings import DatabaseSettings
from fireside.errors import BackendFailed
from fireside.kit.ids import new_id

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)


def entry(user_id: str, *, at: datetime = AT, tokens: int = 10, model: str = "m") -> UsageEntry:
    return UsageEntry(
        user_id=UserId(user_id),
        model=model,
        release="m@sha",
        engine="scripted",
        feature=Feature.API_CHAT,
        usage=Usage(prompt_tokens=tokens, cached_tokens=1, completion_tokens=2, ttft_ms=3.5),
        at=at,
        status=UsageStatus.ABORTED,
        api_key_id=new_id(),
    )


def meter(database: Database, **settings: object) -> Meter:
    return Meter(database, UsageRepository(), BillingSettings(**settings), new_id)  # type: ignore[arg-type]


async def totals(database: Database, user_id: str) -> UsageTotals:
    async with database.read() as tx:
        return await UsageRepository().totals(
            tx, UserId(user_id), AT - timedelta(days=1), AT + timedelta(days=1)
        )


class Away(Database):
    """A database that is away while `away` is set."""

    def __init__(self, inner: Database) -> None:
        self.inner = inner
        self.away = True
        self.lose_confirmation = False

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Transaction]:
        if self.away:
            raise BackendFailed("database_unavailable", "away", retryable=True)
        async with self.inner.write() as tx:
            yield tx
        if self.lose_confirmation:
            self.lose_confirmation = False
            raise BackendFailed("database_unavailable", "away", retryable=True)


async def test_what_is_recorded_is_summed_up_by_person_and_time(database: Database) -> None:
    ann, ben = new_id(), new_id()
    counted = meter(database)
    counted.record(entry(ann))
    counted.record(entry(ann, tokens=2**40))
    counted.record(entry(ben, at=AT + timedelta(days=2)))
    await counted.flush()

    assert await totals(database, ann) == UsageTotals(2, 2**40 + 10, 2, 4)
    assert await totals(database, ben) == UsageTotals()
    async with database.read() as tx:
        everybody = await UsageRepository().totals_by_user(tx, AT, AT + timedelta(days=3))
    assert {user: sums.num_generations for user, sums in everybody.items()} == {ann: 2, ben: 1}
    assert counted.num_written == 3


async def test_usage_reaches_the_database_without_anybody_asking(database: Database) -> None:
    ann = new_id()
    counted = meter(database, flush_interval_s=0.01)
    async with anyio.create_task_group() as tg:
        tg.start_soon(counted.run)
        counted.record(entry(ann))
        with anyio.fail_after(10):
            while counted.num_written == 0:
                await anyio.sleep(0.01)
        tg.cancel_scope.cancel()
    assert (await totals(database, ann)).num_generations == 1


async def test_a_full_group_is_written_before_the_interval_ends(database: Database) -> None:
    ann = new_id()
    counted = meter(database, flush_interval_s=10, flush_rows=5)
    async with anyio.create_task_group() as tg:
        tg.start_soon(counted.run)
        for _ in range(12):
            counted.record(entry(ann))
        with anyio.fail_after(8):
            while counted.num_written < 10:
                await anyio.sleep(0.01)
        tg.cancel_scope.cancel()
    assert (await totals(database, ann)).num_generations == 12


async def test_shutting_down_writes_the_rest(database: Database) -> None:
    ann = new_id()
    counted = meter(database, flush_interval_s=10)
    async with anyio.create_task_group() as tg:
        tg.start_soon(counted.run)
        await anyio.wait_all_tasks_blocked()
        counted.record(entry(ann))
        tg.cancel_scope.cancel()
    assert (await totals(database, ann)).num_generations == 1


async def test_usage_waits_while_the_database_is_away(database: Database) -> None:
    ann = new_id()
    away = Away(database)
    counted = meter(away)
    counted.record(entry(ann))
    await counted.flush()
    counted.record(entry(ann))
    await counted.flush()
    assert (counted.num_written, counted.num_waiting) == (0, 2)

    away.away = False
    await counted.flush()
    assert (counted.num_written, counted.num_waiting, counted.num_dropped) == (2, 0, 0)
    assert (await totals(database, ann)).num_generations == 2


async def test_a_batch_whose_commit_was_not_confirmed_is_not_counted_twice(
    database: Database,
) -> None:
    ann = new_id()
    away = Away(database)
    away.away, away.lose_confirmation = False, True
    counted = meter(away)
    counted.record(entry(ann))
    await counted.flush()
    assert counted.num_waiting == 1
    await counted.flush()
    assert counted.num_waiting == 0
    assert (await totals(database, ann)).num_generations == 1


async def test_the_newest_are_kept_when_the_buffer_is_full_and_the_loss_is_counted(
    database: Database,
) -> None:
    ann = new_id()
    away = Away(database)
    counted = meter(away, flush_rows=2, buffer_rows=4)
    for tokens in range(10):
        counted.record(entry(ann, tokens=tokens))
    assert (counted.num_waiting, counted.num_dropped) == (4, 6)
    away.away = False
    await counted.flush()
    assert (await totals(database, ann)).prompt_tokens == 6 + 7 + 8 + 9


@pytest.mark.postgres
async def test_a_record_that_the_database_refuses_does_not_hold_up_the_others(
    postgres_url: str,
) -> None:
    database = connect(postgres_url, DatabaseSettings())
    ann = new_id()
    counted = meter(database, flush_rows=1)
    counted.record(entry(ann, model="no \x00 in text"))
    counted.record(entry(ann))
    await counted.flush()
    assert (counted.num_dropped, counted.num_written) == (1, 1)
    assert (await totals(database, ann)).num_generations == 1
    await database.aclose()


async def test_usage_is_split_up_by_plan_feature_person_and_model(database: Database) -> None:
    ann, ben = new_id(), new_id()
    counted = meter(database)
    plain, rich = entry(ann), entry(ben, model="large")
    counted.record(msgspec.structs.replace(plain, engine_s=1.5, plan="free"))
    counted.record(msgspec.structs.replace(rich, engine_s=4.0, plan="plus"))
    counted.record(msgspec.structs.replace(rich, engine_s=0.5, plan="plus"))
    await counted.flush()

    async def shares(by: UsageBy) -> list[UsageShare]:
        async with database.read() as tx:
            return await UsageRepository().shares(tx, by, AT, AT + timedelta(days=1))

    assert await shares(UsageBy.PLAN) == [
        UsageShare("plus", 4.5, 4, 2),
        UsageShare("free", 1.5, 2, 1),
    ]
    assert [share.name for share in await shares(UsageBy.USER)] == [ben, ann]
    assert [share.name for share in await shares(UsageBy.MODEL)] == ["large", "m"]
    assert await shares(UsageBy.FEATURE) == [UsageShare("api_chat", 6.0, 6, 3)]

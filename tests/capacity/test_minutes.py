"""What passed the gate: counted in memory, written by the minute, summed up by day and hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio

from fireside.capacity.minute_repository import DaySums, MinuteRepository
from fireside.capacity.minutes import MinuteRecorder
from fireside.capacity.policy import Band
from fireside.capacity.ports import CapacityView, PoolFigures
from fireside.db.database import Database
from fireside.kit.clock import FakeClock
from fireside.kit.ids import new_id
from tests.capacity.conftest import Away
from tests.fakes.gates import OpenGate

START = datetime(2026, 1, 1, tzinfo=UTC)
BUSY = CapacityView(
    bottleneck="Slots.",
    rung=2,
    pools=[PoolFigures(pool="m", slots=4, running={Band.PAID: 3}, waiting={Band.FREE: 7})],
)


def recorder(database: Database, clock: FakeClock, *, up: bool = True) -> MinuteRecorder:
    return MinuteRecorder(database, clock, new_id, 100, lambda: up)


async def sums(database: Database, days: float = 1) -> DaySums:
    async with database.read() as tx:
        return await MinuteRepository().sums(tx, START, START + timedelta(days=days))


async def test_counts_are_written_by_the_minute_and_summed_up(
    database: Database, clock: FakeClock
) -> None:
    mine = recorder(database, clock)
    for _ in range(3):
        mine.count("m", Band.PAID, "arrived")
        mine.count("m", Band.PAID, "granted")
        clock.advance(60)
    mine.note("m", Band.FREE, arrived=5, refused=4, granted=1, failed=1)
    await mine.write()
    assert await sums(database) == DaySums(served=3, refused=5)
    mine.note("m", Band.FREE, granted=1)
    await mine.write()  # the same minute again: replaced, not added
    assert (await sums(database)).served == 4
    async with database.read() as tx:
        hours = await MinuteRepository().arrivals(tx, START, START + timedelta(days=1))
    assert hours == {START: (8, 0.0)}


async def test_samples_say_how_long_slots_were_held_and_the_house_was_degraded(
    database: Database, clock: FakeClock
) -> None:
    mine = recorder(database, clock, up=False)
    for _ in range(24):
        clock.advance(5)
        mine.sample(BUSY)
    await mine.write()
    found = await sums(database)
    assert (found.down_s, found.degraded_s, found.num_minutes) == (120.0, 120.0, 3)
    async with database.read() as tx:
        hours = await MinuteRepository().arrivals(tx, START, START + timedelta(days=1))
    assert hours == {START: (0, 360.0)}
    series = mine.series()
    assert (series[-1].running, series[-1].waiting) == (3, 7)
    clock.advance(3600)  # the machine slept
    mine.sample(BUSY)
    await mine.write()
    assert (await sums(database)).down_s == 180.0


async def test_the_series_is_of_the_last_five_minutes(
    sqlite_database: Database, clock: FakeClock
) -> None:
    mine = recorder(sqlite_database, clock)
    for number in range(100):
        mine.note("m", Band.FREE, arrived=number, refused=1)
        mine.sample(BUSY)
        clock.advance(5)
    series = mine.series()
    assert [each.arrived for each in series] == list(range(40, 100))
    assert {each.refused for each in series} == {1}


async def test_of_two_servers_one_that_can_answer_is_enough(
    database: Database, clock: FakeClock
) -> None:
    here, there = recorder(database, clock, up=False), recorder(database, clock)
    clock.advance(30)
    for each in (here, there):
        each.sample(BUSY)
        await each.write()
    found = await sums(database)
    assert (found.num_minutes, found.down_s, found.degraded_s) == (1, 0.0, 30.0)


async def test_nothing_is_lost_while_the_database_is_away(
    sqlite_database: Database, clock: FakeClock
) -> None:
    away = Away(sqlite_database)
    away.away = True
    mine = recorder(away, clock)
    for _ in range(10):
        mine.note("m", Band.PAID, granted=1)
        await mine.write()
        clock.advance(60)
    away.away = False
    await mine.write()
    assert (await sums(sqlite_database)).served == 10


async def test_a_clock_that_is_set_back_overwrites_nothing(
    database: Database, clock: FakeClock
) -> None:
    mine = recorder(database, clock)
    mine.note("m", Band.PAID, granted=5)
    clock.advance(120)
    mine.note("m", Band.PAID, granted=1)
    await mine.write()
    clock.advance(-120)
    mine.note("m", Band.PAID, granted=1)
    await mine.write()
    assert (await sums(database)).served == 7


async def test_old_minutes_are_forgotten(database: Database, clock: FakeClock) -> None:
    mine = recorder(database, clock)
    mine.note("m", Band.PAID, granted=5)
    await mine.write()
    clock.advance(101 * 86_400)
    mine.note("m", Band.PAID, granted=1)
    await mine.write()
    assert await sums(database) == DaySums()
    async with database.read() as tx:
        assert await MinuteRepository().first(tx) == clock.now()


async def test_the_background_work_writes_what_is_left_at_the_end(
    database: Database, clock: FakeClock
) -> None:
    mine = recorder(database, clock)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(mine.run, OpenGate())
        await anyio.sleep(0.01)
        mine.note("m", Band.PAID, granted=5)
        tasks.cancel_scope.cancel()
    assert (await sums(database)).served == 5

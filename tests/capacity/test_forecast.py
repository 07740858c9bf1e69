"""The forecast: better than last week, true about its range, and never in anybody's way."""

from __future__ import annotations

import csv
import gzip
import math
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fireside.capacity.demand import Demand
from fireside.capacity.forecast import predict
from fireside.capacity.minute_repository import Minute, MinuteRepository
from fireside.capacity.outlook import HourOutlook, quiet_hours, slots_needed
from fireside.db.database import Database
from fireside.kit.clock import FakeClock
from tests.capacity.conftest import Away

TRACES = Path(__file__).resolve().parents[3] / "shared" / "traces"
WEEK = 168


def waves(num_hours: int, seed: int = 1, peak: float = 250.0) -> list[float]:
    """Days with a hump, quiet week-ends, and chance."""
    chance = random.Random(seed)
    found = []
    for hour in range(num_hours):
        day = 0.5 if hour // 24 % 7 >= 5 else 1.0
        mean = peak * day * (0.1 + 0.9 * max(0.0, math.sin(math.tau * (hour % 24 - 6) / 24)))
        found.append(max(0.0, round(chance.gauss(mean, math.sqrt(mean)))))
    return found


def off(guesses: Sequence[float], actual: Sequence[float]) -> float:
    return sum(abs(a - b) for a, b in zip(guesses, actual, strict=True)) / sum(actual)


def test_waves_are_foreseen_a_week_ahead() -> None:
    demand = waves(7 * WEEK)
    known, coming = demand[:-WEEK], demand[-WEEK:]
    week = predict(known)
    assert off([each.expected for each in week.ahead], coming) < off(known[-WEEK:], coming)
    inside = sum(g.low <= a <= g.high for g, a in zip(week.ahead, coming, strict=True))
    assert 0.65 <= inside / WEEK <= 0.95


def test_the_error_is_shown_beside_that_of_last_week() -> None:
    error = predict(waves(6 * WEEK)).error
    assert error.mape is not None
    assert error.baseline_mape is not None
    assert error.num_hours == 2 * WEEK
    assert 0.02 < error.mape < error.baseline_mape < 0.3


def test_the_past_is_told_without_knowing_the_day_after() -> None:
    """A jump cannot have been foreseen: what is said of the next 24 hours does not know of it."""
    quiet = [50.0] * (3 * WEEK)
    jumped = quiet[:-24] + [5000.0] * 24
    for calm, other in zip(predict(quiet).past[-24:], predict(jumped).past[-24:], strict=True):
        assert calm is not None
        assert other is not None
        assert other.expected == pytest.approx(calm.expected, rel=0.01)


def test_a_jump_that_stays_is_followed() -> None:
    week = predict([50.0] * (3 * WEEK) + [500.0] * 72)
    assert 250 < week.ahead[0].expected < 750


@pytest.mark.parametrize("num_hours", [0, 1, 47])
def test_of_too_little_nothing_is_said(num_hours: int) -> None:
    week = predict([5.0] * num_hours)
    assert (week.ahead, week.past) == ([], [None] * num_hours)
    assert week.error.mape is None


@settings(max_examples=40)
@given(st.integers(48, 3 * WEEK), st.integers(0, 2**32), st.floats(0, 1e9))
def test_any_past_gives_an_orderly_week(num_hours: int, seed: int, peak: float) -> None:
    week = predict(waves(num_hours, seed, peak))
    assert (len(week.past), len(week.ahead)) == (num_hours, WEEK)
    for each in [*filter(None, week.past), *week.ahead]:
        assert 0 <= each.low <= each.expected <= each.high < math.inf


def hour(number: int, high: float, *, actual: float | None = None) -> HourOutlook:
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number)
    return HourOutlook(at=at, expected=high * 0.8, low=0.0, high=high, actual=actual)


def test_slots_for_an_hour_are_on_the_high_side() -> None:
    assert slots_needed(3600.0, slot_s=10.0) == 12
    assert slots_needed(3600.0, slot_s=10.0, headroom=1.0) == 10
    assert slots_needed(1.0, slot_s=1.0) == 1
    assert slots_needed(0.0, slot_s=10.0) == 0
    assert slots_needed(5.0, slot_s=0.0) == 0


def test_quiet_hours_are_those_to_come() -> None:
    hours = [hour(0, 1.0, actual=1.0), hour(1, 100.0), hour(2, 30.0), hour(3, 90.0)]
    assert quiet_hours(hours) == [hours[2].at]
    assert quiet_hours([]) == []


async def fill(database: Database, clock: FakeClock, num_hours: int) -> list[float]:
    """Hours of demand until now, held 4 s each."""
    demand = waves(num_hours)
    start = clock.now() - timedelta(hours=num_hours)
    minutes = [
        Minute(
            minute=start + timedelta(hours=number),
            pool="m",
            band="free",
            arrived=int(count),
            slot_seconds=count * 4,
        )
        for number, count in enumerate(demand)
    ]
    async with database.write() as tx:
        await MinuteRepository().write(tx, "p", minutes)
    return demand


async def test_the_outlook_has_the_last_week_and_the_next(
    database: Database, clock: FakeClock
) -> None:
    counts = await fill(database, clock, 4 * WEEK)
    clock.advance(600)
    demand = Demand(database, clock)
    outlook = await demand.outlook()
    assert [each.actual for each in outlook.hours[:WEEK]] == counts[-WEEK:]
    assert [each.actual for each in outlook.hours[WEEK:]] == [None] * WEEK
    steps = {b.at - a.at for a, b in zip(outlook.hours, outlook.hours[1:], strict=False)}
    assert steps == {timedelta(hours=1)}
    assert outlook.hours[WEEK].at <= clock.now() < outlook.hours[WEEK + 1].at
    valleys = await demand.valleys()
    assert valleys
    assert all(at.hour < 9 or at.hour > 15 or at.weekday() in {1, 2} for at in valleys)
    peak = max(each.high or 0 for each in outlook.hours[WEEK : WEEK + 25])
    assert await demand.slots_ahead(24) == slots_needed(peak, 4.0)
    assert {each.slots_needed for each in outlook.hours[:WEEK]} == {None}
    assert all(each.slots_needed is not None for each in outlook.hours[WEEK:])


async def test_an_empty_house_has_no_outlook(database: Database, clock: FakeClock) -> None:
    demand = Demand(database, clock)
    assert (await demand.outlook()).hours == []
    assert await demand.slots_ahead() == 0
    assert await demand.valleys() == []


async def test_an_outage_shows_the_last_outlook(
    sqlite_database: Database, clock: FakeClock
) -> None:
    await fill(sqlite_database, clock, 60)
    away = Away(sqlite_database)
    demand = Demand(away, clock)
    first = await demand.outlook()
    away.away = True
    clock.advance(3600)
    assert await demand.outlook() == first
    assert (await Demand(away, clock).outlook()).hours == []


def rows(name: str) -> list[dict[str, str]]:
    path = TRACES / name
    if not path.exists():
        pytest.skip(f"{path} is not here")
    with gzip.open(path, "rt") as lines:
        return list(csv.DictReader(lines))


def burstgpt(num_days: int) -> list[float]:
    """61 days of requests, spread over each day as the mean day is, with Poisson's chance."""
    chance = random.Random(1)
    means = [float(row["mean_requests_per_hour"]) for row in rows("burstgpt1_hourly_mean.csv.gz")]
    return [
        max(0.0, chance.gauss(mean, math.sqrt(mean)))
        for day in rows("burstgpt1_daily.csv.gz")[:num_days]
        for mean in (float(day["requests"]) * share / sum(means) for share in means)
    ]


def servegen() -> list[float]:
    """Requests of all clients by hour over 14 days."""
    hours = [0.0] * (14 * 24)
    for row in rows("servegen_language_m-small_client_rates.csv.gz"):
        number = int(float(row["window_start_s"])) // 3600
        if number < len(hours):
            hours[number] += float(row["rate_rps"]) * 600
    return hours


@pytest.mark.long
@pytest.mark.parametrize("name", ["burstgpt 21", "burstgpt 35", "burstgpt 61", "servegen"])
def test_real_demand_is_foreseen_better_than_by_last_week(name: str) -> None:
    past = servegen() if name == "servegen" else burstgpt(int(name.split()[1]))
    error = predict(past).error
    print(f"{name}: {error}")  # noqa: T201
    assert error.mape is not None
    assert error.baseline_mape is not None
    assert error.mape < error.baseline_mape

"""The demands that a gate is judged by, as plans that the simulator carries out. Pure."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Protocol

import msgspec

from fireside.capacity.policy import Band
from fireside.capacity.simulation.arrivals import (
    Mix,
    Row,
    conversations,
    curve_rows,
    mean_work_s,
    people,
    replayed,
    three_humps,
)
from fireside.capacity.simulation.modelled import REFERENCE, EngineCost
from fireside.capacity.simulation.simulator import Arrival, Change, Returns
from fireside.errors import UserError

MINUTE_S = 60.0
DAY_S = 86_400.0
LENGTH_S = 1800.0


class Rows(Protocol):
    """Where the sizes and times of turns come from."""

    def rows(self, name: str) -> list[Row]:
        """The trace that goes by that name."""
        ...


class Stage(msgspec.Struct, frozen=True):
    """What a plan is made for."""

    traces: Rows
    num_engines: int | None = None  # None: as the scenario has it
    seed: int = 0
    cost: EngineCost = REFERENCE
    duration_s: float | None = None


class Plan(msgspec.Struct, frozen=True):
    """A demand and what happens to the engines meanwhile.

    `arrivals` can be begun again, for every scheduler that is compared; `without` is the same
    demand less what makes it a bad one. The figures count turns from `counts_from_s` on.
    """

    arrivals: Callable[[], Iterator[Arrival]]
    num_engines: int = 1
    changes: tuple[Change, ...] = ()
    returns: Returns | None = None
    without: Callable[[], Iterator[Arrival]] | None = None
    counts_from_s: float = 0.0
    tick_s: float = 0.5


class ScenarioUnknown(UserError):
    """There is no scenario of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            "scenario_unknown",
            f"There is no scenario named {name}.",
            param="scenario",
            hint="`fireside simulate --list` names them all.",
        )


def plan(name: str, stage: Stage) -> Plan:
    """The plan of a scenario. Raises ScenarioUnknown."""
    if (made := SCENARIOS.get(name)) is not None:
        return made(stage)
    match = re.fullmatch(r"([a-z]+)-(\d+(?:\.\d+)?)x", name)
    if match is None or match[1] not in TRACE_SCENARIOS or not 0 < float(match[2]) <= 1000:
        raise ScenarioUnknown(name)
    return _replay(stage, match[1], float(match[2]))


def replay(stage: Stage, rows: Sequence[Row], multiple: float) -> Plan:
    """Any rows at a multiple of what the engines can serve."""
    num_engines = stage.num_engines or 1
    duration_s = stage.duration_s or LENGTH_S

    def arrivals() -> Iterator[Arrival]:
        timed = replayed(rows, multiple, duration_s, stage.cost, num_engines)
        return people(timed, multiple, Mix(), num_engines, stage.seed)

    return Plan(arrivals, num_engines)


def _replay(stage: Stage, trace: str, multiple: float) -> Plan:
    return replay(stage, stage.traces.rows(trace), multiple)


def _rate(stage: Stage, sizes: Sequence[Row], num_engines: int) -> float:
    """Turns a second that so many engines can serve at their fullest."""
    return num_engines / mean_work_s(sizes, stage.cost)


def _steady(
    stage: Stage, curve: Callable[[float], float], most: float, duration_s: float, num_engines: int
) -> Callable[[], Iterator[Arrival]]:
    """A Poisson demand along a curve of multiples of capacity, half of capacity of it paid."""
    sizes = stage.traces.rows("chat")
    rate = _rate(stage, sizes, num_engines)

    def arrivals() -> Iterator[Arrival]:
        rnd = random.Random(stage.seed + 1)
        rows = curve_rows(lambda at: rate * curve(at), rate * most, duration_s, sizes, stage.seed)
        for row in rows:
            is_paid = rnd.random() < min(0.5, 0.5 / curve(row.t_s))
            flow = f"{'paid' if is_paid else 'free'}-{rnd.randrange(200 * num_engines)}"
            band = Band.PAID if is_paid else Band.FREE
            yield Arrival(row.t_s, row.prompt_tokens, row.output_tokens, flow, band)

    return arrivals


def quiet(stage: Stage) -> Plan:
    """0.7 times capacity, smooth: nobody needs to be refused."""
    num_engines = stage.num_engines or 1
    return Plan(
        _steady(stage, lambda _: 0.7, 0.7, stage.duration_s or 7200.0, num_engines), num_engines
    )


def week(stage: Stage) -> Plan:
    """A week with three humps a day; capacity is 60 % of the peak, 30 % of the demand is paid."""
    num_engines = stage.num_engines or 1
    sizes = stage.traces.rows("chat")
    peak = _rate(stage, sizes, num_engines) / 0.6
    duration_s = stage.duration_s or 7 * DAY_S
    levels = [peak * three_humps(minute * MINUTE_S) for minute in range(int(DAY_S * 7 / MINUTE_S))]

    def rate_at(at: float) -> float:
        return levels[int(at / MINUTE_S) % len(levels)]

    def arrivals() -> Iterator[Arrival]:
        rnd = random.Random(stage.seed + 1)
        rows = curve_rows(rate_at, peak, duration_s, sizes, stage.seed)
        for row in rows:
            band = Band.PAID if rnd.random() < 0.3 else Band.FREE
            flow = f"{band.value}-{rnd.randrange(2000 * num_engines)}"
            yield Arrival(row.t_s, row.prompt_tokens, row.output_tokens, flow, band)

    return Plan(arrivals, num_engines, tick_s=2.0)


def storm(stage: Stage) -> Plan:
    """0.7x, a minute of 10x, 0.7x again; who is refused comes back when told to.

    The figures count from ten seconds after the minute.
    """
    num_engines = stage.num_engines or 1

    def curve(at: float) -> float:
        return 10.0 if 300.0 <= at < 360.0 else 0.7

    arrivals = _steady(stage, curve, 10.0, stage.duration_s or 1260.0, num_engines)
    return Plan(arrivals, num_engines, returns=Returns(), counts_from_s=370.0)


def abuser(stage: Stage) -> Plan:
    """One client asks for as much as all others together, who alone would be served in full."""
    num_engines = stage.num_engines or 1
    duration_s = stage.duration_s or 3600.0
    honest = _crowd(stage, "others", 200, 0.7, duration_s, num_engines)
    greedy = _crowd(stage, "abuser", 1, 0.7, duration_s, num_engines)
    return Plan(lambda: _merged(honest(), greedy()), num_engines, without=honest)


def sybils(stage: Stage) -> Plan:
    """A thousand fresh accounts of one cluster, beside twenty people who want all they can get."""
    num_engines = stage.num_engines or 1
    duration_s = stage.duration_s or 3600.0
    honest = _crowd(stage, "honest", 20, 2.0, duration_s, num_engines)
    cluster = _crowd(stage, "cluster", 1, 2.0, duration_s, num_engines)
    return Plan(lambda: _merged(honest(), cluster()), num_engines, without=honest)


def _crowd(
    stage: Stage,
    group: str,
    num_flows: int,
    multiple: float,
    duration_s: float,
    num_engines: int,
) -> Callable[[], Iterator[Arrival]]:
    sizes = stage.traces.rows("chat")
    rate = multiple * _rate(stage, sizes, num_engines)

    def arrivals() -> Iterator[Arrival]:
        rnd = random.Random(f"{stage.seed} {group}")
        for row in curve_rows(lambda _: rate, rate, duration_s, sizes, rnd.randrange(1 << 30)):
            flow = f"{group}@{rnd.randrange(num_flows)}"
            yield Arrival(row.t_s, row.prompt_tokens, row.output_tokens, flow, Band.FREE)

    return arrivals


def _merged(*sources: Iterator[Arrival]) -> Iterator[Arrival]:
    return iter(sorted(chain(*sources), key=lambda each: each.at))


def engine_loss(stage: Stage) -> Plan:
    """Four engines at 0.8x; one dies after ten minutes and is back after ten more."""
    num_engines = stage.num_engines or 4
    arrivals = _steady(stage, lambda _: 0.8, 0.8, stage.duration_s or LENGTH_S, num_engines)
    changes = (Change(600.0, num_engines - 1), Change(1200.0, num_engines))
    return Plan(arrivals, num_engines, changes)


def no_engine(stage: Stage) -> Plan:
    """0.7x, and no engine at all for five minutes."""
    num_engines = stage.num_engines or 1
    arrivals = _steady(stage, lambda _: 0.7, 0.7, stage.duration_s or LENGTH_S, num_engines)
    return Plan(arrivals, num_engines, (Change(600.0, 0), Change(900.0, num_engines)))


def affinity(stage: Stage) -> Plan:
    """Four engines, conversations of several turns that an engine may still have in its cache."""
    num_engines = stage.num_engines or 4
    sizes = stage.traces.rows("chat")
    rate = 0.75 * _rate(stage, sizes, num_engines)
    duration_s = stage.duration_s or LENGTH_S
    return Plan(lambda: iter(conversations(rate, duration_s, sizes, stage.seed)), num_engines)


def fleet(stage: Stage) -> Plan:
    """A thousand engines, two million people, 1.5x: planning beyond one machine."""
    num_engines = stage.num_engines or 1000
    sizes = stage.traces.rows("chat")
    rate = 1.5 * _rate(stage, sizes, num_engines)
    duration_s = stage.duration_s or 240.0
    num_people = 2000 * num_engines

    def arrivals() -> Iterator[Arrival]:
        rnd = random.Random(stage.seed)
        for row in curve_rows(lambda _: rate, rate, duration_s, sizes, stage.seed):
            number = rnd.randrange(num_people)
            band = Band.PAID if number % 3 == 0 else Band.FREE
            flow = f"p{number}"
            yield Arrival(row.t_s, row.prompt_tokens, row.output_tokens, flow, band)

    return Plan(arrivals, num_engines, tick_s=2.0)


SCENARIOS: Mapping[str, Callable[[Stage], Plan]] = {
    "quiet": quiet,
    "week": week,
    "storm": storm,
    "abuser": abuser,
    "sybils": sybils,
    "engine-loss": engine_loss,
    "no-engine": no_engine,
    "affinity": affinity,
    "fleet": fleet,
}
TRACE_SCENARIOS = ("chat", "code", "arena", "burst", "days", "hours", "clients", "pictures")

"""A plan carried out behind the gate, and behind what it is compared with. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from fireside.capacity.domain import Scheduler
from fireside.capacity.policy import Band, Policy
from fireside.capacity.simulation.baselines import Line, Order, Placement
from fireside.capacity.simulation.modelled import EngineCost
from fireside.capacity.simulation.outcomes import (
    Outcome,
    Run,
    attainment_by_minute,
    outcome,
)
from fireside.capacity.simulation.scenarios import Plan
from fireside.capacity.simulation.simulator import Arrival, Decides, Simulation, Turn

NUM_BUCKETS = 120
LEAST_IN_MINUTE = 20  # turns; of fewer one miss would be a minute that is down
DOWN_BELOW = 0.95


class Bucket(msgspec.Struct):
    """Turns of a stretch of time, by when they came."""

    at_s: float
    arrived: int = 0
    in_time: int = 0
    refused: int = 0
    paid: int = 0
    paid_in_time: int = 0


class Trial(msgspec.Struct, frozen=True):
    """What a plan came to. `paid_minutes_down`: with under 95 % of paid turns in time."""

    outcome: Outcome
    buckets: list[Bucket]
    paid_minutes_down: int
    minutes: int


def gate(name: str, plan: Plan, policy: Policy, cost: EngineCost, seed: int = 0) -> Trial:
    """Behind the gate."""
    return _carry_out(name, plan, policy, cost, seed, Scheduler(policy), plan.arrivals)


def gate_without(name: str, plan: Plan, policy: Policy, cost: EngineCost, seed: int = 0) -> Trial:
    """Behind the gate, less what makes the demand a bad one."""
    arrivals = plan.without or plan.arrivals
    return _carry_out(name, plan, policy, cost, seed, Scheduler(policy), arrivals)


def baselines(plan: Plan, policy: Policy) -> dict[str, Line]:
    """What else could stand in front of the engines."""
    lines = {
        "fifo": Line(policy, Order.FIFO),
        "strict priority": Line(policy, Order.PRIORITY),
    }
    if plan.num_engines > 1:
        lines["fifo, round robin"] = Line(policy, Order.FIFO, Placement.ROUND_ROBIN)
    return lines


def compared(
    name: str, plan: Plan, policy: Policy, cost: EngineCost, line: Line, seed: int = 0
) -> Trial:
    """Behind one of the baselines."""
    return _carry_out(name, plan, policy, cost, seed, line, plan.arrivals)


def _carry_out(
    name: str,
    plan: Plan,
    policy: Policy,
    cost: EngineCost,
    seed: int,
    scheduler: Decides,
    arrivals: Callable[[], Iterator[Arrival]],
) -> Trial:
    simulation = Simulation(
        policy,
        cost,
        plan.num_engines,
        scheduler=scheduler,
        tick_s=plan.tick_s,
        returns=plan.returns,
        seed=seed,
    )
    rungs = [0]

    def look(now: float) -> None:
        if isinstance(scheduler, Scheduler):
            for pool in scheduler.pools.values():
                rungs[0] = max(rungs[0], int(pool.ladder.rung))

    simulation.on_tick = look
    simulation.run(arrivals(), plan.changes)
    counted = [turn for turn in simulation.turns if turn.arrival.at >= plan.counts_from_s]
    duration_s = simulation.turns[-1].arrival.at if simulation.turns else 0.0
    engine_s = simulation.engine_s
    if plan.counts_from_s:
        engine_s = plan.num_engines * (duration_s - plan.counts_from_s)
    found = outcome(Run(name, counted, policy, cost, engine_s, rungs[0]))
    minutes = attainment_by_minute(simulation.turns, policy, Band.PAID)
    down = sum(
        1 for good, all_ in minutes.values() if all_ >= LEAST_IN_MINUTE and good < DOWN_BELOW * all_
    )
    return Trial(found, _buckets(simulation.turns, policy), down, len(minutes))


def _buckets(turns: list[Turn], policy: Policy) -> list[Bucket]:
    if not turns:
        return []
    width_s = max(turns[-1].arrival.at, 1.0) / NUM_BUCKETS
    buckets = [Bucket(number * width_s) for number in range(NUM_BUCKETS + 1)]
    for turn in turns:
        bucket = buckets[int(turn.arrival.at / width_s)]
        is_in_time = turn.in_time(policy)
        bucket.arrived += 1
        bucket.in_time += is_in_time
        bucket.refused += turn.refused_at is not None
        if turn.arrival.band is Band.PAID:
            bucket.paid += 1
            bucket.paid_in_time += is_in_time
    return buckets[:-1]

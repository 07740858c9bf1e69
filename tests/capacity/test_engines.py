"""What is learned of an engine: how many at once, how fast, and whether it lies."""

from __future__ import annotations

import pytest

from fireside.capacity.asks import Ask
from fireside.capacity.engines import FIRST_LIMIT, EngineState, Fleet, Run
from fireside.capacity.policy import Band


def ask(number: int, **rest: object) -> Ask:
    return Ask(id=f"{number}", pool="m", band=Band.PAID, flow="f", arrived_at=0.0, **rest)  # type: ignore[arg-type]


def serve(engine: EngineState, true_slots: int, seconds: int, num_asks: int = 1000) -> None:
    """Replies of 100 tokens at 20 a second, for as many as it really has slots; others queue."""
    number = 0
    running: list[Run] = []
    for step in range(seconds * 20):
        now = step * 0.05
        while engine.num_free and number < num_asks:
            run = Run(ask(number), engine, now, 0.0)
            engine.begin(run, now)
            running.append(run)
            number += 1
        for run in running[:true_slots]:
            engine.progress(run, run.num_tokens + 1, now)
        for run in [each for each in running if each.num_tokens >= 100]:
            engine.end(run, now)
            running.remove(run)
        if step % 5 == 0:
            engine.adapt(now)


@pytest.mark.parametrize(("stated", "true"), [(32, 8), (32, 1), (4, 4), (16, 12)])
def test_an_engine_with_fewer_slots_than_it_says_gets_fewer(stated: int, true: int) -> None:
    engine = EngineState("e", stated, 0.09)
    serve(engine, true, 60)
    assert true <= engine.limit <= max(true + 2, 1.3 * true)


def test_an_engine_that_says_nothing_is_tried_with_more_and_more() -> None:
    engine = EngineState("e", None, 0.09)
    serve(engine, 200, 20, 5000)
    assert engine.limit >= 2 * FIRST_LIMIT


def test_a_limit_is_not_raised_that_nobody_used() -> None:
    engine = EngineState("e", None, 0.09)
    run = Run(ask(1), engine, 0.0, 0.0)
    engine.begin(run, 0.0)
    for step in range(1, 2000):
        engine.progress(run, step, step * 0.05)
        engine.adapt(step * 0.05)
    assert engine.limit == FIRST_LIMIT


@pytest.mark.parametrize("stated", [0, -3, 1])
def test_whatever_an_engine_says_it_gets_one_at_a_time(stated: int) -> None:
    assert EngineState("e", stated, 0.09).num_free == 1


def test_an_engine_too_slow_for_what_is_promised_gets_fewer_at_once() -> None:
    engine = EngineState("e", 16, 0.09)
    running = [Run(ask(n), engine, 0.0, 0.0) for n in range(16)]
    for run in running:
        engine.begin(run, 0.0)
    for step in range(1, 200):
        for run in running:
            engine.progress(run, step, step * 0.2)
        engine.adapt(step * 0.2)
    assert engine.limit < 8


def fleet_of(num_engines: int, slots: int = 2) -> tuple[Fleet, list[EngineState]]:
    engines = [EngineState(f"e{n:03}", slots, 0.09) for n in range(num_engines)]
    fleet = Fleet()
    fleet.set(engines, 0.0)
    return fleet, engines


def test_work_goes_to_the_engine_that_has_the_least_for_its_size() -> None:
    fleet, engines = fleet_of(2, 8)
    engines[1].set_slots(32)
    placed = {"e000": 0, "e001": 0}
    for number in range(20):
        engine = fleet.place(ask(number), None, 1.1, number * 0.01)
        assert engine is not None
        placed[engine.name] += 1
        engine.begin(Run(ask(number), engine, number * 0.01, 0.0), number * 0.01)
    assert placed == {"e000": 4, "e001": 16}


def test_a_thousand_engines_fill_evenly_and_completely() -> None:
    fleet, engines = fleet_of(1000)
    for number in range(2000):
        engine = fleet.place(ask(number), None, 1.1, number * 0.001)
        assert engine is not None
        engine.begin(Run(ask(number), engine, number * 0.001, 0.0), number * 0.001)
    assert fleet.num_free == 0
    assert {each.num_running for each in engines} == {2}
    assert fleet.place(ask(9), None, 1.1, 3.0) is None
    run = next(iter(engines[7].runs.values()))
    engines[7].end(run, 3.0)
    assert fleet.place(ask(9), None, 1.1, 3.0) is engines[7]


def test_an_engine_that_left_its_fleet_gets_nothing() -> None:
    fleet, engines = fleet_of(3)
    fleet.set(engines[:1], 1.0)
    engines[1].begin(Run(ask(1), engines[1], 1.0, 0.0), 1.0)
    assert fleet.num_free == 2
    assert fleet.place(ask(2), "e001", 1.1, 1.0) is engines[0]

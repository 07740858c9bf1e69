"""The house gives things up one at a time, names what, and takes them back."""

from __future__ import annotations

import itertools
import random

from fireside.capacity.ladder import LadderState, Rung, step
from fireside.capacity.policy import Ladder

LADDER = Ladder()


def follow(pressures: list[float], step_s: float = 1.0) -> list[LadderState]:
    state, states = LadderState(), []
    for second, pressure in enumerate(pressures):
        state = step(LADDER, state, pressure, second * step_s)
        states.append(state)
    return states


def test_a_burst_shorter_than_the_rise_changes_nothing() -> None:
    pressures = ([9.0] * 14 + [0.5]) * 20
    assert {state.rung for state in follow(pressures)} == {Rung.NORMAL}


def test_rungs_are_taken_one_at_a_time_and_left_one_at_a_time() -> None:
    states = follow([9.0] * 100 + [0.0] * 400)
    rungs = [state.rung for state in states]
    assert max(rungs) == Rung.SIGN_UPS_WAIT
    assert rungs[-1] == Rung.NORMAL
    assert all(abs(b - a) <= 1 for a, b in itertools.pairwise(rungs))


def test_demand_near_a_threshold_does_not_make_it_flutter() -> None:
    rnd = random.Random(1)
    rungs = [state.rung for state in follow([rnd.uniform(0.85, 1.15) for _ in range(5000)])]
    changes = sum(a != b for a, b in itertools.pairwise(rungs))
    assert changes <= 1


def test_a_clock_set_back_does_not_freeze_a_rung() -> None:
    state = LadderState(Rung.SHORTER, 5000.0)
    for now in [5000.0, *range(300)]:
        state = step(LADDER, state, 0.0, float(now))
    assert state.rung == Rung.NORMAL

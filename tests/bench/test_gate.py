"""A few seconds of far too much, through the real server in front of mock engines.

Counts, not timings: what a busy machine cannot change.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.gate.arrivals import poisson, read_trace, shared_out
from bench.gate.house import House, Mocks, has_gate, ladder_off
from bench.gate.rig import Rig, crowd
from bench.gate.spec import Caller, Send

pytestmark = pytest.mark.skipif(not has_gate(), reason="this server has no gate")

OVERLOAD_S = 4.0
SLOTS = 32


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path, read_trace(), seed=1, gateway_cpu=None, load_cpu=None)


@pytest.fixture
def mocks(rig: Rig) -> Iterator[Mocks]:
    mocks = rig.mocks(2)
    try:
        yield mocks
    finally:
        mocks.stop()


def test_the_replayer_knows_what_it_is_told(rig: Rig, mocks: Mocks) -> None:
    sends = [Send(0.02 * number, 30, 20 + number) for number in range(10)]
    mocks.engine().fault(kind="die", at_token=5, match="-3 ")

    came = rig.replay(mocks.ports[0], sends, [Caller()])

    outcomes = {each.send: each for each in came.attempts}
    assert outcomes.pop(3).outcome == "error"
    assert all(each.outcome == "ok" and each.is_right for each in outcomes.values())
    assert {number: each.num_tokens for number, each in outcomes.items()} == {
        number: 20 + number for number in outcomes
    }


def test_a_client_that_runs_out_of_patience_leaves_and_asks_again(rig: Rig, mocks: Mocks) -> None:
    mocks.engine().fault(kind="stall", at_token=0)
    callers = [Caller(patience_s=0.3, retries=1)]

    came = rig.replay(mocks.ports[0], [Send(0.0, 30, 20)], callers)

    assert [(each.number, each.outcome) for each in came.attempts] == [(0, "gave_up"), (1, "ok")]


def test_with_far_too_much_demand_everybody_gets_an_answer(rig: Rig, mocks: Mocks) -> None:
    house = House(rig.work_dir / "house", mocks.ports[:1], crowd(4, 20), gate=True, compression=5)
    try:
        house.start(ladder_off)
        callers = rig.callers(house.everybody)
        for caller in callers:
            caller.patience_s = 60.0  # a slow machine must not look like a slow answer
        sends = poisson(rig.trace, lambda _t: 8.0, 8.0, OVERLOAD_S, rig.cost, seed=1)
        shared_out(sends, [(0.06, range(4)), (0.94, range(4, 24))], 1)
        came = rig.replay(house.port, sends, callers, drain_s=40.0)
        engine = mocks.engine().stats()
    finally:
        house.stop()

    outcomes = [each.outcome for each in came.attempts]
    assert set(outcomes) == {"ok", "refused"}, [
        each for each in came.attempts if each.outcome not in {"ok", "refused"}
    ][:3]
    refused = [each for each in came.attempts if each.outcome == "refused"]
    assert len(refused) > len(came.attempts) / 3
    assert all(each.retry_after_s >= 1 for each in refused)
    assert all(each.status in {429, 503} for each in refused)
    assert all(each.is_right for each in came.attempts if each.outcome == "ok")
    assert engine["requests"] == outcomes.count("ok")
    assert engine["waiting_s"] < 0.2 * engine["running_s"]


def test_engines_that_fail_in_mid_answer_are_not_noticed(rig: Rig, mocks: Mocks) -> None:
    house = House(rig.work_dir / "house", mocks.ports, crowd(4, 0), gate=True, compression=5)
    kinds = ("die", "garbage", "stall")
    faults = [
        {"kind": kinds[number % 3], "at_token": 3 + number, "match": f"-{number} "}
        | {"only_fresh": True}
        for number in range(12)
    ]
    try:
        house.start(ladder_off)
        callers = rig.callers(house.everybody)
        for caller in callers:
            caller.patience_s = 60.0
        rig.replay(house.port, [Send(0.0, 30, 40) for _ in range(10)], callers)
        for number in range(2):
            mocks.engine(number).faults(faults)
        sends = [Send(0.0, 30, 40, number % 4) for number in range(12)]
        came = rig.replay(house.port, sends, callers, concurrency=6, drain_s=60.0)
    finally:
        house.stop()

    failed = [each for each in came.attempts if each.outcome != "ok"]
    assert not failed, [(each.status, each.detail) for each in failed]
    assert len(came.attempts) == 12
    assert all(each.is_right for each in came.attempts)

"""Demand is what the trace says, and a run is worth what its clients saw."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.gate.arrivals import (
    Request,
    Trace,
    merged,
    poisson,
    read_trace,
    replayed,
    shared_out,
    work_s,
)
from bench.gate.score import Slo, jain, recovery_s, score, service, turns
from bench.gate.spec import Attempt, Caller, Replayed, Send
from bench.gateway.cost import CostModel

COST = CostModel(compression=5.0)
SLOS = {"paid": Slo(0.4, 0.02), "free": Slo(2.0, 0.04)}
TRACE = Trace("t", [Request(t * 0.2, 1000, 100 + t % 50) for t in range(200)])


def served(number: int, first_s: float, per_token_s: float = 0.01, tokens: int = 101) -> Attempt:
    ended_s = first_s + per_token_s * (tokens - 1)
    return Attempt(number, 0, 0.0, 0.0, first_s, ended_s, 200, "ok", tokens, is_right=True)


def refused(number: int, after_s: float, retry_after_s: float = 3.0) -> Attempt:
    return Attempt(number, 0, 0.0, 0.0, -1.0, after_s, 429, "refused", retry_after_s=retry_after_s)


def came(*attempts: Attempt) -> Replayed:
    return Replayed(began_at=0.0, attempts=list(attempts), lag_p99_ms=1.0, cpu_s=0.1)


def test_a_stretch_of_a_trace_brings_the_wanted_work_in_the_wanted_time() -> None:
    sends = replayed(TRACE, 2.0, 30.0, COST, seed=3)

    work = sum(work_s(x.prompt_tokens, x.output_tokens, COST) for x in sends)
    assert work / 30.0 == pytest.approx(2.0, rel=0.05)
    assert 0 <= sends[0].at_s and sends[-1].at_s == pytest.approx(30.0)
    assert sends == replayed(TRACE, 2.0, 30.0, COST, seed=3)


def test_arrivals_follow_a_rate_that_changes() -> None:
    sends = poisson(TRACE, lambda t: 3.0 if t < 10 else 0.3, 3.0, 20.0, COST, seed=1)

    early = sum(1 for x in sends if x.at_s < 10)
    assert early > 5 * (len(sends) - early) > 0


def test_shares_of_the_demand_go_to_groups() -> None:
    sends = [Send(0.0, 10, 10) for _ in range(4000)]
    shared_out(sends, [(0.25, [0, 1]), (0.75, [2])], seed=1)

    assert sum(1 for x in sends if x.caller < 2) == pytest.approx(1000, rel=0.15)
    assert {x.caller for x in sends} == {0, 1, 2}
    assert merged(sends[2:], sends[:2])[0].at_s == 0.0


def test_a_trace_that_is_not_there_is_made_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    assert "not there" in read_trace(tmp_path / "absent.csv.gz").name
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("when,what\n1,2\n")
    with pytest.raises(ValueError, match="needs the columns"):
        read_trace(wrong)
    right = tmp_path / "right.csv"
    right.write_text("t_s,client,prompt,output\n1.5,7,20,30\n")
    assert read_trace(right).requests == [Request(1.5, 20, 30, 7)]


def test_only_work_done_in_time_counts() -> None:
    sends = [Send(0.0, 100, 101, 0), Send(0.0, 100, 101, 0), Send(0.0, 100, 101, 1)]
    callers = [Caller(group="paid"), Caller(group="free")]
    run = came(served(0, 0.1), served(1, 0.5), refused(2, 0.004))

    found = score(turns(sends, callers, run, 0.0, 1.0), SLOS, COST, 1.0)

    assert found.attainment == {"paid": 0.5, "free": 0.0}
    assert found.goodput == pytest.approx(work_s(100, 101, COST), abs=1e-4)
    assert found.num_refused == 1
    assert found.num_without_retry_after == 0
    assert found.late_refusals == 0.0


def test_late_refusals_and_those_without_advice_are_told() -> None:
    sends = [Send(0.0, 1, 1), Send(0.0, 1, 1)]
    run = came(refused(0, 0.3), refused(1, 0.01, retry_after_s=-1.0))

    found = score(turns(sends, [Caller()], run, 0.0, 1.0), SLOS, COST, 1.0)

    assert found.late_refusals == 0.5  # a second of engine time is 0.2 s here
    assert found.num_without_retry_after == 1


def test_tokens_that_come_too_slowly_are_not_in_time() -> None:
    (turn,) = turns([Send(0.0, 1, 101)], [Caller(group="paid")], came(served(0, 0.1, 0.03)), 0, 1)

    assert not turn.in_time(SLOS["paid"])
    assert turn.in_time(SLOS["free"])


def test_service_in_a_window_counts_the_part_of_a_reply_that_fell_into_it() -> None:
    found = turns([Send(0.0, 100, 101)], [Caller()], came(served(0, 1.0)), 0.0, 9.0)

    got = service(found, 1.5, 2.5, lambda turn: turn.send.caller)

    assert got[0] == pytest.approx(101, abs=0.1)
    assert jain([1, 1, 1, 1]) == 1.0
    assert jain([1, 0, 0, 0]) == 0.25


def test_recovery_is_when_all_that_follows_is_in_time() -> None:
    sends = [Send(float(t), 1, 101) for t in range(200)]
    attempts = [served(t, t + (5.0 if t < 30 else 0.1)) for t in range(200)]
    found = turns(sends, [Caller(group="paid")], came(*attempts), 0.0, 200.0)

    assert recovery_s(found, SLOS, 10.0, 0.99) == pytest.approx(19.0, abs=1.5)
    assert recovery_s(found[:30], SLOS, 5.0, 0.99) == float("inf")

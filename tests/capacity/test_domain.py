"""What the scheduler decides, case by case."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

from fireside.capacity.asks import (
    Ask,
    Decision,
    Granted,
    Lost,
    Preempted,
    Reason,
    Refused,
    Stalled,
    Waiting,
)
from fireside.capacity.domain import LEASE_S, LONGEST_STEP_S, Scheduler, snapshot
from fireside.capacity.ladder import LadderState, Rung
from fireside.capacity.policy import BANDS, Band, Policy, default_policy
from fireside.capacity.waiting import chosen_share
from tests.capacity.histories import patient


def ask(ask_id: str, band: Band = Band.PAID, **rest: Any) -> Ask:
    rest = {"pool": "m", "flow": f"flow-{ask_id}", "arrived_at": 0.0, **rest}
    return Ask(id=ask_id, band=band, **rest)


def house(num_slots: int = 4, policy: Policy | None = None, num_engines: int = 1) -> Scheduler:
    scheduler = Scheduler(policy or patient())
    names = [f"e{n}" for n in range(num_engines)]
    scheduler.set_engines({"m": names}, dict.fromkeys(names, num_slots), 0.0)
    return scheduler


def fill(scheduler: Scheduler, num: int, band: Band = Band.PAID, now: float = 0.0) -> list[str]:
    names = [f"{band.value}-{now:g}-{n}" for n in range(num)]
    for name in names:
        scheduler.arrive(ask(name, band, arrived_at=now), now)
    return names


def granted(decisions: list[Decision]) -> list[str]:
    return [each.ask_id for each in decisions if isinstance(each, Granted)]


def test_a_turn_starts_at_once_where_there_is_room() -> None:
    scheduler = house()
    assert scheduler.arrive(ask("a"), 0.0) == Granted("a", "e0")
    assert [each.running["paid"] for each in snapshot(scheduler)] == [1]


def test_one_more_than_there_are_slots_waits_with_its_place() -> None:
    scheduler = house(2)
    fill(scheduler, 2)
    first, second = (scheduler.arrive(ask(name), 1.0) for name in ("a", "b"))
    assert isinstance(first, Waiting)
    assert isinstance(second, Waiting)
    assert (first.place, second.place) == (1, 2)
    assert granted(scheduler.finish("paid-0-0", 0, 10, 2.0)) == ["a"]
    waiting = scheduler.waiting("b")
    assert waiting is not None
    assert waiting.place == 1


def test_asking_twice_with_one_name_is_one_ask() -> None:
    scheduler = house(1)
    assert scheduler.arrive(ask("a"), 0.0) == scheduler.arrive(ask("a"), 1.0)
    assert isinstance(scheduler.arrive(ask("b"), 1.0), Waiting)
    assert isinstance(scheduler.arrive(ask("b"), 1.0), Waiting)
    assert len(scheduler.waits) == 1
    assert granted(scheduler.cancel("a", 2.0)) == ["b"]
    assert not scheduler.waits


def test_what_was_begun_elsewhere_goes_on_before_all_else() -> None:
    scheduler = house(1)
    scheduler.arrive(ask("runs"), 0.0)
    scheduler.arrive(ask("waits"), 0.0)
    assert isinstance(scheduler.arrive(ask("goes-on", Band.FREE, resume=True), 1.0), Waiting)
    assert granted(scheduler.finish("runs", 0, 10, 2.0)) == ["goes-on"]
    assert granted(scheduler.finish("goes-on", 0, 10, 3.0)) == ["waits"]


def test_a_reply_does_not_go_on_where_it_has_just_failed() -> None:
    scheduler = house(1, num_engines=2)
    scheduler.arrive(ask("x", avoid=frozenset({"e1"})), 0.0)
    answer = scheduler.arrive(ask("y", resume=True, avoid=frozenset({"e0"})), 0.0)
    assert answer == Granted("y", "e1")
    # Both are full; a slot of the engine it came from is of no use to it while there is another.
    scheduler.arrive(ask("z", resume=True, avoid=frozenset({"e0"})), 0.0)
    assert granted(scheduler.finish("x", 0, 5, 1.0)) == []
    assert granted(scheduler.finish("y", 0, 5, 1.0)) == ["z"]


def test_where_there_is_no_other_engine_the_one_that_failed_is_tried_again() -> None:
    scheduler = house(1)
    answer = scheduler.arrive(ask("y", resume=True, avoid=frozenset({"e0"})), 0.0)
    assert answer == Granted("y", "e0")


def test_at_most_so_many_of_a_flow_run_and_wait() -> None:
    scheduler = house(4)
    limits = {"flow": "one", "max_running": 2, "max_waiting": 1}
    answers = [scheduler.arrive(ask(f"{n}", **limits), 0.0) for n in range(4)]
    assert [type(each) for each in answers] == [Granted, Granted, Waiting, Refused]
    assert answers[3].reason is Reason.TOO_MANY_WAITING  # type: ignore[union-attr]
    assert isinstance(scheduler.arrive(ask("other"), 0.0), Granted)
    assert granted(scheduler.finish("0", 0, 5, 1.0)) == ["2"]


@pytest.mark.parametrize("num_slots", [1, 2, 8, 32])
def test_no_band_with_a_share_of_its_own_starves(num_slots: int) -> None:
    scheduler = house(num_slots)
    names = {band: [f"{band.value}{n}" for n in range(4000)] for band in BANDS[:3]}
    served = dict.fromkeys(names, 0.0)
    ends: list[tuple[float, str]] = []
    now = 0.0
    for band, each in names.items():
        for name in each[: num_slots + 2]:
            answer = scheduler.arrive(ask(name, band), 0.0)
            if isinstance(answer, Granted):
                ends.append((5.0, name))
    num_asked = dict.fromkeys(names, num_slots + 2)
    while now < 600.0:
        now, name = min(ends)
        ends.remove((now, name))
        band = next(each for each in names if name.startswith(each.value))
        served[band] += 5.0
        decisions = scheduler.finish(name, 0, 100, now)
        fresh = names[band][num_asked[band]]
        num_asked[band] += 1
        answer = scheduler.arrive(ask(fresh, band, arrived_at=now), now)
        decisions += [answer] if isinstance(answer, Granted) else []
        ends += [(now + 5.0, each) for each in granted(decisions)]
    total = sum(served.values())
    assert total >= 0.95 * 600 * num_slots
    for band in names:
        share = scheduler.policy.bands[band].min_share
        assert served[band] >= 0.7 * share * total, (band, served)


def test_slots_are_kept_for_those_who_pay_and_who_come_often() -> None:
    scheduler = house(10, patient())
    for second in range(120):
        now = float(second)
        for each in fill(scheduler, 4, now=now):
            scheduler.finish(each, 0, 50, now + 0.9)
    fill(scheduler, 4, now=120.0)
    free = [scheduler.arrive(ask(f"free{n}", Band.FREE), 120.1) for n in range(10)]
    running = sum(isinstance(each, Granted) for each in free)
    assert running <= 5
    assert isinstance(scheduler.arrive(ask("paid"), 120.2), Granted)


def test_a_short_reply_may_use_what_is_kept_for_others() -> None:
    scheduler = house(10, default_policy())
    pool = scheduler.pools["m"]
    pool.demand[Band.PAID] = 6.0
    assert pool.reserve(Band.PAID) == 8
    names = [f"long{n}" for n in range(3)]
    answers = [scheduler.arrive(ask(x, Band.FREE, predicted_tokens=500.0), 0.0) for x in names]
    assert [type(each) for each in answers] == [Granted, Granted, Waiting]
    assert isinstance(
        scheduler.arrive(ask("short", Band.FREE, predicted_tokens=50.0), 0.0), Granted
    )


def test_who_would_wait_too_long_is_told_at_once_and_when_to_come_back() -> None:
    scheduler = house(2, default_policy())
    answers = [scheduler.arrive(ask(f"{n}"), 0.0) for n in range(30)]
    refused = [each for each in answers if isinstance(each, Refused)]
    assert refused
    assert {each.reason for each in refused} == {Reason.WAIT_TOO_LONG}
    assert all(each.retry_after_s >= 1 for each in refused)


def test_patience_ends_with_an_answer() -> None:
    scheduler = house(1, default_policy())
    scheduler.arrive(ask("runs"), 0.0)
    scheduler.pools["m"].service_s = 0.5
    assert isinstance(scheduler.arrive(ask("waits"), 0.0), Waiting)
    assert scheduler.tick(29.9) == []
    assert [each.reason for each in scheduler.tick(30.0) if isinstance(each, Refused)] == [
        Reason.PATIENCE_OVER
    ]
    assert scheduler.waiting("waits") is None


def test_without_an_engine_everybody_is_held_and_then_told() -> None:
    scheduler = Scheduler(default_policy())
    answer = scheduler.arrive(ask("a"), 0.0)
    assert answer == Waiting("a", 1, None)
    assert isinstance(scheduler.arrive(ask("b", arrived_at=15.0), 15.0), Waiting)
    told = scheduler.tick(30.0)
    assert [(each.ask_id, each.reason) for each in told if isinstance(each, Refused)] == [
        ("a", Reason.NO_ENGINE)
    ]
    assert all(each.retry_after_s >= 1 for each in told if isinstance(each, Refused))
    assert granted(scheduler.set_engines({"m": ["e"]}, {"e": 2}, 31.0)) == ["b"]


def test_idle_time_work_yields_as_soon_as_somebody_waits() -> None:
    scheduler = house(4)
    fill(scheduler, 3, Band.TRAINING)
    fill(scheduler, 1, Band.BACKGROUND)
    assert scheduler.tick(0.5) == []
    fill(scheduler, 2, now=1.0)
    stopped = [each.ask_id for each in scheduler.tick(1.0) if isinstance(each, Preempted)]
    assert len(stopped) == 2
    assert scheduler.tick(1.2) == [], "nobody is stopped twice, nor more than are needed"
    taken = [name for each in stopped for name in granted(scheduler.cancel(each, 1.3))]
    assert taken == ["paid-1-0", "paid-1-1"]


def test_idle_time_work_yields_also_where_what_is_free_is_kept_for_others() -> None:
    scheduler = house(8, default_policy())
    scheduler.pools["m"].demand[Band.PAID] = 4.0
    scheduler.pools["m"].served[Band.FREE] = 1.0
    fill(scheduler, 3, Band.BACKGROUND)
    assert scheduler.pools["m"].num_free == 6
    fill(scheduler, 1, Band.FREE, 0.1)
    stopped = [each.ask_id for each in scheduler.tick(0.2) if isinstance(each, Preempted)]
    assert len(stopped) == 1
    assert granted(scheduler.cancel(stopped[0], 0.3)) == ["free-0.1-0"]


def test_a_lease_that_nobody_renews_is_taken_back() -> None:
    scheduler = house(1)
    scheduler.arrive(ask("dead"), 0.0)
    scheduler.arrive(ask("next"), 0.0)
    scheduler.renew(["dead"], 10.0)
    assert scheduler.tick(10.0 + LEASE_S) == []
    decisions = scheduler.tick(10.1 + LEASE_S)
    assert decisions == [Lost("dead"), Granted("next", "e0")]
    assert scheduler.finish("dead", 0, 10, 50.0) == [], "what comes late changes nothing"


def test_an_engine_that_says_nothing_more_is_named_once() -> None:
    scheduler = house(2)
    scheduler.arrive(ask("a"), 0.0)
    for step in range(1, 100):
        scheduler.progress("a", step, step * 0.05)
        scheduler.tick(step * 0.05)
    assert scheduler.tick(6.5) == []
    assert scheduler.tick(7.5) == [Stalled("a", "e0")]
    assert scheduler.tick(8.0) == []
    scheduler.progress("a", 101, 8.5)
    scheduler.renew(["a"], 30.0)
    assert scheduler.tick(33.0) == [Stalled("a", "e0")], "but again when it stops again"


def test_a_clock_that_jumps_costs_nobody_a_lease_or_a_place() -> None:
    scheduler = house(1, default_policy())
    scheduler.pools["m"].service_s = 0.5
    scheduler.arrive(ask("runs", arrived_at=1000.0), 1000.0)
    assert isinstance(scheduler.arrive(ask("waits", arrived_at=1000.0), 1000.0), Waiting)
    for now in (1000.0 + 10 * LONGEST_STEP_S, 5.0, -86_400.0, 1e9, 1e9 + 20.0):
        assert scheduler.tick(now) == []
    assert scheduler.tick(1e9 + 30.1) != [], "but time goes on from there"


def test_a_policy_is_changed_without_moving_anybody() -> None:
    scheduler = house(1)
    scheduler.arrive(ask("runs"), 0.0)
    for number in range(5):
        scheduler.arrive(ask(f"{number}", flow=f"f{number % 2}"), 0.0)
    before = [scheduler.waiting(f"{n}") for n in range(5)]
    other = msgspec.structs.replace(patient(), half_life_s=10.0, lend_below_tokens=0)
    scheduler.set_policy(other)
    after = [scheduler.waiting(f"{n}") for n in range(5)]
    assert [x.place for x in before if x] == [x.place for x in after if x]
    assert granted(scheduler.finish("runs", 0, 5, 1.0)) == ["0"]


def test_engines_come_and_go_and_no_slot_is_given_twice() -> None:
    scheduler = house(2, num_engines=2)
    fill(scheduler, 5)
    assert scheduler.set_engines({"m": ["e1"]}, {"e1": 2}, 1.0) == []
    assert (scheduler.pools["m"].slots, scheduler.pools["m"].num_free) == (2, 0)
    on_lost = [run.ask.id for run in scheduler.runs.values() if run.engine.name == "e0"]
    for each in on_lost:
        assert granted(scheduler.cancel(each, 2.0)) == [], "its engine is gone"
    assert set(scheduler.engines) == {"e1"}
    assert granted(scheduler.set_engines({"m": ["e1", "e2"]}, {"e1": 2, "e2": 1}, 3.0)) != []


def test_an_engine_of_two_models_gives_a_slot_to_whichever_waits() -> None:
    scheduler = Scheduler(patient())
    scheduler.set_engines({"m": ["e"], "n": ["e"]}, {"e": 1}, 0.0)
    assert isinstance(scheduler.arrive(ask("a"), 0.0), Granted)
    assert isinstance(scheduler.arrive(ask("b", pool="n"), 0.0), Waiting)
    assert granted(scheduler.finish("a", 0, 5, 1.0)) == ["b"]


def test_the_hours_choice_falls_the_same_way_all_hour() -> None:
    scheduler = house()
    people = [ask(f"{n}", Band.FREE, flow=f"person{n}") for n in range(2000)]
    chosen = {each.id for each in people if scheduler.is_chosen(each, 0.3, 3600.0)}
    assert 0.25 < len(chosen) / 2000 < 0.35
    assert chosen == {each.id for each in people if scheduler.is_chosen(each, 0.3, 7199.0)}
    later = {each.id for each in people if scheduler.is_chosen(each, 0.3, 7200.0)}
    assert 0.2 < len(chosen & later) / len(chosen) < 0.4, "another hour, other people"
    wider = {each.id for each in people if scheduler.is_chosen(each, 0.5, 3600.0)}
    assert chosen < wider, "more room takes nobody's place"


def test_far_too_many_free_askers_are_chosen_from_not_drawn_each_time() -> None:
    scheduler = house(4, msgspec.structs.replace(default_policy(), choose_above=2.0))
    pool = scheduler.pools["m"]
    pool.offered_s[Band.FREE] = 40.0
    assert chosen_share(pool) == pytest.approx(0.12, abs=0.05)


def test_on_the_rung_of_later_only_free_questions_are_refused_and_paid_ones_not() -> None:
    scheduler = house(1, default_policy())
    pool = scheduler.pools["m"]
    pool.service_s = 0.1
    scheduler.arrive(ask("runs"), 0.0)
    pool.ladder = LadderState(Rung.LATER_ONLY)
    answers = [scheduler.arrive(ask(f"f{n}", Band.FREE), 0.0) for n in range(40)]
    assert isinstance(answers[0], Waiting), "a short line stays"
    refused = answers[-1]
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.LATER_ONLY
    assert isinstance(scheduler.arrive(ask("p"), 0.0), Waiting)
    assert isinstance(scheduler.arrive(ask("l", Band.LATER), 0.0), Waiting)


def test_a_conversation_goes_where_its_beginning_is_unless_that_is_too_busy() -> None:
    scheduler = house(8, num_engines=2)
    first = scheduler.arrive(ask("1", prefix="c"), 0.0)
    assert isinstance(first, Granted)
    scheduler.finish("1", 0, 100, 1.0)
    assert scheduler.arrive(ask("2", prefix="c"), 2.0) == Granted("2", first.engine)
    for number in range(3):
        scheduler.arrive(ask(f"load{number}", prefix="c", predicted_tokens=900.0), 2.0)
    moved = scheduler.arrive(ask("3", prefix="c"), 3.0)
    assert isinstance(moved, Granted)
    assert moved.engine != first.engine


def test_ten_thousand_in_line_are_served_as_fast_as_ten() -> None:
    scheduler = house(8, patient(patience_s=86_000.0))
    fill(scheduler, 8)
    began = time.process_time()
    for number in range(10_000):
        scheduler.arrive(ask(f"{number}", flow=f"f{number % 5000}", max_running=1), 1.0)
    assert len(scheduler.waits) == 10_000
    for number in range(1000):
        scheduler.waiting(f"{number}")
    running = [f"paid-0-{n}" for n in range(8)]
    for step in range(2000):
        running += granted(scheduler.finish(running.pop(0), 0, 100, 2.0 + step * 0.01))
        if step % 25 == 0:
            scheduler.tick(2.0 + step * 0.01)
    assert len(running) == 8
    assert time.process_time() - began < 3.0  # about 0.4 on a quiet machine


def test_replies_in_one_piece_say_nothing_of_an_engine_s_speed() -> None:
    scheduler = house(8)
    for number in range(6):
        scheduler.arrive(ask(f"whole{number}", whole=True), 0.0)
    for step in range(1, 200):
        now = step * 0.25
        scheduler.renew([f"whole{number}" for number in range(6)], now)
        assert scheduler.tick(now) == []
    for number in range(6):
        scheduler.progress(f"whole{number}", 1, 50.0)
        scheduler.finish(f"whole{number}", 10, 200, 50.0)
    engine = scheduler.engines["e0"]
    assert (engine.limit, engine.token_s, engine.first_token_s) == (8.0, None, None)

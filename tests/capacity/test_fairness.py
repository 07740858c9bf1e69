"""Who gets how much, over seconds and minutes, when everybody wants more than there is."""

from __future__ import annotations

import random

import pytest

from fireside.capacity.asks import Ask
from fireside.capacity.fairness import FairQueue
from fireside.capacity.policy import Band
from tests.capacity.contest import SAMPLE_S, TOKEN_S, Contest, hold, jain

WINDOW = int(60 / SAMPLE_S)
# A started turn is finished, so shares of a minute can be equal only to within one turn of a flow:
# no reply is longer than this part of what a flow gets in a minute.
LONGEST_REPLY = 1 / 8


def ask(ask_id: str, flow: str, max_running: int = 0) -> Ask:
    return Ask(
        id=ask_id,
        pool="m",
        band=Band.PAID,
        flow=flow,
        arrived_at=0.0,
        max_running=max_running,
    )


def anything(_: Ask) -> bool:
    return True


def random_contest(seed: int, weights: list[float] | None = None) -> Contest:
    """Any number of slots and flows, short and long replies, good and bad predictions."""
    rnd = random.Random(seed)
    num_slots = rnd.choice([1, 2, 4, 8, 16, 32])
    flows = weights or [1.0] * rnd.randint(2, 10)
    most_tokens = LONGEST_REPLY * num_slots * 60 / TOKEN_S / len(flows) / max(flows)
    return Contest(
        seed=seed,
        weights=flows,
        num_slots=num_slots,
        mean_tokens=rnd.uniform(min(10, most_tokens / 2), min(400, most_tokens)),
        most_tokens=most_tokens,
        is_heavy_tailed=rnd.random() < 0.5,
        prediction=rnd.choice([0.3, 1.0, 1.0, 3.0]),
        prompt_tokens=rnd.choice([0, 50, 1000]),
    )


def check_equal_flows(seed: int, duration_s: float) -> None:
    contest = random_contest(seed)
    served = hold(contest, duration_s)
    assert served.num_slots_idle_s == 0, "a slot was idle while somebody waited"
    for first in range(WINDOW, len(served.samples) - WINDOW, 3):
        assert jain(served.window(first, first + WINDOW)) >= 0.97, (contest, first)
    # Theorem 4.4 of VTC, with the cost of all that runs at once in the place of w_q M.
    assert served.largest_gap() <= 2 * contest.num_slots * served.largest_cost


@pytest.mark.parametrize("seed", range(24))
def test_equal_flows_get_equal_shares_of_every_minute(seed: int) -> None:
    check_equal_flows(seed, 240.0)


@pytest.mark.long
@pytest.mark.timeout(14_400)
def test_equal_flows_get_equal_shares_in_100_000_histories() -> None:
    for seed in range(100_000):
        check_equal_flows(seed, 180.0)


@pytest.mark.parametrize("seed", range(8))
def test_a_weight_of_four_gets_four_times_as_much(seed: int) -> None:
    served = hold(random_contest(seed, [4.0, 1.0, 1.0, 4.0]), 900.0)
    # Service is counted by weight, so what is right is again equal.
    shares = served.window(WINDOW, len(served.samples) - 1)
    assert max(shares) / min(shares) <= 1.1


def test_a_flow_back_from_idle_is_not_owed_what_it_did_not_use() -> None:
    queue = FairQueue(60.0)
    for number in range(50):
        queue.push(ask(f"busy{number}", "busy"), number, 0.0)
    for _ in range(30):
        found = queue.pop(anything, 0.0)
        assert found is not None
        queue.start(found, 100.0, 0.0)
    for number in range(20):
        queue.push(ask(f"back{number}", "back"), 100.0 + number, 50.0)
    order = []
    for _ in range(10):
        found = queue.pop(anything, 0.0)
        assert found is not None
        queue.start(found, 100.0, 0.0)
        order.append(found.flow)
    assert order.count("back") in {5, 6}


def test_what_was_used_beyond_the_others_is_forgotten_by_halves() -> None:
    queue = FairQueue(60.0)
    queue.push(ask("w", "waits"), 0.0, 0.0)
    queue.start(ask("h", "heavy"), 800.0, 0.0)
    queue.end(ask("h", "heavy"), 0.0, 0.0)
    queue.push(ask("h2", "heavy"), 0.0, 120.0)
    assert queue.flows["heavy"].counter == pytest.approx(200.0)


def test_flows_with_equal_counters_go_in_the_order_in_which_they_came() -> None:
    queue = FairQueue(60.0)
    for number in range(100):
        queue.push(ask(f"{number}", f"f{number}"), 0.0, 0.0)
    assert [queue.position(ask(f"{n}", f"f{n}"), 100.0) for n in range(100)] == list(range(100))
    assert queue.pop(lambda each: each.id == "7", 0.0) is not None
    left = [queue.pop(anything, 0.0) for _ in range(99)]
    assert [each.id for each in left if each] == [str(n) for n in range(100) if n != 7]


def test_inside_a_flow_the_deadline_decides() -> None:
    queue = FairQueue(60.0)
    for number, deadline in enumerate([5.0, 3.0, 4.0]):
        queue.push(ask(f"{number}", "f"), deadline, 0.0)
    assert [queue.position(ask(f"{n}", "f"), 100.0) for n in range(3)] == [2, 0, 1]
    taken = [queue.pop(anything, 0.0) for _ in range(3)]
    assert [each.id for each in taken if each] == ["1", "2", "0"]


def test_a_flow_that_runs_as_many_as_it_may_keeps_nobody_waiting() -> None:
    queue = FairQueue(60.0)
    for number in range(5000):
        queue.push(ask(f"c{number}", f"capped{number}", max_running=1), number, 0.0)
        queue.start(ask(f"r{number}", f"capped{number}", max_running=1), 1.0, 0.0)
    queue.push(ask("free", "free"), 9999.0, 0.0)
    seen: list[Ask] = []
    found = queue.pop(lambda each: seen.append(each) is None, 0.0)
    assert found is not None
    assert (found.id, len(seen)) == ("free", 1)
    assert queue.pop(anything, 0.0) is None
    queue.end(ask("r3", "capped3", max_running=1), 0.0, 1.0)
    found = queue.pop(anything, 0.0)
    assert found is not None
    assert found.id == "c3"


def test_a_refund_moves_a_waiting_flow_forward() -> None:
    queue = FairQueue(60.0)
    for flow in ("a", "b"):
        queue.push(ask(flow, flow), 0.0, 0.0)
    queue.charge("a", 500.0)
    queue.charge("b", 100.0)
    assert queue.position(ask("a", "a"), 100.0) == 1
    queue.charge("a", -450.0)
    assert queue.position(ask("a", "a"), 100.0) == 0


def test_a_flow_that_runs_is_not_forgotten() -> None:
    queue = FairQueue(1.0)
    queue.start(ask("r", "runs"), 10.0, 0.0)
    queue.push(ask("w", "waits"), 0.0, 0.0)
    queue.start(ask("s", "stops"), 10.0, 0.0)
    queue.end(ask("s", "stops"), 0.0, 0.0)
    queue.forget_idle(1000.0)
    assert set(queue.flows) == {"runs", "waits"}
    queue.remove(ask("w", "waits"), 1000.0)
    queue.forget_idle(2000.0)
    assert set(queue.flows) == {"runs"}


@pytest.mark.parametrize("seed", range(5))
def test_the_place_shown_is_the_place_in_which_turns_of_one_size_are_served(seed: int) -> None:
    rnd = random.Random(seed)
    queue = FairQueue(60.0)
    asks = []
    for number in range(200):
        one = ask(f"{number}", f"f{rnd.randrange(60)}")
        asks.append(one)
        queue.push(one, float(number), 0.0)
    shown = {one.id: queue.position(one, 100.0) for one in asks}
    for place in range(200):
        found = queue.pop(anything, 0.0)
        assert found is not None
        assert abs(shown[found.id] - place) <= 2 + place // 20
        queue.start(found, 100.0, 0.0)

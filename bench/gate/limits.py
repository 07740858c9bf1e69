"""O6, O7, O8: budgets under pressure, clients that leave, what refusing and queueing cost."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

import msgspec

from bench.gate.house import House, Person, ladder_off, people
from bench.gate.rig import Rig, UnderWay, goal
from bench.gate.spec import Caller, Send
from bench.gateway.measure import Bench, Engine, Load
from bench.gateway.report import Goal
from bench.gateway.targets import Endpoint, Running

PARALLEL = 200
BUDGET_TOKENS = 3000
PROMPT_TOKENS = 20
REPLY_TOKENS = 100
BUDGET_ROUNDS = 5
LEAK_WITHIN_S = 60.0
FILL_TOKENS = 3900
NUM_QUEUED = 400
REFUSALS_S = 6.0
ABORT_MS = 100 + 27.6  # and one iteration of 16 sequences
MAX_REFUSALS = 60_000


class Budgets(msgspec.Struct, kw_only=True):
    """The most that a budget was overspent by; when a killed server's reservations came back."""

    num_rounds: int = 0
    num_served: int = 0
    num_refused: int = 0
    num_other: int = 0
    num_without_limits: int = 0  # refusals without x-ratelimit headers
    most_overspent: int = 0
    least_spent: int = 0
    freed_after_s: float = -1.0
    details: list[str] = []


class Costs(msgspec.Struct, kw_only=True):
    """What the gate itself costs on one core."""

    refusals_per_s: float = 0.0
    cpu_ms_per_refusal: float = 0.0
    num_refusals: int = 0
    num_not_refused: int = 0
    queued_kb: float = 0.0
    num_queued: int = 0
    details: list[str] = []


class Leaving(msgspec.Struct, kw_only=True):
    """Clients that hang up in mid-answer."""

    abort_ms_max: float
    num_aborts: int
    num_never_stopped: int
    wasted_share: float
    left_running: float


def budgets(rig: Rig) -> Budgets:
    """200 calls at once on a budget that has room for some twenty of them."""
    found = Budgets()
    rounds = 2 if rig.quick else 50 if rig.thorough else BUDGET_ROUNDS
    mocks = rig.mocks(compression=5.0)
    everybody = people("thrifty", rounds + 1)
    try:
        house = rig.house(mocks, everybody, ladder_off, _thrifty)
        try:
            callers = rig.callers(house.everybody)
            for caller in callers:
                caller.group, caller.patience_s = "free", 60.0
            for number in range(rounds):
                sends = [Send(0.0, PROMPT_TOKENS, REPLY_TOKENS, number) for _ in range(PARALLEL)]
                came = rig.replay(house.port, sends, callers, drain_s=30.0, max_tokens=REPLY_TOKENS)
                outcomes = [each.outcome for each in came.attempts]
                found.num_served += outcomes.count("ok")
                found.num_refused += outcomes.count("refused")
                found.num_other += len(outcomes) - outcomes.count("ok") - outcomes.count("refused")
                found.num_without_limits += sum(
                    1 for x in came.attempts if x.outcome == "refused" and not x.has_limits
                )
                found.details += [
                    f"{x.outcome} {x.status} {x.detail}"[:100]
                    for x in came.attempts
                    if x.outcome not in {"ok", "refused"}
                ][:2]
            time.sleep(3.0)  # usage is written in groups
            spent = [_spent(house, person) for person in house.everybody[:rounds]]
            found.num_rounds = rounds
            found.most_overspent = max(0, max(spent) - BUDGET_TOKENS)
            found.least_spent = min(spent)
            if not rig.quick:
                found.freed_after_s = _freed_after_kill(rig, house, callers[rounds])
        finally:
            house.stop()
    finally:
        mocks.stop()
    return found


def _thrifty(policy: dict[str, Any]) -> None:
    free = policy["plans"]["free"]
    policy["plans"]["thrifty"] = {**free, "tokens_per_day": BUDGET_TOKENS, "max_waiting": 0}
    for name in ("first_token_s", "patience_s"):  # the budget alone decides
        policy["bands"]["free"][name] = 600.0


def _spent(house: House, person: Person) -> int:
    path = house.server.data_dir / "fireside.db"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        (spent,) = database.execute(
            "SELECT coalesce(sum(prompt_tokens + completion_tokens), 0) FROM usage_records "
            "JOIN users ON users.id = user_id WHERE email = ?",
            (person.email,),
        ).fetchone()
    return int(spent)


def _freed_after_kill(rig: Rig, house: House, caller: Caller) -> float:
    """Seconds from kill -9 until the whole budget can be asked for again; -1: not in time."""
    almost_all = BUDGET_TOKENS - 200
    with rig.replaying(
        house.port,
        [Send(0.0, PROMPT_TOKENS, almost_all)],
        [caller],
        max_tokens=almost_all,
        drain_s=3.0,
    ) as under_way:
        time.sleep(1.5)
        assert house.process is not None
        house.process.kill()
        killed_at = time.monotonic()
        under_way.result()
    house.serve()
    while time.monotonic() - killed_at < LEAK_WITHIN_S + 10:
        came = rig.replay(
            house.port,
            [Send(0.0, PROMPT_TOKENS, 5)],
            [caller],
            max_tokens=almost_all,
            drain_s=10.0,
        )
        if came.attempts[0].outcome == "ok":
            return round(time.monotonic() - killed_at, 1)
        time.sleep(2.0)
    return -1.0


def leaving(rig: Rig, *, gate: bool = True) -> Leaving:
    """Clients that hang up after a hundred events; when did the engine stop?"""
    mocks = rig.mocks(compression=2.0)
    try:
        house = rig.house(mocks, people("plus", 1), ladder_off, gate=gate)
        try:
            target = _running(house)
            load = Load(target, cpu=rig.load_cpu, seed=rig.seed)
            bench = Bench(target, Engine(mocks.ports[0]), load, 0.5 if rig.quick else 0.8)
            bench.aborts()
            time.sleep(1.0)
            left = mocks.engine().stats()["running"]
        finally:
            house.stop()
    finally:
        mocks.stop()
    speed = bench.speed
    return Leaving(
        abort_ms_max=speed.abort_ms_max,
        num_aborts=speed.num_aborts,
        num_never_stopped=speed.num_never_stopped,
        wasted_share=speed.wasted_tokens_share,
        left_running=left,
    )


def _running(house: House) -> Running:
    headers = {"Authorization": f"Bearer {house.everybody[0].key}"}
    return Running("fireside", "", Endpoint(house.port, headers=headers), house.process)


def costs(rig: Rig) -> Costs:
    """A full engine: newcomers are refused as fast as they come, then queued."""
    found = Costs()
    mocks = rig.mocks(compression=1.0)
    everybody = [*people("plus", 8), *people("free", 100)]
    try:
        house = rig.house(mocks, everybody, ladder_off, _none_in_time, compression=1.0)
        try:
            callers = rig.callers(house.everybody)
            for caller in callers:
                caller.patience_s = 200.0
            with _fill(rig, house, callers):
                _refuse(rig, house, callers, found)
                house.change_policy(_all_in_time)
                _queue(rig, house, callers, found)
        finally:
            house.stop()
    finally:
        mocks.stop()
    return found


def _fill(rig: Rig, house: House, callers: list[Caller]) -> UnderWay:
    """Every slot taken by a reply that does not end for two minutes."""
    sends = [Send(0.0, 20, FILL_TOKENS, number % 8) for number in range(rig.cost.slots)]
    under_way = rig.replaying(house.port, sends, callers, drain_s=100.0)
    time.sleep(2.5)
    return under_way


def _none_in_time(policy: dict[str, Any]) -> None:
    policy["bands"]["free"]["first_token_s"] = 0.01
    policy["bands"]["free"]["patience_s"] = 0.01
    policy["bands"]["paid"]["first_token_s"] = 600.0
    policy["bands"]["paid"]["per_token_s"] = 60.0
    policy["choose_above"] = 1e6


def _all_in_time(policy: dict[str, Any]) -> None:
    for name in ("first_token_s", "patience_s"):
        policy["bands"]["free"][name] = 80_000.0
    policy["plans"]["free"]["max_waiting"] = 1000


def _refuse(rig: Rig, house: House, callers: list[Caller], found: Costs) -> None:
    assert house.process is not None
    span_s = rig.span_s(REFUSALS_S)
    sends = [Send(0.0, PROMPT_TOKENS, 10, 8 + number % 100) for number in range(MAX_REFUSALS)]
    before_s = house.process.cpu_s()
    came = rig.replay(
        house.port, sends, callers, concurrency=32, stop_s=span_s, drain_s=1.0, check_texts=False
    )
    used_s = house.process.cpu_s() - before_s
    refused = [each for each in came.attempts if each.outcome == "refused"]
    found.num_refusals = len(refused)
    found.num_not_refused = len(came.attempts) - len(refused)
    found.refusals_per_s = round(len(refused) / span_s, 1)
    found.cpu_ms_per_refusal = round(1000 * used_s / max(1, len(refused)), 3)
    found.details = sorted({f"{x.outcome} {x.status} {x.detail}"[:100] for x in came.attempts})[:4]


def _queue(rig: Rig, house: House, callers: list[Caller], found: Costs) -> None:
    assert house.process is not None
    num = NUM_QUEUED // 4 if rig.quick else NUM_QUEUED
    sends = [Send(2.0 * number / num, 300, 10, 8 + number % 100) for number in range(num)]
    time.sleep(1.0)
    before = house.process.pss_bytes()
    with rig.replaying(house.port, sends, callers, drain_s=5.0):
        time.sleep(5.5)
        grown = house.process.pss_bytes() - before
        pools = house.capacity().get("pools", ())
        found.num_queued = sum(sum(pool["waiting"].values()) for pool in pools)
    if found.num_queued:
        found.queued_kb = round(max(0, grown) / found.num_queued / 1e3, 1)


def leaving_goals(found: Leaving) -> dict[str, Goal]:
    """O7."""
    ok = found.abort_ms_max <= ABORT_MS and not found.num_never_stopped and not found.left_running
    note = (
        f"{found.num_aborts} clients left, {found.num_never_stopped} generations went on, "
        f"{found.wasted_share:.2%} of the tokens wasted"
    )
    wanted = "stops within 100 ms + 1 iteration, <= 1 % wasted"
    ok = ok and found.num_aborts > 0 and found.wasted_share <= 0.01
    return {"O7": goal(found.abort_ms_max, wanted, ok, note=note)}


def cost_goals(found: Costs) -> dict[str, Goal]:
    """O8, as far as it is about the gate."""
    per_core = 1000 / found.cpu_ms_per_refusal if found.cpu_ms_per_refusal else 0.0
    refusing = goal(
        per_core,
        ">= 1000",
        per_core >= 1000 and not found.num_not_refused,
        note=f"{found.refusals_per_s} /s came back to 32 clients; {found.details}",
    )
    queueing = goal(
        found.queued_kb, "<= 30", 0 < found.queued_kb <= 30, note=f"{found.num_queued} queued"
    )
    return {
        "O8": goal(
            per_core,
            ">= 1000 refusals/s and core, <= 30 kB per queued stream",
            bool(refusing.ok and queueing.ok),
            note="the rest of O8 is in gateway.json",
        ),
        "O8.refusals_per_s_and_core": refusing,
        "O8.queued_kb": queueing,
    }


def budget_goals(found: Budgets) -> dict[str, Goal]:
    """O6."""
    freed = found.freed_after_s
    is_freed = None if freed == -1.0 and not found.num_rounds else 0 <= freed <= LEAK_WITHIN_S
    note = (
        f"{found.num_rounds} x {PARALLEL} calls at once on {BUDGET_TOKENS} tokens: "
        f"{found.num_served} served, {found.num_refused} refused, {found.num_other} other; the "
        f"least that was spent {found.least_spent}; {found.num_without_limits} refusals without "
        f"x-ratelimit headers {found.details[:2]}"
    )
    held = found.num_refused > 0 and found.least_spent > 0
    spent = goal(found.most_overspent, "<= 0 tokens", found.most_overspent == 0 and held, note=note)
    lines = {"O6.overspent": spent}
    if freed >= 0 or found.num_rounds >= BUDGET_ROUNDS:
        lines["O6.freed_after_kill_s"] = goal(freed, "0 to 60", is_freed)
    ok = all(line.ok for line in lines.values())
    lines["O6"] = goal(
        found.most_overspent, "0 tokens over, no leak 60 s after kill -9", ok, note=note
    )
    return lines

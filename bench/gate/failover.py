"""R3, O12: engines that die, stall and talk nonsense in mid-answer, and no engine at all."""

from __future__ import annotations

import random
import time

import msgspec

from bench.gate.house import House, Mocks, ladder_off, people
from bench.gate.rig import PATIENCE_S, Rig, goal
from bench.gate.spec import Attempt, Send
from bench.gateway.load import quantiles
from bench.gateway.report import Goal

KINDS = ("die", "stall", "garbage")
REPLY_TOKENS = 60
PROMPT_TOKENS = 60
CONCURRENCY = 40
NUM_FAULTS = 300
NUM_FAULTS_THOROUGH = 1000
NUM_FAULTS_QUICK = 45
NUM_FAULTS_OFF = 30
CRASH_RUN_S = 15.0
CRASHES_S = ((2.0, 0), (9.0, 1))  # after so long, this engine
DOWN_S = 1.0
USAGE_IS_WRITTEN_S = 3.0
NUM_HELD = 20


class Failover(msgspec.Struct, kw_only=True):
    """What people saw of engines that failed them. Gaps are seconds of the clock."""

    num_turns: int
    num_visible: int
    num_wrong: int
    gap_p50_s: float
    gap_p99_s: float
    gap_max_s: float
    num_bills: int
    num_wrong_bills: int
    details: list[str]


class NoEngine(msgspec.Struct, kw_only=True):
    """What became of turns while there was no engine. Seconds of engine time."""

    num_held: int = 0
    num_served_after: int = 0
    num_too_early: int = 0
    num_refused: int = 0
    num_without_retry_after: int = 0
    refused_after_s: float = 0.0
    is_place_shown: bool = False
    pages: dict[str, int] = {}
    num_pages_failed: int = 0
    details: list[str] = []


def failover(rig: Rig, *, gate: bool) -> Failover:
    """Two engines in real time; every turn of the first part meets a fault at a random token."""
    num = NUM_FAULTS_OFF if not gate else NUM_FAULTS_QUICK if rig.quick else NUM_FAULTS
    if gate and rig.thorough:
        num = NUM_FAULTS_THOROUGH
    dice = random.Random(rig.seed)
    mocks = rig.mocks(2, compression=1.0)
    try:
        house = rig.house(mocks, people("plus", 20), ladder_off, gate=gate, compression=1.0)
        try:
            callers = rig.callers(house.everybody)
            for caller in callers:
                caller.patience_s = 60.0
            _warm_up(rig, house)
            num_before = len(house.usage_rows())
            faults = [
                {
                    "kind": KINDS[number % len(KINDS)],
                    "at_token": dice.randint(1, REPLY_TOKENS - 5),
                    "match": f"-{number} ",
                    "only_fresh": True,
                }
                for number in range(num)
            ]
            for engine in range(2):
                mocks.engine(engine).faults(faults)
            sends = _sends(num, len(callers))
            came = rig.replay(
                house.port, sends, callers, concurrency=CONCURRENCY, drain_s=60.0, stop_s=240.0
            )
            attempts = came.attempts
            for engine in range(2):
                mocks.engine(engine).faults([])
            if gate:
                attempts = attempts + _crashes(rig, house, mocks)
            time.sleep(USAGE_IS_WRITTEN_S)
            bills = house.usage_rows()[num_before:]
        finally:
            house.stop()
    finally:
        mocks.stop()
    return _judged(attempts, bills)


def _warm_up(rig: Rig, house: House) -> None:
    """What the gate knows of engines that have worked for a while."""
    callers = rig.callers(house.everybody)
    rig.replay(house.port, _sends(40, len(callers)), callers, concurrency=20, drain_s=20.0)
    time.sleep(USAGE_IS_WRITTEN_S)


def _crashes(rig: Rig, house: House, mocks: Mocks) -> list[Attempt]:
    """Whole engines are killed and come back, first one and then the other."""
    callers = rig.callers(house.everybody)
    for caller in callers:
        caller.patience_s = 60.0
    began = time.monotonic()
    with rig.replaying(
        house.port,
        _sends(1000, len(callers)),
        callers,
        concurrency=CONCURRENCY // 2,
        stop_s=CRASH_RUN_S,
        drain_s=40.0,
    ) as under_way:
        for at_s, number in CRASHES_S:
            time.sleep(max(0.0, began + at_s - time.monotonic()))
            mocks.kill(number)
            time.sleep(DOWN_S)
            mocks.start(number)
        return under_way.result().attempts


def _sends(count: int, num_callers: int) -> list[Send]:
    return [Send(0.0, PROMPT_TOKENS, REPLY_TOKENS, number % num_callers) for number in range(count)]


def _judged(attempts: list[Attempt], bills: list[tuple[str, str, int]]) -> Failover:
    visible = [each for each in attempts if each.outcome != "ok"]
    ok = [each for each in attempts if each.outcome == "ok"]
    gaps = quantiles([each.longest_gap_s for each in ok])
    return Failover(
        num_turns=len(attempts),
        num_visible=len(visible),
        num_wrong=sum(1 for each in ok if not each.is_right),
        gap_p50_s=gaps.p50,
        gap_p99_s=gaps.p99,
        gap_max_s=gaps.max,
        num_bills=len(bills),
        num_wrong_bills=sum(1 for _, _, tokens in bills if tokens != REPLY_TOKENS),
        details=sorted({f"{x.outcome} {x.status} {x.detail}"[:160] for x in visible})[:6],
    )


def failover_goals(on: Failover, off: Failover | None) -> dict[str, Goal]:
    """R3."""
    off_visible = {"gate off": off.num_visible / off.num_turns} if off else {}
    visible = on.num_visible / on.num_turns
    billed_once = on.num_bills == on.num_turns and not on.num_wrong_bills
    lines = {
        "R3.visible_errors": goal(
            on.num_visible,
            "<= 0",
            on.num_visible == 0,
            {"gate off, share": off_visible["gate off"]} if off else {},
            f"{on.num_turns} turns; {on.details}" if on.details else f"{on.num_turns} turns",
        ),
        "R3.gap_s_p99": goal(
            on.gap_p99_s, "<= 3", on.gap_p99_s <= 3, note=f"p50 {on.gap_p50_s}, max {on.gap_max_s}"
        ),
        "R3.wrong_texts": goal(on.num_wrong, "<= 0, byte for byte", on.num_wrong == 0),
        "R3.wrong_bills": goal(
            on.num_wrong_bills + abs(on.num_bills - on.num_turns),
            "<= 0",
            billed_once,
            note=f"{on.num_bills} bills for {on.num_turns} turns",
        ),
    }
    ok = all(line.ok for line in lines.values())
    wanted = "0 visible errors, gap p99 <= 3 s, byte-equal, billed once"
    return {"R3": goal(visible, wanted, ok, off_visible, "share of visible errors"), **lines}


def no_engine(rig: Rig, *, gate: bool) -> NoEngine:
    """The only engine goes; once it comes back in time, once it does not."""
    found = NoEngine()
    mocks = rig.mocks()
    try:
        house = rig.house(mocks, people("free", NUM_HELD), ladder_off, gate=gate)
        try:
            _warm_up(rig, house)
            _comes_back(rig, house, mocks, found)
            _stays_away(rig, house, mocks, found)
        finally:
            house.stop()
    finally:
        mocks.stop()
    return found


def _comes_back(rig: Rig, house: House, mocks: Mocks, found: NoEngine) -> None:
    mocks.kill(0)
    time.sleep(0.5)
    callers = rig.callers(house.everybody)
    for caller in callers:
        caller.patience_s = 30.0
    sends = [Send(0.05 * number, 40, 20, number) for number in range(NUM_HELD)]
    with rig.replaying(house.port, sends, callers, drain_s=20.0) as under_way:
        found.is_place_shown = _place_is_shown(house)
        time.sleep(max(0.5, 0.5 * rig.patience_s - 1.5))
        mocks.start(0)
        attempts = under_way.result().attempts
    found.num_held = len(attempts)
    found.num_served_after = sum(1 for each in attempts if each.outcome == "ok")
    found.details += sorted({
        f"{x.outcome} {x.status} {x.detail}"[:120] for x in attempts if x.outcome != "ok"
    })


def _stays_away(rig: Rig, house: House, mocks: Mocks, found: NoEngine) -> None:
    mocks.kill(0)
    time.sleep(0.5)
    callers = rig.callers(house.everybody)
    for caller in callers:
        caller.patience_s = 60.0
    sends = [Send(0.02 * number, 40, 20, number) for number in range(NUM_HELD)]
    with rig.replaying(house.port, sends, callers, drain_s=2 * rig.patience_s + 5) as under_way:
        until = time.monotonic() + rig.patience_s
        while time.monotonic() < until:
            for path in ("/api/conversations", "/api/search?q=bench", "/api/me", "/api/status"):
                try:
                    status, _ = house.call("GET", path)
                except OSError:
                    status = 0
                found.pages[path] = max(found.pages.get(path, 0), status)
                found.num_pages_failed += status >= 500 or status == 0
            time.sleep(0.25)
        attempts = under_way.result().attempts
    waits_s = [each.ended_s - each.due_s for each in attempts if each.outcome == "refused"]
    found.num_refused = len(waits_s)
    found.num_too_early = sum(1 for wait in waits_s if wait < 0.9 * rig.patience_s)
    found.num_too_early += sum(1 for each in attempts if each.outcome == "error")
    found.refused_after_s = round(quantiles(waits_s).p50 * rig.compression, 2)
    found.num_without_retry_after = sum(
        1 for each in attempts if each.outcome != "refused" or each.retry_after_s < 1
    )
    found.details += sorted({f"{x.outcome} {x.status} {x.detail}"[:120] for x in attempts})[:4]


def _place_is_shown(house: House) -> bool:
    """Whether the page is told its place within a second."""
    line = house.page.ask("Is anybody there?", within_s=1.5)
    return line.kind == "place" and line.after_s <= 1.0 and "place" in line.place


def no_engine_goals(on: NoEngine, off: NoEngine | None) -> dict[str, Goal]:
    """O12."""
    served = on.num_served_after / max(1, on.num_held)
    ok = (
        served == 1
        and on.num_refused == NUM_HELD
        and not on.num_too_early
        and not on.num_without_retry_after
        and not on.num_pages_failed
        and on.is_place_shown
    )
    baseline = {"gate off": off.num_served_after / max(1, off.num_held)} if off else {}
    note = (
        f"refused after {on.refused_after_s:g} s of {PATIENCE_S:g}, {on.num_too_early} too "
        f"early, {on.num_without_retry_after} without Retry-After; place shown: "
        f"{on.is_place_shown}; other pages {on.pages}, {on.num_pages_failed} failed; {on.details}"
    )
    wanted = "all held turns served when it is back; 503 only after their time; pages stay up"
    return {"O12": goal(served, wanted, ok, baseline, note)}

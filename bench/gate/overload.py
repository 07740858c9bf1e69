"""O1, O2, O3, O13: demand at and above capacity, the gate on, off, and a peer in its place."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from bench.gate.arrivals import poisson, replayed, shared_out
from bench.gate.browser import Browser, Line
from bench.gate.house import VISITOR, House, ladder_off
from bench.gate.rig import Rig, crowd, goal
from bench.gate.score import Found
from bench.gate.spec import Caller, Send
from bench.gateway.report import Goal
from bench.gateway.targets import NotInstalled, litellm

LEAD_S = 10.0  # what was learned at one demand is learned anew at the next
SPAN_S = 18.0
SMOOTH_S = 30.0
OTHERS_S = 8.0  # for what is there to be compared with
NUM_VISITS, VISIT_EVERY_S = 8, 1.5
PAID_DEMAND = 0.47
MULTIPLES = (1, 2, 5, 10)
OTHERS_MULTIPLES = (2, 10)


class Overload(msgspec.Struct, kw_only=True):
    """Figures by multiple of the capacity. `smooth` is 0.7 of it, `laddered` ten times it."""

    on: dict[int, Found] = {}
    off: dict[int, Found] = {}
    peer: dict[int, Found] = {}
    peer_missing: str = ""
    smooth: Found | None = None
    visits: list[Line] = []
    laddered: Found | None = None


def overload(rig: Rig, peer_home: Path | None) -> Overload:
    """Run them all."""
    result = Overload()
    people = crowd(20, 100) if rig.quick else crowd(40, 400)
    mocks = rig.mocks()
    try:
        house = rig.house(mocks, people, ladder_off)
        try:
            callers = rig.callers(house.everybody)
            result.smooth = _smooth(rig, house, callers)
            for multiple in MULTIPLES:
                mocks.wait_until_idle()
                before = mocks.engine().stats()["waiting_s"]
                began = time.monotonic()
                with Visits(house.port, result.visits if multiple == max(MULTIPLES) else None):
                    result.on[multiple] = _multiple(rig, house.port, callers, multiple)
                waited_s = mocks.engine().stats()["waiting_s"] - before
                result.on[multiple].engine_waiting = round(waited_s / (time.monotonic() - began), 2)
            if house.gate and rig.thorough:
                house.change_policy(_ladder_on(rig))
                mocks.wait_until_idle()
                result.laddered = _multiple(rig, house.port, callers, 10)
        finally:
            house.stop()
        if not house.gate:
            result.off, result.on = result.on, {}
        else:
            house = rig.house(mocks, people, gate=False)
            try:
                callers = rig.callers(house.everybody)
                for multiple in MULTIPLES if rig.thorough else OTHERS_MULTIPLES:
                    mocks.wait_until_idle()
                    result.off[multiple] = _multiple(rig, house.port, callers, multiple, OTHERS_S)
            finally:
                house.stop()
        _peer(rig, mocks.ports[0], peer_home, result)
    finally:
        mocks.stop()
    return result


class Visits:
    """Somebody on the free plan who sends from the page now and then; `found` None: nobody."""

    def __init__(self, port: int, found: list[Line] | None) -> None:
        self._browser = Browser(port, VISITOR)
        self._found = found
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._visit, args=(found,), daemon=True)

    def __enter__(self) -> None:
        if self._found is not None:
            self._thread.start()

    def __exit__(self, *_exc: object) -> None:
        self._done.set()
        if self._found is not None:
            self._thread.join(timeout=10)

    def _visit(self, found: list[Line]) -> None:
        self._browser.sign_in()
        for number in range(NUM_VISITS):
            if self._done.wait(LEAD_S + 4.0 if not number else VISIT_EVERY_S):
                return
            found.append(self._browser.ask(f"Who is there, for the {number}. time?"))


def _ladder_on(rig: Rig) -> Callable[[dict[str, object]], None]:
    def change(policy: dict[str, object]) -> None:
        ladder = policy["ladder"]
        assert isinstance(ladder, dict)
        ladder["thresholds"] = [1.0, 1.3, 2.0, 4.0, 8.0]
        _say(f"ladder on, {rig.compression:g} times as fast")

    return change


def _multiple(
    rig: Rig, port: int, callers: list[Caller], multiple: int, whole_s: float = SPAN_S
) -> Found:
    """So many times the capacity, at most half of it paid, in the trace's own rhythm."""
    span_s = rig.span_s(whole_s)
    sends = replayed(rig.trace, multiple * rig.cap, LEAD_S + span_s, rig.cost, rig.seed + multiple)
    return _run(rig, port, callers, sends, multiple, span_s)


def _smooth(rig: Rig, house: House, callers: list[Caller]) -> Found:
    """0.7 of the capacity, evenly: nobody has to be refused."""
    span_s = rig.span_s(SMOOTH_S)
    load = 0.7 * rig.cap
    sends = poisson(rig.trace, lambda _t: load, load, LEAD_S + span_s, rig.cost, rig.seed)
    return _run(rig, house.port, callers, sends, 0.7, span_s)


def _run(
    rig: Rig,
    port: int,
    callers: list[Caller],
    sends: list[Send],
    multiple: float,
    span_s: float,
) -> Found:
    paid = [number for number, each in enumerate(callers) if each.group == "paid"]
    free = [number for number, each in enumerate(callers) if each.group == "free"]
    share = min(0.5, PAID_DEMAND / multiple)
    shared_out(sends, [(share, paid), (1 - share, free)], rig.seed)
    _say(f"{multiple:g} x, {len(sends)} turns")
    came = rig.replay(port, sends, callers)
    found = rig.score(sends, callers, came, LEAD_S, LEAD_S + span_s)
    _say(
        f"   goodput {found.goodput:.3f}, in time {found.attainment}, refused {found.num_refused}, "
        f"left {found.num_gave_up}, errors {found.num_errors} {found.errors[:2]} {found.void}"
    )
    return found


def _peer(rig: Rig, engine_port: int, home: Path | None, result: Overload) -> None:
    work_dir = rig.work_dir / "peer"
    work_dir.mkdir(exist_ok=True)
    cpu = rig.gateway_cpu
    try:
        target = litellm(home, work_dir, engine_port, 0 if cpu is None else cpu)
    except (NotInstalled, OSError, RuntimeError) as missing:
        result.peer_missing = str(missing)
        return
    try:
        key = target.endpoint.headers["Authorization"].partition(" ")[2]
        callers = [
            Caller(group=group, key=key, patience_s=rig.patience_s) for group in ("paid", "free")
        ]
        for multiple in OTHERS_MULTIPLES:
            found = _multiple(rig, target.endpoint.port, callers, multiple, OTHERS_S)
            result.peer[multiple] = found
    finally:
        if target.process is not None:
            target.process.stop()


def goals(found: Overload) -> dict[str, Goal]:
    """O1, O2, O3 and O13, with a line for every multiple."""
    if not found.on:
        missing = "there is no gate in this server"
        off = {f"gate off at {m}x": x.goodput for m, x in found.off.items()}
        return {"O1": goal(None, ">= 0.85 at 1, 2, 5 and 10x", None, off, missing)}
    return {**_goodput(found), **_paid(found), **_refusals(found), **_false_refusals(found)}


def _goodput(found: Overload) -> dict[str, Goal]:
    worst = min(x.goodput for x in found.on.values())
    lines = {}
    for multiple, each in found.on.items():
        lines[f"O1.{multiple}x"] = goal(
            each.goodput,
            ">= 0.85",
            each.goodput >= 0.85,
            _others(found, multiple, lambda x: x.goodput),
            f"offered {each.offered:.2f}, {each.num_turns} turns, errors {each.num_errors}"
            + (f", VOID: {each.void}" if each.void else ""),
        )
    if found.laddered is not None:
        lines["O1.10x_with_ladder"] = goal(
            found.laddered.goodput,
            "reported",
            None,
            note="free questions are left to the durable queue, which API clients do not use",
        )
    off = {f"gate off at {m}x": x.goodput for m, x in found.off.items()}
    peer = {f"litellm at {m}x": x.goodput for m, x in found.peer.items()}
    note = f"the worst of {', '.join(f'{m}x' for m in found.on)}; ladder off"
    if found.peer_missing:
        note += f"; LiteLLM: {found.peer_missing}"
    lines["O1"] = goal(worst, ">= 0.85 at 1, 2, 5 and 10x", worst >= 0.85, {**off, **peer}, note)
    wrong = sum(x.num_wrong + x.num_errors for x in found.on.values())
    waiting = max(x.engine_waiting for x in found.on.values())
    lines["O1.engine_queue"] = goal(
        waiting, "<= 1 in the mean", waiting <= 1, note="sequences that wait inside the engine"
    )
    lines["O1.errors"] = goal(wrong, "<= 0 errors and wrong texts", wrong == 0)
    return lines


def _paid(found: Overload) -> dict[str, Goal]:
    lines = {}
    for multiple, each in found.on.items():
        wanted = 0.995 if multiple <= 2 else 0.99
        value = each.attainment.get("paid", 1.0)
        lines[f"O2.{multiple}x"] = goal(
            value,
            f">= {wanted:g}",
            value >= wanted,
            _others(found, multiple, lambda x: x.attainment.get("paid", 1.0)),
            f"{each.num_by_group.get('paid', 0)} paid turns, demand "
            f"{each.work_by_group.get('paid', 0.0):.2f} of the capacity",
        )
    worst = min(x.attainment.get("paid", 1.0) for x in found.on.values())
    off = {f"gate off at {m}x": x.attainment.get("paid", 1.0) for m, x in found.off.items()}
    peer = {f"litellm at {m}x": x.attainment.get("paid", 1.0) for m, x in found.peer.items()}
    ok = all(line.ok for line in lines.values())
    lines["O2"] = goal(worst, ">= 0.99 (0.995 at 2x)", ok, {**off, **peer}, "the worst multiple")
    return lines


def _refusals(found: Overload) -> dict[str, Goal]:
    at_most = found.on[max(found.on)]
    refuse = at_most.refuse_ms
    without = sum(x.num_without_retry_after for x in found.on.values())
    late = at_most.late_refusals
    at_others = {f"{m}x": x.late_refusals for m, x in found.on.items()}
    gave_up = {f"gate off at {m}x, left unanswered": x.num_gave_up for m, x in found.off.items()}
    lines = {
        "O3.refuse_ms_p50": goal(refuse.p50, "<= 20", refuse.p50 <= 20),
        "O3.refuse_ms_p99": goal(refuse.p99, "<= 250", refuse.p99 <= 250),
        "O3.late_refusals": goal(
            late, "<= 0.01 after > 1 s of waiting", late <= 0.01, note=f"by demand: {at_others}"
        ),
        "O3.without_retry_after": goal(without, "<= 0", without == 0),
    }
    if found.visits:
        slowest_s = max(each.after_s for each in found.visits)
        kinds = sorted({each.kind for each in found.visits})
        is_told = slowest_s <= 1 and "nothing" not in kinds
        lines["O3.place_shown_s"] = goal(
            slowest_s, "<= 1", is_told, note=f"{len(found.visits)} sends from the page: {kinds}"
        )
    lines["O3"] = goal(
        refuse.p50,
        "p50 <= 20 ms, p99 <= 250 ms, <= 1 % late, Retry-After on all",
        all(line.ok for line in lines.values()),
        {name: float(value) for name, value in gave_up.items()},
        f"p99 {refuse.p99:.1f} ms, {at_most.num_refused} refusals at {max(found.on)}x; milliseconds"
        " of the clock, waiting in engine time",
    )
    return lines


def _false_refusals(found: Overload) -> dict[str, Goal]:
    smooth = found.smooth
    if smooth is None:
        return {}
    share = smooth.num_refused / max(1, smooth.num_turns)
    note = f"{smooth.num_refused} of {smooth.num_turns} turns, in time {smooth.attainment}"
    return {"O13": goal(share, "< 0.001 at 0.7x", share < 0.001, note=note)}


def _others(found: Overload, multiple: int, read: Callable[[Found], float]) -> dict[str, float]:
    others = {"gate off": found.off, "litellm": found.peer}
    return {name: read(runs[multiple]) for name, runs in others.items() if multiple in runs}


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")

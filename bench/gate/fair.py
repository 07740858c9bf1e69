"""O4, O5: equal flows get equal shares, weights are honoured, an abuser costs the others little."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import Any

import msgspec

from bench.gate.arrivals import CLIENTS, merged, poisson, read_trace, shared_out
from bench.gate.house import House, Mocks, Person, ladder_off, people
from bench.gate.rig import Rig, goal
from bench.gate.score import jain, service
from bench.gate.spec import Send
from bench.gateway.report import Goal

LEAD_S = 8.0
WINDOW_S = 60.0  # of engine time
NUM_FLOWS = 8
NUM_HONEST = 40


class Fairness(msgspec.Struct):
    """Jain's index of each window, the service of heavy flows over light ones, engine use."""

    windows: list[float]
    ratio: float
    busy: float
    num_busy_samples: int
    windows_off: list[float] = []
    errors: int = 0
    void: str = ""


class Abuse(msgspec.Struct):
    """Shares of honest turns in time, without and with an abuser."""

    alone: float
    beside: float
    abuser: float
    beside_off: float | None = None
    void: str = ""


class Watch:
    """Looks again and again whether slots are idle while somebody waits at the gate."""

    def __init__(self, house: House, mocks: Mocks, slots: int) -> None:
        self._house, self._mocks, self._slots = house, mocks, slots
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.busy: list[float] = []

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._done.set()
        self._thread.join(timeout=10)

    def _look(self) -> None:
        engine = self._mocks.engine()
        while not self._done.wait(0.2):
            try:
                before = num_waiting(self._house.capacity())
                running = engine.stats()["running"]
                after = num_waiting(self._house.capacity())
            except (OSError, ValueError):
                continue
            if before and after:
                self.busy.append(min(1.0, running / self._slots))


def num_waiting(capacity: dict[str, Any]) -> int:
    """How many wait at the gate, by the operator's page."""
    return sum(sum(pool["waiting"].values()) for pool in capacity.get("pools", ()))


def fairness(rig: Rig) -> Fairness:
    """Eight flows that each want half of everything: equal ones, then four of fourfold weight."""
    mocks = rig.mocks()
    try:
        house = rig.house(mocks, people("free", NUM_FLOWS), ladder_off, _many_waiting)
        try:
            with Watch(house, mocks, rig.cost.slots) as watch:
                windows, errors, void = _backlogged(rig, house)
        finally:
            house.stop()
        everybody = [*people("heavy", NUM_FLOWS // 2), *people("light", NUM_FLOWS // 2)]
        house = rig.house(mocks, everybody, ladder_off, _weights)
        try:
            ratio = _ratio(rig, house)
        finally:
            house.stop()
        windows_off: list[float] = []
        if rig.thorough:
            house = rig.house(mocks, people("free", NUM_FLOWS), gate=False)
            try:
                windows_off, _, _ = _backlogged(rig, house, num_windows=1)
            finally:
                house.stop()
    finally:
        mocks.stop()
    busy = sum(watch.busy) / len(watch.busy) if watch.busy else 1.0
    return Fairness(windows, ratio, round(busy, 4), len(watch.busy), windows_off, errors, void)


def _backlogged(
    rig: Rig, house: House, num_windows: int | None = None
) -> tuple[list[float], int, str]:
    """Jain's index of each window, the errors, and why it does not count."""
    num_windows = num_windows or (1 if rig.quick else 4 if rig.thorough else 2)
    window_s = WINDOW_S / rig.compression
    span_s = LEAD_S + num_windows * window_s
    sends = _demand(rig, [0.5] * NUM_FLOWS, span_s)
    callers = rig.callers(house.everybody)
    came = rig.replay(house.port, sends, callers, drain_s=4.0)
    found = rig.turns(sends, callers, came, 0.0, span_s)
    windows = []
    for number in range(num_windows):
        from_s = LEAD_S + number * window_s
        got = service(found, from_s, from_s + window_s, lambda turn: turn.send.caller)
        windows.append(round(jain(got.get(flow, 0.0) for flow in range(NUM_FLOWS)), 4))
    errors = sum(1 for x in came.attempts if x.outcome == "error")
    return windows, errors, came.void


def _ratio(rig: Rig, house: House) -> float:
    """What a flow of weight 4 gets for each token of one of weight 1."""
    span_s = LEAD_S + rig.span_s(16.0)
    sends = _demand(rig, [0.5] * NUM_FLOWS, span_s)
    callers = rig.callers(house.everybody)
    for caller in callers:
        caller.group = "free"
    came = rig.replay(house.port, sends, callers, drain_s=4.0)
    found = rig.turns(sends, callers, came, 0.0, span_s)
    half = NUM_FLOWS // 2
    got = service(found, LEAD_S, span_s, lambda turn: int(turn.send.caller < half))
    return round(got[1] / max(got[0], 1.0), 3)


def _demand(rig: Rig, loads: list[float], span_s: float) -> list[Send]:
    """Each flow's own arrivals, sizes from many people's chats."""
    sizes = read_trace(CLIENTS)
    streams = []
    for flow, load in enumerate(loads):
        want = load * rig.cap
        stream = poisson(sizes, partial(_steady, want), want, span_s, rig.cost, rig.seed + flow)
        for send in stream:
            send.caller = flow
        streams.append(stream)
    return merged(*streams)


def _steady(load: float, _at_s: float) -> float:
    return load


def _many_waiting(policy: dict[str, Any]) -> None:
    policy["choose_above"] = 1e6  # the choice of the hour is fair over hours, not in a minute
    for plan in policy["plans"].values():
        plan["max_waiting"] = 50


def _weights(policy: dict[str, Any]) -> None:
    policy["choose_above"] = 1e6
    free = policy["plans"]["free"]
    policy["plans"]["heavy"] = {**free, "weight": 4.0, "max_waiting": 50}
    policy["plans"]["light"] = {**free, "weight": 1.0, "max_waiting": 50}


def abuse(rig: Rig) -> Abuse:
    """40 honest people at 0.7 of the capacity, alone and beside one who asks as much as they do."""
    span_s = rig.span_s(14.0)
    mocks = rig.mocks()
    everybody = [*people("free", NUM_HONEST, "honest"), Person("abuser@example.org", "free")]
    voids = []

    def run(house: House, with_abuser: bool) -> dict[str, float]:
        callers = rig.callers(house.everybody)
        for caller in callers[:NUM_HONEST]:
            caller.group = "honest"
        callers[NUM_HONEST].group = "abuser"
        load = 0.7 * rig.cap
        sends = poisson(rig.trace, lambda _t: load, load, LEAD_S + span_s, rig.cost, rig.seed + 9)
        shared_out(sends, [(1.0, range(NUM_HONEST))], rig.seed)
        if with_abuser:
            his = poisson(rig.trace, lambda _t: load, load, LEAD_S + span_s, rig.cost, rig.seed + 8)
            for send in his:
                send.caller = NUM_HONEST
            sends = merged(sends, his)
        mocks.wait_until_idle()
        came = rig.replay(house.port, sends, callers)
        found = rig.score(sends, callers, came, LEAD_S, LEAD_S + span_s)
        voids.append(found.void)
        time.sleep(0.5)
        return found.attainment

    try:
        house = rig.house(mocks, everybody, ladder_off)
        try:
            alone = run(house, with_abuser=False)["honest"]
            beside = run(house, with_abuser=True)
        finally:
            house.stop()
        off = None
        if rig.thorough:
            house = rig.house(mocks, everybody, gate=False)
            try:
                off = run(house, with_abuser=True)["honest"]
            finally:
                house.stop()
    finally:
        mocks.stop()
    void = next((each for each in voids if each), "")
    return Abuse(alone, beside["honest"], beside["abuser"], off, void)


def fairness_goals(found: Fairness) -> dict[str, Goal]:
    """O4."""
    worst = min(found.windows)
    void = f"; VOID: {found.void}" if found.void else ""
    off = {"gate off": min(found.windows_off)} if found.windows_off else {}
    lines = {
        "O4.jain": goal(worst, ">= 0.97", worst >= 0.97, off, f"windows {found.windows}{void}"),
        "O4.weights_4_to_1": goal(found.ratio, "3.6 to 4.4", 3.6 <= found.ratio <= 4.4),
        "O4.busy_while_waiting": goal(
            found.busy,
            ">= 0.98",
            found.busy >= 0.98 if found.num_busy_samples else None,
            note=f"{found.num_busy_samples} looks at which somebody waited",
        ),
    }
    ok = all(line.ok is not False for line in lines.values())
    wanted = "Jain >= 0.97 in 60 s, weights 4:1 +-10 %, busy >= 0.98 while anything waits"
    return {"O4": goal(worst, wanted, ok, off, "the rest in tests/capacity"), **lines}


def abuse_goals(found: Abuse) -> dict[str, Goal]:
    """O5."""
    points = 100 * (found.alone - found.beside)
    off = {} if found.beside_off is None else {"gate off": 100 * (found.alone - found.beside_off)}
    note = (
        f"honest turns in time {found.alone:.3f} alone, {found.beside:.3f} beside; the abuser's "
        f"{found.abuser:.3f}" + (f"; VOID: {found.void}" if found.void else "")
    )
    return {"O5": goal(points, "<= 3 points", points <= 3, off, note)}

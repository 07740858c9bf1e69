"""O10, O11: wave after wave above the capacity, and a storm of clients that ask again."""

from __future__ import annotations

import math
from collections import defaultdict

import msgspec

from bench.gate.arrivals import merged, poisson, replayed, shared_out
from bench.gate.house import ladder_off
from bench.gate.rig import Rig, crowd, goal
from bench.gate.score import Found, recovery_s
from bench.gateway.report import Goal

NUM_HUMPS = 4
HUMP_S = 12.0  # a minute of engine time; the gate does not adapt faster than that
PEAK = 1 / 0.6  # the capacity is 60 % of it
VALLEY = 0.25
PAID_SHARE = 0.28  # at the peak a little under half of the capacity
LEAD_S = 4.0
STORM = 10.0
STORM_S = 60.0  # of engine time
CALM = 0.7
CALM_S = 20.0
BEFORE_S = 8.0
RETRIES = 2


class Waves(msgspec.Struct):
    """Figures of all and, by hump, the share of paid turns in time with their number."""

    found: Found
    by_hump: list[tuple[float, int]]


class Storm(msgspec.Struct):
    """What came after a storm. Seconds are engine time."""

    recovery_s: float
    amplification: float
    at_engine: float
    calm: Found


def waves(rig: Rig) -> Waves:
    """The humps of a day, without the hours between them."""
    num_humps = 2 if rig.quick else 4 * NUM_HUMPS if rig.thorough else NUM_HUMPS
    span_s = num_humps * HUMP_S

    def load(at_s: float) -> float:
        wave = math.sin(math.pi * max(0.0, at_s - LEAD_S) / HUMP_S) ** 2
        return (VALLEY + (PEAK - VALLEY) * wave) * rig.cap

    sends = poisson(rig.trace, load, PEAK * rig.cap, LEAD_S + span_s, rig.cost, rig.seed + 77)
    mocks = rig.mocks()
    try:
        house = rig.house(mocks, crowd(20, 100), ladder_off)
        try:
            callers = rig.callers(house.everybody)
            paid, free = range(20), range(20, 120)
            shared_out(sends, [(PAID_SHARE, paid), (1 - PAID_SHARE, free)], rig.seed)
            came = rig.replay(house.port, sends, callers)
        finally:
            house.stop()
    finally:
        mocks.stop()
    slo = rig.slos["paid"]
    good: dict[int, int] = defaultdict(int)
    count: dict[int, int] = defaultdict(int)
    for turn in rig.turns(sends, callers, came, LEAD_S, LEAD_S + span_s):
        if turn.group == "paid":
            hump = int((turn.send.at_s - LEAD_S) / HUMP_S)
            count[hump] += 1
            good[hump] += turn.in_time(slo)
    by_hump = [
        (round(good[hump] / count[hump], 4) if count[hump] else 1.0, count[hump])
        for hump in range(num_humps)
    ]
    return Waves(rig.score(sends, callers, came, LEAD_S, LEAD_S + span_s), by_hump)


def storm(rig: Rig, *, gate: bool) -> Storm:
    """0.7 of the capacity, ten times it for a minute of engine time, 0.7; everybody asks again."""
    storm_s = rig.span_s(STORM_S / rig.compression)
    calm_s = rig.span_s(CALM_S)
    rough = replayed(rig.trace, STORM * rig.cap, storm_s, rig.cost, rig.seed + 5)
    load = CALM * rig.cap
    storm_ends_s = BEFORE_S + storm_s
    smooth = poisson(rig.trace, lambda _t: load, load, BEFORE_S + calm_s, rig.cost, rig.seed + 6)
    for send in rough:
        send.at_s += BEFORE_S
    for send in smooth:
        send.at_s += storm_s if send.at_s >= BEFORE_S else 0.0
    mocks = rig.mocks()
    try:
        house = rig.house(mocks, crowd(20, 200), ladder_off, gate=gate)
        try:
            callers = rig.callers(house.everybody, retries=RETRIES)
            paid, free = range(20), range(20, 220)
            shared_out(rough, [(0.047, paid), (0.953, free)], rig.seed)
            shared_out(smooth, [(0.5, paid), (0.5, free)], rig.seed)
            sends = merged(rough, smooth)
            came = rig.replay(house.port, sends, callers)
            num_at_engine = mocks.engine().stats()["requests"]
        finally:
            house.stop()
    finally:
        mocks.stop()
    everything = rig.turns(sends, callers, came, 0.0, storm_ends_s + calm_s)
    num_served = sum(1 for turn in everything if any(x.first_s >= 0 for x in turn.attempts))
    back_s = recovery_s(everything, rig.slos, storm_ends_s, 0.99)
    return Storm(
        recovery_s=round(back_s * rig.compression, 2),
        amplification=round(len(came.attempts) / len(sends), 3),
        at_engine=round(num_at_engine / max(1, num_served), 3),
        calm=rig.score(sends, callers, came, storm_ends_s, storm_ends_s + calm_s),
    )


def wave_goals(found: Waves) -> dict[str, Goal]:
    """O10."""
    bad = sum(1 for share, count in found.by_hump if count and share < 0.95)
    worst = min(share for share, _count in found.by_hump)
    seen = found.found
    ok = bad == 0 and seen.num_errors == 0
    note = (
        f"the worst of {len(found.by_hump)} humps {worst:.3f}, all paid turns "
        f"{seen.attainment.get('paid', 1.0):.4f}, free {seen.attainment.get('free', 1.0):.4f}, "
        f"{seen.num_refused} refused at once, {seen.num_errors} errors {seen.errors[:2]}"
    )
    if seen.void:
        note += f"; VOID: {seen.void}"
    wanted = "0 humps with paid under 0.95, no error"
    return {"O10": goal(bad, wanted, ok, note=note)}


def storm_goals(on: Storm, off: Storm | None) -> dict[str, Goal]:
    """O11."""
    baseline = {"gate off": _finite(off.recovery_s)} if off else {}
    back = goal(
        _finite(on.recovery_s),
        "<= 10 s of engine time",
        on.recovery_s <= 10,
        baseline,
        f"in time afterwards {on.calm.attainment}"
        + (f"; VOID: {on.calm.void}" if on.calm.void else ""),
    )
    again = goal(
        on.amplification,
        "<= 1.1",
        on.amplification <= 1.1,
        {"gate off": off.amplification} if off else {},
        f"requests of clients for each turn; at the engine {on.at_engine:g} for each turn served",
    )
    ok = bool(back.ok and again.ok)
    return {
        "O11": goal(back.value, "back within 10 s, amplification <= 1.1", ok, baseline, again.note),
        "O11.recovery_s": back,
        "O11.amplification": again,
    }


NEVER_S = 1e6


def _finite(value: float) -> float:
    """A number for JSON: never is a million seconds."""
    return min(value, NEVER_S)

"""The degradation ladder: what the house gives up first when there is too much demand. Pure."""

from __future__ import annotations

from enum import IntEnum

import msgspec

from fireside.capacity.policy import Ladder


class Rung(IntEnum):
    """Each rung includes those below it."""

    NORMAL = 0
    NO_EXTRAS = 1  # no titles, no suggestions
    SHORTER = 2  # free replies are shorter
    SMALL_MODEL = 3  # free replies come from the smaller model
    LATER_ONLY = 4  # free questions are answered from the durable queue only
    SIGN_UPS_WAIT = 5  # new accounts wait


class LadderState(msgspec.Struct, frozen=True):
    """Where the house stands, and since when demand has been pointing elsewhere."""

    rung: Rung = Rung.NORMAL
    since: float = 0.0
    rising_since: float | None = None
    falling_since: float | None = None


def step(ladder: Ladder, state: LadderState, pressure: float, now: float) -> LadderState:
    """The state after seeing `pressure` (demand over capacity) at `now`; one rung at a time."""
    rung = state.rung
    wants_up = rung < len(ladder.thresholds) and pressure > ladder.thresholds[rung]
    wants_down = rung > 0 and pressure < ladder.thresholds[rung - 1] * ladder.fall_factor
    # A clock that was set back must not freeze the house on a rung.
    rising = _since(state.rising_since, now) if wants_up else None
    falling = _since(state.falling_since, now) if wants_down else None
    if rising is not None and now - rising >= ladder.rise_s:
        return LadderState(Rung(rung + 1), now)
    if falling is not None and now - falling >= ladder.fall_s:
        return LadderState(Rung(rung - 1), now)
    if rising == state.rising_since and falling == state.falling_since:
        return state
    return LadderState(rung, state.since, rising, falling)


def _since(earlier: float | None, now: float) -> float:
    return now if earlier is None else min(earlier, now)

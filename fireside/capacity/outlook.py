"""What is expected of the coming week, and what to make of it. Pure, and without numpy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

import msgspec

QUIET_SHARE = 0.5


class Guess(msgspec.Struct, frozen=True, kw_only=True):
    """An hour's demand; four times in five it lies between `low` and `high`."""

    expected: float
    low: float
    high: float


class ForecastError(msgspec.Struct, frozen=True, kw_only=True):
    """How far guesses made a day ahead were off over the last hours; None: not enough known.

    `mape` is the sum of the errors over the sum of the demand, so that quiet hours do not count
    for more than they are; `baseline_mape` the same for "as in this hour last week".
    """

    mape: float | None = None
    baseline_mape: float | None = None
    num_hours: int = 0


class WeekAhead(msgspec.Struct, frozen=True, kw_only=True):
    """Guesses of the past hours (None where nothing was known) and of the 168 to come."""

    error: ForecastError
    past: list[Guess | None]
    ahead: list[Guess]


class HourOutlook(msgspec.Struct, frozen=True, kw_only=True):
    """One hour. `actual` is None in the future, the guess is None where nothing was known.

    `slots_needed`: what to have running in an hour to come, on the high side.
    """

    at: datetime
    expected: float | None
    low: float | None
    high: float | None
    actual: float | None
    slots_needed: int | None = None


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """The last week beside what was expected of it, and the week to come."""

    error: ForecastError
    hours: list[HourOutlook]


def slots_needed(asks: float, slot_s: float, headroom: float = 1.2) -> int:
    """How many slots an hour with so many asks takes, each of which holds one for `slot_s`."""
    if asks <= 0 or slot_s <= 0:
        return 0
    return max(1, math.ceil(asks * slot_s / 3600 * headroom))


def quiet_hours(hours: Sequence[HourOutlook], share: float = QUIET_SHARE) -> list[datetime]:
    """The hours to come that even at their highest stay under `share` of the week's peak."""
    ahead = [hour for hour in hours if hour.actual is None and hour.high is not None]
    peak = max((hour.expected or 0.0 for hour in ahead), default=0.0)
    return [hour.at for hour in ahead if (hour.high or 0.0) <= share * peak]

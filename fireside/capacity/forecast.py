"""Demand of the coming week from that of the past ones, with the error it would have had. Pure.

Hour by hour in the logarithm: what the same hour of the week, and of the day, was like lately,
moved by how far the last hours were off. A few mixtures of these are kept, and each day the one
that would have been best so far is used. The seasonal means are coreforecast's (decision 10).

It loads numpy, which the server does without until somebody asks for a forecast.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from coreforecast.exponentially_weighted import exponentially_weighted_mean
from coreforecast.rolling import seasonal_rolling_mean
from numpy.typing import NDArray

from fireside.capacity.outlook import ForecastError, Guess, WeekAhead

DAY = 24
WEEK = 7 * DAY
WEEKS_LOOKED_AT = 6  # older ones say little about the next
DAYS_LOOKED_AT = 14
LEVEL_ALPHA = 1 / 6  # the last quarter of a day decides how far the present is off
ERROR_OVER = 2 * WEEK
COVERED = 0.8  # of what comes lies between low and high
SHARES = (0.0, 0.5, 1.0)  # of the hour of the week; the rest is of the hour of the day
LEVELS = (0.0, 0.5, 1.0)  # how much of the present deviation is believed a day ahead

Array = NDArray[np.float64]


def predict(counts: Sequence[float]) -> WeekAhead:
    """The 168 hours after `counts` (one number an hour, the oldest first, without gaps).

    Empty without two days of them. What is said of past hours was known a day before each.
    """
    past = np.asarray(counts, dtype=np.float64)
    if len(past) < 2 * DAY:
        return WeekAhead(error=ForecastError(), past=[None] * len(past), ahead=[])
    logs = np.log1p(np.maximum(past, 0.0))
    candidates = np.stack([_candidate(logs, *mixture) for mixture in product(SHARES, LEVELS)])
    chosen = _best_so_far(candidates, logs)
    mixture, told = chosen[-1], _told(candidates, chosen, len(past))
    low, high = _spread(logs, told)
    return WeekAhead(
        error=_error(past, np.expm1(told)),
        past=[
            _guess(value, low, high) if np.isfinite(value) else None for value in told[: len(past)]
        ],
        ahead=[_guess(value, low, high) for value in candidates[mixture, len(past) :]],
    )


def _candidate(logs: Array, share: float, believed: float) -> Array:
    """What one mixture says of every hour and of the week after; NaN where it knows nothing."""
    num = len(logs)
    by_day = _repeated(seasonal_rolling_mean(logs, DAY, DAYS_LOOKED_AT, 1), DAY, num)
    by_week = by_day
    if num > WEEK:
        by_week = _repeated(seasonal_rolling_mean(logs, WEEK, WEEKS_LOOKED_AT, 1), WEEK, num)
        by_week = np.where(np.isfinite(by_week), by_week, by_day)
    profile = share * by_week + (1 - share) * by_day
    off = np.nan_to_num(logs - profile[:num])
    level = exponentially_weighted_mean(off, LEVEL_ALPHA)
    moved = profile.copy()
    moved[DAY:num] += believed * level[: num - DAY]
    days_ahead = np.arange(1, WEEK + 1) / DAY
    moved[num:] += level[-1] * np.power(believed, days_ahead) if believed < 1 else level[-1]
    return np.maximum(moved, 0.0)


def _repeated(means: Array, season: int, num: int) -> Array:
    """`means` of the same hour one season before; further ahead, of the last one that is known."""
    told = np.full(num + WEEK, np.nan)
    told[season:num] = means[: num - season]
    ahead = np.arange(WEEK)
    told[num:] = means[num - season + ahead % season]
    return told


def _best_so_far(candidates: Array, logs: Array) -> NDArray[np.intp]:
    """For every hour the candidate whose errors until a day before were the smallest."""
    num = len(logs)
    errors = np.nan_to_num(np.abs(np.expm1(candidates[:, :num]) - np.expm1(logs)))
    total = np.cumsum(errors, axis=1)
    recent = total.copy()
    recent[:, ERROR_OVER:] -= total[:, :-ERROR_OVER]
    best = np.argmin(recent, axis=0)
    # The middle one until there is anything to go by.
    start = np.full(min(DAY, num), len(candidates) // 2)
    return np.concatenate([start, best])[: num + 1] if num >= DAY else start


def _told(candidates: Array, chosen: NDArray[np.intp], num: int) -> Array:
    return candidates[chosen[:num], np.arange(num)]


def _spread(logs: Array, told: Array) -> tuple[float, float]:
    off = (logs - told)[-ERROR_OVER:]
    off = off[np.isfinite(off)]
    if len(off) < DAY:
        return -1.0, 1.0
    tail = (1 - COVERED) / 2
    return float(np.quantile(off, tail)), float(np.quantile(off, 1 - tail))


def _error(past: Array, told: Array) -> ForecastError:
    """Over the last two weeks, beside that of saying what was a week before."""
    num = min(len(past) - WEEK, ERROR_OVER)
    if num < DAY:
        return ForecastError()
    actual, guessed, naive = past[-num:], told[-num:], past[-num - WEEK : -WEEK]
    whole = float(np.sum(actual))
    if whole <= 0:
        return ForecastError()
    return ForecastError(
        mape=float(np.sum(np.abs(actual - guessed))) / whole,
        baseline_mape=float(np.sum(np.abs(actual - naive))) / whole,
        num_hours=num,
    )


def _guess(value: float, low: float, high: float) -> Guess:
    return Guess(
        expected=float(np.expm1(value)),
        low=float(max(0.0, np.expm1(value + min(low, 0.0)))),
        high=float(np.expm1(value + max(high, 0.0))),
    )

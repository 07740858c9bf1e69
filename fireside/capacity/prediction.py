"""What is learned while serving: how long replies are, and how long a wait really was. Pure."""

from __future__ import annotations

import math
from collections import OrderedDict

import msgspec

MAX_KEYS = 50_000
PRIOR_TOKENS = 200.0
PRIOR_WEIGHT = 4.0
MAX_WEIGHT = 50.0


class LengthPredictor:
    """Mean output tokens by key (a flow, an assistant), leaning on everybody's where a key is new.

    An exponential moving mean per key, shrunk towards the global mean by PRIOR_WEIGHT
    pseudo-counts; least recently used keys are forgotten.
    """

    def __init__(self, prior_tokens: float = PRIOR_TOKENS) -> None:
        self._mean = prior_tokens
        self._weight = PRIOR_WEIGHT
        self._by_key: OrderedDict[str, tuple[float, float]] = OrderedDict()  # mean, weight

    def predict(self, key: str, max_tokens: int | None = None) -> float:
        """Expected output tokens, at most `max_tokens`."""
        mean, weight = self._by_key.get(key, (0.0, 0.0))
        expected = (mean * weight + self._mean * PRIOR_WEIGHT) / (weight + PRIOR_WEIGHT)
        return expected if max_tokens is None else min(expected, float(max_tokens))

    def observe(self, key: str, tokens: int) -> None:
        """A reply of `key` had so many tokens."""
        self._weight = min(self._weight + 1, 500.0)
        self._mean += (tokens - self._mean) / self._weight
        mean, weight = self._by_key.pop(key, (0.0, 0.0))
        weight = min(weight + 1, MAX_WEIGHT)
        self._by_key[key] = (mean + (tokens - mean) / weight, weight)
        if len(self._by_key) > MAX_KEYS:
            self._by_key.popitem(last=False)


class WaitRange(msgspec.Struct, frozen=True):
    """An expected wait in seconds with its 80 % interval."""

    low_s: float
    likely_s: float
    high_s: float


class WaitCalibration:
    """Turns raw predictions into intervals that hold 80 % of the time.

    Follows the quantiles of log(actual / raw) by stochastic approximation (Robbins and Monro 1951;
    as adaptive conformal inference, Gibbs and Candes 2021): each observation moves the 10 %, 50 %
    and 90 % marks a little, against drift too.
    """

    STEP = 0.08
    FLOOR_S = 0.05  # below this nobody can tell

    def __init__(self) -> None:
        self._low, self._likely, self._high = -1.0, 0.0, 1.0
        self.num_observed = 0
        self.num_inside = 0

    def estimate(self, raw_s: float) -> WaitRange:
        """The interval for a raw prediction."""
        base = raw_s + self.FLOOR_S
        return WaitRange(
            max(0.0, base * math.exp(self._low) - self.FLOOR_S),
            max(0.0, base * math.exp(self._likely) - self.FLOOR_S),
            max(0.0, base * math.exp(self._high) - self.FLOOR_S),
        )

    def observe(self, raw_s: float, actual_s: float) -> None:
        """A wait that was predicted as `raw_s` took `actual_s`."""
        shown = self.estimate(raw_s)
        self.num_observed += 1
        self.num_inside += shown.low_s <= actual_s <= shown.high_s
        error = math.log((actual_s + self.FLOOR_S) / (raw_s + self.FLOOR_S))
        step = max(self.STEP, 1.0 / (self.num_observed + 2))
        self._low += step * (0.1 - (error < self._low))
        self._likely += step * (0.5 - (error < self._likely))
        self._high += step * (0.9 - (error < self._high))
        self._low = min(self._low, self._likely)
        self._high = max(self._high, self._likely)

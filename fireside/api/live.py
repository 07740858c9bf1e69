"""Live figures for the operator's page: five minutes in steps of five seconds, in memory."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime

import msgspec

from fireside.billing.domain import UsageEntry
from fireside.kit.clock import Clock

STEP_S = 5
NUM_STEPS = 60
MAX_TTFTS = 1000


class Step(msgspec.Struct):
    """Five seconds. `at` is when they began."""

    at: datetime
    tokens_per_s: float = 0.0
    requests_per_s: float = 0.0
    running: int = 0


class Summary(msgspec.Struct, frozen=True):
    """The last minute in single figures, and the series behind them."""

    tokens_per_s: float
    requests_per_s: float
    ttft_ms_p50: float | None
    ttft_ms_p95: float | None
    series: list[Step]


class Stored(msgspec.Struct, frozen=True):
    """How much there was in the database at a time."""

    at: datetime
    num_users: int
    num_conversations: int
    num_messages: int


class Live:
    """Counts requests and ended generations as they come; `stored` is kept for the page."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._started_s = clock.monotonic_s()
        self.stored: Stored | None = None
        self._requests: dict[int, int] = {}  # step number -> count
        self._tokens: dict[int, float] = {}
        self._running: dict[int, int] = {}  # the most that ran at once
        self._ttfts: deque[tuple[float, float]] = deque(maxlen=MAX_TTFTS)  # (at, ms)

    @property
    def uptime_s(self) -> float:
        """Since this object was made, at start-up."""
        return self._clock.monotonic_s() - self._started_s

    def count_request(self) -> None:
        """One HTTP request was answered."""
        step = self._step()
        self._requests[step] = self._requests.get(step, 0) + 1
        if len(self._requests) > 2 * NUM_STEPS:
            self._forget()

    def note_running(self, num_running: int) -> None:
        """So many generations are under way now."""
        step = self._step()
        if num_running > self._running.get(step, 0):
            self._running[step] = num_running

    def observe(self, entry: UsageEntry) -> None:
        """One generation ended; a listener of the meter. Its tokens are spread over its time."""
        usage = entry.usage
        end_s = entry.at.timestamp()
        if usage.ttft_ms is not None:
            self._ttfts.append((end_s, usage.ttft_ms))
        lasted_s = (usage.inter_token_ms or 0.0) * max(usage.completion_tokens - 1, 0) / 1000
        first, last = int((end_s - lasted_s) // STEP_S), int(end_s // STEP_S)
        first = max(first, last - NUM_STEPS)
        share = usage.completion_tokens / (last - first + 1)
        for step in range(first, last + 1):
            self._tokens[step] = self._tokens.get(step, 0.0) + share
        if len(self._tokens) > 2 * NUM_STEPS:
            self._forget()

    def summary(self) -> Summary:
        """The figures now. The present step, which is not over, is left out of the series."""
        now = self._step()
        steps = range(now - NUM_STEPS, now)
        series = [
            Step(
                datetime.fromtimestamp(step * STEP_S, UTC),
                self._tokens.get(step, 0.0) / STEP_S,
                self._requests.get(step, 0) / STEP_S,
                self._running.get(step, 0),
            )
            for step in steps
        ]
        minute = series[-60 // STEP_S :]
        ttfts = sorted(ms for at, ms in self._ttfts if at >= (now - NUM_STEPS) * STEP_S)
        return Summary(
            sum(step.tokens_per_s for step in minute) / len(minute),
            sum(step.requests_per_s for step in minute) / len(minute),
            _quantile(ttfts, 0.5),
            _quantile(ttfts, 0.95),
            series,
        )

    def _step(self) -> int:
        return int(self._clock.now().timestamp() // STEP_S)

    def _forget(self) -> None:
        oldest = self._step() - NUM_STEPS
        for counts in (self._requests, self._tokens, self._running):
            for step in [step for step in counts if step < oldest]:
                del counts[step]


def _quantile(ordered: list[float], q: float) -> float | None:
    if not ordered:
        return None
    return ordered[min(int(q * len(ordered)), len(ordered) - 1)]

"""Time, injected: services ask a `Clock`, pure code takes `now` as a value."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol, runtime_checkable


@runtime_checkable  # Litestar checks what it hands to endpoints
class Clock(Protocol):
    """Wall time for records and monotonic time for durations."""

    def now(self) -> datetime:
        """The present as an aware UTC datetime."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that only go forward; the origin has no meaning."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251  the one place that reads wall time

    def monotonic_s(self) -> float:
        return time.monotonic()


class FasterClock:
    """The machine's clock, with time between two moments `factor` times as long."""

    def __init__(self, factor: float) -> None:
        self._factor = factor
        self._clock = SystemClock()

    def now(self) -> datetime:
        return self._clock.now()

    def monotonic_s(self) -> float:
        return self._clock.monotonic_s() * self._factor


class FakeClock:
    """A clock that moves only when told to, for tests and simulations."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime(2026, 1, 1, tzinfo=UTC)
        self._monotonic_s = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic_s(self) -> float:
        return self._monotonic_s

    def advance(self, seconds: float) -> None:
        """Move both clocks forward."""
        self._now += timedelta(seconds=seconds)
        self._monotonic_s += seconds

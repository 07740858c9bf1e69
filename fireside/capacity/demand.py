"""The forecast on demand: reads the hours, has the coming week computed, keeps it for a while.

Failure policy: fail open. While the database is away the last forecast is shown, or an empty one;
nobody is served later for it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio
import anyio.to_thread
import structlog

from fireside.capacity.minute_repository import MinuteRepository
from fireside.capacity.outlook import (
    ForecastError,
    Guess,
    HourOutlook,
    Outlook,
    WeekAhead,
    quiet_hours,
    slots_needed,
)
from fireside.db.database import Database
from fireside.errors import BackendFailed
from fireside.kit.clock import Clock

HOUR = timedelta(hours=1)
SHOWN_PAST = 7 * 24
LOOKED_AT = timedelta(weeks=10)
KEPT_FOR_S = 300.0
DEFAULT_SLOT_S = 10.0
EMPTY = Outlook(error=ForecastError(), hours=[])
log = structlog.get_logger(__name__)


class Demand:
    """What will be asked of the house."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._repository = MinuteRepository()
        self._outlook = EMPTY
        self._made_at_s: float | None = None
        self._making = anyio.Lock()

    async def outlook(self) -> Outlook:
        """The last week and the coming one, at most five minutes old."""
        async with self._making:
            now_s = self._clock.monotonic_s()
            if self._made_at_s is None or now_s - self._made_at_s >= KEPT_FOR_S:
                try:
                    self._outlook = await self._make()
                    self._made_at_s = now_s
                except BackendFailed as error:
                    log.warning("demand_not_read", code=error.code)
            return self._outlook

    async def slots_ahead(self, hours: int = 1) -> int:
        """Slots that the next hours take at their highest: what to scale to. 0: nothing is known.

        From the moment now; an engine that takes minutes to start is asked for in time.
        """
        outlook, now = await self.outlook(), self._clock.now()
        near = (h.slots_needed for h in outlook.hours if now - HOUR < h.at <= now + hours * HOUR)
        return max((slots for slots in near if slots is not None), default=0)

    async def valleys(self) -> list[datetime]:
        """The quiet hours of the coming week: when work that nobody waits for is best done."""
        return quiet_hours((await self.outlook()).hours)

    async def _make(self) -> Outlook:
        # The present hour is not over: it is among those that are expected.
        present = self._clock.now().astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        async with self._db.read() as tx:
            known = await self._repository.arrivals(tx, present - LOOKED_AT, present)
        if not known:
            return EMPTY
        first = min(known)
        num = round((present - first) / HOUR)
        counts = [float(known.get(first + hour * HOUR, (0, 0.0))[0]) for hour in range(num)]
        asked, held_s = sum(counts), sum(each[1] for each in known.values())
        slot_s = held_s / asked if asked and held_s else DEFAULT_SLOT_S
        week = await anyio.to_thread.run_sync(_predicted, counts)
        shown = range(max(0, num - SHOWN_PAST), num)
        past = [_hour(first + i * HOUR, week.past[i], actual=counts[i]) for i in shown]
        ahead = [
            _hour(present + i * HOUR, guess, slots=slots_needed(guess.high, slot_s))
            for i, guess in enumerate(week.ahead)
        ]
        return Outlook(error=week.error, hours=past + ahead)


def _predicted(counts: list[float]) -> WeekAhead:
    # Loads numpy, which the server does without until somebody asks for a forecast.
    from fireside.capacity.forecast import predict  # noqa: PLC0415

    return predict(counts)


def _hour(
    at: datetime, guess: Guess | None, *, actual: float | None = None, slots: int | None = None
) -> HourOutlook:
    if guess is None:
        return HourOutlook(at=at, expected=None, low=None, high=None, actual=actual)
    return HourOutlook(
        at=at,
        expected=round(guess.expected, 2),
        low=round(guess.low, 2),
        high=round(guess.high, 2),
        actual=actual,
        slots_needed=slots,
    )

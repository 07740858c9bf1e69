"""Counts what passes the gate in memory, and writes it down once a minute.

Failure policy: fail open. While the database is away counting goes on; a day of minutes is kept and
written when it is back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

import anyio
import structlog

from fireside.capacity.minute_repository import Minute, MinuteRepository
from fireside.capacity.policy import Band
from fireside.capacity.ports import CapacityView, GateView, Moment
from fireside.db.database import Database
from fireside.errors import BackendFailed
from fireside.kit.clock import Clock
from fireside.kit.ids import NewId

SAMPLE_S = 5.0
SERIES_LEN = 60
MAX_SPAN_S = 60.0  # a machine that slept does not count its sleep
MAX_ROWS = 50_000  # that wait to be written
FORGET_EVERY = timedelta(hours=1)
SHUTDOWN_WRITE_S = 5.0
log = structlog.get_logger(__name__)


class MinuteRecorder:
    """Counters by pool and band. Run `run` in a task group of the application."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        new_id: NewId,
        kept_days: int,
        is_up: Callable[[], bool] = lambda: True,
    ) -> None:
        self._db = db
        self._clock = clock
        self._is_up = is_up
        self._kept = timedelta(days=kept_days)
        self._repository = MinuteRepository()
        self._process = new_id()
        self._counts: dict[tuple[datetime, str, str], Minute] = {}
        self._minute = _whole_minute(clock.now())
        self._sampled_at_s = clock.monotonic_s()
        self._forgot_at: datetime | None = None
        self._away = False
        self._moment = [0, 0, 0]  # arrived, granted, refused since the last sample
        self._series: deque[Moment] = deque(maxlen=SERIES_LEN)

    def note(
        self,
        pool: str,
        band: Band,
        *,
        arrived: int = 0,
        granted: int = 0,
        refused: int = 0,
        failed: int = 0,
    ) -> None:
        """Count what happened just now. Never waits and never fails.

        `failed`: was granted and came to no good end.
        """
        counts = self._now(pool, band.value)
        counts.arrived += arrived
        counts.granted += granted
        counts.refused += refused
        counts.failed += failed
        self._moment[0] += arrived
        self._moment[1] += granted
        self._moment[2] += refused

    def count(self, pool: str, band: Band, what: str) -> None:
        """Count one; `what` is arrived, granted, refused or failed."""
        self.note(pool, band, **{what: 1})

    def sample(self, view: CapacityView) -> None:
        """Note how things stand; call every few seconds."""
        now_s = self._clock.monotonic_s()
        span_s = min(max(0.0, now_s - self._sampled_at_s), MAX_SPAN_S)
        self._sampled_at_s = now_s
        own = self._now("", "")
        own.rung = max(own.rung, view.rung)
        own.down_s += 0.0 if self._is_up() else span_s
        own.degraded_s += span_s if view.rung else 0.0
        running = waiting = 0
        for pool in view.pools:
            for band in Band:
                in_slots, in_line = pool.running.get(band, 0), pool.waiting.get(band, 0)
                running += in_slots
                waiting += in_line
                if in_slots or in_line:
                    counts = self._now(pool.pool, band.value)
                    counts.slot_seconds += in_slots * span_s
                    counts.max_waiting = max(counts.max_waiting, in_line)
                    counts.rung = max(counts.rung, view.rung)
        arrived, granted, refused = self._moment
        self._moment = [0, 0, 0]
        self._series.append(
            Moment(
                at=self._clock.now(),
                arrived=arrived,
                granted=granted,
                refused=refused,
                waiting=waiting,
                running=running,
            )
        )

    def series(self) -> list[Moment]:
        """The last five minutes, five seconds each, oldest first."""
        return list(self._series)

    async def run(self, gate: GateView) -> None:
        """Sample and write until cancelled, then write the rest."""
        written = self._minute
        try:
            while True:
                self.sample(gate.live())
                if self._minute > written:
                    written = self._minute
                    await self.write()
                await anyio.sleep(SAMPLE_S)
        finally:
            with anyio.move_on_after(SHUTDOWN_WRITE_S, shield=True):
                await self.write()

    async def write(self) -> None:
        """Write every minute that waits; those that are over are forgotten here afterwards."""
        rows = list(self._counts.values())
        over = [key for key in self._counts if key[0] < self._minute]
        now = self._clock.now()
        forget = self._forgot_at is None or now - self._forgot_at >= FORGET_EVERY
        try:
            async with self._db.write() as tx:
                await self._repository.write(tx, self._process, rows)
                if forget:
                    await self._repository.forget(tx, now - self._kept)
        except BackendFailed as error:
            if not self._away:
                log.warning("minutes_not_written", code=error.code, waiting=len(rows))
            self._away = True
            self._drop_oldest()
            return
        self._away = False
        if forget:
            self._forgot_at = now
        for key in over:
            del self._counts[key]

    def _drop_oldest(self) -> None:
        excess = len(self._counts) - MAX_ROWS
        for key in sorted(self._counts)[: max(0, excess)]:
            del self._counts[key]

    def _now(self, pool: str, band: str) -> Minute:
        # A clock that was set back must not reopen a minute that was written and forgotten.
        self._minute = max(self._minute, _whole_minute(self._clock.now()))
        key = (self._minute, pool[:200], band)
        counts = self._counts.get(key)
        if counts is None:
            counts = self._counts[key] = Minute(minute=self._minute, pool=key[1], band=band)
        return counts


def _whole_minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)

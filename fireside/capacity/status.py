"""The public status page: how the house is, from memory.

Failure policy: it never fails. While the database is away incidents and history stay as they were
last read; the state, the queue and the models are read from memory anyhow.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

import anyio
import msgspec
import structlog

from fireside.capacity.incident_repository import Incident, IncidentRepository
from fireside.capacity.ladder import Rung
from fireside.capacity.minute_repository import DaySums, MinuteRepository
from fireside.capacity.policy import WATCHED
from fireside.capacity.ports import CapacityView, GateView
from fireside.db.database import Database
from fireside.engine.catalog import ModelCatalog
from fireside.errors import BackendFailed
from fireside.kit.clock import Clock

NUM_DAYS = 90
CACHED_S = 5.0
READ_EVERY_S = 5.0
HISTORY_EVERY_S = 60.0
LATE = timedelta(hours=24)  # minutes are written so long after a database outage
log = structlog.get_logger(__name__)


class HouseState(StrEnum):
    """How the house is, in a word."""

    OK = "ok"
    BUSY = "busy"  # there is a line
    DEGRADED = "degraded"  # something is given up, an engine is missing, or an incident is open
    DOWN = "down"  # nothing can answer


class ModelStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A model that people can choose. `wait_s` None: nobody knows, or it cannot answer now."""

    name: str
    title: str
    ready: bool
    wait_s: float | None


class DayStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One UTC day. Minutes in which no server was up count as down, once there had been one."""

    date: date
    served: int
    refused: int
    minutes_down: int
    minutes_degraded: int


class StatusView(msgspec.Struct, frozen=True, kw_only=True):
    """The whole status page. `days` oldest first, `incidents` newest first."""

    state: HouseState
    headline: str
    rung: int
    rung_name: str
    waiting: dict[str, int]
    models: list[ModelStatus]
    days: list[DayStatus]
    incidents: list[Incident]


class StatusPage:
    """Keeps the page in memory. Run `run` in a task group of the application."""

    def __init__(self, db: Database, clock: Clock, catalog: ModelCatalog) -> None:
        self._db = db
        self._clock = clock
        self._catalog = catalog
        self._minutes = MinuteRepository()
        self._incidents = IncidentRepository()
        self._open: list[Incident] = []
        self._past: dict[date, DaySums] = {}
        self._final: set[date] = set()  # days that do not change any more
        self._today = DaySums()
        self._first: datetime | None = None
        self._history_at_s: float | None = None
        self._away = False
        self._shown: StatusView | None = None
        self._shown_at_s = 0.0

    def view(self, gate: GateView) -> StatusView:
        """The page, at most five seconds old."""
        now_s = self._clock.monotonic_s()
        if self._shown is None or now_s - self._shown_at_s >= CACHED_S:
            self._shown = self._fresh(gate)
            self._shown_at_s = now_s
        return self._shown

    async def refresh(self) -> None:
        """Read what is new in the database; call it after an incident was changed here."""
        now = self._clock.now()
        now_s = self._clock.monotonic_s()
        read_history = self._history_at_s is None or now_s - self._history_at_s >= HISTORY_EVERY_S
        try:
            async with self._db.read() as tx:
                self._open = await self._incidents.recent(tx, now - timedelta(days=NUM_DAYS))
            if read_history:
                await self._read_history(now)
                self._history_at_s = now_s
        except BackendFailed as error:
            if not self._away:
                log.warning("status_not_read", code=error.code)
            self._away = True
            return
        self._away = False
        self._shown = None

    async def run(self) -> None:
        """Follow the database until cancelled."""
        while True:
            await self.refresh()
            await anyio.sleep(READ_EVERY_S)

    async def _read_history(self, now: datetime) -> None:
        today = _midnight(now)
        days = [today - timedelta(days=back) for back in range(NUM_DAYS - 1, 0, -1)]
        async with self._db.read() as tx:
            if self._first is None:
                self._first = await self._minutes.first(tx)
            self._today = await self._minutes.sums(tx, today, today + timedelta(days=1))
        self._past = {day: sums for day, sums in self._past.items() if day >= days[0].date()}
        self._final &= set(self._past)
        for day in days:  # a transaction each, so that nobody waits for all of them
            end = day + timedelta(days=1)
            if day.date() in self._final or self._first is None or end <= self._first:
                continue
            async with self._db.read() as tx:
                self._past[day.date()] = await self._minutes.sums(tx, day, end)
            if now - end > LATE:
                self._final.add(day.date())

    def _fresh(self, gate: GateView) -> StatusView:
        live = gate.live()
        models = [
            ModelStatus(
                name=model.name,
                title=model.title,
                ready=model.ready,
                wait_s=_rounded(gate.expected_wait(model.name)) if model.ready else None,
            )
            for model in self._catalog.list()
        ]
        waiting = {
            band.value: sum(pool.waiting.get(band, 0) for pool in live.pools) for band in WATCHED
        }
        state, headline = judge(live, models, sum(waiting.values()), self._open)
        return StatusView(
            state=state,
            headline=headline,
            rung=live.rung,
            rung_name=live.rung_name,
            waiting=waiting,
            models=models,
            days=self._days(),
            incidents=self._open,
        )

    def _days(self) -> list[DayStatus]:
        now = self._clock.now()
        today = _midnight(now)
        found = []
        for back in range(NUM_DAYS - 1, -1, -1):
            start = today - timedelta(days=back)
            sums = self._today if back == 0 else self._past.get(start.date())
            due = _num_minutes_due(start, self._first, now) if sums is not None else 0
            found.append(day_status(start.date(), sums or DaySums(), due))
        return found


def judge(
    live: CapacityView, models: list[ModelStatus], num_waiting: int, incidents: list[Incident]
) -> tuple[HouseState, str]:
    """The state of the house, and the sentence above it. Pure."""
    if not any(model.ready for model in models):
        return HouseState.DOWN, "No model can answer right now. What you wrote is kept."
    open_now = [each for each in incidents if each.resolved_at is None]
    if open_now:
        return HouseState.DEGRADED, f"We are working on it: {open_now[0].title}"
    missing = [model.title for model in models if not model.ready]
    if live.rung >= Rung.SHORTER or (live.rung and not missing):
        state = HouseState.BUSY if live.rung < Rung.SHORTER else HouseState.DEGRADED
        return state, _RUNGS[Rung(min(live.rung, Rung.SIGN_UPS_WAIT))]
    if missing:
        return HouseState.DEGRADED, f"{missing[0]} does not answer; other models do."
    if num_waiting:
        return HouseState.BUSY, f"Many people are asking: {num_waiting:,} wait for their turn."
    return HouseState.OK, "Everything is working."


_RUNGS = {
    Rung.NO_EXTRAS: "It is busy: titles and suggestions are left out for now.",
    Rung.SHORTER: "It is very busy: free replies are kept short for now.",
    Rung.SMALL_MODEL: "It is very busy: free replies come from a smaller model for now.",
    Rung.LATER_ONLY: "It is full: free questions are answered later, one after the other.",
    Rung.SIGN_UPS_WAIT: "It is full: free questions are answered later, and new accounts wait.",
}


def day_status(day: date, sums: DaySums, num_due: int) -> DayStatus:
    """One day out of its sums; `num_due` minutes of it have passed since there was a server."""
    missing = max(0, num_due - sums.num_minutes)
    return DayStatus(
        date=day,
        served=max(0, sums.served),
        refused=sums.refused,
        minutes_down=missing + round(sums.down_s / 60),
        minutes_degraded=round(sums.degraded_s / 60),
    )


def _num_minutes_due(start: datetime, first: datetime | None, now: datetime) -> int:
    """Whole minutes of a day that are over; the last two may not be written yet."""
    if first is None:
        return 0
    begin, end = max(start, first), min(start + timedelta(days=1), now - timedelta(minutes=2))
    return max(0, int((end - begin).total_seconds() // 60))


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _rounded(wait_s: float | None) -> float | None:
    return None if wait_s is None else round(wait_s, 1)

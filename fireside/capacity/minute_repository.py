"""What passed the gate, minute by minute, in the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import ColumnElement, delete, func, select, type_coerce
from sqlalchemy.dialects import postgresql, sqlite

from fireside.capacity.tables import CapacityMinuteRow
from fireside.db.base import BigInt
from fireside.db.database import ReadTransaction, Transaction

_KEY = ["minute", "pool", "band", "process"]
_COUNTS = (
    *("arrived", "granted", "refused", "failed", "slot_seconds"),
    *("max_waiting", "rung", "down_s", "degraded_s"),
)
HOUR_US = 3_600_000_000


class Minute(msgspec.Struct, kw_only=True):
    """What one process counted in one minute of one band of one pool; see CapacityMinuteRow."""

    minute: datetime
    pool: str
    band: str
    arrived: int = 0
    granted: int = 0
    refused: int = 0
    failed: int = 0
    slot_seconds: float = 0.0
    max_waiting: int = 0
    rung: int = 0
    down_s: float = 0.0
    degraded_s: float = 0.0


class DaySums(msgspec.Struct, frozen=True):
    """One stretch of time. `num_minutes`: those in which at least one server was up."""

    served: int = 0
    refused: int = 0
    num_minutes: int = 0
    down_s: float = 0.0
    degraded_s: float = 0.0


def _upsert(
    build: type[sqlite.Insert] | type[postgresql.Insert],
) -> sqlite.Insert | postgresql.Insert:
    statement = build(CapacityMinuteRow)
    return statement.on_conflict_do_update(
        index_elements=_KEY, set_={name: statement.excluded[name] for name in _COUNTS}
    )


_UPSERTS = {"sqlite": _upsert(sqlite.Insert), "postgresql": _upsert(postgresql.Insert)}


class MinuteRepository:
    """Rows of `capacity_minutes`."""

    async def write(self, tx: Transaction, process: str, minutes: Sequence[Minute]) -> None:
        """Store what `process` counted; a minute that is there already is replaced."""
        if minutes:
            rows = [msgspec.structs.asdict(minute) | {"process": process} for minute in minutes]
            await tx.execute(_UPSERTS[tx.dialect.name], rows)

    async def forget(self, tx: Transaction, before: datetime) -> None:
        """Delete the minutes before then."""
        await tx.execute(delete(CapacityMinuteRow).where(CapacityMinuteRow.minute < before))

    async def first(self, tx: ReadTransaction) -> datetime | None:
        """The earliest minute that is known."""
        query = select(CapacityMinuteRow.minute).order_by(CapacityMinuteRow.minute).limit(1)
        return (await tx.execute(query)).scalar_one_or_none()

    async def sums(self, tx: ReadTransaction, start: datetime, end: datetime) -> DaySums:
        """What happened in [start, end). Of several servers one that could answer is enough."""
        within = (CapacityMinuteRow.minute >= start, CapacityMinuteRow.minute < end)
        counts = select(
            func.coalesce(func.sum(CapacityMinuteRow.granted - CapacityMinuteRow.failed), 0),
            func.coalesce(func.sum(CapacityMinuteRow.refused + CapacityMinuteRow.failed), 0),
        ).where(*within, CapacityMinuteRow.pool != "")
        by_minute = (
            select(
                func.min(CapacityMinuteRow.down_s).label("down_s"),
                func.max(CapacityMinuteRow.degraded_s).label("degraded_s"),
            )
            .where(*within, CapacityMinuteRow.pool == "")
            .group_by(CapacityMinuteRow.minute)
            .subquery()
        )
        states = select(
            func.count(),
            func.coalesce(func.sum(by_minute.c.down_s), 0.0),
            func.coalesce(func.sum(by_minute.c.degraded_s), 0.0),
        ).select_from(by_minute)
        served, refused = (await tx.execute(counts)).one()
        num_minutes, down_s, degraded_s = (await tx.execute(states)).one()
        return DaySums(
            int(served), int(refused), int(num_minutes), float(down_s), float(degraded_s)
        )

    async def arrivals(
        self, tx: ReadTransaction, start: datetime, end: datetime
    ) -> dict[datetime, tuple[int, float]]:
        """By hour in [start, end): how many asked, and the seconds of a slot that were used."""
        hour = _hour(tx)
        query = (
            select(
                hour.label("hour"),
                func.sum(CapacityMinuteRow.arrived),
                func.sum(CapacityMinuteRow.slot_seconds),
            )
            .where(
                CapacityMinuteRow.minute >= start,
                CapacityMinuteRow.minute < end,
                CapacityMinuteRow.pool != "",
            )
            .group_by(hour)
        )
        epoch = datetime.fromtimestamp(0, tz=start.tzinfo)
        return {
            epoch + timedelta(hours=int(row[0])): (int(row[1]), float(row[2]))
            for row in await tx.execute(query)
        }


def _hour(tx: ReadTransaction) -> ColumnElement[int]:
    """The number of the hour since 1970 that a minute is in."""
    if tx.dialect.name == "postgresql":
        seconds = func.extract("epoch", CapacityMinuteRow.minute)
        return type_coerce(func.floor(seconds / 3600), BigInt)
    return type_coerce(CapacityMinuteRow.minute, BigInt).op("/")(HOUR_US)

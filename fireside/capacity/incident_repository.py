"""Incidents and what was said about them, in the database."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from enum import StrEnum

import msgspec
from sqlalchemy import insert, or_, select, update

from fireside.capacity.tables import IncidentRow, IncidentUpdateRow
from fireside.conversation.message import UserId
from fireside.db.database import ReadTransaction, Transaction
from fireside.kit.ids import is_uuid

MAX_SHOWN = 50


class IncidentState(StrEnum):
    """How far it has come."""

    INVESTIGATING = "investigating"
    IDENTIFIED = "identified"
    MONITORING = "monitoring"
    RESOLVED = "resolved"


class IncidentUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was said about an incident."""

    at: datetime
    text: str
    state: IncidentState


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """Something that people should know of, with what was said, oldest first."""

    id: str
    title: str
    state: IncidentState
    opened_at: datetime
    resolved_at: datetime | None = None
    updates: list[IncidentUpdate] = []


class IncidentRepository:
    """Rows of `incidents` and `incident_updates`."""

    async def insert(self, tx: Transaction, incident: Incident) -> None:
        """Store a new incident, without its updates."""
        await tx.execute(
            insert(IncidentRow).values(
                id=incident.id,
                title=incident.title,
                state=incident.state.value,
                opened_at=incident.opened_at,
                resolved_at=incident.resolved_at,
            )
        )

    async def add_update(
        self,
        tx: Transaction,
        update_id: str,
        incident_id: str,
        said: IncidentUpdate,
        author_id: UserId | None,
    ) -> bool:
        """Store what was said, and the state it brings; false when there is no such incident."""
        resolved_at = said.at if said.state is IncidentState.RESOLVED else None
        changed = (
            update(IncidentRow)
            .where(IncidentRow.id == incident_id)
            .values(state=said.state.value, resolved_at=resolved_at)
        )
        if not is_uuid(incident_id) or (await tx.execute(changed)).rowcount == 0:
            return False
        await tx.execute(
            insert(IncidentUpdateRow).values(
                id=update_id,
                incident_id=incident_id,
                text=said.text,
                state=said.state.value,
                author_id=author_id,
                at=said.at,
            )
        )
        return True

    async def recent(self, tx: ReadTransaction, since: datetime) -> list[Incident]:
        """Open ones and those resolved since then, newest first."""
        query = (
            select(
                IncidentRow.id,
                IncidentRow.title,
                IncidentRow.state,
                IncidentRow.opened_at,
                IncidentRow.resolved_at,
            )
            .where(or_(IncidentRow.resolved_at.is_(None), IncidentRow.resolved_at >= since))
            .order_by(IncidentRow.id.desc())
            .limit(MAX_SHOWN)
        )
        rows = (await tx.execute(query)).all()
        updates = await self._updates(tx, [row.id for row in rows])
        return [
            Incident(
                id=row.id,
                title=row.title,
                state=IncidentState(row.state),
                opened_at=row.opened_at,
                resolved_at=row.resolved_at,
                updates=updates[row.id],
            )
            for row in rows
        ]

    async def _updates(
        self, tx: ReadTransaction, ids: list[str]
    ) -> defaultdict[str, list[IncidentUpdate]]:
        found: defaultdict[str, list[IncidentUpdate]] = defaultdict(list)
        if ids:
            query = (
                select(
                    IncidentUpdateRow.incident_id,
                    IncidentUpdateRow.at,
                    IncidentUpdateRow.text,
                    IncidentUpdateRow.state,
                )
                .where(IncidentUpdateRow.incident_id.in_(ids))
                .order_by(IncidentUpdateRow.id)
            )
            for row in await tx.execute(query):
                found[row.incident_id].append(
                    IncidentUpdate(at=row.at, text=row.text, state=IncidentState(row.state))
                )
        return found

"""Incidents: what administrators tell everybody on the status page."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from fireside.capacity.incident_repository import (
    Incident,
    IncidentRepository,
    IncidentState,
    IncidentUpdate,
)
from fireside.conversation.message import UserId
from fireside.db.database import Transaction
from fireside.errors import NotFound, UserError
from fireside.kit.clock import Clock
from fireside.kit.ids import NewId

MAX_TITLE_CHARS = 200
MAX_TEXT_CHARS = 10_000


@dataclass(frozen=True)
class IncidentService:
    """Opens incidents and adds to them."""

    clock: Clock
    new_id: NewId
    repository: IncidentRepository = field(default_factory=IncidentRepository)

    async def open(
        self, tx: Transaction, title: str, text: str, author_id: UserId | None
    ) -> Incident:
        """Tell everybody that something is wrong. Raises UserError for an empty title or text."""
        now = self.clock.now()
        said = IncidentUpdate(
            at=now,
            text=_said(text, "text", MAX_TEXT_CHARS),
            state=IncidentState.INVESTIGATING,
        )
        incident = Incident(
            id=self.new_id(),
            title=_said(title, "title", MAX_TITLE_CHARS),
            state=said.state,
            opened_at=now,
        )
        await self.repository.insert(tx, incident)
        await self.repository.add_update(tx, self.new_id(), incident.id, said, author_id)
        return msgspec.structs.replace(incident, updates=[said])

    async def add(
        self,
        tx: Transaction,
        incident_id: str,
        text: str,
        state: IncidentState,
        author_id: UserId | None,
    ) -> IncidentUpdate:
        """Say how it stands; `resolved` closes it, any other state opens it again.

        Raises NotFound, UserError for an empty text.
        """
        said = IncidentUpdate(
            at=self.clock.now(), text=_said(text, "text", MAX_TEXT_CHARS), state=state
        )
        if not await self.repository.add_update(tx, self.new_id(), incident_id, said, author_id):
            raise NotFound("incident_not_found", "There is no such incident.", hint="Reload.")
        return said


def _said(text: str, param: str, max_chars: int) -> str:
    said = text.replace("\x00", "").strip()
    if not said or len(said) > max_chars:
        raise UserError(
            f"bad_{param}",
            f"The {param} of an incident has 1 to {max_chars:,} characters.",
            hint="Say in a sentence what people notice and what is being done.",
            param=param,
        )
    return said

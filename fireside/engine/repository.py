"""Engines and choices in the database."""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from fireside.db.database import ReadTransaction, Transaction
from fireside.engine.domain import Choices, EngineId, EngineRecord, Subject
from fireside.engine.tables import EngineChoiceRow, EngineRow
from fireside.errors import Conflict, NotFound
from fireside.kit.ids import is_uuid

_decode_models = msgspec.json.Decoder(tuple[str, ...]).decode


class EngineRepository:
    """Rows of `engines` and `engine_choices`."""

    async def all(self, tx: ReadTransaction) -> list[EngineRecord]:
        """Every engine, by priority, then age."""
        query = select(
            EngineRow.id,
            EngineRow.name,
            EngineRow.base_url,
            EngineRow.created_at,
            EngineRow.flavour,
            EngineRow.sealed_api_key,
            EngineRow.models,
            EngineRow.priority,
            EngineRow.enabled,
            EngineRow.slots,
        ).order_by(EngineRow.priority, EngineRow.id)
        return [
            EngineRecord(
                id=EngineId(row.id),
                name=row.name,
                base_url=row.base_url,
                created_at=row.created_at,
                flavour=row.flavour,
                sealed_api_key=row.sealed_api_key,
                models=_decode_models(row.models),
                priority=row.priority,
                enabled=row.enabled,
                slots=row.slots,
            )
            for row in await tx.execute(query)
        ]

    async def insert(self, tx: Transaction, engine: EngineRecord) -> None:
        """Store a new engine. Raises Conflict when the name is taken."""
        statement = insert(EngineRow).values(
            id=engine.id,
            name=engine.name,
            base_url=engine.base_url,
            flavour=engine.flavour,
            sealed_api_key=engine.sealed_api_key,
            models=msgspec.json.encode(engine.models),
            priority=engine.priority,
            enabled=engine.enabled,
            slots=engine.slots,
            created_at=engine.created_at,
            updated_at=engine.created_at,
        )
        try:
            await tx.execute(statement)
        except IntegrityError as error:
            raise Conflict(
                "engine_name_taken",
                f"There is already an engine named {engine.name!r}.",
                hint="Choose another name, or remove the other engine first.",
                param="name",
            ) from error

    async def set_enabled(
        self, tx: Transaction, engine_id: EngineId, enabled: bool, now: datetime
    ) -> None:
        """Switch an engine on or off. Raises NotFound."""
        statement = (
            update(EngineRow)
            .where(EngineRow.id == engine_id)
            .values(enabled=enabled, updated_at=now)
        )
        if not is_uuid(engine_id) or (await tx.execute(statement)).rowcount == 0:
            raise _not_found()

    async def delete(self, tx: Transaction, engine_id: EngineId) -> None:
        """Forget an engine. Raises NotFound."""
        statement = delete(EngineRow).where(EngineRow.id == engine_id)
        if not is_uuid(engine_id) or (await tx.execute(statement)).rowcount == 0:
            raise _not_found()

    async def choices(self, tx: ReadTransaction) -> Choices:
        """The newest choice about each subject."""
        values = {}
        for subject in Subject:
            query = (
                select(EngineChoiceRow.value)
                .where(EngineChoiceRow.subject == subject.value)
                .order_by(EngineChoiceRow.id.desc())
                .limit(1)
            )
            values[subject] = (await tx.execute(query)).scalar_one_or_none()
        return Choices(
            model=values[Subject.MODEL] or "", enabled=values[Subject.ENABLED] != "false"
        )

    async def choose(
        self, tx: Transaction, id: str, subject: Subject, value: str, author: str, at: datetime
    ) -> None:
        """Append a choice."""
        await tx.execute(
            insert(EngineChoiceRow).values(
                id=id, subject=subject.value, value=value, author=author, reason="", at=at
            )
        )


def _not_found() -> NotFound:
    return NotFound("engine_not_found", "There is no such engine.", hint="Reload the list.")

"""Feedback events in the database: inserted and read, nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, assert_never

import msgspec
from sqlalchemy import insert, select
from sqlalchemy.engine import Row

from fireside.conversation.message import ConversationId, MessageId, UserId
from fireside.db.database import ReadTransaction, Transaction
from fireside.errors import Bug
from fireside.feedback.domain import ChoiceEvent, FeedbackEvent, Reason, Thumb, ThumbEvent, Writer
from fireside.feedback.tables import FeedbackEventRow

_REASONS = msgspec.json.Decoder(tuple[Reason, ...])
_WRITER = msgspec.json.Decoder(Writer)


class FeedbackRepository:
    """Rows of `feedback_events`."""

    async def insert(self, tx: Transaction, event: FeedbackEvent) -> None:
        """Add an event."""
        await tx.execute(insert(FeedbackEventRow).values(**_values(event)))

    async def latest_thumbs(
        self, tx: ReadTransaction, user_id: UserId, message_ids: Sequence[MessageId]
    ) -> dict[MessageId, Thumb]:
        """The person's latest verdict on each of the messages they gave one on."""
        if not message_ids:
            return {}
        statement = (
            select(FeedbackEventRow.message_id, FeedbackEventRow.thumb)
            .where(
                FeedbackEventRow.user_id == user_id,
                FeedbackEventRow.message_id.in_(message_ids),
                FeedbackEventRow.thumb.is_not(None),
            )
            .order_by(FeedbackEventRow.id)
        )
        # In the order they were given: the last one of a message stays.
        return {MessageId(row.message_id): Thumb(row.thumb) for row in await tx.execute(statement)}

    async def events(self, tx: ReadTransaction, user_id: UserId) -> list[FeedbackEvent]:
        """Everything a person has said, oldest first."""
        statement = (
            select(FeedbackEventRow.__table__)
            .where(FeedbackEventRow.user_id == user_id)
            .order_by(FeedbackEventRow.id)
        )
        return [_event(row) for row in await tx.execute(statement)]


def _values(event: FeedbackEvent) -> dict[str, Any]:
    shared = {
        "id": event.id,
        "user_id": event.user_id,
        "conversation_id": event.conversation_id,
        "consented": event.consented,
        "created_at": event.at,
    }
    match event:
        case ThumbEvent():
            return shared | {
                "kind": "thumb",
                "message_id": event.message_id,
                "thumb": event.thumb.value,
                "reasons": msgspec.json.encode(event.reasons),
                "comment": event.comment,
                "writer": msgspec.json.encode(event.writer),
                "release": event.writer.release,
            }
        case ChoiceEvent():
            return shared | {
                "kind": "choice",
                "message_id": event.chosen_id,
                "rejected_id": event.rejected_id,
                "reasons": b"[]",
                "comment": "",
                "writer": msgspec.json.encode(event.chosen_writer),
                "rejected_writer": msgspec.json.encode(event.rejected_writer),
                "release": event.chosen_writer.release,
            }
        case _:
            assert_never(event)


def _event(row: Row[*tuple[Any, ...]]) -> FeedbackEvent:
    match row.kind:
        case "thumb":
            return ThumbEvent(
                id=row.id,
                user_id=row.user_id,
                conversation_id=ConversationId(row.conversation_id),
                consented=row.consented,
                at=row.created_at,
                message_id=MessageId(row.message_id),
                thumb=Thumb(row.thumb),
                writer=_WRITER.decode(row.writer),
                reasons=_REASONS.decode(row.reasons),
                comment=row.comment,
            )
        case "choice":
            return ChoiceEvent(
                id=row.id,
                user_id=row.user_id,
                conversation_id=ConversationId(row.conversation_id),
                consented=row.consented,
                at=row.created_at,
                chosen_id=MessageId(row.message_id),
                rejected_id=MessageId(row.rejected_id),
                chosen_writer=_WRITER.decode(row.writer),
                rejected_writer=_WRITER.decode(row.rejected_writer),
            )
        case kind:
            raise Bug("unknown_feedback_kind", f"A feedback row has the kind {kind}.")

"""The rows of feedback: added, never changed. They go when their person, conversation or message
is erased."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from fireside.db.base import Base, Id, Json, UtcDateTime


class FeedbackEventRow(Base):
    """One event. `message_id` is the rated or the chosen reply; `rejected_id` only of a choice."""

    __tablename__ = "feedback_events"
    __table_args__ = (
        Index("ix_feedback_events_user_id_message_id_id", "user_id", "message_id", "id"),
        # The foreign keys' own look-ups, when a conversation or message is erased.
        Index("ix_feedback_events_conversation_id", "conversation_id"),
        Index("ix_feedback_events_message_id", "message_id"),
        Index("ix_feedback_events_rejected_id", "rejected_id"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    user_id: Mapped[str] = mapped_column(Id, ForeignKey("users.id", ondelete="CASCADE"))
    conversation_id: Mapped[str] = mapped_column(
        Id, ForeignKey("conversations.id", ondelete="CASCADE")
    )
    kind: Mapped[str] = mapped_column(String(16))
    message_id: Mapped[str] = mapped_column(Id, ForeignKey("messages.id", ondelete="CASCADE"))
    rejected_id: Mapped[str | None] = mapped_column(
        Id, ForeignKey("messages.id", ondelete="CASCADE")
    )
    thumb: Mapped[str | None] = mapped_column(String(8))
    reasons: Mapped[bytes] = mapped_column(Json)
    comment: Mapped[str] = mapped_column(Text)
    writer: Mapped[bytes] = mapped_column(Json)
    rejected_writer: Mapped[bytes | None] = mapped_column(Json)
    release: Mapped[str | None] = mapped_column(Text)
    consented: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

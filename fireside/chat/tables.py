"""Rows of running replies and their journal."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from fireside.db.base import Base, BigInt, Id, UtcDateTime


class WorkerRow(Base):
    """A process that runs turns. While it lives it counts `beat` up; see `chat/ownership.py`."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    host: Mapped[str] = mapped_column(String(64))
    beat: Mapped[int] = mapped_column(BigInt)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)


class TurnRow(Base):
    """One run of the model for a stored reply. `message_id` is the reply it writes.

    `worker_id` is the process that writes it, null where there is one process only or the last one
    has let go of it. `attempts` counts the runs, `handovers` those that ended with letting go.
    """

    __tablename__ = "turns"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    request_id: Mapped[str] = mapped_column(Id)
    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("users.id", ondelete="CASCADE"))
    conversation_id: Mapped[str] = mapped_column(
        Id, ForeignKey("conversations.id", ondelete="CASCADE")
    )
    message_id: Mapped[str] = mapped_column(Id, ForeignKey("messages.id", ondelete="CASCADE"))
    user_message_id: Mapped[str | None] = mapped_column(Id)
    anchor_id: Mapped[str | None] = mapped_column(Id)
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int] = mapped_column(BigInt)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    worker_id: Mapped[str | None] = mapped_column(Id)
    stop_asked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    handovers: Mapped[int] = mapped_column(BigInt, server_default="0")

    __table_args__ = (
        UniqueConstraint("owner_id", "request_id"),
        Index("ix_turns_message_id", "message_id"),
        Index("ix_turns_conversation_id_state", "conversation_id", "state"),
        Index("ix_turns_state_ended_at", "state", "ended_at"),
    )


class TurnJournalRow(Base):
    """Events number `first_event` to `first_event + num_events - 1` of a turn, one JSON a line.

    Without a foreign key on purpose: one group commit holds the events of many turns, and a
    conversation erased in the meantime must not fail the others. Orphans are swept.
    """

    __tablename__ = "turn_journal"

    turn_id: Mapped[str] = mapped_column(Id, primary_key=True)
    first_event: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    num_events: Mapped[int] = mapped_column(BigInt)
    events: Mapped[bytes] = mapped_column(LargeBinary)

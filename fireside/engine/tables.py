"""Tables of engines: those that administrators added, and the choices about the embedded one."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Boolean, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from fireside.db.base import Base, BigInt, Id, Json, UtcDateTime


class EngineRow(Base):
    """A server that speaks OpenAI's API. `models` limits what is offered; empty: everything.

    `slots`: how many replies it writes at once, where the operator stated it.
    """

    __tablename__ = "engines"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    base_url: Mapped[str] = mapped_column(String(2000))
    flavour: Mapped[str | None] = mapped_column(String(16))
    sealed_api_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    models: Mapped[bytes] = mapped_column(Json)
    priority: Mapped[int] = mapped_column(BigInt)
    slots: Mapped[int | None] = mapped_column(BigInt)
    enabled: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class EngineChoiceRow(Base):
    """A decision of an operator; the newest about a subject counts, older ones are its history."""

    __tablename__ = "engine_choices"
    __table_args__ = (Index(None, "subject", "id"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    subject: Mapped[str] = mapped_column(String(32))
    value: Mapped[str] = mapped_column(String(2000))
    author: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(String(500))
    at: Mapped[datetime] = mapped_column(UtcDateTime)

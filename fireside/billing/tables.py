"""The table of usage: append-only, never updated."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Double, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from fireside.db.base import Base, BigInt, Id, UtcDateTime


class UsageRecordRow(Base):
    """One metered generation.

    There is no foreign key to the account: a record outlives it, and then names nobody. Rows from
    before there were plans have neither `engine_s` nor `plan`.
    """

    __tablename__ = "usage_records"
    __table_args__ = (Index(None, "user_id", "at"), Index(None, "at"))

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    user_id: Mapped[str] = mapped_column(Id)
    api_key_id: Mapped[str | None] = mapped_column(Id)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    model: Mapped[str] = mapped_column(String(200))
    release: Mapped[str] = mapped_column(String(200))
    engine: Mapped[str] = mapped_column(String(200))
    feature: Mapped[str] = mapped_column(String(32))
    status: Mapped[str] = mapped_column(String(16))
    prompt_tokens: Mapped[int] = mapped_column(BigInt)
    cached_tokens: Mapped[int] = mapped_column(BigInt)
    completion_tokens: Mapped[int] = mapped_column(BigInt)
    ttft_ms: Mapped[float | None] = mapped_column(Double)
    inter_token_ms: Mapped[float | None] = mapped_column(Double)
    engine_s: Mapped[float | None] = mapped_column(Double)
    plan: Mapped[str | None] = mapped_column(String(64))

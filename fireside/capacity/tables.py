"""The rows of capacity: the policy's versions, what passed the gate, incidents, token budgets."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Double, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from fireside.db.base import Base, BigInt, Id, Json, UtcDateTime


class CapacityPolicyRow(Base):
    """One version of the gate's rules. Append-only: the highest version is in force."""

    __tablename__ = "capacity_policies"

    version: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    policy: Mapped[bytes] = mapped_column(Json)
    author_id: Mapped[str | None] = mapped_column(Id, ForeignKey("users.id", ondelete="SET NULL"))
    reason: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class CapacityMinuteRow(Base):
    """What one process saw in one minute of one band of one pool.

    The row with an empty pool and band is the process's own: it was up, and for `down_s` of the
    minute no engine answered, for `degraded_s` the house stood on a rung above normal.
    """

    __tablename__ = "capacity_minutes"

    minute: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    pool: Mapped[str] = mapped_column(String(200), primary_key=True)
    band: Mapped[str] = mapped_column(String(16), primary_key=True)
    process: Mapped[str] = mapped_column(String(64), primary_key=True)
    arrived: Mapped[int] = mapped_column(BigInt)
    granted: Mapped[int] = mapped_column(BigInt)
    refused: Mapped[int] = mapped_column(BigInt)
    failed: Mapped[int] = mapped_column(BigInt)
    slot_seconds: Mapped[float] = mapped_column(Double)
    max_waiting: Mapped[int] = mapped_column(BigInt)
    rung: Mapped[int] = mapped_column(BigInt)
    down_s: Mapped[float] = mapped_column(Double)
    degraded_s: Mapped[float] = mapped_column(Double)


class IncidentRow(Base):
    """Something that people should know of. Open while `resolved_at` is null."""

    __tablename__ = "incidents"
    __table_args__ = (Index("ix_incidents_resolved_at", "resolved_at"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    title: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(16))
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    resolved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class IncidentUpdateRow(Base):
    """One thing that was said about an incident."""

    __tablename__ = "incident_updates"
    __table_args__ = (Index("ix_incident_updates_incident_id", "incident_id"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    incident_id: Mapped[str] = mapped_column(Id, ForeignKey("incidents.id", ondelete="CASCADE"))
    text: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16))
    author_id: Mapped[str | None] = mapped_column(Id, ForeignKey("users.id", ondelete="SET NULL"))
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class TokenWindowRow(Base):
    """One budget in one window of time. `reserved` is the sum of the window's leases."""

    __tablename__ = "token_windows"
    __table_args__ = (Index("ix_token_windows_window_start", "window_start"),)

    owner: Mapped[str] = mapped_column(String(80), primary_key=True)
    window_start: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    used: Mapped[int] = mapped_column(BigInt)
    reserved: Mapped[int] = mapped_column(BigInt)


class TokenLeaseRow(Base):
    """Tokens set aside for something that runs. Whoever holds it renews it; else it expires.

    There is no foreign key to the window: both are always written in one transaction.
    """

    __tablename__ = "token_leases"
    __table_args__ = (
        Index("ix_token_leases_expires_at", "expires_at"),
        Index("ix_token_leases_process", "process"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    owner: Mapped[str] = mapped_column(String(80))
    window_start: Mapped[datetime] = mapped_column(UtcDateTime)
    tokens: Mapped[int] = mapped_column(BigInt)
    process: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)

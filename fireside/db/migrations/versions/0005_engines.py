"""Engines that administrators added, and what they chose for the embedded one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from fireside.db.base import BigInt, Id, Json, UtcDateTime

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "engines",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("base_url", sa.String(2000), nullable=False),
        sa.Column("flavour", sa.String(16)),
        sa.Column("sealed_api_key", sa.LargeBinary),
        sa.Column("models", Json, nullable=False),
        sa.Column("priority", BigInt, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_engines")),
        sa.UniqueConstraint("name", name=op.f("uq_engines_name")),
    )
    op.create_table(
        "engine_choices",
        sa.Column("id", Id, nullable=False),
        sa.Column("subject", sa.String(32), nullable=False),
        sa.Column("value", sa.String(2000), nullable=False),
        sa.Column("author", sa.String(64), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_engine_choices")),
    )
    op.create_index(op.f("ix_engine_choices_subject_id"), "engine_choices", ["subject", "id"])

"""Usage is recorded, one row for each generation."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from fireside.db.base import BigInt, Id, UtcDateTime

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "usage_records",
        sa.Column("id", Id, nullable=False),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("api_key_id", Id, nullable=True),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("release", sa.String(200), nullable=False),
        sa.Column("engine", sa.String(200), nullable=False),
        sa.Column("feature", sa.String(32), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("prompt_tokens", BigInt, nullable=False),
        sa.Column("cached_tokens", BigInt, nullable=False),
        sa.Column("completion_tokens", BigInt, nullable=False),
        sa.Column("ttft_ms", sa.Double(), nullable=True),
        sa.Column("inter_token_ms", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_records")),
    )
    op.create_index(op.f("ix_usage_records_user_id_at"), "usage_records", ["user_id", "at"])
    op.create_index(op.f("ix_usage_records_at"), "usage_records", ["at"])

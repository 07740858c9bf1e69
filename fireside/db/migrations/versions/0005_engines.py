"""Engines that administrators added, and the embedded model they chose."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from fireside.db.base import Id, Json, UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "engines",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("base_url", sa.String(2000), nullable=False),
        sa.Column("api_key", sa.LargeBinary),
        sa.Column("models", Json, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_engines")),
        sa.UniqueConstraint("name", name=op.f("uq_engines_name")),
    )
    op.create_table(
        "engine_choices",
        sa.Column("id", Id, nullable=False),
        sa.Column("model", sa.String(2000), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_engine_choices")),
    )


def downgrade() -> None:
    op.drop_table("engine_choices")
    op.drop_table("engines")

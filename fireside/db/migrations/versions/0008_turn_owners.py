"""Which process writes a reply, so that others can follow it, stop it and take it over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from fireside.db.base import BigInt, Id, UtcDateTime

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "workers",
        sa.Column("id", Id, nullable=False),
        sa.Column("host", sa.String(64), nullable=False),
        sa.Column("beat", BigInt, nullable=False),
        sa.Column("started_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
    )
    op.add_column("turns", sa.Column("worker_id", Id))
    op.add_column("turns", sa.Column("stop_asked_at", UtcDateTime))
    op.add_column("turns", sa.Column("handovers", BigInt, nullable=False, server_default="0"))

"""Plans, the policy of the gate, what passed it, incidents and token budgets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from fireside.db.base import BigInt, Id, Json, UtcDateTime

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("users", sa.Column("plan", sa.String(64), nullable=True))
    op.add_column("usage_records", sa.Column("engine_s", sa.Double(), nullable=True))
    op.add_column("usage_records", sa.Column("plan", sa.String(64), nullable=True))
    op.add_column("engines", sa.Column("slots", BigInt, nullable=True))
    _plans_and_policies()
    _minutes()
    _incidents()
    _budgets()


def _plans_and_policies() -> None:
    op.create_table(
        "plan_assignments",
        sa.Column("id", Id, nullable=False),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("plan", sa.String(64)),
        sa.Column("author_id", Id),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_assignments")),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_plan_assignments_user_id_users"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["author_id"],
            ["users.id"],
            name=op.f("fk_plan_assignments_author_id_users"),
            ondelete="SET NULL",
        ),
    )
    op.create_index("ix_plan_assignments_user_id", "plan_assignments", ["user_id"])
    op.create_table(
        "capacity_policies",
        sa.Column("version", BigInt, autoincrement=False, nullable=False),
        sa.Column("policy", Json, nullable=False),
        sa.Column("author_id", Id),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_capacity_policies")),
        sa.ForeignKeyConstraint(
            ["author_id"],
            ["users.id"],
            name=op.f("fk_capacity_policies_author_id_users"),
            ondelete="SET NULL",
        ),
    )


def _minutes() -> None:
    op.create_table(
        "capacity_minutes",
        sa.Column("minute", UtcDateTime, nullable=False),
        sa.Column("pool", sa.String(200), nullable=False),
        sa.Column("band", sa.String(16), nullable=False),
        sa.Column("process", sa.String(64), nullable=False),
        sa.Column("arrived", BigInt, nullable=False),
        sa.Column("granted", BigInt, nullable=False),
        sa.Column("refused", BigInt, nullable=False),
        sa.Column("failed", BigInt, nullable=False),
        sa.Column("slot_seconds", sa.Double(), nullable=False),
        sa.Column("max_waiting", BigInt, nullable=False),
        sa.Column("rung", BigInt, nullable=False),
        sa.Column("down_s", sa.Double(), nullable=False),
        sa.Column("degraded_s", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint(
            "minute", "pool", "band", "process", name=op.f("pk_capacity_minutes")
        ),
    )


def _incidents() -> None:
    op.create_table(
        "incidents",
        sa.Column("id", Id, nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("opened_at", UtcDateTime, nullable=False),
        sa.Column("resolved_at", UtcDateTime),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incidents")),
    )
    op.create_index("ix_incidents_resolved_at", "incidents", ["resolved_at"])
    op.create_table(
        "incident_updates",
        sa.Column("id", Id, nullable=False),
        sa.Column("incident_id", Id, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("author_id", Id),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident_updates")),
        sa.ForeignKeyConstraint(
            ["incident_id"],
            ["incidents.id"],
            name=op.f("fk_incident_updates_incident_id_incidents"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["author_id"],
            ["users.id"],
            name=op.f("fk_incident_updates_author_id_users"),
            ondelete="SET NULL",
        ),
    )
    op.create_index("ix_incident_updates_incident_id", "incident_updates", ["incident_id"])


def _budgets() -> None:
    op.create_table(
        "token_windows",
        sa.Column("owner", sa.String(80), nullable=False),
        sa.Column("window_start", UtcDateTime, nullable=False),
        sa.Column("used", BigInt, nullable=False),
        sa.Column("reserved", BigInt, nullable=False),
        sa.PrimaryKeyConstraint("owner", "window_start", name=op.f("pk_token_windows")),
    )
    op.create_index("ix_token_windows_window_start", "token_windows", ["window_start"])
    op.create_table(
        "token_leases",
        sa.Column("id", Id, nullable=False),
        sa.Column("owner", sa.String(80), nullable=False),
        sa.Column("window_start", UtcDateTime, nullable=False),
        sa.Column("tokens", BigInt, nullable=False),
        sa.Column("process", sa.String(64), nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_token_leases")),
    )
    op.create_index("ix_token_leases_expires_at", "token_leases", ["expires_at"])
    op.create_index("ix_token_leases_process", "token_leases", ["process"])

"""What people say about replies: append-only events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from fireside.db.base import Id, Json, UtcDateTime

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "feedback_events",
        sa.Column("id", Id, nullable=False),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("conversation_id", Id, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("message_id", Id, nullable=False),
        sa.Column("rejected_id", Id),
        sa.Column("thumb", sa.String(8)),
        sa.Column("reasons", Json, nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("writer", Json, nullable=False),
        sa.Column("rejected_writer", Json),
        sa.Column("release", sa.Text),
        sa.Column("consented", sa.Boolean, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback_events")),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_feedback_events_user_id_users"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_feedback_events_conversation_id_conversations"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["message_id"],
            ["messages.id"],
            name=op.f("fk_feedback_events_message_id_messages"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["rejected_id"],
            ["messages.id"],
            name=op.f("fk_feedback_events_rejected_id_messages"),
            ondelete="CASCADE",
        ),
    )
    for name, columns in (
        ("user_id_message_id_id", ["user_id", "message_id", "id"]),
        ("conversation_id", ["conversation_id"]),
        ("message_id", ["message_id"]),
        ("rejected_id", ["rejected_id"]),
    ):
        op.create_index(f"ix_feedback_events_{name}", "feedback_events", columns)

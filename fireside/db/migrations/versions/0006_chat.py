"""Running replies and their journal."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from fireside.db.base import BigInt, Id, UtcDateTime

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "turns",
        sa.Column("id", Id, nullable=False),
        sa.Column("request_id", Id, nullable=False),
        sa.Column("owner_id", Id, nullable=False),
        sa.Column("conversation_id", Id, nullable=False),
        sa.Column("message_id", Id, nullable=False),
        sa.Column("user_message_id", Id),
        sa.Column("anchor_id", Id),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", BigInt, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("ended_at", UtcDateTime),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_turns")),
        sa.UniqueConstraint("owner_id", "request_id", name=op.f("uq_turns_owner_id_request_id")),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name=op.f("fk_turns_owner_id_users"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_turns_conversation_id_conversations"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["message_id"],
            ["messages.id"],
            name=op.f("fk_turns_message_id_messages"),
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_turns_message_id", "turns", ["message_id"])
    op.create_index("ix_turns_conversation_id_state", "turns", ["conversation_id", "state"])
    op.create_index("ix_turns_state_ended_at", "turns", ["state", "ended_at"])
    op.create_table(
        "turn_journal",
        sa.Column("turn_id", Id, nullable=False),
        sa.Column("first_event", BigInt, autoincrement=False, nullable=False),
        sa.Column("num_events", BigInt, nullable=False),
        sa.Column("events", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("turn_id", "first_event", name=op.f("pk_turn_journal")),
    )

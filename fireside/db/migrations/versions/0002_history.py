"""Conversations, messages, folders, shares and the full-text search over them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

from fireside.db.base import BigInt, Id, Json, UtcDateTime

revision = "0002"
down_revision = "0001"

_NOT_DELETED = sa.text("deleted_at IS NULL")
_DELETED = sa.text("deleted_at IS NOT NULL")


def upgrade() -> None:
    _folders()
    _conversations()
    _messages()
    _shares()
    _search_entries()
    if op.get_context().dialect.name == "sqlite":
        _sqlite_full_text()
    else:
        _postgresql_full_text()


def _folders() -> None:
    op.create_table(
        "folders",
        sa.Column("id", Id, nullable=False),
        sa.Column("owner_id", Id, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_folders")),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name=op.f("fk_folders_owner_id_users"), ondelete="CASCADE"
        ),
    )
    op.create_index("ix_folders_owner_id_id", "folders", ["owner_id", "id"])


def _conversations() -> None:
    op.create_table(
        "conversations",
        sa.Column("id", Id, nullable=False),
        sa.Column("owner_id", Id, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("model", sa.Text),
        sa.Column("settings", Json, nullable=False),
        sa.Column("head_id", Id),
        sa.Column("folder_id", Id),
        sa.Column("archived", sa.Boolean, nullable=False),
        sa.Column("pinned", sa.Boolean, nullable=False),
        sa.Column("provider_data", Json),
        sa.Column("import_sha256", sa.String(64)),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.Column("deleted_at", UtcDateTime),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversations")),
        sa.UniqueConstraint("id", "owner_id", name=op.f("uq_conversations_id_owner_id")),
        sa.UniqueConstraint(
            "owner_id", "import_sha256", name=op.f("uq_conversations_owner_id_import_sha256")
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"],
            ["users.id"],
            name=op.f("fk_conversations_owner_id_users"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["folder_id"],
            ["folders.id"],
            name=op.f("fk_conversations_folder_id_folders"),
            ondelete="SET NULL",
        ),
    )
    op.create_index(
        "ix_conversations_listed",
        "conversations",
        ["owner_id", "archived", "pinned", "updated_at", "id"],
        sqlite_where=_NOT_DELETED,
        postgresql_where=_NOT_DELETED,
    )
    op.create_index(
        "ix_conversations_folder_id_updated_at_id",
        "conversations",
        ["folder_id", "updated_at", "id"],
    )
    op.create_index(
        "ix_conversations_deleted_at",
        "conversations",
        ["deleted_at"],
        sqlite_where=_DELETED,
        postgresql_where=_DELETED,
    )


def _messages() -> None:
    op.create_table(
        "messages",
        sa.Column("id", Id, nullable=False),
        sa.Column("conversation_id", Id, nullable=False),
        sa.Column("owner_id", Id, nullable=False),
        sa.Column("parent_id", Id),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("author_name", sa.Text),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("parts", Json, nullable=False),
        sa.Column("end_turn", sa.Boolean),
        sa.Column("weight", sa.Float(53), nullable=False),
        sa.Column("model", sa.Text),
        sa.Column("release", sa.Text),
        sa.Column("adapter", sa.Text),
        sa.Column("usage", Json),
        sa.Column("finish_reason", sa.String(16)),
        sa.Column("error", Json),
        sa.Column("provider_data", Json),
        sa.Column("deleted", sa.Boolean, nullable=False),
        sa.Column("created_at", UtcDateTime),
        sa.Column("updated_at", UtcDateTime),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
        sa.UniqueConstraint("conversation_id", "id", name=op.f("uq_messages_conversation_id_id")),
        sa.ForeignKeyConstraint(
            ["conversation_id", "owner_id"],
            ["conversations.id", "conversations.owner_id"],
            name=op.f("fk_messages_conversation_id_owner_id_conversations"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id", "parent_id"],
            ["messages.conversation_id", "messages.id"],
            name=op.f("fk_messages_conversation_id_parent_id_messages"),
        ),
    )
    op.create_index(
        "ix_messages_conversation_id_parent_id_id",
        "messages",
        ["conversation_id", "parent_id", "id"],
    )


def _shares() -> None:
    op.create_table(
        "shares",
        sa.Column("slug", sa.String(64), nullable=False),
        sa.Column("conversation_id", Id, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("head_id", Id, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("slug", name=op.f("pk_shares")),
        sa.UniqueConstraint("conversation_id", name=op.f("uq_shares_conversation_id")),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_shares_conversation_id_conversations"),
            ondelete="CASCADE",
        ),
    )


def _search_entries() -> None:
    op.create_table(
        "search_entries",
        # In SQLite only a column declared INTEGER is the row id itself; it has 64 bits.
        sa.Column(
            "key",
            BigInt().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("owner_id", Id, nullable=False),
        sa.Column("conversation_id", Id, nullable=False),
        sa.Column("message_id", Id),
        sa.Column("terms", sa.Text().with_variant(TSVECTOR(), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_search_entries")),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_search_entries_conversation_id_conversations"),
            ondelete="CASCADE",
        ),
    )
    op.create_index(
        "ix_search_entries_conversation_id_message_id",
        "search_entries",
        ["conversation_id", "message_id"],
    )


def _sqlite_full_text() -> None:
    """FTS5 over `search_entries.terms`, kept in step by triggers, also under cascading deletes.

    The tokenizer `ascii` splits at ASCII punctuation only and leaves the rest to
    `fireside.history.words`.
    """
    op.execute(
        "CREATE VIRTUAL TABLE search_index USING fts5("
        "terms, content='search_entries', content_rowid='key', tokenize='ascii', columnsize=0)"
    )
    op.execute(
        "CREATE TRIGGER search_entries_added AFTER INSERT ON search_entries BEGIN "
        "INSERT INTO search_index(rowid, terms) VALUES (new.key, new.terms); END"
    )
    op.execute(
        "CREATE TRIGGER search_entries_removed AFTER DELETE ON search_entries BEGIN "
        "INSERT INTO search_index(search_index, rowid, terms) "
        "VALUES ('delete', old.key, old.terms); END"
    )
    op.execute(
        "CREATE TRIGGER search_entries_changed BEFORE UPDATE ON search_entries BEGIN "
        "SELECT RAISE(ABORT, 'search entries are replaced, never changed'); END"
    )


def _postgresql_full_text() -> None:
    op.create_index(
        "ix_search_entries_terms",
        "search_entries",
        ["terms"],
        postgresql_using="gin",
        # A list of pending entries would have to be read through by every search.
        postgresql_with={"fastupdate": "off"},
    )
    op.create_index("ix_search_entries_owner_id_key", "search_entries", ["owner_id", "key"])
    # Long terms go to the side table, so that a search for a common word reads narrow rows.
    op.execute("ALTER TABLE search_entries SET (toast_tuple_target = 128)")

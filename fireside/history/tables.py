"""The rows of stored conversations.

Owners are held apart by the database itself: a message refers to its conversation together with
its owner, and to its parent together with its conversation, so neither can point into somebody
else's. Erasing a user erases conversations, and these take everything below along.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    Boolean,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from fireside.db.base import Base, BigInt, Id, Json, UtcDateTime

RowId = BigInt().with_variant(Integer(), "sqlite")
"""64 bits in both; only a column declared INTEGER is the row id itself in SQLite."""

Terms = Text().with_variant(TSVECTOR(), "postgresql")
"""Search terms, already bound to their owner (see `fireside.history.words`): separated by blanks
in SQLite, where FTS5 indexes them; with their positions in PostgreSQL, where a GIN index does."""

_NOT_DELETED = text("deleted_at IS NULL")


class FolderRow(Base):
    """A person's folder."""

    __tablename__ = "folders"
    __table_args__ = (Index("ix_folders_owner_id_id", "owner_id", "id"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ConversationRow(Base):
    """A conversation without its messages.

    `head_id` names a message of this conversation and has no foreign key, for messages already
    refer to conversations. `import_sha256` is the fingerprint of the entry that an import made it
    from. Deleted ones stay until they are purged.
    """

    __tablename__ = "conversations"
    __table_args__ = (
        UniqueConstraint("id", "owner_id"),
        Index(
            "ix_conversations_listed",
            *("owner_id", "archived", "pinned", "updated_at", "id"),
            sqlite_where=_NOT_DELETED,
            postgresql_where=_NOT_DELETED,
        ),
        Index("ix_conversations_folder_id_updated_at_id", "folder_id", "updated_at", "id"),
        UniqueConstraint("owner_id", "import_sha256"),
        Index(
            "ix_conversations_deleted_at",
            "deleted_at",
            sqlite_where=text("deleted_at IS NOT NULL"),
            postgresql_where=text("deleted_at IS NOT NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("users.id", ondelete="CASCADE"))
    title: Mapped[str] = mapped_column(Text)
    model: Mapped[str | None] = mapped_column(Text)
    settings: Mapped[bytes] = mapped_column(Json)
    head_id: Mapped[str | None] = mapped_column(Id)
    folder_id: Mapped[str | None] = mapped_column(Id, ForeignKey("folders.id", ondelete="SET NULL"))
    archived: Mapped[bool] = mapped_column(Boolean)
    pinned: Mapped[bool] = mapped_column(Boolean)
    provider_data: Mapped[bytes | None] = mapped_column(Json)
    import_sha256: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class MessageRow(Base):
    """One message. `parts`, `usage`, `error` and `provider_data` are JSON of their values."""

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("conversation_id", "id"),
        ForeignKeyConstraint(
            ["conversation_id", "owner_id"],
            ["conversations.id", "conversations.owner_id"],
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["conversation_id", "parent_id"], ["messages.conversation_id", "messages.id"]
        ),
        Index("ix_messages_conversation_id_parent_id_id", "conversation_id", "parent_id", "id"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    conversation_id: Mapped[str] = mapped_column(Id)
    owner_id: Mapped[str] = mapped_column(Id)
    parent_id: Mapped[str | None] = mapped_column(Id)
    role: Mapped[str] = mapped_column(String(16))
    author_name: Mapped[str | None] = mapped_column(Text)
    recipient: Mapped[str] = mapped_column(Text)
    channel: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(16))
    parts: Mapped[bytes] = mapped_column(Json)
    end_turn: Mapped[bool | None] = mapped_column(Boolean)
    weight: Mapped[float] = mapped_column(Float(53))
    model: Mapped[str | None] = mapped_column(Text)
    release: Mapped[str | None] = mapped_column(Text)
    adapter: Mapped[str | None] = mapped_column(Text)
    usage: Mapped[bytes | None] = mapped_column(Json)
    finish_reason: Mapped[str | None] = mapped_column(String(16))
    error: Mapped[bytes | None] = mapped_column(Json)
    provider_data: Mapped[bytes | None] = mapped_column(Json)
    deleted: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ShareRow(Base):
    """A public page of the path that led to `head_id` when it was shared. One a conversation."""

    __tablename__ = "shares"

    slug: Mapped[str] = mapped_column(String(64), primary_key=True)
    conversation_id: Mapped[str] = mapped_column(
        Id, ForeignKey("conversations.id", ondelete="CASCADE"), unique=True
    )
    title: Mapped[str] = mapped_column(Text)
    head_id: Mapped[str] = mapped_column(Id)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class SearchEntryRow(Base):
    """What one message, or (`message_id` is null) one title, is found by.

    `key` is the time in milliseconds shifted left by 21 bits plus bits that tell apart what was
    said in the same one; it is the row id in SQLite's full-text index, so the newest hits come
    first without sorting. Entries are replaced, never changed.
    """

    __tablename__ = "search_entries"
    __table_args__ = (
        Index("ix_search_entries_conversation_id_message_id", "conversation_id", "message_id"),
        Index(
            "ix_search_entries_terms",
            "terms",
            postgresql_using="gin",
            # A list of pending entries would have to be read through by every search.
            postgresql_with={"fastupdate": "off"},
        ).ddl_if("postgresql"),
        Index("ix_search_entries_owner_id_key", "owner_id", "key").ddl_if("postgresql"),
    )

    key: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=False)
    owner_id: Mapped[str] = mapped_column(Id)
    conversation_id: Mapped[str] = mapped_column(
        Id, ForeignKey("conversations.id", ondelete="CASCADE")
    )
    message_id: Mapped[str | None] = mapped_column(Id)
    terms: Mapped[str] = mapped_column(Terms)

"""Between the rows of `tables.py` and the conversation's values."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypedDict

import msgspec
from sqlalchemy import Row

from fireside.conversation.message import (
    Author,
    Channel,
    ConversationId,
    FinishReason,
    Message,
    MessageError,
    MessageId,
    Part,
    Role,
    Status,
    Usage,
    UserId,
)
from fireside.conversation.tree import AssistantSettings, Conversation
from fireside.errors import Bug
from fireside.history.domain import StoredConversation
from fireside.history.tables import ConversationRow, MessageRow, ShareRow

MESSAGE_COLUMNS = (
    MessageRow.id,
    MessageRow.role,
    MessageRow.author_name,
    MessageRow.parts,
    MessageRow.parent_id,
    MessageRow.recipient,
    MessageRow.channel,
    MessageRow.status,
    MessageRow.end_turn,
    MessageRow.weight,
    MessageRow.model,
    MessageRow.release,
    MessageRow.adapter,
    MessageRow.usage,
    MessageRow.finish_reason,
    MessageRow.error,
    MessageRow.created_at,
    MessageRow.updated_at,
    MessageRow.deleted,
    MessageRow.provider_data,
)
CONVERSATION_COLUMNS = (
    ConversationRow.id,
    ConversationRow.owner_id,
    ConversationRow.title,
    ConversationRow.model,
    ConversationRow.settings,
    ConversationRow.head_id,
    ConversationRow.created_at,
    ConversationRow.updated_at,
    ConversationRow.archived,
    ConversationRow.pinned,
    ConversationRow.provider_data,
    ConversationRow.folder_id,
    ShareRow.slug,
)

_encode = msgspec.json.Encoder().encode
_parts = msgspec.json.Decoder(tuple[Part, ...]).decode
_usage = msgspec.json.Decoder(Usage).decode
_error = msgspec.json.Decoder(MessageError).decode
_settings = msgspec.json.Decoder(AssistantSettings).decode
_object = msgspec.json.Decoder(dict[str, Any]).decode


def message_values(message: Message) -> dict[str, object]:
    """The columns of a message that say what it is; not whose, nor where."""
    return {
        "parent_id": message.parent_id,
        "role": message.author.role.value,
        "author_name": message.author.name,
        "recipient": message.recipient,
        "channel": message.channel.value,
        "status": message.status.value,
        "parts": _encode(message.parts),
        "end_turn": message.end_turn,
        "weight": message.weight,
        "model": message.model,
        "release": message.release,
        "adapter": message.adapter,
        "usage": None if message.usage is None else _encode(message.usage),
        "finish_reason": None if message.finish_reason is None else message.finish_reason.value,
        "error": None if message.error is None else _encode(message.error),
        "provider_data": _encode(message.provider_data) if message.provider_data else None,
        "deleted": message.deleted,
        "created_at": message.created_at,
        "updated_at": message.updated_at,
    }


def message_of(row: Row[*tuple[Any, ...]]) -> Message:
    """The message in a row of `MESSAGE_COLUMNS`."""
    values: tuple[Any, ...] = tuple(row)
    id, role, name, parts, parent_id, recipient, channel, status, end_turn, weight = values[:10]
    model, release, adapter, usage, finish_reason, error = values[10:16]
    created_at, updated_at, deleted, provider_data = values[16:]
    return Message(
        id=MessageId(id),
        author=Author(Role(role), name),
        parts=_parts(parts),
        parent_id=parent_id,
        recipient=recipient,
        channel=Channel(channel),
        status=Status(status),
        end_turn=end_turn,
        weight=weight,
        model=model,
        release=release,
        adapter=adapter,
        usage=None if usage is None else _usage(usage),
        finish_reason=None if finish_reason is None else FinishReason(finish_reason),
        error=None if error is None else _error(error),
        created_at=created_at,
        updated_at=updated_at,
        deleted=deleted,
        provider_data={} if provider_data is None else _object(provider_data),
    )


def conversation_values(conversation: Conversation) -> dict[str, object]:
    """The columns of a new conversation. Its times must be known."""
    created_at = conversation.created_at or conversation.updated_at
    if created_at is None:
        raise Bug("undated_conversation", "A conversation without a time cannot be stored.")
    return {
        "id": conversation.id,
        "owner_id": conversation.owner_id,
        "title": _without_nul(conversation.title),
        "model": conversation.model,
        "settings": _encode(conversation.settings),
        "head_id": conversation.head,
        "archived": conversation.archived,
        "pinned": conversation.pinned,
        "provider_data": (
            _encode(conversation.provider_data) if conversation.provider_data else None
        ),
        "created_at": created_at,
        "updated_at": conversation.updated_at or created_at,
    }


class ConversationChanges(TypedDict, total=False):
    """What of a conversation may change."""

    title: str
    head: MessageId
    pinned: bool
    archived: bool
    folder_id: str | None
    model: str | None
    settings: AssistantSettings
    updated_at: datetime


def change_values(changes: ConversationChanges) -> dict[str, object]:
    """The columns that `changes` are written to."""
    values: dict[str, object] = {**changes}
    if "title" in changes:
        values["title"] = _without_nul(changes["title"])
    if "head" in values:
        values["head_id"] = values.pop("head")
    if "settings" in values:
        values["settings"] = _encode(values["settings"])
    return values


def stored_of(row: Row[*tuple[Any, ...]]) -> StoredConversation:
    """The conversation in a row of `CONVERSATION_COLUMNS`."""
    values: tuple[Any, ...] = tuple(row)
    id, owner_id, title, model, settings, head, created_at, updated_at = values[:8]
    archived, pinned, provider_data, folder_id, slug = values[8:]
    return StoredConversation(
        conversation=Conversation(
            id=ConversationId(id),
            owner_id=UserId(owner_id),
            title=title,
            model=model,
            settings=_settings(settings),
            head=head,
            created_at=created_at,
            updated_at=updated_at,
            archived=archived,
            pinned=pinned,
            shared=slug is not None,
            provider_data={} if provider_data is None else _object(provider_data),
        ),
        created_at=created_at,
        updated_at=updated_at,
        folder_id=folder_id,
        share_slug=slug,
    )


def _without_nul(text: str) -> str:
    return text.replace("\x00", "\ufffd")  # PostgreSQL's text columns cannot hold it

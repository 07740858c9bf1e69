"""Values of stored conversations and the small decisions about them. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from fireside.conversation.message import (
    ConversationId,
    Message,
    MessageId,
    Reasoning,
    Role,
    UserId,
)
from fireside.conversation.tree import AssistantSettings, Conversation
from fireside.errors import UserError
from fireside.history.words import Segment

KEPT_AFTER_DELETION = timedelta(days=30)
MAX_TITLE_CHARS = 300
MAX_FOLDER_NAME_CHARS = 100
MAX_FOLDERS = 1_000
MAX_PINNED_LISTED = 100
MAX_SHARED_MESSAGES = 2_000
PAGE_SIZE = 50
SEARCH_PAGE_SIZE = 20


class StoredConversation(msgspec.Struct, frozen=True):
    """A conversation without its messages, and where it is put."""

    conversation: Conversation
    created_at: datetime
    updated_at: datetime
    folder_id: str | None = None
    share_slug: str | None = None


class Whereabouts(msgspec.Struct, frozen=True):
    """That a conversation is there, perhaps deleted."""

    id: ConversationId
    updated_at: datetime
    deleted: bool


class Folder(msgspec.Struct, frozen=True):
    """A person's folder."""

    id: str
    name: str
    created_at: datetime


class Share(msgspec.Struct, frozen=True):
    """A public page: the path to `head_id` as it was when it was shared."""

    slug: str
    conversation_id: ConversationId
    owner_id: UserId
    title: str
    head_id: MessageId
    created_at: datetime


class SharedPage(msgspec.Struct, frozen=True):
    """What anybody with the address may read."""

    title: str
    created_at: datetime
    messages: list[Message]


class SearchHit(msgspec.Struct, frozen=True):
    """Something found. `message_id` is None where the title is what was found."""

    conversation_id: ConversationId
    title: str
    message_id: MessageId | None
    snippet: list[Segment]
    at: datetime


class Listing(msgspec.Struct, frozen=True):
    """Which conversations of an owner to list: of one folder, or of all places."""

    archived: bool = False
    folder_id: str | None = None


class Totals(msgspec.Struct, frozen=True):
    """How much is stored in all."""

    num_conversations: int
    num_messages: int


def one_line(text: str, max_chars: int, what: str, param: str) -> str:
    """A title or name: blanks collapsed, control characters gone. Raises UserError when empty."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if not line:
        raise UserError(f"empty_{param}", f"{what} cannot be empty.", param=param)
    if len(line) > max_chars:
        raise UserError(
            f"{param}_too_long", f"{what} has at most {max_chars} characters.", param=param
        )
    return line


def for_everybody(line: list[Message]) -> list[Message]:
    """What a shared page shows of a path: what was said, without instructions, reasoning, failures
    and what outside formats or the gateway noted about it."""
    shown: list[Message] = []
    for message in line:
        if message.deleted or message.author.role in {Role.SYSTEM, Role.DEVELOPER}:
            continue
        parts = tuple(part for part in message.parts if not isinstance(part, Reasoning))
        if not parts:
            continue
        shown.append(
            Message(
                id=message.id,
                author=message.author,
                parts=parts,
                parent_id=shown[-1].id if shown else None,
                recipient=message.recipient,
                channel=message.channel,
                status=message.status,
                model=message.model,
                finish_reason=message.finish_reason,
                created_at=message.created_at,
            )
        )
    return shown


class ConversationView(msgspec.Struct, frozen=True):
    """A conversation as the page lists it. `running` are the turns that write to it now."""

    id: ConversationId
    title: str
    model: str | None
    settings: AssistantSettings
    head: MessageId | None
    created_at: datetime
    updated_at: datetime
    archived: bool
    pinned: bool
    folder_id: str | None
    share_slug: str | None
    running: list[str]


class MessageView(msgspec.Struct, frozen=True):
    """A message and the ids of all versions at its place, oldest first, itself included."""

    message: Message
    siblings: list[MessageId]


class Window(msgspec.Struct, frozen=True):
    """The last messages of a path, oldest first; `has_earlier` says that there are more above."""

    conversation: ConversationView
    messages: list[MessageView]
    has_earlier: bool


def view_of(stored: StoredConversation, running: list[str]) -> ConversationView:
    """What the page is told about a stored conversation."""
    conversation = stored.conversation
    return ConversationView(
        id=conversation.id,
        title=conversation.title,
        model=conversation.model,
        settings=conversation.settings,
        head=conversation.head,
        created_at=stored.created_at,
        updated_at=stored.updated_at,
        archived=conversation.archived,
        pinned=conversation.pinned,
        folder_id=stored.folder_id,
        share_slug=stored.share_slug,
        running=running,
    )

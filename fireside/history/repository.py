"""Conversations and messages in the database.

Every method that takes an owner touches nothing of anybody else. Methods that take only a
conversation are for callers that have just asked for that conversation with its owner.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Unpack

from sqlalchemy import (
    ColumnElement,
    Select,
    bindparam,
    delete,
    func,
    insert,
    literal,
    select,
    tuple_,
    update,
)

from fireside.conversation.message import ConversationId, Message, UserId
from fireside.conversation.tree import Conversation, build
from fireside.db.database import ReadTransaction, Transaction
from fireside.history.domain import Listing, StoredConversation, Totals, Whereabouts
from fireside.history.errors import UnknownConversation, UnknownFolder, UnknownMessage
from fireside.history.message_repository import MessageRepository
from fireside.history.rows import (
    CONVERSATION_COLUMNS,
    ConversationChanges,
    change_values,
    conversation_values,
    stored_of,
)
from fireside.history.search_index import title_entry
from fireside.history.tables import ConversationRow, FolderRow, MessageRow, ShareRow
from fireside.kit.ids import is_uuid

LOAD_PAGE = 500

# As in message_repository: what every turn runs is built once.
_INSERT = insert(ConversationRow)
_IS_THERE = (
    ConversationRow.id == bindparam("conversation"),
    ConversationRow.owner_id == bindparam("owner"),
    ConversationRow.deleted_at.is_(None),
)
_STORED = (
    select(*CONVERSATION_COLUMNS)
    .outerjoin(ShareRow, ShareRow.conversation_id == ConversationRow.id)
    .where(*_IS_THERE)
)
_UPDATE = update(ConversationRow).where(*_IS_THERE)
_MESSAGE_IS_THERE = select(MessageRow.id).where(
    MessageRow.id == bindparam("message"),
    MessageRow.conversation_id == bindparam("conversation"),
    MessageRow.owner_id == bindparam("owner"),
)


class HistoryRepository(MessageRepository):
    """Statements only; decides nothing and commits nothing."""

    async def conversation(
        self, tx: ReadTransaction, owner_id: UserId, conversation_id: ConversationId
    ) -> Conversation:
        """The conversation without its messages. Raises UnknownConversation."""
        return (await self.stored(tx, owner_id, conversation_id)).conversation

    async def stored(
        self, tx: ReadTransaction, owner_id: UserId, conversation_id: ConversationId
    ) -> StoredConversation:
        """The same with where it is put. Raises UnknownConversation."""
        if not is_uuid(conversation_id):
            raise UnknownConversation
        which = {"conversation": conversation_id, "owner": owner_id}
        row = (await tx.execute(_STORED, which)).one_or_none()
        if row is None:
            raise UnknownConversation
        return stored_of(row)

    async def insert_conversation(
        self, tx: Transaction, conversation: Conversation, *, import_sha256: str | None = None
    ) -> None:
        """Add a conversation; its messages are added one by one."""
        values = conversation_values(conversation)
        await tx.execute(_INSERT, {**values, "import_sha256": import_sha256})
        await self._index_title(tx, conversation)

    async def update_conversation(
        self,
        tx: Transaction,
        owner_id: UserId,
        conversation_id: ConversationId,
        **changes: Unpack[ConversationChanges],
    ) -> None:
        """Change what is given. Raises UnknownConversation, UnknownMessage, UnknownFolder."""
        if not is_uuid(conversation_id):
            raise UnknownConversation
        if "head" in changes:
            await self._check_message(tx, owner_id, conversation_id, changes["head"])
        if (folder_id := changes.get("folder_id")) is not None:
            await self._check_folder(tx, owner_id, folder_id)
        if not changes:
            return
        which = {"conversation": conversation_id, "owner": owner_id}
        changed = await tx.execute(_UPDATE, {**which, **change_values(changes)})
        if not changed.rowcount:
            raise UnknownConversation
        if "title" in changes:
            stored = await self.stored(tx, owner_id, conversation_id)
            await self.index.remove_title(tx, conversation_id)
            await self._index_title(tx, stored.conversation)

    async def page(
        self,
        tx: ReadTransaction,
        owner_id: UserId,
        listing: Listing,
        *,
        pinned: bool,
        limit: int,
        before: tuple[datetime, ConversationId] | None = None,
    ) -> list[StoredConversation]:
        """Conversations, last used first; those used before `before` if it is given."""
        query = _conversations().where(
            ConversationRow.owner_id == owner_id,
            ConversationRow.archived == listing.archived,
            ConversationRow.pinned == pinned,
            ConversationRow.deleted_at.is_(None),
        )
        if listing.folder_id is not None:
            query = query.where(ConversationRow.folder_id == listing.folder_id)
        if before is not None:
            at, id = ConversationRow.updated_at, ConversationRow.id
            bound = tuple_(literal(before[0], at.type), literal(before[1], id.type))
            query = query.where(tuple_(at, id) < bound)
        query = query.order_by(ConversationRow.updated_at.desc(), ConversationRow.id.desc())
        return [stored_of(row) for row in await tx.execute(query.limit(limit))]

    async def ids_page(
        self, tx: ReadTransaction, owner_id: UserId, after: ConversationId | None, limit: int
    ) -> list[ConversationId]:
        """Ids of an owner's conversations in the order of their ids, for walking through all."""
        query = select(ConversationRow.id).where(
            ConversationRow.owner_id == owner_id, ConversationRow.deleted_at.is_(None)
        )
        if after is not None:
            query = query.where(ConversationRow.id > after)
        rows = await tx.execute(query.order_by(ConversationRow.id).limit(limit))
        return [ConversationId(id) for id in rows.scalars()]

    async def whereabouts(
        self, tx: ReadTransaction, owner_id: UserId, conversation_id: ConversationId
    ) -> Whereabouts | None:
        """Whether the owner has this conversation, deleted or not."""
        return await self._whereabouts(tx, owner_id, ConversationRow.id == conversation_id)

    async def imported(
        self, tx: ReadTransaction, owner_id: UserId, import_sha256: str
    ) -> Whereabouts | None:
        """The owner's conversation that was imported with this fingerprint, deleted or not."""
        return await self._whereabouts(tx, owner_id, ConversationRow.import_sha256 == import_sha256)

    async def soft_delete(
        self, tx: Transaction, owner_id: UserId, conversation_id: ConversationId, now: datetime
    ) -> None:
        """Put a conversation out of sight; it can be restored until it is purged."""
        await self._mark(tx, owner_id, conversation_id, deleted_at=now, was_deleted=False)

    async def restore(
        self, tx: Transaction, owner_id: UserId, conversation_id: ConversationId
    ) -> None:
        """Bring a deleted conversation back. Raises UnknownConversation when there is none."""
        await self._mark(tx, owner_id, conversation_id, deleted_at=None, was_deleted=True)

    async def erase(
        self, tx: Transaction, owner_id: UserId, conversation_id: ConversationId
    ) -> None:
        """Remove a conversation and all that hangs on it for good."""
        if not is_uuid(conversation_id):
            raise UnknownConversation
        gone = await tx.execute(
            delete(ConversationRow).where(
                ConversationRow.id == conversation_id, ConversationRow.owner_id == owner_id
            )
        )
        if not gone.rowcount:
            raise UnknownConversation

    async def purge(self, tx: Transaction, deleted_before: datetime, limit: int) -> int:
        """Remove up to `limit` conversations deleted before then for good; how many it were."""
        due = (
            select(ConversationRow.id)
            .where(ConversationRow.deleted_at < deleted_before)
            .order_by(ConversationRow.deleted_at)
            .limit(limit)
        )
        gone = await tx.execute(delete(ConversationRow).where(ConversationRow.id.in_(due)))
        if gone.rowcount:
            await self.index.tidy(tx)
        return gone.rowcount

    async def totals(self, tx: ReadTransaction) -> Totals:
        """Exact counts over everybody; reads an index through, so not for every request."""
        alive = ConversationRow.deleted_at.is_(None)
        conversations = select(func.count()).select_from(ConversationRow).where(alive)
        messages = select(func.count()).select_from(MessageRow)
        return Totals(
            (await tx.execute(conversations)).scalar_one(),
            (await tx.execute(messages)).scalar_one(),
        )

    async def load(
        self, tx: ReadTransaction, owner_id: UserId, conversation_id: ConversationId
    ) -> Conversation:
        """The whole conversation. Raises UnknownConversation."""
        conversation = await self.conversation(tx, owner_id, conversation_id)
        messages: list[Message] = []
        while True:  # in pages, so that a long one does not hold up the event loop
            after = messages[-1].id if messages else None
            page = await self.messages_page(tx, conversation_id, after, LOAD_PAGE)
            messages += page
            if len(page) < LOAD_PAGE:
                return build(conversation, messages)

    async def _whereabouts(
        self, tx: ReadTransaction, owner_id: UserId, which: ColumnElement[bool]
    ) -> Whereabouts | None:
        query = select(
            ConversationRow.id, ConversationRow.updated_at, ConversationRow.deleted_at
        ).where(ConversationRow.owner_id == owner_id, which)
        row = (await tx.execute(query)).one_or_none()
        if row is None:
            return None
        id, updated_at, deleted_at = row
        return Whereabouts(ConversationId(id), updated_at, deleted_at is not None)

    async def _index_title(self, tx: Transaction, conversation: Conversation) -> None:
        at = conversation.created_at or conversation.updated_at
        if at is not None:
            entry = title_entry(conversation.owner_id, conversation.id, conversation.title, at)
            await self.index.add(tx, [entry])

    async def _check_message(
        self, tx: ReadTransaction, owner_id: UserId, conversation_id: str, message_id: str
    ) -> None:
        which = {"message": message_id, "conversation": conversation_id, "owner": owner_id}
        if not is_uuid(message_id) or (await tx.execute(_MESSAGE_IS_THERE, which)).first() is None:
            raise UnknownMessage("head")

    async def _check_folder(self, tx: ReadTransaction, owner_id: UserId, folder_id: str) -> None:
        query = select(FolderRow.id).where(
            FolderRow.id == folder_id, FolderRow.owner_id == owner_id
        )
        if not is_uuid(folder_id) or (await tx.execute(query)).first() is None:
            raise UnknownFolder

    async def _mark(
        self,
        tx: Transaction,
        owner_id: UserId,
        conversation_id: ConversationId,
        *,
        deleted_at: datetime | None,
        was_deleted: bool,
    ) -> None:
        if not is_uuid(conversation_id):
            raise UnknownConversation
        deleted = ConversationRow.deleted_at.is_not(None)
        changed = await tx.execute(
            update(ConversationRow)
            .where(
                ConversationRow.id == conversation_id,
                ConversationRow.owner_id == owner_id,
                deleted if was_deleted else ~deleted,
            )
            .values(deleted_at=deleted_at)
        )
        if not changed.rowcount:
            raise UnknownConversation


def _conversations() -> Select[*tuple[Any, ...]]:
    return select(*CONVERSATION_COLUMNS).outerjoin(
        ShareRow, ShareRow.conversation_id == ConversationRow.id
    )

"""Messages in the database: one row each, reached along the tree.

These methods take a conversation that the caller has just asked for with its owner. What they
write is tied to that owner by foreign keys; what they read is restricted to the conversation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, bindparam, insert, literal, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import aliased

from fireside.conversation.message import ConversationId, Message, MessageId, UserId
from fireside.db.database import ReadTransaction, Transaction
from fireside.history.errors import MessageExists, UnknownConversation, UnknownMessage
from fireside.history.rows import MESSAGE_COLUMNS, message_of, message_values
from fireside.history.search_index import SearchIndex, message_entry
from fireside.history.tables import MessageRow
from fireside.kit.ids import is_uuid

# Statements that are run in every turn are built once: building and compiling one again costs four
# times as much CPU as running it.
_INSERT = insert(MessageRow)
_UPDATE = update(MessageRow).where(
    MessageRow.id == bindparam("message"),
    MessageRow.conversation_id == bindparam("conversation"),
    MessageRow.owner_id == bindparam("owner"),
)
_BY_IDS = select(*MESSAGE_COLUMNS).where(
    MessageRow.id.in_(bindparam("ids", expanding=True)),
    MessageRow.conversation_id == bindparam("conversation"),
)
_CHILDREN = select(MessageRow.id, MessageRow.parent_id).where(
    MessageRow.conversation_id == bindparam("conversation"),
    MessageRow.parent_id.in_(bindparam("parents", expanding=True)),
)
_ROOTS = select(MessageRow.id, MessageRow.parent_id).where(
    MessageRow.conversation_id == bindparam("conversation"), MessageRow.parent_id.is_(None)
)


class MessageRepository:
    """Statements only; decides nothing and commits nothing."""

    def __init__(self) -> None:
        self.index = SearchIndex()
        self._path_from_head = _path_statement(from_head=True)
        self._path_before = _path_statement(from_head=False)
        self._newest_leaf = _leaf_statement()

    async def insert_message(
        self,
        tx: Transaction,
        conversation_id: ConversationId,
        owner_id: UserId,
        message: Message,
    ) -> None:
        """Add a message. Raises MessageExists, UnknownMessage for its parent, UnknownConversation.

        The transaction cannot go on after an error.
        """
        await self.insert_messages(tx, conversation_id, owner_id, [message])

    async def insert_messages(
        self,
        tx: Transaction,
        conversation_id: ConversationId,
        owner_id: UserId,
        messages: Sequence[Message],
    ) -> None:
        """Add messages, parents before children. Raises as `insert_message` does."""
        if not messages:
            return
        place = {"conversation_id": conversation_id, "owner_id": owner_id}
        rows = [{"id": each.id, **place, **message_values(each)} for each in messages]
        try:
            await tx.execute(_INSERT, rows)
        except IntegrityError as error:
            raise _named(error, messages) from None
        await self.index.add(
            tx, [message_entry(owner_id, conversation_id, message) for message in messages]
        )

    async def update_message(
        self,
        tx: Transaction,
        conversation_id: ConversationId,
        owner_id: UserId,
        message: Message,
    ) -> None:
        """Store a later stage of a message. Raises UnknownMessage."""
        which = {"message": message.id, "conversation": conversation_id, "owner": owner_id}
        changed = await tx.execute(_UPDATE, {**which, **message_values(message)})
        if not changed.rowcount:
            raise UnknownMessage
        await self.index.remove_message(tx, conversation_id, message.id)
        await self.index.add(tx, [message_entry(owner_id, conversation_id, message)])

    async def message(
        self, tx: ReadTransaction, conversation_id: ConversationId, message_id: MessageId
    ) -> Message:
        """One message. Raises UnknownMessage."""
        found = await self.messages(tx, conversation_id, [message_id])
        if not found:
            raise UnknownMessage
        return found[message_id]

    async def messages(
        self,
        tx: ReadTransaction,
        conversation_id: ConversationId,
        message_ids: Sequence[MessageId],
    ) -> dict[MessageId, Message]:
        """Those of the messages that are there, by id."""
        ids = [id for id in message_ids if is_uuid(id)]
        rows = await tx.execute(_BY_IDS, {"ids": ids, "conversation": conversation_id})
        found = (message_of(row) for row in rows)
        return {message.id: message for message in found}

    async def owned_messages(
        self, tx: ReadTransaction, owner_id: UserId, message_ids: Sequence[MessageId]
    ) -> dict[MessageId, Message]:
        """Those of the messages that are this owner's, in whatever conversation, by id."""
        query = select(*MESSAGE_COLUMNS).where(
            MessageRow.id.in_(message_ids), MessageRow.owner_id == owner_id
        )
        found = (message_of(row) for row in await tx.execute(query))
        return {message.id: message for message in found}

    async def path_window(
        self,
        tx: ReadTransaction,
        conversation_id: ConversationId,
        head: MessageId,
        limit: int,
        before: MessageId | None = None,
    ) -> list[Message]:
        """The last `limit` messages of the path to `head`, oldest first; with `before`, those above
        it. Costs what it returns. Raises UnknownMessage.
        """
        start = head if before is None else before
        if not is_uuid(start):
            raise UnknownMessage("head" if before is None else "before")
        statement = self._path_from_head if before is None else self._path_before
        values = {"conversation": conversation_id, "start": start, "num": limit}
        found = [message_of(row) for row in await tx.execute(statement, values)]
        if not found and not await self.messages(tx, conversation_id, [start]):
            raise UnknownMessage("head" if before is None else "before")
        return found

    async def siblings(
        self,
        tx: ReadTransaction,
        conversation_id: ConversationId,
        messages: Sequence[Message],
    ) -> dict[MessageId, list[MessageId]]:
        """For each message the ids of all versions at its place, oldest first, itself included."""
        parents = [message.parent_id for message in messages if message.parent_id is not None]
        place = {"conversation": conversation_id}
        rows = list(await tx.execute(_CHILDREN, {**place, "parents": parents}))
        if len(parents) < len(messages):
            rows += await tx.execute(_ROOTS, place)
        by_parent: dict[str | None, list[MessageId]] = {}
        for id, parent_id in sorted(rows):
            by_parent.setdefault(parent_id, []).append(MessageId(id))
        return {message.id: by_parent.get(message.parent_id, []) for message in messages}

    async def latest_leaf(
        self, tx: ReadTransaction, conversation_id: ConversationId, message_id: MessageId
    ) -> MessageId:
        """Down the newest children to a leaf. Raises UnknownMessage."""
        if not is_uuid(message_id):
            raise UnknownMessage
        values = {"conversation": conversation_id, "start": message_id}
        leaf = (await tx.execute(self._newest_leaf, values)).scalar_one_or_none()
        if leaf is None:
            raise UnknownMessage
        return MessageId(leaf)

    async def messages_page(
        self,
        tx: ReadTransaction,
        conversation_id: ConversationId,
        after: MessageId | None,
        limit: int,
    ) -> list[Message]:
        """Messages in the order of their ids, for walking through all of them."""
        query = select(*MESSAGE_COLUMNS).where(MessageRow.conversation_id == conversation_id)
        if after is not None:
            query = query.where(MessageRow.id > after)
        rows = await tx.execute(query.order_by(MessageRow.id).limit(limit))
        return [message_of(row) for row in rows]


def _path_statement(*, from_head: bool) -> Select[*tuple[Any, ...]]:
    """Up from `start` (or from what is above it), at most `num` messages, oldest first."""
    conversation = bindparam("conversation", type_=MessageRow.id.type)
    start: Any = bindparam("start", type_=MessageRow.id.type)
    if not from_head:
        start = (
            select(MessageRow.parent_id)
            .where(MessageRow.id == start, MessageRow.conversation_id == conversation)
            .scalar_subquery()
        )
    first = aliased(MessageRow)
    up = (
        select(first.id, first.parent_id, literal(1).label("depth"))
        .where(first.id == start, first.conversation_id == conversation)
        .cte("up", recursive=True)
    )
    # A scalar subquery is looked up by the key at each step. As a join, PostgreSQL takes it for
    # cheaper to read all messages of the conversation, at each step.
    above = aliased(MessageRow)
    parent_of_parent = select(above.parent_id).where(above.id == up.c.parent_id).scalar_subquery()
    up = up.union_all(
        select(up.c.parent_id, parent_of_parent, up.c.depth + 1).where(
            up.c.parent_id.is_not(None), up.c.depth < bindparam("num")
        )
    )
    return select(*MESSAGE_COLUMNS).join(up, up.c.id == MessageRow.id).order_by(up.c.depth.desc())


def _leaf_statement() -> Select[*tuple[Any, ...]]:
    """Down from `start` over the newest child of each message."""
    conversation = bindparam("conversation", type_=MessageRow.id.type)
    top = aliased(MessageRow)
    down = (
        select(top.id, literal(1).label("depth"))
        .where(
            top.id == bindparam("start", type_=MessageRow.id.type),
            top.conversation_id == conversation,
        )
        .cte("down", recursive=True)
    )
    child = aliased(MessageRow)
    newest = (
        select(child.id)
        .where(child.conversation_id == conversation, child.parent_id == down.c.id)
        .order_by(child.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    down = down.union_all(select(newest, down.c.depth + 1).where(down.c.id.is_not(None)))
    return select(down.c.id).where(down.c.id.is_not(None)).order_by(down.c.depth.desc()).limit(1)


def _named(error: IntegrityError, messages: Sequence[Message]) -> Exception:
    """What the database refused, in our words."""
    what = str(error.orig).lower()
    if "unique" in what:
        return MessageExists()
    by_parent = "parent_id" in what or all(m.parent_id is not None for m in messages)
    return UnknownMessage("parent_id") if by_parent else UnknownConversation()

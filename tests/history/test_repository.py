"""Conversations: stored, changed, listed, deleted; each owner for themselves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import delete, func, select
from sqlalchemy.orm import InstrumentedAttribute

from fireside.accounts.tables import UserRow
from fireside.conversation.message import ConversationId, MessageId, Role, UserId, text_message
from fireside.conversation.tree import AssistantSettings, Conversation
from fireside.db.database import Database, Transaction
from fireside.history.domain import Listing
from fireside.history.errors import UnknownConversation, UnknownFolder, UnknownMessage
from fireside.history.repository import HistoryRepository
from fireside.history.tables import ConversationRow, MessageRow, SearchEntryRow
from fireside.kit.clock import FakeClock
from fireside.kit.ids import new_id


async def test_a_conversation_comes_back_as_it_was_stored(
    database: Database, history: HistoryRepository, owner: UserId, clock: FakeClock
) -> None:
    stored = Conversation(
        id=ConversationId(new_id()),
        owner_id=owner,
        title="Über 東京 \N{FIRE}",
        model="small",
        settings=AssistantSettings(instructions="Be brief.", temperature=0.2),
        created_at=clock.now() + timedelta(microseconds=1),
        updated_at=clock.now() + timedelta(hours=1, microseconds=999_999),
        archived=True,
        pinned=True,
        provider_data={"source": {"id": 1}},
    )
    async with database.write() as tx:
        await history.insert_conversation(tx, stored)
    async with database.read() as tx:
        assert await history.conversation(tx, owner, stored.id) == stored


async def test_changes_touch_only_what_they_name(
    database: Database, history: HistoryRepository, owner: UserId, write: Any
) -> None:
    before = await write.conversation(owner, "before", model="small")
    async with database.write() as tx:
        await history.update_conversation(tx, owner, before.id, title="after", pinned=True)
    async with database.read() as tx:
        after = await history.conversation(tx, owner, before.id)
    assert after == msgspec.structs.replace(before, title="after", pinned=True)


async def test_a_head_must_be_a_message_of_the_conversation(
    database: Database, history: HistoryRepository, owner: UserId, write: Any
) -> None:
    one = await write.conversation(owner)
    other = await write.conversation(owner)
    foreign = await write.say(other, "elsewhere")
    for head in (foreign.id, MessageId(new_id()), MessageId("nonsense")):
        with pytest.raises(UnknownMessage):
            async with database.write() as tx:
                await history.update_conversation(tx, owner, one.id, head=head)


async def test_conversations_are_listed_last_used_first_in_pages(
    database: Database, history: HistoryRepository, owner: UserId, write: Any
) -> None:
    made = [await write.conversation(owner, str(number)) for number in range(7)]
    await write.conversation(owner, "archived", archived=True)
    await write.conversation(owner, "pinned", pinned=True)
    titles: list[str] = []
    before = None
    while True:
        async with database.read() as tx:
            page = await history.page(tx, owner, Listing(), pinned=False, limit=3, before=before)
        if not page:
            break
        titles += [each.conversation.title for each in page]
        before = (page[-1].updated_at, page[-1].conversation.id)
    assert titles == [each.title for each in reversed(made)]


async def test_a_deleted_conversation_is_gone_until_it_is_restored(
    database: Database, history: HistoryRepository, owner: UserId, write: Any, clock: FakeClock
) -> None:
    conversation = await write.conversation(owner, "kept")
    message = await write.say(conversation, "still here")
    async with database.write() as tx:
        await history.soft_delete(tx, owner, conversation.id, clock.now())
    async with database.read() as tx:
        assert await history.page(tx, owner, Listing(), pinned=False, limit=9) == []
        with pytest.raises(UnknownConversation):
            await history.conversation(tx, owner, conversation.id)
    async with database.write() as tx:
        with pytest.raises(UnknownConversation):
            await history.update_conversation(tx, owner, conversation.id, title="no")
        with pytest.raises(UnknownConversation):
            await history.soft_delete(tx, owner, conversation.id, clock.now())
        await history.restore(tx, owner, conversation.id)
    async with database.read() as tx:
        loaded = await history.load(tx, owner, conversation.id)
    assert list(loaded.messages) == [message.id]


async def test_purging_removes_what_was_deleted_long_ago_and_nothing_else(
    database: Database, history: HistoryRepository, owner: UserId, write: Any, clock: FakeClock
) -> None:
    old, young, kept = [await write.conversation(owner, name) for name in ("old", "young", "kept")]
    for conversation in (old, young, kept):
        await write.line(conversation, 3)
    async with database.write() as tx:
        await history.soft_delete(tx, owner, old.id, clock.now() - timedelta(days=31))
        await history.soft_delete(tx, owner, young.id, clock.now() - timedelta(days=29))
    async with database.write() as tx:
        due = clock.now() - timedelta(days=30)
        assert await history.purge(tx, due, limit=10) == 1
        assert await history.purge(tx, due, limit=10) == 0
    async with database.write() as tx:
        await history.restore(tx, owner, young.id)
        with pytest.raises(UnknownConversation):
            await history.restore(tx, owner, old.id)
        assert (await history.totals(tx)).num_messages == 6


async def test_erasing_a_person_leaves_no_row_of_theirs(
    database: Database, history: HistoryRepository, owner: UserId, stranger: UserId, write: Any
) -> None:
    for person in (owner, stranger):
        conversation = await write.conversation(person, "title")
        await write.line(conversation, 50)
    async with database.write() as tx:
        await tx.execute(delete(UserRow).where(UserRow.id == owner))
    async with database.read() as tx:
        for column, left in (
            (ConversationRow.owner_id, 1),
            (MessageRow.owner_id, 50),
            (SearchEntryRow.owner_id, 51),
        ):
            assert await _count(tx, column, owner) == 0
            assert await _count(tx, column, stranger) == left


async def test_erasing_a_thread_of_thousands_of_messages_works(
    database: Database, history: HistoryRepository, owner: UserId, write: Any
) -> None:
    conversation = await write.conversation(owner)
    await write.line(conversation, 3000)  # SQLite follows cascades no deeper than 1000
    async with database.write() as tx:
        await history.erase(tx, owner, conversation.id)
        assert await _count(tx, MessageRow.owner_id, owner) == 0


Call = Callable[[HistoryRepository, Transaction, UserId, Conversation], Awaitable[object]]

CALLS: dict[str, Call] = {
    "conversation": lambda h, tx, o, c: h.conversation(tx, o, c.id),
    "stored": lambda h, tx, o, c: h.stored(tx, o, c.id),
    "load": lambda h, tx, o, c: h.load(tx, o, c.id),
    "update": lambda h, tx, o, c: h.update_conversation(tx, o, c.id, title="taken over"),
    "head": lambda h, tx, o, c: h.update_conversation(tx, o, c.id, head=c.head or MessageId("")),
    "delete": lambda h, tx, o, c: h.soft_delete(tx, o, c.id, c.created_at),  # type: ignore[arg-type]
    "restore": lambda h, tx, o, c: h.restore(tx, o, c.id),
    "erase": lambda h, tx, o, c: h.erase(tx, o, c.id),
    "insert": lambda h, tx, o, c: h.insert_message(
        tx, c.id, o, text_message(new_id(), Role.USER, "planted")
    ),
    "answer": lambda h, tx, o, c: h.insert_message(
        tx, c.id, o, text_message(new_id(), Role.USER, "planted", parent_id=c.head)
    ),
    "overwrite": lambda h, tx, o, c: h.update_message(
        tx, c.id, o, text_message(c.head or "", Role.USER, "changed")
    ),
}


@pytest.mark.parametrize("name", CALLS)
async def test_nobody_reaches_somebody_elses_conversation(
    database: Database,
    history: HistoryRepository,
    owner: UserId,
    stranger: UserId,
    write: Any,
    name: str,
) -> None:
    mine = await write.conversation(owner, "mine")
    message = await write.say(mine, "private")
    mine = msgspec.structs.replace(mine, head=message.id)
    with pytest.raises((UnknownConversation, UnknownMessage)):
        async with database.write() as tx:
            await CALLS[name](history, tx, stranger, mine)
    async with database.read() as tx:
        untouched = await history.load(tx, owner, mine.id)
        assert untouched == msgspec.structs.replace(mine, messages={message.id: message})
        assert await history.page(tx, stranger, Listing(), pinned=False, limit=9) == []
        assert await history.ids_page(tx, stranger, None, 9) == []


async def test_nothing_is_put_into_somebody_elses_folder(
    database: Database, history: HistoryRepository, owner: UserId, write: Any
) -> None:
    conversation = await write.conversation(owner)
    with pytest.raises(UnknownFolder):
        async with database.write() as tx:
            await history.update_conversation(tx, owner, conversation.id, folder_id=new_id())


async def _count(tx: Any, column: InstrumentedAttribute[str], value: str) -> int:
    query = select(func.count()).select_from(column.class_).where(column == value)
    return int((await tx.execute(query)).scalar_one())

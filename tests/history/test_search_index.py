"""Full-text search finds the same on both databases, and only one's own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from fireside.conversation.message import (
    Author,
    Channel,
    Code,
    Message,
    MessageId,
    Reasoning,
    Role,
    Status,
    Text,
    UserId,
)
from fireside.conversation.tree import Conversation
from fireside.db.database import Database
from fireside.history.repository import HistoryRepository
from fireside.history.search_index import Entry
from fireside.history.words import Kind, owner_tag, parse_query, tagged_words
from fireside.kit.clock import FakeClock
from fireside.kit.ids import new_id


async def find(
    database: Database,
    history: HistoryRepository,
    owner: UserId,
    query: str,
    kind: Kind = Kind.MESSAGE,
    *,
    archived: bool = False,
) -> list[str | None]:
    """Ids of the messages (or conversations) found, newest first."""
    parsed = parse_query(query)
    assert parsed is not None
    async with database.read() as tx:
        found = await history.index.find(
            tx, owner, parsed, kind, before_key=None, archived=archived, limit=100
        )
    return [hit.message_id if kind is Kind.MESSAGE else hit.conversation_id for hit in found]


@pytest.mark.parametrize(
    ("said", "query", "found"),
    [
        ("The quick brown fox", "quick", True),
        ("The quick brown fox", "QUICK Fox", True),
        ("The quick brown fox", "quick bro", True),  # the last word may be a beginning
        ("The quick brown fox", "qui brown", False),
        ("The quick brown fox", '"quick brown"', True),
        ("The quick brown fox", '"brown quick"', False),
        ("The quick brown fox", '"quick bro"', False),
        ("The quick brown fox", "quick-brown", True),
        ("The quick brown fox", "brown-quick", False),
        ("The quick brown fox", "ick", False),
        ("Crème brûlée in Zürich", "creme ZURICH", True),
        ("creme brulee", "crème brûlée", True),
        ("straße", "STRASSE", True),
        ("import numpy_array.reshape(1, -1)", "numpy reshape", True),
        ("東京都に住んでいます", "京都", True),
        ("東京都に住んでいます", "都京", False),
        ("สวัสดีครับ", "สวัสดี", True),
        ("हिन्दी में लिखो", "हिन्दी", True),
        ("don't panic", "don't", True),
        ("x" * 300, "x" * 300, True),
    ],
)
async def test_words_are_found(
    database: Database,
    history: HistoryRepository,
    owner: UserId,
    write: Any,
    said: str,
    query: str,
    found: bool,
) -> None:
    message = await write.say(await write.conversation(owner), said)
    assert await find(database, history, owner, query) == ([message.id] if found else [])


@pytest.mark.parametrize(
    "query",
    [
        '"',
        'fox" OR "a',
        "fox AND NOT fox",
        "fox NEAR/2 dog",
        "terms:fox",
        "fox*",
        "^fox",
        "fox')--",
        "fox' | 'a",
        "fox:* & !a",
        "{terms} : fox",
        "(((",
        "fox \\",
        "a b c d e f g h i j k l m n o p q r s t u v w x y z",
        "\x00fox",
    ],
)
async def test_no_query_is_syntax(
    database: Database, history: HistoryRepository, owner: UserId, write: Any, query: str
) -> None:
    await write.say(await write.conversation(owner), "a fox")
    if parse_query(query) is not None:
        await find(database, history, owner, query)  # a database that read it as syntax would raise
    assert len(await find(database, history, owner, "fox")) == 1


async def test_everybody_finds_only_their_own(
    database: Database, history: HistoryRepository, owner: UserId, stranger: UserId, write: Any
) -> None:
    mine = await write.say(await write.conversation(owner), "secret recipe")
    theirs = await write.say(await write.conversation(stranger), "secret recipe")
    assert await find(database, history, owner, "secret") == [mine.id]
    assert await find(database, history, stranger, "sec") == [theirs.id]


async def test_two_owners_who_share_a_tag_find_only_their_own(
    database: Database, history: HistoryRepository, owner: UserId, stranger: UserId, write: Any
) -> None:
    mine = await write.say(await write.conversation(owner), "secret recipe")
    theirs = await write.conversation(stranger)
    tagged_like_mine = tagged_words(owner_tag(owner, Kind.MESSAGE), "secret recipe")
    async with database.write() as tx:
        entry = Entry(1 << 60, stranger, theirs.id, MessageId(new_id()), tagged_like_mine)
        await history.index.add(tx, [entry])
    assert await find(database, history, owner, "secret") == [mine.id]


async def test_titles_are_found_under_their_present_name_only(
    database: Database, history: HistoryRepository, owner: UserId, write: Any
) -> None:
    conversation = await write.conversation(owner, "Baking bread")
    assert await find(database, history, owner, "bread", Kind.TITLE) == [conversation.id]
    async with database.write() as tx:
        await history.update_conversation(tx, owner, conversation.id, title="Sourdough")
    assert await find(database, history, owner, "bread", Kind.TITLE) == []
    assert await find(database, history, owner, "sour", Kind.TITLE) == [conversation.id]


async def test_what_is_not_shown_is_not_found(
    database: Database, history: HistoryRepository, owner: UserId, write: Any
) -> None:
    conversation = await write.conversation(owner)
    shown = Message(
        id=MessageId(new_id()),
        author=Author(Role.ASSISTANT),
        parts=(Reasoning("hidden thought"), Text("spoken"), Code("python", "print('cell')")),
    )
    hidden = [
        msgspec.structs.replace(shown, id=new_id(), **fields)
        for fields in (
            {"author": Author(Role.SYSTEM)},
            {"author": Author(Role.TOOL)},
            {"channel": Channel.ANALYSIS},
            {"deleted": True},
            {"status": Status.STREAMING},
        )
    ]
    async with database.write() as tx:
        await history.insert_messages(tx, conversation.id, owner, [shown, *hidden])
    assert await find(database, history, owner, "hidden") == []
    assert await find(database, history, owner, "spoken") == [shown.id]
    assert await find(database, history, owner, "cell") == [shown.id]


async def test_a_reply_is_found_once_it_is_complete_and_again_after_it_went_on(
    database: Database, history: HistoryRepository, owner: UserId, write: Any
) -> None:
    conversation = await write.conversation(owner)
    reply = await write.say(conversation, "half", role=Role.ASSISTANT, status=Status.STREAMING)
    assert await find(database, history, owner, "half") == []
    for status, said in ((Status.INTERRUPTED, "half"), (Status.COMPLETE, "half and half")):
        reply = msgspec.structs.replace(reply, status=status, parts=(Text(said),))
        async with database.write() as tx:
            await history.update_message(tx, conversation.id, owner, reply)
        assert await find(database, history, owner, said) == [reply.id]


async def test_deleted_and_archived_conversations_are_not_found_until_they_are_back(
    database: Database, history: HistoryRepository, owner: UserId, write: Any, clock: FakeClock
) -> None:
    conversation: Conversation = await write.conversation(owner)
    message = await write.say(conversation, "needle")
    async with database.write() as tx:
        await history.soft_delete(tx, owner, conversation.id, clock.now())
    assert await find(database, history, owner, "needle") == []
    async with database.write() as tx:
        await history.restore(tx, owner, conversation.id)
        await history.update_conversation(tx, owner, conversation.id, archived=True)
    assert await find(database, history, owner, "needle") == []
    assert await find(database, history, owner, "needle", archived=True) == [message.id]


async def test_an_erased_message_leaves_no_word_in_the_index(
    sqlite_database: Database, history: HistoryRepository, new_user: Any, writer_for: Any
) -> None:
    owner = await new_user(sqlite_database)
    write = writer_for(sqlite_database)
    conversation = await write.conversation(owner, "xylophone")
    await write.say(conversation, "xylophone")
    async with sqlite_database.write() as tx:
        await history.erase(tx, owner, conversation.id)
        await tx.execute(text("INSERT INTO search_index(search_index) VALUES ('integrity-check')"))
        await tx.execute(
            text("CREATE VIRTUAL TABLE temp.terms USING fts5vocab(main, search_index, row)")
        )
        assert (await tx.execute(text("SELECT count(*) FROM temp.terms"))).scalar_one() == 0


async def test_the_newest_hits_come_first_and_in_pages(
    database: Database, history: HistoryRepository, owner: UserId, write: Any
) -> None:
    said = [await write.say(await write.conversation(owner), "apple") for _ in range(5)]
    parsed = parse_query("apple")
    assert parsed is not None
    found: list[str | None] = []
    before: int | None = None
    while True:
        async with database.read() as tx:
            page = await history.index.find(
                tx, owner, parsed, Kind.MESSAGE, before_key=before, archived=False, limit=2
            )
        if not page:
            break
        found += [hit.message_id for hit in page]
        before = page[-1].key
    assert found == [message.id for message in reversed(said)]


async def test_thousands_of_messages_of_one_moment_are_all_found(
    database: Database, history: HistoryRepository, owner: UserId, write: Any, clock: FakeClock
) -> None:
    conversation = await write.conversation(owner)
    line = await write.line(conversation, 1500)  # all carry one time
    again = await write.line(await write.conversation(owner), 1500)
    parsed = parse_query("line")
    assert parsed is not None
    async with database.read() as tx:
        found = await history.index.find(
            tx, owner, parsed, Kind.MESSAGE, before_key=None, archived=False, limit=5000
        )
    assert {hit.message_id for hit in found} == {each.id for each in line + again}
    assert all(abs(hit.at - clock.now()) < timedelta(seconds=2) for hit in found)


async def test_the_beginning_of_a_huge_message_is_found(
    database: Database, history: HistoryRepository, owner: UserId, write: Any
) -> None:
    huge = " ".join(f"w{number}" for number in range(400_000))
    message = await write.say(await write.conversation(owner), f"first {huge} last")
    assert await find(database, history, owner, "first w17") == [message.id]
    assert await find(database, history, owner, "last") == []

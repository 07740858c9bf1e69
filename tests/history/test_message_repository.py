"""Messages: stored whole, reached along the tree at the cost of what is asked for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fireside.conversation import tree
from fireside.conversation.message import (
    Author,
    BlobRef,
    Channel,
    Code,
    File,
    FinishReason,
    Message,
    MessageError,
    MessageId,
    Reasoning,
    Role,
    Status,
    Text,
    ToolCall,
    ToolResult,
    Usage,
    UserId,
    text_message,
)
from fireside.db.database import Database
from fireside.history.errors import MessageExists, UnknownMessage
from fireside.history.repository import HistoryRepository
from fireside.kit.ids import new_id


async def test_a_message_comes_back_as_it_was_stored(
    database: Database, history: HistoryRepository, owner: UserId, write: Any
) -> None:
    conversation = await write.conversation(owner)
    stored = Message(
        id=MessageId(new_id()),
        author=Author(Role.ASSISTANT, "kim"),
        parts=(
            Reasoning("so"),
            Text("Hi \x00 \N{FIRE}"),
            Code("python", "1/0"),
            ToolCall("c1", "python", '{"a": 1}'),
            ToolResult("c1", stdout="x"),
            File(BlobRef("0" * 64, "text/plain", 2**40), "a.txt"),
        ),
        recipient="python",
        channel=Channel.COMMENTARY,
        status=Status.FAILED,
        end_turn=False,
        weight=0.25,
        model="small",
        release="small@1",
        adapter="lora-1",
        usage=Usage(2**33, 1, 2, 3.5, 4.5),
        finish_reason=FinishReason.LENGTH,
        error=MessageError("broken", "It broke.", "Try again."),
        created_at=datetime(2031, 2, 3, 4, 5, 6, 789, tzinfo=UTC),
        updated_at=datetime(2031, 2, 3, 4, 5, 7, tzinfo=UTC),
        provider_data={"any": [1, None]},
    )
    async with database.write() as tx:
        await history.insert_message(tx, conversation.id, owner, stored)
    async with database.read() as tx:
        assert await history.message(tx, conversation.id, stored.id) == stored


async def test_a_later_stage_replaces_the_earlier_one(
    database: Database, history: HistoryRepository, owner: UserId, write: Any
) -> None:
    conversation = await write.conversation(owner)
    begun = await write.say(conversation, "", role=Role.ASSISTANT, status=Status.STREAMING)
    done = msgspec.structs.replace(
        begun, parts=(Text("Here you are."),), status=Status.COMPLETE, usage=Usage(1, 0, 3)
    )
    async with database.write() as tx:
        await history.update_message(tx, conversation.id, owner, done)
    async with database.read() as tx:
        assert await history.message(tx, conversation.id, done.id) == done


async def test_a_parent_must_be_in_the_same_conversation(
    database: Database, history: HistoryRepository, owner: UserId, write: Any
) -> None:
    conversation = await write.conversation(owner)
    elsewhere = await write.say(await write.conversation(owner), "elsewhere")
    for parent in (elsewhere.id, new_id()):
        orphan = text_message(new_id(), Role.USER, "lost", parent_id=parent)
        with pytest.raises(UnknownMessage):
            async with database.write() as tx:
                await history.insert_message(tx, conversation.id, owner, orphan)


async def test_an_id_is_used_once(
    database: Database, history: HistoryRepository, owner: UserId, write: Any
) -> None:
    conversation = await write.conversation(owner)
    message = await write.say(conversation, "first")
    with pytest.raises(MessageExists):
        async with database.write() as tx:
            await history.insert_message(tx, conversation.id, owner, message)


async def test_a_window_shows_the_end_of_the_path_and_pages_upwards(
    database: Database, history: HistoryRepository, owner: UserId, write: Any
) -> None:
    conversation = await write.conversation(owner)
    line = await write.line(conversation, 10)
    async with database.read() as tx:
        window = await history.path_window(tx, conversation.id, line[-1].id, 4)
        assert window == line[6:]
        window = await history.path_window(tx, conversation.id, line[-1].id, 4, line[6].id)
        assert window == line[2:6]
        window = await history.path_window(tx, conversation.id, line[-1].id, 4, line[2].id)
        assert window == line[:2]
        assert await history.path_window(tx, conversation.id, line[-1].id, 4, line[0].id) == []


async def test_a_window_of_an_unknown_message_says_so(
    database: Database, history: HistoryRepository, owner: UserId, write: Any
) -> None:
    conversation = await write.conversation(owner)
    elsewhere = await write.say(await write.conversation(owner), "elsewhere")
    async with database.read() as tx:
        for head in (elsewhere.id, MessageId(new_id()), MessageId("x' OR 1=1")):
            with pytest.raises(UnknownMessage):
                await history.path_window(tx, conversation.id, head, 4)
            with pytest.raises(UnknownMessage):
                await history.path_window(tx, conversation.id, head, 4, before=head)
            with pytest.raises(UnknownMessage):
                await history.latest_leaf(tx, conversation.id, head)


async def test_a_window_costs_the_same_in_a_long_thread(
    sqlite_database: Database, history: HistoryRepository, new_user: Any, writer_for: Any
) -> None:
    """Counted in steps of SQLite's machine, which do not depend on the hour."""
    write = writer_for(sqlite_database)
    owner = await new_user(sqlite_database)
    num_steps: list[int] = []
    for length in (60, 3000):
        conversation = await write.conversation(owner)
        line = await write.line(conversation, length)
        async with sqlite_database.read() as tx:
            driver = (await tx.get_raw_connection()).driver_connection
            num_steps.append(0)

            def count() -> int:
                num_steps[-1] += 1
                return 0

            await driver.set_progress_handler(count, 1)
            assert len(await history.path_window(tx, conversation.id, line[-1].id, 50)) == 50
            await history.siblings(tx, conversation.id, line[-50:])
            await driver.set_progress_handler(None, 1)
    short, long = num_steps
    assert long < 1.1 * short


@given(parents=st.lists(st.integers(0, 30), max_size=25), pick=st.integers(0, 30))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_paths_siblings_and_leaves_are_those_of_the_tree(
    database: Database,
    history: HistoryRepository,
    owner: UserId,
    write: Any,
    parents: list[int],
    pick: int,
) -> None:
    conversation = await write.conversation(owner)
    messages: list[Message] = []
    for number in [0, *parents]:
        parent = messages[number % len(messages)] if number and messages else None
        messages.append(
            text_message(new_id(), Role.USER, "x", parent_id=parent.id if parent else None)
        )
    picked = messages[pick % len(messages)].id
    async with database.write() as tx:
        await history.insert_messages(tx, conversation.id, owner, messages)
    whole = tree.build(conversation, messages)
    async with database.read() as tx:
        path = await history.path_window(tx, conversation.id, picked, 100)
        siblings = await history.siblings(tx, conversation.id, messages)
        leaf = await history.latest_leaf(tx, conversation.id, picked)
        loaded = await history.load(tx, owner, conversation.id)
    assert tuple(path) == tree.path(whole, picked)
    assert siblings == {each.id: tree.siblings(whole, each.id) for each in messages}
    assert leaf == tree.latest_leaf(whole, picked)
    assert loaded.messages == whole.messages

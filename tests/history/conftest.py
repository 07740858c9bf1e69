"""An owner with a conversation to work on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
import pytest

from fireside.conversation.message import (
    ConversationId,
    Message,
    MessageId,
    Role,
    UserId,
    text_message,
)
from fireside.conversation.tree import Conversation
from fireside.db.database import Database
from fireside.history.repository import HistoryRepository
from fireside.kit.clock import FakeClock
from fireside.kit.ids import new_id


@pytest.fixture
def history() -> HistoryRepository:
    return HistoryRepository()


@pytest.fixture
async def owner(database: Database, new_user: Callable[[Database], Awaitable[UserId]]) -> UserId:
    return await new_user(database)


@pytest.fixture
async def stranger(database: Database, new_user: Callable[[Database], Awaitable[UserId]]) -> UserId:
    return await new_user(database)


class Writer:
    """Writes conversations and messages the short way."""

    def __init__(self, database: Database, history: HistoryRepository, clock: FakeClock) -> None:
        self.database = database
        self.history = history
        self.clock = clock

    async def conversation(self, owner: UserId, title: str = "", **fields: object) -> Conversation:
        """A new conversation, one second after the one before."""
        self.clock.advance(1)
        conversation = msgspec.structs.replace(
            Conversation(
                id=ConversationId(new_id()),
                owner_id=owner,
                title=title,
                created_at=self.clock.now(),
                updated_at=self.clock.now(),
            ),
            **fields,
        )
        async with self.database.write() as tx:
            await self.history.insert_conversation(tx, conversation)
        return conversation

    async def say(
        self,
        conversation: Conversation,
        text: str,
        parent: Message | None = None,
        role: Role = Role.USER,
        **fields: object,
    ) -> Message:
        """A new message, which becomes the head."""
        self.clock.advance(1)
        message = text_message(
            new_id(),
            role,
            text,
            parent_id=parent.id if parent else None,
            created_at=self.clock.now(),
            updated_at=self.clock.now(),
            **fields,
        )
        async with self.database.write() as tx:
            await self.history.insert_message(tx, conversation.id, conversation.owner_id, message)
            await self.history.update_conversation(
                tx, conversation.owner_id, conversation.id, head=message.id
            )
        return message

    async def line(self, conversation: Conversation, length: int) -> list[Message]:
        """`length` messages, each answering the one before, in one go."""
        messages: list[Message] = []
        for number in range(length):
            parent: MessageId | None = messages[-1].id if messages else None
            role = Role.ASSISTANT if number % 2 else Role.USER
            messages.append(
                text_message(
                    new_id(), role, f"line {number}", parent_id=parent, created_at=self.clock.now()
                )
            )
        async with self.database.write() as tx:
            await self.history.insert_messages(tx, conversation.id, conversation.owner_id, messages)
            await self.history.update_conversation(
                tx, conversation.owner_id, conversation.id, head=messages[-1].id
            )
        return messages


@pytest.fixture
def writer_for(history: HistoryRepository, clock: FakeClock) -> Callable[[Database], Writer]:
    return lambda database: Writer(database, history, clock)


@pytest.fixture
def write(database: Database, writer_for: Callable[[Database], Writer]) -> Writer:
    return writer_for(database)

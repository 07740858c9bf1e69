"""The history room over the real accounts room, and people who use it."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
from litestar import Litestar
from litestar.di import Provide
from litestar.middleware import DefineMiddleware

from fireside.accounts.access import IdentifyMiddleware, check_access, principal
from fireside.accounts.endpoints import CONTROLLERS as ACCOUNT_CONTROLLERS
from fireside.accounts.service import build_accounts
from fireside.accounts.settings import AccountsSettings
from fireside.api.errors import exception_handlers
from fireside.conversation.message import Message, Role, UserId, text_message
from fireside.conversation.tree import Conversation
from fireside.db.database import Database
from fireside.history.endpoints import CONTROLLERS, ConversationController
from fireside.history.repository import HistoryRepository
from fireside.history.service import HistoryService
from fireside.kit.clock import FakeClock
from fireside.kit.ids import new_id
from fireside.kit.pubsub import Broker, Subscription

PASSWORD = "correct horse battery"


class Room:
    """A small application."""

    def __init__(self, db: Database, clock: FakeClock, **parts: Any) -> None:
        self.db, self.clock = db, clock
        settings = AccountsSettings(argon2_memory_kib=8, argon2_passes=1)
        self.accounts = build_accounts(db, settings, clock, new_id)
        self.broker = Broker()
        self.repository = HistoryRepository()
        self.history = HistoryService(self.repository, clock, new_id, **parts)
        given = {
            "db": db,
            "accounts": self.accounts,
            "history": self.history,
            "broker": self.broker,
        }
        self.app = Litestar(
            [*ACCOUNT_CONTROLLERS, ConversationController, *CONTROLLERS],
            guards=[check_access],
            middleware=[DefineMiddleware(IdentifyMiddleware, identities=self.accounts.identities)],
            exception_handlers=exception_handlers(clock),
            dependencies={
                **{name: _provide(value) for name, value in given.items()},
                "principal": Provide(principal, sync_to_thread=False),
            },
            openapi_config=None,
        )

    def client(self) -> httpx.AsyncClient:
        """A browser that nobody is signed in with."""
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app),  # type: ignore[arg-type]
            base_url="http://fireside.test",
            headers={"origin": "http://fireside.test"},
        )

    async def person(self, name: str) -> Person:
        """Somebody who has just signed up."""
        client = self.client()
        wish = {"email": f"{name}@example.org", "password": PASSWORD, "name": name}
        answer = await client.post("/api/auth/sign-up", json=wish)
        assert answer.status_code == 201, answer.text
        return Person(self, client, UserId(answer.json()["id"]))


class Person:
    """Somebody with a browser."""

    def __init__(self, room: Room, client: httpx.AsyncClient, id: UserId) -> None:
        self.room, self.client, self.id = room, client, id

    async def get(self, path: str, **params: Any) -> Any:
        """What a GET answers with."""
        answer = await self.client.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def send(self, method: str, path: str, json: Any = None, status: int = 200) -> Any:
        """What another method answers with."""
        answer = await self.client.request(method, path, json=json)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def refused(self, method: str, path: str, **given: Any) -> tuple[int, str]:
        """Status and code of an answer that is an error."""
        answer = await self.client.request(method, path, **given)
        return answer.status_code, answer.json()["error"]["code"]

    async def send_file(self, content: bytes) -> Any:
        """What importing a file reports."""
        answer = await self.client.post("/api/import", content=content)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def talk(self, *said: str, title: str = "A talk") -> tuple[Conversation, list[Message]]:
        """A conversation in which that was said, in turns."""
        self.room.clock.advance(1)
        now = self.room.clock.now()
        conversation = Conversation(
            new_id(),  # type: ignore[arg-type]
            self.id,
            title=title,
            created_at=now,
            updated_at=now,
        )
        line: list[Message] = []
        for number, text in enumerate(said):
            role = Role.ASSISTANT if number % 2 else Role.USER
            parent_id = line[-1].id if line else None
            line.append(text_message(new_id(), role, text, parent_id=parent_id, created_at=now))
        conversation = msgspec.structs.replace(conversation, head=line[-1].id if line else None)
        async with self.room.db.write() as tx:
            await self.room.repository.insert_conversation(tx, conversation)
            await self.room.repository.insert_messages(tx, conversation.id, self.id, line)
        return conversation, line

    def told(self, subscription: Subscription) -> list[Any]:
        """What the feed has said so far."""
        return [msgspec.json.decode(each) for each in list(subscription._queue)]


def _provide(value: object) -> Provide:
    return Provide(lambda: value, sync_to_thread=False)

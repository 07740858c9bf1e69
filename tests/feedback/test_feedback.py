"""Feedback through its door, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest
from litestar import Litestar
from litestar.di import Provide
from litestar.middleware import DefineMiddleware

from fireside.accounts.access import IdentifyMiddleware, check_access, principal
from fireside.accounts.endpoints import CONTROLLERS
from fireside.accounts.service import build_accounts
from fireside.accounts.settings import AccountsSettings
from fireside.api.errors import exception_handlers
from fireside.conversation.message import ConversationId, MessageId, Role, UserId, text_message
from fireside.conversation.tree import Conversation
from fireside.db.database import Database
from fireside.feedback.domain import ChoiceEvent, ThumbEvent, Writer
from fireside.feedback.endpoints import FeedbackController
from fireside.feedback.service import build_feedback
from fireside.history.repository import HistoryRepository
from fireside.kit.clock import FakeClock
from fireside.kit.ids import new_id

pytestmark = pytest.mark.anyio

PASSWORD = "correct horse battery"
PREFERENCES = {"theme": "system", "language": "en", "improve_model": True}


class Room:
    """The feedback room over the real accounts and history rooms."""

    def __init__(self, db: Database, clock: FakeClock) -> None:
        self.db, self.clock = db, clock
        settings = AccountsSettings(argon2_memory_kib=8, argon2_passes=1)
        self.accounts = build_accounts(db, settings, clock, new_id)
        self.history = HistoryRepository()
        self.feedback = build_feedback(self.history, self.accounts, clock, new_id)
        self.app = Litestar(
            [*CONTROLLERS, FeedbackController],
            guards=[check_access],
            middleware=[DefineMiddleware(IdentifyMiddleware, identities=self.accounts.identities)],
            exception_handlers=exception_handlers(clock),
            dependencies={
                "db": Provide(lambda: db, sync_to_thread=False),
                "accounts": Provide(lambda: self.accounts, sync_to_thread=False),
                "feedback": Provide(lambda: self.feedback, sync_to_thread=False),
                "principal": Provide(principal, sync_to_thread=False),
            },
            openapi_config=None,
        )

    async def person(self, email: str) -> Person:
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app),  # type: ignore[arg-type]
            base_url="http://fireside.test",
            headers={"origin": "http://fireside.test"},
        )
        answer = await client.post(
            "/api/auth/sign-up", json={"email": email, "password": PASSWORD, "name": "A"}
        )
        return Person(self, client, UserId(answer.json()["id"]))


class Person:
    """Somebody with a conversation of one question and two replies."""

    def __init__(self, room: Room, client: httpx.AsyncClient, user_id: UserId) -> None:
        self.room, self.client, self.user_id = room, client, user_id
        self.conversation_id = ConversationId(new_id())
        self.question, self.first, self.second = (MessageId(new_id()) for _ in range(3))

    async def talk(self) -> None:
        now = self.room.clock.now()
        messages = [
            text_message(self.question, Role.USER, "Why?"),
            text_message(
                self.first, Role.ASSISTANT, "So.", parent_id=self.question, release="small@1"
            ),
            text_message(
                self.second,
                Role.ASSISTANT,
                "Because.",
                parent_id=self.question,
                model="small",
                release="small@2",
                adapter="tone",
            ),
        ]
        async with self.room.db.write() as tx:
            await self.room.history.insert_conversation(
                tx,
                Conversation(
                    id=self.conversation_id, owner_id=self.user_id, created_at=now, updated_at=now
                ),
            )
            for message in messages:
                await self.room.history.insert_message(
                    tx,
                    self.conversation_id,
                    self.user_id,
                    msgspec.structs.replace(message, created_at=now),
                )

    def thumb(self, message_id: str, thumb: str, **fields: object) -> dict[str, object]:
        return {
            "kind": "thumb",
            "conversation_id": self.conversation_id,
            "message_id": message_id,
            "thumb": thumb,
        } | fields

    def choice(self, chosen: str, rejected: str) -> dict[str, object]:
        return {
            "kind": "choice",
            "conversation_id": self.conversation_id,
            "chosen_id": chosen,
            "rejected_id": rejected,
        }

    async def say(self, body: dict[str, object]) -> httpx.Response:
        return await self.client.post("/api/feedback", json=body)

    async def said(self) -> list[ThumbEvent | ChoiceEvent]:
        async with self.room.db.read() as tx:
            return await self.room.feedback.export(tx, self.user_id)

    async def thumbs(self, *message_ids: MessageId) -> dict[MessageId, str]:
        async with self.room.db.read() as tx:
            found = await self.room.feedback.thumbs(tx, self.user_id, message_ids)
        return {id: thumb.value for id, thumb in found.items()}


@pytest.fixture
def room(database: Database, clock: FakeClock) -> Room:
    return Room(database, clock)


@pytest.fixture
async def ada(room: Room) -> AsyncIterator[Person]:
    person = await room.person("ada@example.org")
    await person.talk()
    yield person
    await person.client.aclose()


@pytest.fixture
async def bob(room: Room, ada: Person) -> AsyncIterator[Person]:
    person = await room.person("bob@example.org")
    await person.talk()
    yield person
    await person.client.aclose()


async def test_a_thumb_is_kept_with_its_reasons_and_the_release_that_wrote_the_reply(
    ada: Person,
) -> None:
    answer = await ada.say(
        ada.thumb(ada.second, "down", reasons=["incorrect", "too_long"], comment="It is 42.\u0000")
    )
    assert answer.status_code == 201, answer.text
    (event,) = await ada.said()
    assert isinstance(event, ThumbEvent)
    assert event.id == answer.json()["id"]
    assert event.writer == Writer("small", "small@2", "tone")
    assert [reason.value for reason in event.reasons] == ["incorrect", "too_long"]
    assert event.comment == "It is 42."
    assert event.at == ada.room.clock.now()


async def test_the_latest_thumb_counts_and_none_takes_it_back(ada: Person) -> None:
    for thumb in ("up", "down"):
        assert (await ada.say(ada.thumb(ada.first, thumb))).status_code == 201
    await ada.say(ada.thumb(ada.second, "up"))
    assert await ada.thumbs(ada.question, ada.first, ada.second) == {
        ada.first: "down",
        ada.second: "up",
    }
    await ada.say(ada.thumb(ada.first, "none"))
    assert await ada.thumbs(ada.first, ada.second) == {ada.second: "up"}
    assert await ada.thumbs() == {}
    assert len(await ada.said()) == 4


async def test_consent_is_what_it_was_when_the_thumb_was_given(ada: Person) -> None:
    await ada.say(ada.thumb(ada.first, "up"))
    agreed = await ada.client.patch("/api/me", json={"preferences": PREFERENCES})
    assert agreed.status_code == 200
    await ada.say(ada.thumb(ada.first, "up"))
    await ada.client.patch("/api/me", json={"preferences": {"improve_model": False}})
    await ada.say(ada.choice(ada.first, ada.second))
    assert [event.consented for event in await ada.said()] == [False, True, False]


async def test_a_choice_names_both_writers(ada: Person) -> None:
    answer = await ada.say(ada.choice(ada.second, ada.first))
    assert answer.status_code == 201, answer.text
    (event,) = await ada.said()
    assert isinstance(event, ChoiceEvent)
    assert (event.chosen_id, event.rejected_id) == (ada.second, ada.first)
    assert event.chosen_writer == Writer("small", "small@2", "tone")
    assert event.rejected_writer == Writer(None, "small@1", None)


async def test_only_ones_own_conversations_can_be_rated(ada: Person, bob: Person) -> None:
    stolen = await bob.say(ada.thumb(ada.first, "down"))
    made_up = await bob.say(bob.thumb(new_id(), "down") | {"conversation_id": new_id()})
    assert stolen.status_code == made_up.status_code == 404
    assert stolen.json() == made_up.json()
    for body in (
        bob.thumb(ada.first, "down"),
        bob.choice(ada.first, ada.second),
        bob.choice(bob.first, ada.second),
        bob.thumb("not-an-id", "down"),
        bob.thumb(bob.first, "down") | {"conversation_id": "not-an-id"},
    ):
        assert (await bob.say(body)).status_code == 404
    assert await ada.said() == await bob.said() == []


async def test_verdicts_of_others_are_not_shown(ada: Person, bob: Person) -> None:
    await ada.say(ada.thumb(ada.first, "up"))
    assert await bob.thumbs(ada.first) == {}


@pytest.mark.parametrize(
    "change",
    [
        {"thumb": "sideways"},
        {"reasons": ["because"]},
        {"reasons": ["helpful"]},
        {"comment": "x" * 4001},
        {"kind": "grunt"},
        {"user_id": "somebody"},
        {"consented": True},
        {"release": "best@9"},
    ],
)
async def test_bad_feedback_is_refused(ada: Person, change: dict[str, object]) -> None:
    assert (await ada.say(ada.thumb(ada.first, "down") | change)).status_code == 400
    assert await ada.said() == []


async def test_questions_and_replies_elsewhere_cannot_be_chosen(ada: Person) -> None:
    assert (await ada.say(ada.thumb(ada.question, "up"))).status_code == 400
    assert (await ada.say(ada.choice(ada.first, ada.first))).status_code == 400
    assert (await ada.say(ada.choice(ada.first, ada.question))).status_code == 400
    assert await ada.said() == []


async def test_nobody_rates_without_signing_in(ada: Person) -> None:
    await ada.client.post("/api/auth/sign-out")
    assert (await ada.say(ada.thumb(ada.first, "up"))).status_code == 401


async def test_leaving_erases_ones_feedback(ada: Person, bob: Person) -> None:
    for person in (ada, bob):
        await person.say(person.thumb(person.first, "up"))
    gone = await bob.client.request("DELETE", "/api/me", json={"password": PASSWORD})
    assert gone.status_code == 204
    assert await bob.said() == []
    assert len(await ada.said()) == 1


async def test_what_a_person_wrote_is_not_in_the_events_repr(ada: Person) -> None:
    await ada.say(ada.thumb(ada.first, "down", comment="my secret"))
    (event,) = await ada.said()
    assert "secret" not in repr(event)

from __future__ import annotations

import anyio
import msgspec
import pytest

from fireside.accounts.domain import ALL_SCOPES, Principal, UserRole, Via
from fireside.chat.errors import EmptyMessage, MessageTooLong, NothingToContinue, UnknownTurn
from fireside.chat.settings import ChatSettings
from fireside.chat.views import Continue, Regenerate, Send, Temporary
from fireside.conversation.event import Finish, MessageStart, Snapshot, decode_event
from fireside.conversation.fold import Fold
from fireside.conversation.message import (
    Author,
    FinishReason,
    Image,
    Message,
    Role,
    Status,
    Text,
    UserId,
    text_message,
)
from fireside.errors import BackendFailed, NotFound, UserError
from fireside.kit.ids import new_id
from fireside.kit.sse import Splitter
from tests.chat.conftest import build_house, living
from tests.fakes.engines import SteppedEngine

pytestmark = pytest.mark.anyio

WORDS = ["The ", "capital ", "is ", "Paris."]


def member(user_id: UserId) -> Principal:
    return Principal(user_id, UserRole.MEMBER, ALL_SCOPES, Via.SESSION)


async def read_to_end(turns, owner, turn_id, after=0) -> list:
    with anyio.fail_after(10):
        pieces = [piece async for piece in await turns.follow(owner, turn_id, after)]
    return [decode_event(payload) for payload in Splitter().feed(b"".join(pieces))]


def folded(events, message: Message) -> Message:
    state = Fold(message)
    for event in events:
        state.apply(event)
    return state.message()


async def eventually(check, timeout_s=10.0):
    with anyio.fail_after(timeout_s):
        while not await check():
            await anyio.sleep(0.01)


async def test_a_question_is_answered_and_both_are_stored(database, settings):
    engine = SteppedEngine(WORDS)
    engine.allow()
    house = build_house(database, [engine], settings)
    owner = await house.person()
    async with living(house):
        started = await house.turns.start(owner, Send(new_id(), "What is the capital of France?"))
        events = await read_to_end(house.turns, owner, started.turn_id)
    assert isinstance(events[0], MessageStart)
    assert events[-1] == Finish(FinishReason.STOP)
    stored = await house.message(started.conversation_id, started.reply.id)
    assert stored.text() == "The capital is Paris."
    assert stored.status is Status.COMPLETE
    assert (stored.model, stored.release) == ("fake", "fake@1")
    assert stored.parent_id == started.user_message.id
    assert stored.usage.completion_tokens == 4
    assert stored.usage.ttft_ms is not None
    (request,) = engine.requests
    assert [m.author.role for m in request.prompt.messages] == [Role.SYSTEM, Role.USER]
    assert request.prompt.messages[-1].text() == "What is the capital of France?"


async def test_the_question_is_durable_before_the_engine_has_said_anything(database, settings):
    house = build_house(database, [SteppedEngine(WORDS)], settings)
    owner = await house.person()
    async with living(house):
        started = await house.turns.start(owner, Send(new_id(), "Hello"))
        stored = await house.message(started.conversation_id, started.user_message.id)
        assert stored.text() == "Hello"
        reply = await house.message(started.conversation_id, started.reply.id)
        assert reply.status is Status.STREAMING


async def test_the_same_request_starts_one_turn(database, settings):
    engine = SteppedEngine(WORDS)
    engine.allow()
    house = build_house(database, [engine], settings)
    owner = await house.person()
    async with living(house):
        ask = Send(new_id(), "Hello")
        first = await house.turns.start(owner, ask)
        again = await house.turns.start(owner, ask)
        assert again.turn_id == first.turn_id
        assert again.reply.id == first.reply.id
        assert again.user_message.id == first.user_message.id
        await read_to_end(house.turns, owner, first.turn_id)
    assert len(engine.requests) == 1


async def test_a_reply_is_stopped_and_what_it_said_stays(database, settings):
    engine = SteppedEngine(WORDS)
    house = build_house(database, [engine], settings)
    owner = await house.person()
    async with living(house):
        started = await house.turns.start(owner, Send(new_id(), "Hello"))
        engine.allow(2)
        follower = await house.turns.follow(owner, started.turn_id, 0)
        seen = b""
        async for piece in follower:
            seen += piece
            if b"capital" in seen:
                break
        await house.turns.stop(owner, started.turn_id)
        await house.turns.stop(owner, started.turn_id)
        events = await read_to_end(house.turns, owner, started.turn_id)
    assert events[-1] == Finish(FinishReason.ABORT)
    stored = await house.message(started.conversation_id, started.reply.id)
    assert stored.status is Status.INTERRUPTED
    assert stored.text() == "The capital "
    assert engine.num_aborted == 1


async def test_a_stopped_reply_is_continued_in_place(database, settings):
    engine = SteppedEngine(WORDS)
    house = build_house(database, [engine], settings)
    owner = await house.person()
    async with living(house):
        started = await house.turns.start(owner, Send(new_id(), "Hello"))
        engine.allow(2)

        async def has_spoken():
            running = house.turns.running(owner, started.conversation_id)
            return running[started.reply.id][1].text() == "The capital "

        await eventually(has_spoken)
        await house.turns.stop(owner, started.turn_id)
        await read_to_end(house.turns, owner, started.turn_id)
        engine.words = ["is ", "Paris."]
        engine.allow()
        more = await house.turns.start(
            owner, Continue(new_id(), started.conversation_id, started.reply.id)
        )
        assert more.reply.id == started.reply.id
        events = await read_to_end(house.turns, owner, more.turn_id)
        with pytest.raises(NothingToContinue):
            await house.turns.start(
                owner, Continue(new_id(), started.conversation_id, started.reply.id)
            )
    assert folded(events, more.reply).parts == (Text("The capital is Paris."),)
    stored = await house.message(started.conversation_id, started.reply.id)
    assert stored.text() == "The capital is Paris."
    assert engine.requests[1].prompt.continue_final
    assert engine.requests[1].prompt.messages[-1].text() == "The capital "


async def test_regenerating_adds_a_version_beside_the_old_one(database, settings):
    plain, other = SteppedEngine(WORDS, name="plain"), SteppedEngine(["Lyon?"], name="other")
    plain.allow()
    other.allow()
    house = build_house(database, [plain, other], settings)
    owner = await house.person()
    async with living(house):
        first = await house.turns.start(owner, Send(new_id(), "Capital?"))
        await read_to_end(house.turns, owner, first.turn_id)
        second = await house.turns.start(
            owner, Regenerate(new_id(), first.conversation_id, first.reply.id, "other")
        )
        await read_to_end(house.turns, owner, second.turn_id)
    assert second.reply.parent_id == first.reply.parent_id
    old = await house.message(first.conversation_id, first.reply.id)
    new = await house.message(first.conversation_id, second.reply.id)
    assert (old.text(), new.text()) == ("The capital is Paris.", "Lyon?")
    assert (old.model, new.model) == ("plain", "other")
    async with database.read() as tx:
        conversation = await house.history.conversation(tx, owner, first.conversation_id)
    assert conversation.head == second.reply.id


async def test_an_engine_that_breaks_leaves_a_failed_reply_with_what_it_said(database, settings):
    engine = SteppedEngine(["Half ", BackendFailed("engine_died", "The engine died.")])
    engine.allow()
    house = build_house(database, [engine], settings)
    owner = await house.person()
    async with living(house):
        started = await house.turns.start(owner, Send(new_id(), "Hello"))
        await read_to_end(house.turns, owner, started.turn_id)
    stored = await house.message(started.conversation_id, started.reply.id)
    assert stored.status is Status.FAILED
    assert stored.text() == "Half "
    assert stored.error.code == "engine_died"


async def test_a_prompt_that_is_too_long_for_the_engine_is_shown_from_later_on(database, settings):
    too_long = UserError("context_length_exceeded", "Too long.")
    engine = SteppedEngine([too_long])
    engine.allow()
    house = build_house(database, [engine], settings)
    owner = await house.person()
    async with living(house):
        started = await house.turns.start(owner, Send(new_id(), "Hello"))
        await read_to_end(house.turns, owner, started.turn_id)
    assert len(engine.requests) == 3
    stored = await house.message(started.conversation_id, started.reply.id)
    assert stored.error.code == "context_length_exceeded"


async def test_what_a_killed_server_left_is_continued_by_the_next_one(database, settings):
    engine = SteppedEngine(WORDS)
    house = build_house(database, [engine], settings)
    owner = await house.person()
    async with living(house):
        started = await house.turns.start(owner, Send(new_id(), "Hello"))
        engine.allow(2)

        async def is_journaled():
            async with database.read() as tx:
                events = await house.turns.turns.events(tx, started.turn_id)
            return any(b"capital" in frame for _number, frame in events)

        await eventually(is_journaled)

    engine = SteppedEngine(["is ", "Paris."])
    engine.allow()
    house = build_house(database, [engine], settings)
    async with living(house):
        events = await read_to_end(house.turns, owner, started.turn_id, after=3)
        assert isinstance(events[0], Snapshot)
        assert folded(events, started.reply).text() == "The capital is Paris."
    stored = await house.message(started.conversation_id, started.reply.id)
    assert stored.text() == "The capital is Paris."
    assert stored.status is Status.COMPLETE
    assert engine.requests[0].prompt.continue_final


async def test_a_reply_that_was_begun_too_often_is_left_interrupted(database, settings):
    house = build_house(database, [SteppedEngine(["x"])], settings)
    owner = await house.person()
    async with living(house):
        started = await house.turns.start(owner, Send(new_id(), "Hello"))
    for _ in range(2):
        house = build_house(database, [SteppedEngine(["x"])], settings)
        async with living(house):
            pass
    house = build_house(database, [SteppedEngine(["x"])], settings)
    async with living(house):
        events = await read_to_end(house.turns, owner, started.turn_id)
    assert events[-1] == Finish(FinishReason.ABORT)
    stored = await house.message(started.conversation_id, started.reply.id)
    assert stored.status is Status.INTERRUPTED


async def test_an_ended_turn_is_replayed_from_the_journal_and_then_from_the_message(
    database, settings
):
    engine = SteppedEngine(WORDS)
    engine.allow()
    house = build_house(database, [engine], settings)
    owner = await house.person()
    async with living(house):
        started = await house.turns.start(owner, Send(new_id(), "Hello"))
        live = await read_to_end(house.turns, owner, started.turn_id)
    house = build_house(database, [engine], settings)
    async with living(house):
        assert await read_to_end(house.turns, owner, started.turn_id) == live
        assert await read_to_end(house.turns, owner, started.turn_id, after=3) == live[3:]
        async with database.write() as tx:
            await house.turns.turns.sweep(tx, house.turns.clock.now())
        (snapshot,) = await read_to_end(house.turns, owner, started.turn_id)
        assert snapshot.message.text() == "The capital is Paris."


async def test_somebody_elses_turn_is_not_there(database, settings):
    engine = SteppedEngine(WORDS)
    house = build_house(database, [engine], settings)
    owner, other = await house.person(), await house.person("eve")
    async with living(house):
        started = await house.turns.start(owner, Send(new_id(), "Hello"))
        with pytest.raises(UnknownTurn):
            await house.turns.follow(other, started.turn_id, 0)
        with pytest.raises(UnknownTurn):
            await house.turns.stop(other, started.turn_id)
        with pytest.raises(NotFound):
            await house.turns.start(
                other, Send(new_id(), "Mine", conversation_id=started.conversation_id)
            )
        assert house.turns.running(other, started.conversation_id) == {}


async def test_a_temporary_chat_is_answered_and_leaves_no_row(database, settings):
    engine = SteppedEngine(WORDS)
    engine.allow()
    house = build_house(database, [engine], settings)
    owner = await house.person()
    async with living(house):
        asked = (text_message(new_id(), Role.USER, "Secret?"),)
        started = house.turns.start_temporary(member(owner), Temporary(new_id(), asked))
        events = await read_to_end(house.turns, owner, started.turn_id)
        assert folded(events, started.reply).text() == "The capital is Paris."
    async with database.read() as tx:
        assert await house.turns.turns.running(tx) == []
        assert await house.turns.turns.events(tx, started.turn_id) == []
        assert (await house.history.totals(tx)).num_messages == 0


@pytest.mark.parametrize(("text", "error"), [("  \n ", EmptyMessage), ("x" * 50, MessageTooLong)])
async def test_what_cannot_be_sent_stores_nothing(database, text, error):
    house = build_house(
        database, [SteppedEngine(WORDS)], msgspec.structs.replace(ChatSettings(), max_text_chars=20)
    )
    owner = await house.person()
    async with living(house):
        with pytest.raises(error):
            await house.turns.start(owner, Send(new_id(), text))
        with pytest.raises(UserError):
            await house.turns.start(owner, Send(new_id(), "hi", model="nothing-like-it"))
    async with database.read() as tx:
        assert (await house.history.totals(tx)).num_conversations == 0


async def test_the_next_turns_prompt_extends_the_last_ones(database, settings):
    engine = SteppedEngine(WORDS)
    engine.allow()
    house = build_house(database, [engine], settings)
    owner = await house.person()
    async with living(house):
        first = await house.turns.start(owner, Send(new_id(), "One"))
        await read_to_end(house.turns, owner, first.turn_id)
        second = await house.turns.start(
            owner,
            Send(new_id(), "Two", conversation_id=first.conversation_id, parent_id=first.reply.id),
        )
        await read_to_end(house.turns, owner, second.turn_id)
    before, after = (request.prompt.messages for request in engine.requests)
    assert [m.text() for m in after[: len(before)]] == [m.text() for m in before]
    assert [m.text() for m in after[len(before) :]] == ["The capital is Paris.", "Two"]


async def test_what_a_database_cannot_hold_is_left_out_of_the_text(database, settings):
    engine = SteppedEngine(["nul: \x00", " end"])
    engine.allow()
    house = build_house(database, [engine], settings)
    owner = await house.person()
    async with living(house):
        started = await house.turns.start(owner, Send(new_id(), "a\x00b"))
        events = await read_to_end(house.turns, owner, started.turn_id)
    assert events[-1] == Finish(FinishReason.STOP)
    assert (await house.message(started.conversation_id, started.user_message.id)).text() == "ab"
    stored = await house.message(started.conversation_id, started.reply.id)
    assert stored.status is Status.COMPLETE


async def test_pictures_are_named_for_a_model_that_cannot_see(database, settings):
    engine = SteppedEngine(WORDS)
    engine.allow()
    house = build_house(database, [engine], settings)
    owner = await house.person()
    picture = Message(
        id=new_id(), author=Author(Role.USER), parts=(Image(url="file-service://x", alt="a cat"),)
    )
    async with living(house):
        started = house.turns.start_temporary(member(owner), Temporary(new_id(), (picture,)))
        events = await read_to_end(house.turns, owner, started.turn_id)
    assert events[-1] == Finish(FinishReason.STOP)
    assert engine.requests[0].prompt.messages[-1].text() == "[Picture: a cat]"

"""Two processes on one database, here as two turn services: who owns what, and who may write."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from sqlalchemy import delete, select

from fireside.chat.errors import DeclaredDead, UnknownTurn
from fireside.chat.ownership import Ownership
from fireside.chat.settings import ChatSettings
from fireside.chat.tables import TurnRow, WorkerRow
from fireside.chat.views import Send
from fireside.conversation.message import Status
from fireside.db.database import Database, connect
from fireside.db.settings import DatabaseSettings
from fireside.kit.clock import FakeClock, SystemClock
from fireside.kit.ids import new_id
from fireside.kit.pubsub import Broker
from tests.chat.conftest import House, build_house, living
from tests.chat.test_service import WORDS, eventually, folded, read_to_end
from tests.fakes.engines import SteppedEngine

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]


@pytest.fixture
def settings() -> ChatSettings:
    return ChatSettings(
        titles=False, journal_interval_s=0.01, owner_beat_s=0.05, owner_lease_s=0.5, keep_ended_s=0
    )


@pytest.fixture
async def pg(postgres_url: str) -> AsyncIterator[Database]:
    opened = connect(postgres_url, DatabaseSettings())
    yield opened
    await opened.aclose()


@pytest.fixture
def broker() -> Broker:
    """Both processes' broker, as one process would have it."""
    return Broker()


def ownership(pg: Database, folder: Path, lease_s: float = 0.5) -> Ownership:
    return Ownership(pg, SystemClock(), new_id, folder / "host.id", lease_s=lease_s)


def house_on(
    pg: Database, folder: Path, engine: SteppedEngine, settings: ChatSettings, broker: Broker
) -> House:
    return build_house(pg, [engine], settings, ownership(pg, folder), broker)


async def is_journaled(house: House, turn_id: str, word: bytes) -> bool:
    async with house.database.read() as tx:
        events = await house.turns.turns.events(tx, turn_id)
    return any(word in frame for _number, frame in events)


async def test_a_process_that_was_declared_dead_gives_up_and_begins_again(
    pg, tmp_path, settings, broker
):
    slow, quick = SteppedEngine(WORDS), SteppedEngine(["is ", "Paris."])
    here = house_on(pg, tmp_path / "a", slow, settings, broker)
    there = house_on(pg, tmp_path / "b", quick, settings, broker)
    owner = await here.person()
    async with living(here), living(there):
        started = await here.turns.start(owner, Send(new_id(), "Capital?"))
        slow.allow(2)
        await eventually(lambda: is_journaled(here, started.turn_id, b"capital"))
        before = here.turns.owners.worker_id
        slow.words = ["is ", "Paris."]  # whoever goes on
        async with pg.write() as tx:
            await tx.execute(delete(WorkerRow).where(WorkerRow.id == before))
        follower = await here.turns.follow(owner, started.turn_id, 0)
        with anyio.fail_after(5):
            async for _piece in follower:  # ends by itself, without the reply's end
                pass

        async def is_back():
            return here.turns.owners.worker_id != before

        await eventually(is_back)
        slow.allow()
        quick.allow()
        for house in (here, there):
            events = await read_to_end(house.turns, owner, started.turn_id)
            assert folded(events, started.reply).text() == "The capital is Paris."
        stored = await here.message(started.conversation_id, started.reply.id)
        assert (stored.text(), stored.status) == ("The capital is Paris.", Status.COMPLETE)
        again = await here.turns.start(owner, Send(new_id(), "Still there?"))
        await read_to_end(here.turns, owner, again.turn_id)


async def test_a_silent_process_is_buried_and_its_turn_finished(pg, tmp_path, settings, broker):
    slow, quick = SteppedEngine(WORDS), SteppedEngine(["is ", "Paris."])
    quick.allow()
    here = house_on(pg, tmp_path / "a", slow, settings, broker)
    there = house_on(pg, tmp_path / "b", quick, settings, broker)
    owner = await here.person()
    async with living(there), living(here):
        started = await here.turns.start(owner, Send(new_id(), "Capital?"))
        slow.allow(2)
        await eventually(lambda: is_journaled(here, started.turn_id, b"capital"))
        # It lives, as a paused process does, but nobody sees it.
        here.turns.owners.beat = lambda: anyio.sleep(3600)
        events = await read_to_end(there.turns, owner, started.turn_id)
        assert folded(events, started.reply).text() == "The capital is Paris."
        slow.allow(2)  # what it says now, it may not write
        with pytest.raises(DeclaredDead):
            async with pg.write() as tx:
                await here.turns.owners.fence(tx)
        await anyio.sleep(0.1)
        stored = await here.message(started.conversation_id, started.reply.id)
        assert stored.text() == "The capital is Paris."


async def test_a_process_that_leaves_hands_its_turns_over(pg, tmp_path, settings, broker):
    slow, quick = SteppedEngine(WORDS), SteppedEngine(["is ", "Paris."])
    quick.allow()
    here = house_on(pg, tmp_path / "a", slow, settings, Broker())
    there = house_on(pg, tmp_path / "b", quick, settings, broker)
    owner = await here.person()
    async with living(there), living(here):
        started = await here.turns.start(owner, Send(new_id(), "Capital?"))
        slow.allow(2)
        await eventually(lambda: is_journaled(here, started.turn_id, b"capital"))
        follower = await here.turns.follow(owner, started.turn_id, 0)
        await here.turns.leave()
        with anyio.fail_after(5):
            async for _piece in follower:
                pass
        events = await read_to_end(there.turns, owner, started.turn_id)
        assert folded(events, started.reply).text() == "The capital is Paris."
        assert slow.num_aborted == 1
        # Being handed over is no sign that the reply itself brings processes down.
        async with pg.read() as tx:
            found = await tx.execute(select(TurnRow.attempts, TurnRow.handovers))
            assert found.one() == (2, 1)
        late = await here.turns.start(owner, Send(new_id(), "And now?"))
        quick.words = ["Nothing."]
        await read_to_end(there.turns, owner, late.turn_id)


async def test_a_turn_is_stopped_and_shown_from_the_other_process(pg, tmp_path, settings, broker):
    slow = SteppedEngine(WORDS)
    here = house_on(pg, tmp_path / "a", slow, settings, Broker())
    there = house_on(pg, tmp_path / "b", SteppedEngine([]), settings, broker)
    owner, other = await here.person(), await here.person("eve")
    async with living(here), living(there):
        started = await here.turns.start(owner, Send(new_id(), "Capital?"))
        slow.allow(2)
        await eventually(lambda: is_journaled(here, started.turn_id, b"capital"))
        async with pg.read() as tx:
            shown = await there.turns.running_elsewhere(tx, owner, started.conversation_id)
            turn, message = shown[started.reply.id]
            assert (turn.turn_id, message.text()) == (started.turn_id, "The capital ")
            listed = await there.turns.running_in(tx, owner, [started.conversation_id])
            assert listed == {started.conversation_id: [started.turn_id]}
            assert not await there.turns.running_elsewhere(tx, other, started.conversation_id)
        with pytest.raises(UnknownTurn):
            await there.turns.stop(other, started.turn_id)
        # The brokers of the two do not hear each other: the database says it, a beat later.
        await there.turns.stop(owner, started.turn_id)
        events = await read_to_end(there.turns, owner, started.turn_id)
        assert folded(events, started.reply).status is Status.INTERRUPTED


async def test_a_host_that_starts_again_takes_up_its_own_at_once(pg, tmp_path, settings, broker):
    slow = SteppedEngine(WORDS)
    here = house_on(pg, tmp_path / "a", slow, settings, broker)
    owner = await here.person()
    async with living(here):
        started = await here.turns.start(owner, Send(new_id(), "Capital?"))
        slow.allow(2)
        await eventually(lambda: is_journaled(here, started.turn_id, b"capital"))
        here.turns.owners.leave = anyio.lowlevel.checkpoint  # as if it was killed
    quick = SteppedEngine(["is ", "Paris."])
    quick.allow()
    again = build_house(pg, [quick], settings, ownership(pg, tmp_path / "a", 60.0), broker)
    async with living(again):
        events = await read_to_end(again.turns, owner, started.turn_id)
        assert folded(events, started.reply).text() == "The capital is Paris."


async def test_only_a_beat_that_stands_still_for_an_observer_is_death(pg, tmp_path):
    clock = FakeClock()
    one = Ownership(pg, clock, new_id, tmp_path / "a" / "host.id", lease_s=2.0)
    two = Ownership(pg, clock, new_id, tmp_path / "b" / "host.id", lease_s=2.0)
    await one.join()
    await two.join()
    for _ in range(3):
        clock.advance(1.5)
        assert await one.beat()
        assert await two.beat()
    clock.advance(10)  # both were away, as when the database was: nobody is blamed
    assert await two.beat()
    clock.advance(1.0)
    assert await one.beat()
    for _ in range(3):
        assert await two.beat()
        clock.advance(0.9)
    assert await two.beat()
    assert not await one.beat()

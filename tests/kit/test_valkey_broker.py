"""The same semantics as in one process, over a Valkey that goes away and comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import anyio
import pytest

from fireside.errors import UserError
from fireside.kit.local_valkey import LocalValkey
from fireside.kit.pubsub import MAX_QUEUED
from fireside.kit.valkey import Valkey, ValkeyGone
from fireside.kit.valkey_broker import ValkeyBroker

pytestmark = pytest.mark.anyio


@pytest.fixture
def server() -> Iterator[LocalValkey]:
    with LocalValkey() as running:
        yield running


@asynccontextmanager
async def process(server: LocalValkey) -> AsyncIterator[ValkeyBroker]:
    """A broker as another process has it."""
    valkey = Valkey(server.url)
    broker = ValkeyBroker(valkey)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(broker.run)
        yield broker
        tasks.cancel_scope.cancel()
    await valkey.aclose()


async def until(check) -> None:
    with anyio.fail_after(10):
        while not check():
            await anyio.sleep(0.01)


async def test_every_process_hears_a_message_once(server):
    async with process(server) as here, process(server) as there:
        with here.subscribe("a", "b") as mine, there.subscribe("a") as theirs:
            assert await mine.heard(5)
            assert await theirs.heard(5)
            for number in range(3):
                here.publish("a", b"%d" % number)
            there.publish("b", b"3")
            mine_heard, theirs_heard = aiter(mine), aiter(theirs)
            with anyio.fail_after(5):
                assert [await anext(mine_heard) for _ in range(4)] == [b"0", b"1", b"2", b"3"]
                assert [await anext(theirs_heard) for _ in range(3)] == [b"0", b"1", b"2"]
            there.publish("a", b"last")
            with anyio.fail_after(5):
                assert await anext(mine_heard) == b"last"
                assert await anext(theirs_heard) == b"last"


async def test_who_does_not_wait_is_told_to_look_once_it_is_heard(server):
    async with process(server) as here:
        with here.subscribe("a") as listener:
            with anyio.fail_after(5):
                assert await anext(aiter(listener)) is None
        with here.subscribe("a") as first:
            assert await first.heard(5)
            with here.subscribe("a") as second:
                assert await second.heard(0)


async def test_a_slow_listener_loses_and_is_told(server):
    async with process(server) as here, process(server) as there:
        with there.subscribe("a") as slow:
            assert await slow.heard(5)
            for _ in range(MAX_QUEUED + 1):
                here.publish("a", b"x")
            await until(lambda: slow._lagging)
            with anyio.fail_after(5):
                assert await anext(aiter(slow)) is None


async def test_while_valkey_is_away_this_process_hears_itself_and_then_all_look_again(server):
    async with process(server) as here, process(server) as there:
        with here.subscribe("a") as mine, there.subscribe("a") as theirs:
            assert await mine.heard(5)
            assert await theirs.heard(5)
            server.stop()
            await until(lambda: not here.is_connected and not there.is_connected)
            here.publish("a", b"alone")
            with anyio.fail_after(5):
                assert await anext(aiter(mine)) == b"alone"
            server.start()
            heard = aiter(theirs)
            with anyio.fail_after(10):
                assert await anext(heard) is None
            await until(lambda: here.is_connected and not here._has_lost)
            here.publish("a", b"together")
            with anyio.fail_after(10):
                while (message := await anext(heard)) is None:
                    pass
            assert message == b"together"


async def test_lost_messages_of_one_process_make_all_look_again(server):
    async with process(server) as here, process(server) as there:
        with there.subscribe("a") as theirs:
            assert await theirs.heard(5)
            here._lose_outgoing()
            here._to_send.set()
            with anyio.fail_after(5):
                assert await anext(aiter(theirs)) is None


async def test_closing_ends_every_listener(server):
    async with process(server) as here:
        with here.subscribe("a") as listener:
            here.close()
            assert [message async for message in listener if message is not None] == []
        with here.subscribe("a") as late:
            assert [message async for message in late if message is not None] == []


async def test_an_absent_server_is_named_within_its_time():
    valkey = Valkey("unix:///tmp/there-is-no-such-socket")
    with anyio.fail_after(5), pytest.raises(ValkeyGone):
        await valkey.check()
    await valkey.aclose()


def test_a_bad_address_is_refused():
    with pytest.raises(UserError, match=r"valkey\.url"):
        Valkey("http://localhost")

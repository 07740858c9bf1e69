"""What one process says, read in another over a real Valkey."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import anyio
import pytest

from fireside.chat.backends import valkey_relay
from fireside.chat.backends.valkey_relay import ValkeyRelay
from fireside.chat.log import TurnLog
from fireside.chat.reading import EVENTS_PER_RUN, Group, Reading
from fireside.conversation.event import Finish, MessageStart, PartStart, TextDelta
from fireside.conversation.message import FinishReason, Text, UserId
from fireside.kit.local_valkey import LocalValkey
from fireside.kit.valkey import Valkey
from fireside.kit.valkey_broker import ValkeyBroker
from tests.chat.test_log import skeleton

pytestmark = pytest.mark.anyio
NOTICE = b"event: queue\ndata: %d\n\n"


@pytest.fixture
def server() -> Iterator[LocalValkey]:
    with LocalValkey() as running:
        yield running


@asynccontextmanager
async def process(server: LocalValkey) -> AsyncIterator[ValkeyRelay]:
    valkey = Valkey(server.url)
    broker = ValkeyBroker(valkey)
    relay = ValkeyRelay(valkey, broker, 0.005, 10)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(broker.run)
        tasks.start_soon(relay.run)
        yield relay
        tasks.cancel_scope.cancel()
    await valkey.aclose()


def temporary() -> TurnLog:
    log = TurnLog("t", UserId("u"), None, skeleton())
    log.append(MessageStart(skeleton()))
    return log


async def collect(pieces: AsyncIterator[bytes], into: list[bytes]) -> None:
    with anyio.fail_after(10):
        async for piece in pieces:
            into.append(piece)


async def until_owned(relay: ValkeyRelay) -> None:
    with anyio.fail_after(5):
        while await relay.temporary_owner("t") is None:
            await anyio.sleep(0.01)


async def test_a_temporary_chat_is_followed_from_any_offset_in_another_process(server):
    async with process(server) as here, process(server) as there:
        log = temporary()
        here.attach(log)
        await until_owned(there)
        assert await there.temporary_owner("t") == "u"
        early: list[bytes] = []
        late: list[bytes] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(collect, there.follow_temporary("t", 0), early)
            for place in (2, 1):
                log.announce(NOTICE % place)
                await anyio.sleep(0.05)
            log.append(PartStart(0, Text()))
            for word in ("one ", "two ", "three"):
                log.append(TextDelta(0, word))
                await anyio.sleep(0.02)
            tasks.start_soon(collect, there.follow_temporary("t", 3), late)
            await anyio.sleep(0.05)
            log.append(Finish(FinishReason.STOP))
        whole = b"".join([piece async for piece in log.follow(0)])
        read = b"".join(early)
        assert NOTICE % 1 in read
        assert read.replace(NOTICE % 2, b"").replace(NOTICE % 1, b"") == whole
        assert b"".join(late) == b"".join([piece async for piece in log.follow(3)])
        again: list[bytes] = []
        await collect(there.follow_temporary("t", 0), again)
        assert b"".join(again) == whole


async def test_a_temporary_chat_whose_server_has_gone_ends_with_a_word(server, monkeypatch):
    monkeypatch.setattr(valkey_relay, "KEPT_RUNNING_S", 1)
    monkeypatch.setattr(valkey_relay, "LOOK_AGAIN_S", 0.2)
    async with process(server) as there:
        async with process(server) as here:
            here.attach(temporary())
            await until_owned(there)
        pieces: list[bytes] = []
        await collect(there.follow_temporary("t", 0), pieces)
    assert b"reply_lost" in pieces[-1]


def test_a_reader_takes_what_is_new_and_notices_what_is_missing():
    reading = Reading(1)
    assert reading.take(Group(1, [b"1", b"2"])) == b"id: 2\ndata: 2\n\n"
    assert reading.take(Group(1, [b"1", b"2"])) == b""
    assert reading.take(Group(4, [b"4"])) == b""
    assert reading.behind
    assert reading.take_journaled([(3, b"3")], ended=False) == b"id: 3\ndata: 3\n\n"
    assert not reading.behind
    first = EVENTS_PER_RUN + 1
    assert reading.take(Group(first, [b"snapshot"])) == b"id: %d\ndata: snapshot\n\n" % first
    assert reading.take(Group(4, [b"4"], ended=True)) == b"", "a run that was fenced"
    assert not reading.ended
    assert reading.take(Group(first + 1, [b"end"], ended=True)).endswith(b"end\n\n")
    assert reading.ended

from __future__ import annotations

import anyio
import pytest

from fireside.chat.log import TurnLog
from fireside.chat.recovery import EVENTS_PER_RUN, recovered_log
from fireside.chat.repository import StoredTurn
from fireside.chat.turn import TurnState
from fireside.conversation.event import Finish, MessageStart, PartStart, TextDelta, decode_event
from fireside.conversation.message import (
    Author,
    ConversationId,
    FinishReason,
    Message,
    MessageId,
    Role,
    Status,
    Text,
    UserId,
)
from fireside.kit.sse import Splitter

pytestmark = pytest.mark.anyio


def skeleton() -> Message:
    return Message(id=MessageId("m"), author=Author(Role.ASSISTANT), status=Status.STREAMING)


def open_log() -> TurnLog:
    log = TurnLog("t", UserId("u"), ConversationId("c"), skeleton())
    log.append(MessageStart(skeleton()))
    return log


async def read(log: TurnLog, after: int, into: list[bytes]) -> None:
    into.extend([piece async for piece in log.follow(after)])


async def test_every_follower_reads_the_same_bytes_from_wherever_it_joins():
    log = open_log()
    early: list[bytes] = []
    late: list[bytes] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read, log, 0, early)
        await anyio.sleep(0)
        log.append(PartStart(0, Text()))
        await anyio.sleep(0)
        for word in ("one ", "two ", "three"):
            log.append(TextDelta(0, word))
            await anyio.sleep(0)
        tasks.start_soon(read, log, 3, late)
        await anyio.sleep(0)
        log.append(Finish(FinishReason.STOP))
    whole = b"".join(early)
    assert whole.endswith(b"".join(late))
    assert b"".join(late).startswith(b"id: 4\n")
    assert [decode_event(p) for p in Splitter().feed(whole)][-1] == Finish(FinishReason.STOP)


async def test_what_is_ready_together_comes_as_one_piece():
    log = open_log()
    for event in (PartStart(0, Text()), TextDelta(0, "a"), Finish(FinishReason.STOP)):
        log.append(event)
    pieces: list[bytes] = []
    await read(log, 0, pieces)
    assert len(pieces) == 1


async def test_a_reader_that_saw_more_than_the_journal_kept_is_given_a_snapshot():
    log = open_log()
    log.append(PartStart(0, Text()))
    log.append(TextDelta(0, "kept "))
    kept = list(enumerate(log.frames, 1))
    log.append(TextDelta(0, "lost"))
    turn = StoredTurn(
        id="t",
        request_id="r",
        owner_id=UserId("u"),
        conversation_id=ConversationId("c"),
        message_id=MessageId("m"),
        user_message_id=None,
        anchor_id=None,
        state=TurnState.RUNNING,
        attempts=1,
        created_at=None,
    )
    again = recovered_log(turn, kept, skeleton())
    again.append(TextDelta(0, "found"))
    again.append(Finish(FinishReason.STOP))
    pieces: list[bytes] = []
    await read(again, log.offset, pieces)
    events = [decode_event(p) for p in Splitter().feed(b"".join(pieces))]
    assert events[0].message.text() == "kept "
    assert again.message().text() == "kept found"
    assert pieces[0].startswith(b"id: %d\n" % (EVENTS_PER_RUN + 1))


async def test_a_notice_reaches_present_and_late_followers_and_is_not_numbered():
    log = open_log()
    early: list[bytes] = []
    late: list[bytes] = []
    last: list[bytes] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read, log, 0, early)
        await anyio.sleep(0)
        log.announce(b"event: queue\ndata: 2\n\n")
        await anyio.sleep(0)
        log.announce(b"event: queue\ndata: 1\n\n")
        await anyio.sleep(0)
        tasks.start_soon(read, log, 1, late)
        await anyio.sleep(0)
        log.append(PartStart(0, Text()))
        await anyio.sleep(0)
        tasks.start_soon(read, log, 1, last)
        await anyio.sleep(0)
        log.append(Finish(FinishReason.STOP))
    queued = [b"event: queue\ndata: 2\n\n", b"event: queue\ndata: 1\n\n"]
    assert b"".join(early[1:3]) == b"".join(queued)
    assert late[0] == queued[1]
    assert b"".join(late[1:]) == b"".join(last)
    assert len(log.frames) == 3


async def test_a_notice_keeps_its_place_among_the_events():
    log = open_log()
    seen: list[bytes] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read, log, 1, seen)
        await anyio.sleep(0)
        log.append(PartStart(0, Text()))
        log.announce(b"event: queue\ndata: 0\n\n")
        log.append(Finish(FinishReason.STOP))
    whole = b"".join(seen)
    assert whole.index(b"id: 2\n") < whole.index(b"event: queue") < whole.index(b"id: 3\n")

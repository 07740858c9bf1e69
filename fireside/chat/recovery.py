"""Replies that outlived the process that wrote them, and replies read from another process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import anyio
import msgspec

from fireside.chat.log import TurnLog
from fireside.chat.repository import StoredTurn, TurnRepository
from fireside.chat.turn import TurnState
from fireside.conversation.event import Snapshot, decode_event, encode_event
from fireside.conversation.fold import Fold
from fireside.conversation.message import Message, Status
from fireside.db.database import Database
from fireside.errors import Bug
from fireside.history.repository import HistoryRepository
from fireside.kit import sse

EVENTS_PER_RUN = 1_000_000_000
"""Every run of a turn numbers its events in a range of its own; see `fireside.chat.log`."""

POLL_S = 0.2


def journaled_reply(events: Sequence[tuple[int, bytes]], stored: Message) -> Message:
    """The reply that a journal tells of, still open, starting from the stored message."""
    state = Fold(msgspec.structs.replace(stored, status=Status.STREAMING))
    for _number, frame in events:
        state.apply(decode_event(frame))
    if state.ended:
        raise Bug("turn_not_ended", "A journal holds the end of a turn that is still running.")
    return state.message()


def recovered_log(
    turn: StoredTurn, events: Sequence[tuple[int, bytes]], stored: Message
) -> TurnLog:
    """A log that goes on where the journal ends, in a new range of event numbers."""
    reply = journaled_reply(events, stored)
    log = TurnLog(
        turn.id,
        turn.owner_id,
        turn.conversation_id,
        reply,
        base=turn.attempts * EVENTS_PER_RUN,
    )
    log.append(Snapshot(reply))
    return log


async def follow_stored(
    database: Database,
    turns: TurnRepository,
    history: HistoryRepository,
    turn: StoredTurn,
    after: int,
) -> AsyncIterator[bytes]:
    """Follow a turn by its journal: one that ended a while ago, or runs in another process.

    When the journal has been swept, one snapshot of the stored reply takes its place.
    """
    at = after
    while True:
        async with database.read() as tx:
            now = await turns.by_id(tx, turn.id)
            numbered = await turns.events(tx, turn.id, at)
            ended = now is None or now.state is TurnState.ENDED
            if ended and not numbered and at == after:
                reply = await history.message(tx, turn.conversation_id, turn.message_id)
                numbered = [(at + 1, encode_event(Snapshot(reply)))]
        if numbered:
            yield b"".join(sse.encode(frame, number) for number, frame in numbered)
            at = numbered[-1][0]
        if ended:
            return
        await anyio.sleep(POLL_S)

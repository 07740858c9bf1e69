"""Replies that outlived the process that wrote them, and replies read from another process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import anyio
import msgspec

from fireside.chat.log import TurnLog
from fireside.chat.ports import Relay
from fireside.chat.reading import EVENTS_PER_RUN, Reading
from fireside.chat.repository import StoredTurn, TurnRepository
from fireside.chat.turn import TurnState
from fireside.chat.views import RunningTurn
from fireside.conversation.event import Snapshot, decode_event, encode_event
from fireside.conversation.fold import Fold
from fireside.conversation.message import Message, Status
from fireside.db.database import Database, ReadTransaction
from fireside.errors import BackendFailed, Bug
from fireside.history.repository import HistoryRepository
from fireside.kit.pubsub import Subscription

POLL_S = 0.2
JOURNAL_POLL_S = 0.1
"""How often a reader looks into the journal while nothing is heard from other processes."""

LOOK_AGAIN_S = 2.0
"""A reader that hears nothing for so long looks into the journal, in case something was lost."""

HEARD_WITHIN_S = 1.0


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
    source: Stored, turn: StoredTurn, after: int, relay: Relay | None = None
) -> AsyncIterator[bytes]:
    """Follow a turn that ended a while ago, or runs in another process.

    When the journal has been swept, one snapshot of the stored reply takes its place. Ends early
    when this process leaves; the reader comes back to another.
    """
    reading = Reading(after)
    if relay is None:
        while not reading.ended:
            if piece := await source.journaled(turn, reading, after):
                yield piece
            if not reading.ended:
                await anyio.sleep(POLL_S)
        return
    with relay.listen(turn.id) as heard:
        await heard.heard(HEARD_WITHIN_S)
        for group in await relay.groups(turn.id, reading.at) or ():
            if piece := reading.take(group):
                yield piece
        is_known = reading.at > after and not reading.behind
        while not reading.ended:
            if not is_known and (piece := await source.journaled(turn, reading, after)):
                yield piece
            is_known = False
            async for piece in live(relay, heard, reading):
                yield piece
            if heard.is_over:
                return


async def live(
    relay: Relay, heard: Subscription, reading: Reading, patience_s: float = LOOK_AGAIN_S
) -> AsyncIterator[bytes]:
    """What is said from now on, until it ends, something is missing or nothing is heard."""
    messages = aiter(heard)
    while not reading.ended and not reading.behind:
        payload: bytes | None = None
        with anyio.move_on_after(patience_s if relay.is_connected else JOURNAL_POLL_S):
            payload = await anext(messages, None)
        if payload is None:
            return
        if piece := reading.take(relay.read(payload)):
            yield piece


class Stored:
    """Replies as the database has them."""

    def __init__(
        self, database: Database, turns: TurnRepository, history: HistoryRepository
    ) -> None:
        self._database = database
        self._turns = turns
        self._history = history

    async def journaled(self, turn: StoredTurn, reading: Reading, after: int) -> bytes:
        """The server-sent events that are new to a reader who began after number `after`.

        While the database is away there are none.
        """
        try:
            async with self._database.read() as tx:
                now = await self._turns.by_id(tx, turn.id)
                numbered = await self._turns.events(tx, turn.id, reading.at)
                ended = now is None or now.state is TurnState.ENDED
                if ended and not numbered and reading.at == after:
                    reply = await self._history.message(tx, turn.conversation_id, turn.message_id)
                    numbered = [(after + 1, encode_event(Snapshot(reply)))]
        except BackendFailed:
            await anyio.sleep(POLL_S)
            return b""
        return reading.take_journaled(numbered, ended=ended)

    async def as_it_stands(
        self, tx: ReadTransaction, turn: StoredTurn
    ) -> tuple[RunningTurn, Message]:
        """A running reply as far as it is journaled; follow it from the offset."""
        events = await self._turns.events(tx, turn.id)
        stored = await self._history.message(tx, turn.conversation_id, turn.message_id)
        offset = events[-1][0] if events else 0
        place = RunningTurn(turn.id, turn.conversation_id, turn.message_id, offset)
        return place, journaled_reply(events, stored)

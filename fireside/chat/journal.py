"""The journal: streamed text and finished replies made durable by group commit.

One task collects what all running replies have said, and every `interval_s` writes it in a single
transaction. A reply's end is written together with its last events, and only then is the end shown
to anyone. While the database is away nothing is dropped: the events stay in memory and the next
commit takes them along.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import msgspec
import structlog
from sqlalchemy.exc import SQLAlchemyError

from fireside.chat.errors import DeclaredDead
from fireside.chat.log import TurnLog
from fireside.chat.ownership import Sole
from fireside.chat.repository import JournalEntry, TurnRepository
from fireside.conversation.event import Failure, StreamEvent, encode_event
from fireside.db.database import Database, Transaction
from fireside.errors import BackendFailed
from fireside.kit.clock import Clock

RETRY_S = 0.5

logger = structlog.get_logger(__name__)

CloseReply = Callable[[Transaction], Awaitable[None]]
"""Writes a finished reply inside the journal's transaction."""


class _Closing(msgspec.Struct):
    log: TurnLog
    event: StreamEvent | None  # None: the reply goes on elsewhere
    write: CloseReply
    done: anyio.Event
    was_dropped: bool = False


class Journal:
    """Group commit for running replies. `run` is its only writer."""

    def __init__(
        self,
        database: Database,
        repository: TurnRepository,
        clock: Clock,
        interval_s: float,
        owners: Sole | None = None,
    ) -> None:
        self._owners = owners or Sole()
        self._database = database
        self._repository = repository
        self._clock = clock
        self._interval_s = interval_s
        self._dirty: dict[str, TurnLog] = {}
        self._closings: list[_Closing] = []
        self._work = anyio.Event()
        self._urgent = anyio.Event()

    @property
    def lag_s(self) -> float:
        """Age of the oldest event that is not durable yet."""
        since = [log.dirty_since_s for log in self._dirty.values() if log.dirty_since_s is not None]
        return self._clock.monotonic_s() - min(since) if since else 0.0

    def note(self, log: TurnLog) -> None:
        """`log` has new events."""
        if log.dirty_since_s is None and not log.left:
            log.dirty_since_s = self._clock.monotonic_s()
            self._dirty[log.turn_id] = log
            self._work.set()

    async def close(self, log: TurnLog, event: StreamEvent, write: CloseReply) -> None:
        """Commit the reply's last events and `write` together, then show `event` to followers.

        Raises DeclaredDead when the turn belongs to another process by now.
        """
        await self._close(log, event, write)

    async def let_go(self, log: TurnLog, write: CloseReply) -> None:
        """Commit what has been said so far and `write` together; nothing more is said here.

        Raises DeclaredDead.
        """
        await self._close(log, None, write)

    def drop(self, log: TurnLog) -> None:
        """Forget what has not been written of a turn that belongs to another process now."""
        self._dirty.pop(log.turn_id, None)
        for closing in [each for each in self._closings if each.log is log]:
            self._closings.remove(closing)
            closing.was_dropped = True
            closing.done.set()

    async def _close(self, log: TurnLog, event: StreamEvent | None, write: CloseReply) -> None:
        if log.left:
            raise DeclaredDead
        closing = _Closing(log, event, write, anyio.Event())
        self._closings.append(closing)
        self._work.set()
        self._urgent.set()
        await closing.done.wait()
        if closing.was_dropped:
            raise DeclaredDead

    async def run(self) -> None:
        """Write until cancelled; then write once more what has been said."""
        try:
            while True:
                await self._work.wait()
                with anyio.move_on_after(self._interval_s):
                    await self._urgent.wait()
                self._work = anyio.Event()
                self._urgent = anyio.Event()
                await self._flush_or_retry()
        finally:
            with anyio.CancelScope(shield=True), anyio.move_on_after(5):
                await self._flush_or_retry()

    async def _flush_or_retry(self) -> None:
        while self._dirty or self._closings:
            try:
                await self._flush(list(self._dirty.values()), list(self._closings))
            except BackendFailed as error:
                logger.warning("journal_waits", code=error.code, num_replies=len(self._dirty))
                await anyio.sleep(RETRY_S)
            except DeclaredDead:
                self._drop_all()
            except SQLAlchemyError:
                await self._flush_singly()

    def _drop_all(self) -> None:
        """Everything belongs to other processes by now."""
        logger.warning("journal_fenced", num_replies=len(self._dirty))
        for log in [*self._dirty.values(), *(each.log for each in self._closings)]:
            log.leave()
            self.drop(log)

    async def _flush_singly(self) -> None:
        """One transaction a reply, so that one the database refuses does not hold up the others."""
        for log in list(self._dirty.values()):
            closings = [closing for closing in self._closings if closing.log is log]
            await self._flush_or_give_up([log], closings)
        for closing in list(self._closings):
            await self._flush_or_give_up([], [closing])

    async def _flush_or_give_up(self, logs: list[TurnLog], closings: list[_Closing]) -> None:
        try:
            await self._flush(logs, closings)
        except DeclaredDead:
            self._drop_all()
        except SQLAlchemyError as error:
            logger.exception("reply_refused_by_database", error=type(error).__name__)
            refused = Failure(
                "reply_not_stored",
                "The database refused to store this reply.",
                hint="Copy what you need, then try again; the operator finds the cause in the log.",
            )
            for closing in closings:
                closing.event = refused if closing.event is not None else None
            self._settle(logs, closings, {x.turn_id: len(x.frames) for x in logs})

    async def _flush(self, logs: list[TurnLog], closings: list[_Closing]) -> None:
        taken = {log.turn_id: len(log.frames) for log in logs}
        for closing in closings:
            taken[closing.log.turn_id] = len(closing.log.frames)
        entries = [
            _entry(log, taken[log.turn_id])
            for log in {log.turn_id: log for log in [*logs, *(c.log for c in closings)]}.values()
        ]
        last_frames = [
            JournalEntry(
                c.log.turn_id, c.log.base + taken[c.log.turn_id] + 1, (encode_event(c.event),)
            )
            for c in closings
            if c.event is not None
        ]
        async with self._database.write() as tx:
            await self._owners.fence(tx)
            await self._repository.add_events(
                tx, [entry for entry in [*entries, *last_frames] if entry.frames]
            )
            for closing in closings:
                await closing.write(tx)
        self._settle(logs, closings, taken)

    def _settle(self, logs: list[TurnLog], closings: list[_Closing], taken: dict[str, int]) -> None:
        for log in logs:
            log.num_journaled = taken[log.turn_id]
            log.dirty_since_s = None
            self._dirty.pop(log.turn_id, None)
            if len(log.frames) > log.num_journaled:
                self.note(log)
        for closing in closings:
            self._closings.remove(closing)
            if closing.event is not None:
                closing.log.append(closing.event)
                closing.log.num_journaled = len(closing.log.frames)
            self._dirty.pop(closing.log.turn_id, None)
            closing.done.set()


def _entry(log: TurnLog, until: int) -> JournalEntry:
    return JournalEntry(
        log.turn_id, log.base + log.num_journaled + 1, tuple(log.frames[log.num_journaled : until])
    )

"""What a process does about turns because there are others: live, take over, be told, leave.

`run` shows that this process lives and looks for replies that need another owner; a nudge from
another process only makes it look at once. `leave` hands every reply over before the process ends.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Literal

import anyio
import msgspec
import structlog

from fireside.chat.errors import DeclaredDead
from fireside.chat.journal import Journal
from fireside.chat.log import TurnLog
from fireside.chat.ownership import Sole
from fireside.chat.repository import StoredTurn, TurnRepository
from fireside.db.database import Transaction
from fireside.errors import BackendFailed, FiresideError
from fireside.kit.pubsub import Broker

NUDGES = "turns"
"""The broker's topic on which processes tell each other to look."""

HAND_OVER_S = 5.0

logger = structlog.get_logger(__name__)

TakeUp = Callable[[StoredTurn], Awaitable[None]]


class Wish(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a person wants of a reply, told to the process that writes it."""

    turn_id: str = ""
    kind: Literal["look", "stop", "later", "smaller_model"] = "look"
    model: str = ""


_LOOK = Wish()
_decode_wish = msgspec.json.Decoder(Wish).decode


class Running(msgspec.Struct):
    """A reply that this process writes, and how to make it stop doing so without an end."""

    log: TurnLog
    scope: anyio.CancelScope


class Sharing:
    """The turns of this process among those of others. `running` is kept by the turn service."""

    def __init__(
        self,
        owners: Sole,
        broker: Broker,
        journal: Journal,
        beat_s: float,
        take_up: TakeUp,
        grant: Callable[[TurnLog, Wish], None],
    ) -> None:
        self.owners = owners
        self.running: dict[str, Running] = {}
        self.is_leaving = False
        self._broker = broker
        self._journal = journal
        self._turns = TurnRepository()
        self._beat_s = beat_s
        self._take_up = take_up
        self._grant = grant
        self._nudged = anyio.Event()
        self._refused: set[str] = set()

    async def run(self) -> None:
        """Live among the others until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._listen)
            while True:
                with anyio.move_on_after(self._beat_s):
                    await self._nudged.wait()
                self._nudged = anyio.Event()
                try:
                    await self._live()
                except (BackendFailed, DeclaredDead) as error:
                    logger.warning("worker_cannot_beat", code=error.code)
                    await anyio.sleep(self._beat_s)

    async def _live(self) -> None:
        if not await self.owners.beat():
            self._lose_all()
            await self.owners.join()
        for turn_id in await self.owners.stops():
            if (found := self.running.get(turn_id)) is not None:
                found.log.scope.cancel()
        if not self.is_leaving:
            for turn in await self.owners.orphans():
                if turn.id not in self._refused:
                    await self._take_up_or_refuse(turn)

    async def _take_up_or_refuse(self, turn: StoredTurn) -> None:
        """A turn that cannot be taken up must not end those that run; a new start tries again."""
        try:
            await self._take_up(turn)
        except (BackendFailed, DeclaredDead):
            raise
        except FiresideError:
            logger.exception("turn_not_taken_up", turn_id=turn.id)
            self._refused.add(turn.id)

    async def _listen(self) -> None:
        with self._broker.subscribe(NUDGES, stays=True) as nudges:
            async for payload in nudges:
                wish = _LOOK if payload is None else _decode_wish(payload)
                found = self.running.get(wish.turn_id)
                if found is not None:
                    with suppress(FiresideError):  # it began meanwhile; who asked sees it go on
                        self._grant(found.log, wish)
                elif not wish.turn_id:
                    self._nudged.set()

    def tell(self, wish: Wish = _LOOK) -> None:
        """Tell every process; the one that is concerned acts."""
        self._broker.publish(NUDGES, msgspec.json.encode(wish))

    def _lose_all(self) -> None:
        """This process was taken for dead: its turns belong to others by now."""
        logger.warning("declared_dead", num_replies=len(self.running))
        for each in list(self.running.values()):
            each.log.leave()
            self._journal.drop(each.log)
            each.scope.cancel()

    async def leave(self) -> None:
        """Hand every running reply to another process, and send all readers there."""
        self.is_leaving = True
        async with anyio.create_task_group() as tasks:
            for each in list(self.running.values()):
                tasks.start_soon(self._hand_over, each)
        self.tell()
        self._broker.close()

    async def _hand_over(self, running: Running) -> None:
        log, worker_id = running.log, self.owners.worker_id
        running.scope.cancel()

        async def let_go(tx: Transaction) -> None:
            if worker_id is not None:
                await self._turns.let_go(tx, log.turn_id, worker_id)

        with anyio.move_on_after(HAND_OVER_S), suppress(DeclaredDead):
            await self._journal.let_go(log, let_go)
        log.leave()

"""Replies that another process left unfinished, taken up where its journal ends."""

from __future__ import annotations

from collections.abc import Callable

from fireside.chat.journal import Journal
from fireside.chat.log import TurnLog
from fireside.chat.opening import Target, TurnOpener
from fireside.chat.ownership import Sole
from fireside.chat.recovery import recovered_log
from fireside.chat.repository import StoredTurn, TurnRepository
from fireside.chat.runner import ReplyJob
from fireside.chat.settings import ChatSettings
from fireside.chat.turn import Resumption, resumption
from fireside.conversation.event import Finish
from fireside.conversation.message import FinishReason, Message
from fireside.db.database import Database, Transaction
from fireside.errors import BackendFailed, NotFound, UserError
from fireside.history.repository import HistoryRepository
from fireside.kit.clock import Clock


class Takeover:
    """Claims a turn and says how to go on with it. Two that try at once: one of them gets it."""

    def __init__(
        self,
        database: Database,
        history: HistoryRepository,
        opener: TurnOpener,
        journal: Journal,
        owners: Sole,
        clock: Clock,
        settings: ChatSettings,
    ) -> None:
        self._database = database
        self._history = history
        self._turns = TurnRepository()
        self._opener = opener
        self._journal = journal
        self._owners = owners
        self._clock = clock
        self._settings = settings

    async def left(self) -> list[StoredTurn]:
        """The turns that nobody writes, when this process starts."""
        if self._owners.is_shared:
            return await self._owners.orphans()
        async with self._database.read() as tx:
            return await self._turns.running(tx)

    async def take_up(
        self, turn: StoredTurn, target: Callable[[str | None], Target]
    ) -> tuple[TurnLog, ReplyJob | None] | None:
        """Own the turn from now on. None: another process did so first.

        The job is None when the reply has to stay as it is: then call `interrupt`.
        """
        async with self._database.write() as tx:
            await self._owners.fence(tx)
            if not await self._turns.take_up(tx, turn, self._owners.worker_id):
                return None
            events = await self._turns.events(tx, turn.id)
            stored = await self._history.message(tx, turn.conversation_id, turn.message_id)
            log = recovered_log(turn, events, stored)
            return log, await self._job_again(tx, turn, log.message(), target)

    async def interrupt(self, turn: StoredTurn, log: TurnLog) -> None:
        """Close a reply that nobody can go on with."""
        end = Finish(FinishReason.ABORT)
        final = log.message_ended_by(end)

        async def write(tx: Transaction) -> None:
            await self._history.update_message(tx, turn.conversation_id, turn.owner_id, final)
            await self._turns.end(tx, turn.id, self._clock.now(), None)

        await self._journal.close(log, end, write)

    async def _job_again(
        self,
        tx: Transaction,
        turn: StoredTurn,
        reply: Message,
        target: Callable[[str | None], Target],
    ) -> ReplyJob | None:
        """What is needed to go on with the reply; None when it has to stay as it is."""
        num_deaths = turn.attempts - turn.handovers
        decision = resumption(reply, num_deaths, self._settings.max_attempts)
        if decision is Resumption.INTERRUPT or turn.stop_asked_at is not None:
            return None
        try:
            return await self._opener.reopen(tx, turn, reply, self._found(reply.model, target))
        except NotFound:  # the conversation was deleted while its reply was written
            return None

    def _found(self, model: str | None, target: Callable[[str | None], Target]) -> Target:
        """The target of a reply that was begun; what is wrong with it now, its own run finds."""
        try:
            return target(model)
        except BackendFailed:  # no engine is left, or none is there yet
            return Target(model, None, self._settings.max_prompt_tokens)
        except UserError:  # the model is not served any more: take the default
            return Target(None, None, self._settings.max_prompt_tokens)

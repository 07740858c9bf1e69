"""Turns are owned by the server: started once, followed by anyone who may, stopped on request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import anyio
import msgspec
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskGroup, TaskStatus

from fireside.chat.errors import UnknownTurn
from fireside.chat.feed import Feed
from fireside.chat.journal import Journal
from fireside.chat.log import TurnLog
from fireside.chat.opening import OpenedTurn, Target, TurnOpener
from fireside.chat.recovery import follow_stored, recovered_log
from fireside.chat.repository import StoredTurn, TurnRepository
from fireside.chat.runner import ReplyJob, ReplyRunner
from fireside.chat.settings import ChatSettings
from fireside.chat.titling import TitleWriter
from fireside.chat.turn import Resumption, resumption
from fireside.chat.views import Continue, Regenerate, RunningTurn, Send, Temporary
from fireside.conversation.event import Finish, MessageStart
from fireside.conversation.message import (
    Author,
    ConversationId,
    FinishReason,
    Message,
    MessageId,
    Role,
    Status,
    UserId,
)
from fireside.conversation.tree import prompt_messages
from fireside.db.database import Database, Transaction
from fireside.engine.catalog import ModelCatalog
from fireside.errors import BackendFailed, NotFound, UserError
from fireside.history.repository import HistoryRepository
from fireside.kit.clock import Clock
from fireside.kit.ids import NewId

SWEEP_EVERY_S = 60.0
TEMPORARY_KEPT_S = 600.0


class StartedTurn(msgspec.Struct, frozen=True):
    """A turn as its caller sees it: where to follow it, and the messages it began with."""

    turn_id: str
    conversation_id: ConversationId | None
    reply: Message
    user_message: Message | None = None


@dataclass
class TurnService:
    """Runs every turn of this process in one task group, entered by `run`."""

    database: Database
    history: HistoryRepository
    turns: TurnRepository
    opener: TurnOpener
    runner: ReplyRunner
    journal: Journal
    titles: TitleWriter
    catalog: ModelCatalog
    feed: Feed
    clock: Clock
    new_id: NewId
    settings: ChatSettings
    _logs: dict[str, TurnLog] = field(default_factory=dict, init=False)
    _tasks: TaskGroup | None = field(default=None, init=False)

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Take up what a stopped process left, then run turns until cancelled.

        Reports as started once new turns are taken.
        """
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.journal.run)
            self._tasks = tasks
            try:
                await self._recover()
                task_status.started()
                while True:
                    await self._sweep()
                    await anyio.sleep(SWEEP_EVERY_S)
            finally:
                self._tasks = None

    @property
    def num_running(self) -> int:
        """Replies being written in this process."""
        return sum(not log.ended for log in self._logs.values())

    async def start(self, owner_id: UserId, ask: Send | Regenerate | Continue) -> StartedTurn:
        """Make the person's message durable and begin the reply.

        The same `request_id` again gives back the turn it started the first time. Raises as
        `TurnOpener.open` does, and UserError for an unknown model.
        """
        target = self._target(None if isinstance(ask, Continue) else ask.model)
        async with self.database.write() as tx:
            before = await self.turns.by_request(tx, owner_id, ask.request_id)
            if before is not None:
                return await self._started_before(tx, before)
            opened = await self.opener.open(tx, owner_id, ask, target)
        turn, reply = opened.turn, opened.reply
        log = TurnLog(turn.id, owner_id, turn.conversation_id, reply)
        log.append(MessageStart(reply))
        log.num_journaled = 1
        self._begin(log, opened)
        return StartedTurn(turn.id, turn.conversation_id, reply, opened.user_message)

    def start_temporary(self, owner_id: UserId, ask: Temporary) -> StartedTurn:
        """Answer messages that are stored nowhere; the reply lives in memory for a while."""
        target = self._target(ask.model)
        now = self.clock.now()
        reply = Message(
            id=MessageId(self.new_id()),
            author=Author(Role.ASSISTANT),
            parent_id=ask.messages[-1].id,
            status=Status.STREAMING,
            model=target.model,
            release=target.release,
            created_at=now,
        )
        log = TurnLog(self.new_id(), owner_id, None, reply)
        log.append(MessageStart(reply))
        job = ReplyJob(prompt_messages(ask.messages), self.settings.system_prompt, target.model)
        self._spawn(log, job, None)
        return StartedTurn(log.turn_id, None, reply)

    async def stop(self, owner_id: UserId, turn_id: str) -> None:
        """Stop writing the reply; what was said stays. Nothing happens if it has ended."""
        log = self._logs.get(turn_id)
        if log is None:
            await self._stored(owner_id, turn_id)
            return
        if log.owner_id != owner_id:
            raise UnknownTurn
        log.scope.cancel()

    async def follow(self, owner_id: UserId, turn_id: str, after: int) -> AsyncIterator[bytes]:
        """Server-sent events of a turn from number `after` + 1 on. Raises UnknownTurn."""
        log = self._logs.get(turn_id)
        if log is not None:
            if log.owner_id != owner_id:
                raise UnknownTurn
            return log.follow(after)
        turn = await self._stored(owner_id, turn_id)
        return follow_stored(self.database, self.turns, self.history, turn, after)

    def running(
        self, owner_id: UserId, conversation_id: ConversationId
    ) -> dict[MessageId, tuple[RunningTurn, Message]]:
        """Replies of a conversation that are being written, as they stand."""
        return {
            log.message_id: (
                RunningTurn(log.turn_id, conversation_id, log.message_id, log.offset),
                log.message(),
            )
            for log in self._logs.values()
            if log.conversation_id == conversation_id and log.owner_id == owner_id and not log.ended
        }

    def running_in(
        self, owner_id: UserId, conversation_ids: Collection[ConversationId]
    ) -> Mapping[ConversationId, list[str]]:
        """Turn ids by conversation of the owner's replies that are being written."""
        found: dict[ConversationId, list[str]] = {}
        for log in self._logs.values():
            if log.owner_id == owner_id and not log.ended and log.conversation_id is not None:
                found.setdefault(log.conversation_id, []).append(log.turn_id)
        return found

    def _target(self, model: str | None) -> Target:
        try:
            route = self.catalog.resolve(model)
        except BackendFailed as error:
            if not error.retryable:
                raise
            return Target(model, None, self.settings.max_prompt_tokens)
        window = min(route.model.context_tokens, self.settings.max_prompt_tokens)
        return Target(route.public_name, route.release, window)

    def _begin(self, log: TurnLog, opened: OpenedTurn) -> None:
        self._spawn(log, opened.job, opened.title_from)
        running = RunningTurn(log.turn_id, log.conversation_id, log.message_id, 0)
        self.feed.turn_began(log.owner_id, running)

    def _spawn(self, log: TurnLog, job: ReplyJob, title_from: str | None) -> None:
        if self._tasks is None:
            raise BackendFailed(
                "shutting_down", "The server is stopping.", hint="Try again.", retryable=True
            )
        self._logs[log.turn_id] = log
        self._tasks.start_soon(self._run_turn, log, job, title_from)

    async def _run_turn(self, log: TurnLog, job: ReplyJob, title_from: str | None) -> None:
        conversation_id = log.conversation_id
        if conversation_id is None:
            await self.runner.run(log, job, None)
            await anyio.sleep(TEMPORARY_KEPT_S)
            del self._logs[log.turn_id]
            return

        async def store(tx: Transaction, reply: Message, anchor: MessageId | None) -> None:
            await self.history.update_message(tx, conversation_id, log.owner_id, reply)
            await self.turns.end(tx, log.turn_id, self.clock.now(), anchor)

        await self.runner.run(log, job, store)
        self.feed.turn_ended(log.owner_id, log.turn_id, conversation_id)
        if title_from is not None and self.settings.titles:
            await self.titles.write(log.owner_id, conversation_id, title_from, log.message())
        await anyio.sleep(self.settings.keep_ended_s)
        del self._logs[log.turn_id]

    async def _stored(self, owner_id: UserId, turn_id: str) -> StoredTurn:
        async with self.database.read() as tx:
            turn = await self.turns.by_id(tx, turn_id)
        if turn is None or turn.owner_id != owner_id:
            raise UnknownTurn
        return turn

    async def _started_before(self, tx: Transaction, turn: StoredTurn) -> StartedTurn:
        reply = await self.history.message(tx, turn.conversation_id, turn.message_id)
        user_message = None
        if turn.user_message_id is not None:
            user_message = await self.history.message(
                tx, turn.conversation_id, turn.user_message_id
            )
        return StartedTurn(turn.id, turn.conversation_id, reply, user_message)

    async def _recover(self) -> None:
        async with self.database.read() as tx:
            unfinished = await self.turns.running(tx)
        for turn in unfinished:
            await self._take_up(turn)

    async def _take_up(self, turn: StoredTurn) -> None:
        async with self.database.write() as tx:
            events = await self.turns.events(tx, turn.id)
            stored = await self.history.message(tx, turn.conversation_id, turn.message_id)
            log = recovered_log(turn, events, stored)
            job = await self._job_again(tx, turn, log.message())
            await self.turns.count_attempt(tx, turn.id)
        self.journal.note(log)
        if job is not None:
            self._spawn(log, job, None)
        else:
            await self._interrupt(turn, log)

    async def _job_again(
        self, tx: Transaction, turn: StoredTurn, reply: Message
    ) -> ReplyJob | None:
        """What is needed to go on with the reply; None when it has to stay as it is."""
        decision = resumption(reply, turn.attempts, self.settings.max_attempts)
        if decision is Resumption.INTERRUPT:
            return None
        try:
            return await self.opener.reopen(tx, turn, reply, self._target_or_default(reply.model))
        except NotFound:  # the conversation was deleted while its reply was written
            return None

    def _target_or_default(self, model: str | None) -> Target:
        """The target of a reply that was begun; what is wrong with it now, its own run finds."""
        try:
            return self._target(model)
        except BackendFailed:  # no engine is left, or none is there yet
            return Target(model, None, self.settings.max_prompt_tokens)
        except UserError:  # the model is not served any more: take the default
            return Target(None, None, self.settings.max_prompt_tokens)

    async def _interrupt(self, turn: StoredTurn, log: TurnLog) -> None:
        end = Finish(FinishReason.ABORT)
        final = log.message_ended_by(end)

        async def write(tx: Transaction) -> None:
            await self.history.update_message(tx, turn.conversation_id, turn.owner_id, final)
            await self.turns.end(tx, turn.id, self.clock.now(), None)

        await self.journal.close(log, end, write)

    async def _sweep(self) -> None:
        before = self.clock.now() - timedelta(seconds=self.settings.journal_retention_s)
        async with self.database.write() as tx:
            await self.turns.sweep(tx, before)

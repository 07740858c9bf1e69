"""Turns are owned by the server: started once, followed by anyone who may, stopped on request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

import anyio
import msgspec
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskGroup, TaskStatus

from fireside.accounts.domain import Principal
from fireside.chat.errors import DeclaredDead, UnknownTurn
from fireside.chat.feed import Feed
from fireside.chat.journal import Journal
from fireside.chat.log import TurnLog
from fireside.chat.opening import OpenedTurn, Target, TurnOpener
from fireside.chat.ownership import Sole
from fireside.chat.ports import Relay
from fireside.chat.recovery import Stored, follow_stored
from fireside.chat.repository import StoredTurn, TurnRepository
from fireside.chat.runner import ReplyJob, ReplyRunner
from fireside.chat.settings import ChatSettings
from fireside.chat.sharing import Running, Sharing, Wish
from fireside.chat.takeover import Takeover
from fireside.chat.titling import TitleWriter
from fireside.chat.turn import TurnState
from fireside.chat.views import Continue, Regenerate, RunningTurn, Send, Temporary
from fireside.conversation.event import MessageStart
from fireside.conversation.message import (
    Author,
    ConversationId,
    Message,
    MessageId,
    Role,
    Status,
    UserId,
)
from fireside.conversation.tree import prompt_messages
from fireside.db.database import Database, ReadTransaction, Transaction
from fireside.engine.catalog import ModelCatalog
from fireside.errors import BackendFailed
from fireside.history.repository import HistoryRepository
from fireside.kit.clock import Clock
from fireside.kit.ids import NewId
from fireside.kit.pubsub import Broker

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
    owners: Sole = field(default_factory=Sole)
    relay: Relay | None = None
    broker: Broker = field(default_factory=Broker)
    _logs: dict[str, TurnLog] = field(default_factory=dict, init=False)
    _tasks: TaskGroup | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.stored = Stored(self.database, self.turns, self.history)
        self.takeover = Takeover(
            self.database,
            self.history,
            self.opener,
            self.journal,
            self.owners,
            self.clock,
            self.settings,
        )
        self.sharing = Sharing(
            self.owners,
            self.broker,
            self.journal,
            self.settings.owner_beat_s,
            self._take_up,
            self._grant,
        )

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Take up what a stopped process left, then run turns until cancelled.

        Reports as started once new turns are taken.
        """
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.journal.run)
                if self.relay is not None:
                    tasks.start_soon(self.relay.run)
                self._tasks = tasks
                await self.owners.join()
                for turn in await self.takeover.left():
                    await self._take_up(turn)
                if self.owners.is_shared:
                    tasks.start_soon(self.sharing.run)
                task_status.started()
                while True:
                    await self._sweep()
                    await anyio.sleep(SWEEP_EVERY_S)
        finally:
            self._tasks = None
            with anyio.CancelScope(shield=True), anyio.move_on_after(2), suppress(BackendFailed):
                await self.owners.leave()

    async def leave(self) -> None:
        """Hand every running reply to another process, and send all readers there.

        Replies of temporary chats are nowhere else: they stay until they end. Where there is no
        other process nothing happens.
        """
        if self.owners.is_shared:
            await self.sharing.leave()

    @property
    def num_running(self) -> int:
        """Replies being written in this process."""
        return sum(log.is_open for log in self._logs.values())

    async def start(self, owner_id: UserId, ask: Send | Regenerate | Continue) -> StartedTurn:
        """Make the person's message durable and begin the reply.

        The same `request_id` again gives back the turn it started the first time. Raises as
        `TurnOpener.open` does, and UserError for an unknown model.
        """
        target = self._target(None if isinstance(ask, Continue) else ask.model)
        worker_id = None if self.sharing.is_leaving else self.owners.worker_id
        async with self.database.write() as tx:
            before = await self.turns.by_request(tx, owner_id, ask.request_id)
            if before is not None:
                return await self._started_before(tx, before)
            opened = await self.opener.open(tx, owner_id, ask, target)
            if worker_id is not None:
                await self.turns.own(tx, opened.turn.id, worker_id)
        turn, reply = opened.turn, opened.reply
        log = TurnLog(turn.id, owner_id, turn.conversation_id, reply)
        log.append(MessageStart(reply))
        log.num_journaled = 1
        if self.owners.is_shared and (worker_id is None or worker_id != self.owners.worker_id):
            self.sharing.tell()  # this process has left meanwhile; another one begins
        else:
            self._begin(log, opened)
        return StartedTurn(turn.id, turn.conversation_id, reply, opened.user_message)

    def start_temporary(self, who: Principal, ask: Temporary) -> StartedTurn:
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
        log = TurnLog(self.new_id(), who.user_id, None, reply)
        log.append(MessageStart(reply))
        job = ReplyJob(
            prompt_messages(ask.messages),
            self.settings.system_prompt,
            target.model,
            plan=who.plan,
            role=who.role,
            network=who.network,
        )
        self._spawn(log, job, None)
        return StartedTurn(log.turn_id, None, reply)

    async def stop(self, owner_id: UserId, turn_id: str) -> None:
        """Stop writing the reply; what was said stays. Nothing happens if it has ended."""
        await self._wish(owner_id, Wish(turn_id, "stop"))

    async def choose(
        self, owner_id: UserId, turn_id: str, kind: Literal["later", "smaller_model"], model: str
    ) -> None:
        """What to do about a reply that waits for its turn. Raises Conflict when it does not, and
        UserError for a model that is not served."""
        await self._wish(owner_id, Wish(turn_id, kind, model))

    async def _wish(self, owner_id: UserId, wish: Wish) -> None:
        log = self._logs.get(wish.turn_id)
        if log is not None and not log.left:
            if log.owner_id != owner_id:
                raise UnknownTurn
            self._grant(log, wish)
            return
        try:
            turn = await self._stored(owner_id, wish.turn_id)
        except UnknownTurn:
            if await self._temporary_owner(wish.turn_id) != owner_id:
                raise
        else:
            if wish.kind == "stop" and turn.state is TurnState.RUNNING:
                async with self.database.write() as tx:
                    await self.turns.ask_to_stop(tx, turn.id, self.clock.now())
        self.sharing.tell(wish)

    async def follow(self, owner_id: UserId, turn_id: str, after: int) -> AsyncIterator[bytes]:
        """Server-sent events of a turn from number `after` + 1 on. Raises UnknownTurn."""
        log = self._logs.get(turn_id)
        if log is not None and not log.left:
            if log.owner_id != owner_id:
                raise UnknownTurn
            return log.follow(after)
        try:
            turn = await self._stored(owner_id, turn_id)
        except UnknownTurn:
            if self.relay is None or await self._temporary_owner(turn_id) != owner_id:
                raise
            return self.relay.follow_temporary(turn_id, after)
        return follow_stored(self.stored, turn, after, self.relay)

    async def _temporary_owner(self, turn_id: str) -> UserId | None:
        return None if self.relay is None else await self.relay.temporary_owner(turn_id)

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
            if log.conversation_id == conversation_id and log.owner_id == owner_id and log.is_open
        }

    async def running_elsewhere(
        self, tx: ReadTransaction, owner_id: UserId, conversation_id: ConversationId
    ) -> dict[MessageId, tuple[RunningTurn, Message]]:
        """As `running`, for what other processes write, as far as it is journaled."""
        if not self.owners.is_shared:
            return {}
        turns = await self.turns.running_in(tx, owner_id, [conversation_id])
        return {each.message_id: await self.stored.as_it_stands(tx, each) for each in turns}

    async def running_in(
        self,
        tx: ReadTransaction,
        owner_id: UserId,
        conversation_ids: Collection[ConversationId],
    ) -> Mapping[ConversationId, list[str]]:
        """Turn ids by conversation of the owner's replies that are being written."""
        found: dict[ConversationId, list[str]] = {}
        if self.owners.is_shared:
            for turn in await self.turns.running_in(tx, owner_id, conversation_ids):
                found.setdefault(turn.conversation_id, []).append(turn.id)
            return found
        for log in self._logs.values():
            if log.owner_id == owner_id and log.is_open and log.conversation_id is not None:
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
        if self.relay is not None and log.on_growth is None:
            self.relay.attach(log)
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

        self.sharing.running[log.turn_id] = Running(log, scope := anyio.CancelScope())
        with scope, suppress(DeclaredDead):
            await self.runner.run(log, job, store)
        del self.sharing.running[log.turn_id]
        if scope.cancelled_caught or log.left:
            self._logs.pop(log.turn_id, None)
            return
        self.feed.turn_ended(log.owner_id, log.turn_id, conversation_id)
        if title_from is not None and self.settings.titles:
            await self.titles.write(log.owner_id, conversation_id, title_from, log.message())
        await anyio.sleep(self.settings.keep_ended_s)
        self._logs.pop(log.turn_id, None)

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

    async def _take_up(self, turn: StoredTurn) -> None:
        taken = await self.takeover.take_up(turn, self._target)
        if taken is None:
            return
        log, job = taken
        self.journal.note(log)
        if job is not None:
            self._spawn(log, job, None)
        else:
            with suppress(DeclaredDead):
                await self.takeover.interrupt(turn, log)

    def _grant(self, log: TurnLog, wish: Wish) -> None:
        """Raises Conflict when the reply does not wait any more, and as the gate does."""
        match wish.kind:
            case "stop":
                log.scope.cancel()
            case "later":
                self.runner.queue.later(log.turn_id)
            case "smaller_model":
                self.runner.queue.ask_other(log.turn_id, wish.model)
            case "look":
                pass

    async def _sweep(self) -> None:
        before = self.clock.now() - timedelta(seconds=self.settings.journal_retention_s)
        async with self.database.write() as tx:
            await self.turns.sweep(tx, before)

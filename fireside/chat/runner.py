"""The shell of one reply: ask the engine, log what it says, close what it said.

No transaction is held while the engine speaks.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import anyio
import msgspec
import structlog

from fireside.accounts.domain import UserRole
from fireside.billing.domain import Feature, UsageEntry, UsageStatus
from fireside.billing.service import Meter
from fireside.capacity.allowance import Allowances
from fireside.capacity.customers import Customer, cluster_of, customer
from fireside.capacity.generation import GatedGeneration
from fireside.capacity.leases import Lease, Wanted
from fireside.capacity.service import Gate
from fireside.chat import degraded, prompting
from fireside.chat.errors import CannotContinue
from fireside.chat.journal import Journal
from fireside.chat.log import TurnLog
from fireside.chat.queueing import ReplyQueue
from fireside.chat.settings import ChatSettings
from fireside.conversation.event import Failure, Finish, StreamEvent, TextDelta, UsageReport
from fireside.conversation.message import FinishReason, Message, MessageId, Status, Usage
from fireside.conversation.placement import Placement, total_usage
from fireside.conversation.tree import AssistantSettings
from fireside.conversation.wire.plain import without_media
from fireside.db.database import Transaction
from fireside.engine.catalog import Route
from fireside.engine.errors import NoEngine
from fireside.engine.ports import Capability, ChatPrompt, GenerationRequest, Sampling
from fireside.errors import BackendFailed, FiresideError, UserError
from fireside.kit.clock import Clock

logger = structlog.get_logger(__name__)

CONTEXT_RETRIES = 3


class ReplyJob(msgspec.Struct, frozen=True):
    """What a reply needs: the path it answers, how to speak, and which model."""

    line: tuple[Message, ...]
    system: str
    model: str | None
    settings: AssistantSettings = AssistantSettings()
    anchor: MessageId | None = None
    plan: str = ""
    role: UserRole = UserRole.MEMBER
    network: str = ""
    engine_wait_s: float | None = (
        None  # how long an engine is waited for; None: as long as it takes
    )


_METERED_AS = {
    Status.COMPLETE: UsageStatus.COMPLETE,
    Status.INTERRUPTED: UsageStatus.ABORTED,
    Status.FAILED: UsageStatus.FAILED,
}

StoreReply = Callable[[Transaction, Message, MessageId | None], Awaitable[None]]
"""Writes the finished reply; the last argument is where its prompt began."""


class ReplyRunner:
    """Runs replies. `queue` knows those that wait for their turn."""

    def __init__(
        self,
        gate: Gate,
        allowances: Allowances,
        journal: Journal,
        meter: Meter,
        clock: Clock,
        settings: ChatSettings,
    ) -> None:
        self._gate = gate
        self._allowances = allowances
        self._journal = journal
        self._meter = meter
        self._clock = clock
        self._settings = settings
        self.queue = ReplyQueue(gate)

    async def run(self, log: TurnLog, job: ReplyJob, store: StoreReply | None) -> None:
        """Write the reply to its end. `store` None keeps it out of the database altogether.

        Returns when the end is durable and shown. When the server is stopped in the middle, the
        cancellation passes through and the reply stays as the journal has it.
        """
        reply = _Reply(log, job, self._clock, is_stored=store is not None)
        with log.scope, reply.deadline:
            end = await self._generate_or_fail(reply)
        if reply.deadline.cancelled_caught:
            end = Failure("turn_timeout", "The reply took too long and was stopped.")
        elif log.scope.cancelled_caught:
            end = Finish(FinishReason.ABORT)
        await self._close(reply, end, store)

    async def _generate_or_fail(self, reply: _Reply) -> StreamEvent:
        try:
            return await self._generate(reply)
        except FiresideError as error:
            logger.info("reply_failed", code=error.code, turn_id=reply.log.turn_id)
            return Failure(error.code, error.message, error.hint)
        except Exception:
            logger.exception("reply_broke", turn_id=reply.log.turn_id)
            return Failure(
                "internal_error",
                "Something broke while this reply was written.",
                hint="Try again; if it happens again, tell the operator.",
            )

    async def _generate(self, reply: _Reply) -> StreamEvent:
        for attempt in range(CONTEXT_RETRIES):
            try:
                return await self._stream(reply, attempt)
            except UserError as error:
                if error.code != "context_length_exceeded" or attempt == CONTEXT_RETRIES - 1:
                    raise
                # The estimate was too low for this text; show the model less.
        raise AssertionError

    async def _stream(self, reply: _Reply, attempt: int) -> StreamEvent:
        log, job = reply.log, reply.job
        policy, now_s = self._gate.policy, self._clock.now().timestamp()
        cluster = cluster_of(policy, log.owner_id, job.network, now_s) if job.network else ""
        asking = customer(policy, log.owner_id, job.plan, job.role, cluster)

        def build(lease: Lease, _begun: Message | None) -> GenerationRequest:
            reply.deadline.deadline = anyio.current_time() + self._settings.turn_timeout_s
            return reply.request(lease.route, attempt, self._settings)

        wanted = reply.wanted(asking, self._settings)
        most = wanted.prompt_tokens + (wanted.max_tokens or 0)
        allowance = await self._allowances.take(asking, most)
        run = GatedGeneration(
            self._gate,
            wanted,
            build,
            salt=asking.salt,
            resume=attempt > 0 or reply.is_begun,
            on_ticket=lambda ticket: self.queue.watch(log, ticket),
        )
        try:
            await self._admit(run, reply)
            return await self._relay(run, reply)
        finally:
            self.queue.done(reply.log)
            reply.ran(run)
            allowance.settle(reply.num_tokens_used)

    async def _relay(self, run: GatedGeneration, reply: _Reply) -> StreamEvent:
        """Log what the engine says; its last word."""
        log, journal = reply.log, self._journal
        placement = Placement(log.message().parts)
        async with aclosing(run.events()) as events:
            async for event in events:
                placed = reply.measured(placement.place(event))
                if isinstance(placed, Finish | Failure):
                    return placed
                if placed is not None:
                    log.append(placed)
                    if reply.is_stored:
                        journal.note(log)
        raise BackendFailed("stream_ended", "The model's answer broke off.", retryable=True)

    async def _admit(self, run: GatedGeneration, reply: _Reply) -> None:
        """Wait until the reply's turn has come."""
        with anyio.move_on_after(reply.job.engine_wait_s or math.inf) as waiting:
            await run.admit()
        if waiting.cancelled_caught:
            raise NoEngine("No engine came back in time.", hint="Try again in a moment.")
        self.queue.done(reply.log)

    async def _close(self, reply: _Reply, end: StreamEvent, store: StoreReply | None) -> None:
        log = reply.log
        if store is None:
            log.append(end)
        else:

            async def write(tx: Transaction) -> None:
                await store(tx, reply.final_message(end), reply.anchor)

            await self._journal.close(log, end, write)
        message = log.message()
        if reply.route is not None:
            self._record(reply, reply.route, message)

    def _record(self, reply: _Reply, route: Route, message: Message) -> None:
        usage = message.usage or Usage(completion_tokens=reply.num_tokens)
        self._meter.record(
            UsageEntry(
                user_id=reply.log.owner_id,
                model=route.public_name,
                release=route.release,
                engine=route.engine.name,
                feature=Feature.CHAT,
                usage=usage,
                at=self._clock.now(),
                status=_METERED_AS[message.status],
                engine_s=reply.engine_s,
                plan=reply.plan,
            )
        )


class _Reply:
    """One run's measurements and choices."""

    def __init__(self, log: TurnLog, job: ReplyJob, clock: Clock, *, is_stored: bool) -> None:
        self.log = log
        self.job = job
        self.is_stored = is_stored
        self.deadline = anyio.CancelScope()  # set when the engine begins: waiting does not count
        self.is_begun = bool(log.message().parts)
        self.route: Route | None = None
        self.engine_s = 0.0
        self.plan = ""
        self.anchor = job.anchor
        self.num_tokens = 0
        self.ttft_s: float | None = None
        self._clock = clock
        self._started_s = clock.monotonic_s()
        self._usage_before = log.message().usage

    def measured(self, event: StreamEvent | None) -> StreamEvent | None:
        """The event itself, counted; a usage report with the times as the person saw them."""
        if type(event) is TextDelta:
            if not self.num_tokens:
                self.ttft_s = self._clock.monotonic_s() - self._started_s
            self.num_tokens += 1
        elif isinstance(event, UsageReport):
            return UsageReport(self._usage(event.usage))
        return event

    def _usage(self, reported: Usage) -> Usage:
        now = msgspec.structs.replace(
            reported,
            ttft_ms=None if self.ttft_s is None else round(self.ttft_s * 1000, 1),
            inter_token_ms=self._inter_token_ms(),
        )
        return total_usage(self._usage_before, now)

    def _inter_token_ms(self) -> float | None:
        if self.ttft_s is None or self.num_tokens < 2:
            return None
        spent_s = self._clock.monotonic_s() - self._started_s - self.ttft_s
        return round(spent_s * 1000 / (self.num_tokens - 1), 2)

    def wanted(self, asking: Customer, settings: ChatSettings) -> Wanted:
        """What is asked of the gate."""
        job = self.job
        self.plan = asking.plan
        prompt = min(sum(map(prompting.estimate_tokens, job.line)), settings.max_prompt_tokens)
        return asking.wants(
            job.model,
            prompt_tokens=prompt,
            max_tokens=self._max_tokens(settings),
            prefix=self.log.conversation_id or "",
            durable=True,
        )

    def ran(self, run: GatedGeneration) -> None:
        """Take over what a run says of itself."""
        self.route = run.route or self.route
        self.engine_s += run.engine_s

    @property
    def num_tokens_used(self) -> int:
        """Prompt and reply together, as far as the engine told; its tokens, counted, else."""
        usage = self.log.message().usage
        return self.num_tokens if usage is None else usage.prompt_tokens + usage.completion_tokens

    def _max_tokens(self, settings: ChatSettings) -> int:
        asked = self.job.settings.max_tokens or settings.max_reply_tokens
        capped = degraded.max_tokens(self.log.message())
        return asked if capped is None else min(asked, capped)

    def request(self, route: Route, attempt: int, settings: ChatSettings) -> GenerationRequest:
        """The generation that writes, or goes on writing, this reply.

        Each further `attempt` shows the model half as much. Raises CannotContinue.
        """
        self.route = route
        if self.log.message().parts and Capability.CONTINUE not in route.model.capabilities:
            raise CannotContinue(route.public_name)
        job = self.job
        budget = _budget(route, settings.max_reply_tokens) >> attempt
        sees = Capability.VISION in route.model.capabilities
        line = [without_media(message, sees=sees) for message in job.line]
        window = prompting.build(line, job.system, budget, self.anchor)
        self.anchor = window.anchor
        begun = self.log.message()
        goes_on = bool(begun.parts)
        return GenerationRequest(
            model=route.model.name,
            prompt=ChatPrompt(
                (*window.messages, begun) if goes_on else window.messages, continue_final=goes_on
            ),
            sampling=Sampling(
                temperature=job.settings.temperature,
                top_p=job.settings.top_p,
                max_tokens=min(
                    self._max_tokens(settings), max(16, route.model.context_tokens // 2)
                ),
            ),
            request_id=self.log.turn_id,
        )

    def final_message(self, end: StreamEvent) -> Message:
        """The reply as it is stored: folded to its end, with what wrote it."""
        message = self.log.message_ended_by(end)
        if self.route is None:
            return message
        return msgspec.structs.replace(
            message,
            model=self.route.public_name,
            release=self.route.release,
            updated_at=self._clock.now(),
        )


def _budget(route: Route, max_reply_tokens: int) -> int:
    """Tokens for the prompt: the window less room for the reply, at most half of it."""
    context = route.model.context_tokens
    return context - min(max_reply_tokens, context // 2)

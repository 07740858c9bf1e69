"""The shell of one reply: ask the engine, log what it says, close what it said.

No transaction is held while the engine speaks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing

import anyio
import msgspec
import structlog

from fireside.billing.domain import Feature, UsageEntry, UsageStatus
from fireside.billing.service import Meter
from fireside.chat import prompting
from fireside.chat.errors import CannotContinue
from fireside.chat.journal import Journal
from fireside.chat.log import TurnLog
from fireside.chat.settings import ChatSettings
from fireside.conversation.event import Failure, Finish, StreamEvent, TextDelta, UsageReport
from fireside.conversation.message import FinishReason, Message, MessageId, Status, Usage
from fireside.conversation.placement import Placement, total_usage
from fireside.conversation.tree import AssistantSettings
from fireside.conversation.wire.plain import without_media
from fireside.db.database import Transaction
from fireside.engine.catalog import ModelCatalog, Route
from fireside.engine.ports import Capability, ChatPrompt, GenerationRequest, Sampling
from fireside.errors import BackendFailed, FiresideError, UserError
from fireside.kit.clock import Clock

logger = structlog.get_logger(__name__)

ENGINE_POLL_S = 0.1
CONTEXT_RETRIES = 3


class ReplyJob(msgspec.Struct, frozen=True):
    """What a reply needs: the path it answers, how to speak, and which model."""

    line: tuple[Message, ...]
    system: str
    model: str | None
    settings: AssistantSettings = AssistantSettings()
    anchor: MessageId | None = None
    engine_wait_s: float = 30.0


_METERED_AS = {
    Status.COMPLETE: UsageStatus.COMPLETE,
    Status.INTERRUPTED: UsageStatus.ABORTED,
    Status.FAILED: UsageStatus.FAILED,
}

StoreReply = Callable[[Transaction, Message, MessageId | None], Awaitable[None]]
"""Writes the finished reply; the last argument is where its prompt began."""


class ReplyRunner:
    """Runs replies; holds no state of its own between them."""

    def __init__(
        self,
        catalog: ModelCatalog,
        journal: Journal,
        meter: Meter,
        clock: Clock,
        settings: ChatSettings,
    ) -> None:
        self._catalog = catalog
        self._journal = journal
        self._meter = meter
        self._clock = clock
        self._settings = settings

    async def run(self, log: TurnLog, job: ReplyJob, store: StoreReply | None) -> None:
        """Write the reply to its end. `store` None keeps it out of the database altogether.

        Returns when the end is durable and shown. When the server is stopped in the middle, the
        cancellation passes through and the reply stays as the journal has it.
        """
        reply = _Reply(log, job, self._clock, is_stored=store is not None)
        with log.scope, anyio.move_on_after(self._settings.turn_timeout_s) as deadline:
            end = await self._generate_or_fail(reply)
        if deadline.cancelled_caught:
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
        reply.route = await self._route(reply.job)
        if reply.log.message().parts and Capability.CONTINUE not in reply.route.model.capabilities:
            raise CannotContinue(reply.route.public_name)
        budget = _budget(reply.route, self._settings.max_reply_tokens)
        for attempt in range(CONTEXT_RETRIES):
            try:
                return await self._stream(reply, reply.route, budget)
            except UserError as error:
                if error.code != "context_length_exceeded" or attempt == CONTEXT_RETRIES - 1:
                    raise
                budget //= 2  # the estimate was too low for this text; show the model less
        raise AssertionError

    async def _stream(self, reply: _Reply, route: Route, budget: int) -> StreamEvent:
        request = reply.request(route, budget, self._settings)
        log, journal = reply.log, self._journal
        placement = Placement(log.message().parts)
        async with aclosing(route.engine.generate(request)) as events:  # type: ignore[type-var]
            async for event in events:
                placed = placement.place(event)
                if type(placed) is TextDelta:
                    reply.count_token()
                elif isinstance(placed, Finish | Failure):
                    return placed
                elif isinstance(placed, UsageReport):
                    placed = UsageReport(reply.usage(placed.usage))
                if placed is not None:
                    log.append(placed)
                    if reply.is_stored:
                        journal.note(log)
        raise BackendFailed("stream_ended", "The model's answer broke off.", retryable=True)

    async def _route(self, job: ReplyJob) -> Route:
        """The engine to ask; waits for one that is only just starting."""
        with anyio.move_on_after(job.engine_wait_s):
            while True:
                try:
                    return self._catalog.resolve(job.model)
                except BackendFailed as error:
                    if not error.retryable:
                        raise
                    await anyio.sleep(ENGINE_POLL_S)
        return self._catalog.resolve(job.model)

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
            )
        )


class _Reply:
    """One run's measurements and choices."""

    def __init__(self, log: TurnLog, job: ReplyJob, clock: Clock, *, is_stored: bool) -> None:
        self.log = log
        self.job = job
        self.is_stored = is_stored
        self.route: Route | None = None
        self.anchor = job.anchor
        self.num_tokens = 0
        self.ttft_s: float | None = None
        self._clock = clock
        self._started_s = clock.monotonic_s()
        self._usage_before = log.message().usage

    def count_token(self) -> None:
        if not self.num_tokens:
            self.ttft_s = self._clock.monotonic_s() - self._started_s
        self.num_tokens += 1

    def usage(self, reported: Usage) -> Usage:
        """What the engine reported, with the times as the person saw them."""
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

    def request(self, route: Route, budget: int, settings: ChatSettings) -> GenerationRequest:
        """The generation that writes, or goes on writing, this reply."""
        job = self.job
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
                    job.settings.max_tokens or settings.max_reply_tokens,
                    max(16, route.model.context_tokens // 2),
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

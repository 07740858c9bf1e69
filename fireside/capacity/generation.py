"""One generation through the gate: it waits its turn, runs, and goes on elsewhere when its engine
dies, stalls or talks nonsense in the middle.

The reader sees one stream of events. What was said stands; the next engine is shown it as the
beginning of its own message and goes on from there. Where that cannot be right (a begun tool call,
an answer in a schema) the failure is the reader's to hear, unless nothing had been said yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import cast

import anyio
import msgspec
import structlog

from fireside.capacity.leases import Interruption, Lease, Ticket, Wanted
from fireside.capacity.policy import BANDS
from fireside.capacity.service import Gate
from fireside.conversation.event import (
    Finish,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    UsageReport,
)
from fireside.conversation.fold import fold
from fireside.conversation.message import (
    Author,
    FinishReason,
    Message,
    MessageId,
    Role,
    Status,
    Text,
    Usage,
)
from fireside.conversation.placement import Placement
from fireside.engine.catalog import Route
from fireside.engine.errors import EngineStalled
from fireside.engine.ports import Capability, GenerationRequest
from fireside.errors import BackendFailed, CapacityExhausted, UserError

logger = structlog.get_logger(__name__)

MAX_RUNS = 4
PAUSE_S = 0.25  # before a further failure of the same reply is tried again
PRIORITY_STEP = 10

BuildRequest = Callable[[Lease, Message | None], GenerationRequest]
"""The request for a lease's route; with a message, the one that goes on writing that."""


class GatedGeneration:
    """Iterate `events` once. `lease` is the present one, `route` the one that spoke last.

    `may_continue`: an engine may be asked to go on with what another has begun to say.
    `on_ticket` is told of every ticket, before it is waited for.
    """

    def __init__(
        self,
        gate: Gate,
        wanted: Wanted,
        build: BuildRequest,
        *,
        salt: str = "",
        resume: bool = False,
        may_continue: bool = True,
        on_ticket: Callable[[Ticket], None] | None = None,
    ) -> None:
        self._gate = gate
        self._wanted = wanted
        self._build = build
        self._salt = salt
        self._resume = resume
        self._on_ticket = on_ticket
        self._may_continue = may_continue
        self._failed: list[str] = []
        self._said: list[StreamEvent] = []
        self._num_deltas = 0
        self._usage: Usage | None = None
        self.lease: Lease | None = None
        self.route: Route | None = None
        self.engine_s = 0.0
        self.waited_s = 0.0

    @property
    def num_runs(self) -> int:
        """On how many engines it has run, failed ones included."""
        return len(self._failed) + 1

    async def admit(self) -> Lease:
        """Wait for the first lease. Raises CapacityExhausted, UserError, BackendFailed.

        `events` does this by itself; call it before to have a refusal before anything is sent.
        """
        if self.lease is None:
            ticket = self._gate.ask(self._wanted, resume=self._resume, avoid=self._failed)
            if self._on_ticket is not None:
                self._on_ticket(ticket)
            self.lease = await ticket.lease()
            self._wanted = ticket.wanted
            self.waited_s += self.lease.waited_s
            self.route = self.lease.route
        return self.lease

    async def events(self) -> AsyncGenerator[StreamEvent, None]:
        """The events of one message, whatever became of the engines on the way.

        Raises what engines raise: UserError before the first event, BackendFailed when no engine
        could go on; CapacityExhausted when the gate refuses or takes the slot back.
        """
        while True:
            lease = await self.admit()
            begun = self._begun()
            try:
                async with aclosing(self._run(lease, begun)) as events:
                    async for event in events:
                        yield event
                return
            except (BackendFailed, CapacityExhausted) as error:
                if isinstance(error, BackendFailed):
                    self._gate.suspect(lease)
                if not self._can_go_on(error):
                    raise
                logger.info(
                    "reply_goes_on_elsewhere", engine=lease.route.engine.name, code=error.code
                )
                self._failed.append(lease.route.engine.name)
                self._resume = self._begun() is not None
            finally:
                self._close(lease)
            await anyio.sleep(PAUSE_S * (len(self._failed) - 1))

    async def _run(self, lease: Lease, begun: Message | None) -> AsyncGenerator[StreamEvent, None]:
        request = self._prepared(lease, begun)
        place = Placement(begun.parts).place if begun is not None else None
        said = self._said
        lease.bind()
        source = cast(
            AsyncGenerator[StreamEvent, None], lease.route.engine.generate(request)
        )  # the port says so in words
        async with aclosing(source) as events:
            while True:
                event = await _next(events, lease)
                if event is None:
                    raise BackendFailed(
                        "stream_ended", "The model's answer broke off.", retryable=True
                    )
                if place is not None:
                    placed = place(event)
                    if placed is None:
                        continue
                    event = placed
                kind = type(event)
                if kind is TextDelta or kind is ToolCallDelta:
                    self._num_deltas += 1
                    if lease.num_tokens:
                        lease.num_tokens += 1
                    else:
                        lease.first_token()
                elif isinstance(event, UsageReport):
                    event = UsageReport(self._total(event.usage, begun))
                    self._usage = event.usage
                elif isinstance(event, Finish):
                    self._settle(lease, event)
                    yield event
                    return
                said.append(event)
                yield event

    def _settle(self, lease: Lease, end: Finish) -> None:
        usage = self._usage
        output = usage.completion_tokens if usage is not None else self._num_deltas
        if end.reason is not FinishReason.ABORT:
            self._gate.learn(self._wanted, output)
        if usage is not None and not self._failed:
            fresh = max(usage.prompt_tokens - usage.cached_tokens, 0)
            self._close(lease, fresh, usage.completion_tokens)

    def _close(
        self, lease: Lease, prompt_tokens: int | None = None, output_tokens: int | None = None
    ) -> None:
        if self.lease is lease:
            lease.close(prompt_tokens, output_tokens)
            self.engine_s += lease.engine_s
            self.lease = None

    def _prepared(self, lease: Lease, begun: Message | None) -> GenerationRequest:
        request = self._build(lease, begun)
        priority = PRIORITY_STEP * BANDS.index(self._wanted.band)
        if not priority and not self._salt:
            return request
        return msgspec.structs.replace(request, priority=priority, cache_salt=self._salt)

    def _begun(self) -> Message | None:
        """The reply so far, when a further engine has to go on with it."""
        if not self._said:
            return None
        skeleton = Message(
            id=MessageId("reply"),
            author=Author(Role.ASSISTANT),
            status=Status.STREAMING,
            usage=Usage(completion_tokens=self._num_deltas),
        )
        begun = fold(skeleton, self._said)
        return begun if begun.parts else None

    def _can_go_on(self, error: BackendFailed | CapacityExhausted) -> bool:
        """Whether another run can be right, and there is somewhere for it."""
        if isinstance(error, CapacityExhausted):
            is_passing = error.code == "engine_busy"  # an engine's own line, not the gate's word
        else:
            is_passing = error.retryable
        if not is_passing or self.num_runs >= MAX_RUNS or self._usage is not None:
            return False
        try:
            routes = self._gate.served(self._wanted).routes
        except (BackendFailed, UserError):
            return False
        begun = self._begun()
        tried = {*self._failed, self.route.engine.name if self.route is not None else ""}
        if begun is None:  # backends try their own engine again before the first token
            is_away = error.code == "engine_unreachable"  # it is waited for, not given up
            return (
                is_away or self._wanted.durable or any(r.engine.name not in tried for r in routes)
            )
        if not self._may_continue or not all(isinstance(part, Text) for part in begun.parts):
            return False
        # The same engine counts too: it may have been restarted by then. None at all is waited for.
        return not routes or any(Capability.CONTINUE in r.model.capabilities for r in routes)

    def _total(self, reported: Usage, begun: Message | None) -> Usage:
        """One bill for one reply: what a second engine read again is the house's affair."""
        if begun is None:
            return reported
        before = self._num_deltas - (self.lease.num_tokens if self.lease is not None else 0)
        return msgspec.structs.replace(
            reported,
            prompt_tokens=max(reported.prompt_tokens - before, 0),
            completion_tokens=reported.completion_tokens + before,
        )


async def _next(events: AsyncGenerator[StreamEvent, None], lease: Lease) -> StreamEvent | None:
    """The next event; None at the end. Raises for a lease that the gate has taken back."""
    if lease.interruption is None:
        lease.is_reading = True
        try:
            return await anext(events, None)
        except asyncio.CancelledError:
            if not lease.swallow():
                raise
        finally:
            lease.is_reading = False
    if lease.interruption is Interruption.STALLED:
        raise EngineStalled(lease.route.engine.name, 0)
    raise CapacityExhausted(
        "preempted",
        "This work gave way to somebody who is waiting.",
        hint="It is tried again when there is room.",
        retry_after_s=5.0,
    )

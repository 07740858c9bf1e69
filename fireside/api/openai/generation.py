"""Running the generations of one request: watched for a hang-up, metered, relayed.

This is the hot path of the API. Nothing here touches the database: the caller was identified from
memory and the meter writes in groups.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Protocol

import anyio
import msgspec
from litestar.types import Receive, Scope, Send

from fireside.accounts.domain import Principal
from fireside.api.errors import explain, log_failure
from fireside.api.metrics import Metrics
from fireside.api.openai.body import ClientGone
from fireside.api.openai.lengths import CHARS_PER_TOKEN, check_length, num_chars
from fireside.api.openai.tally import Tally
from fireside.api.openai.whole import Collected
from fireside.api.settings import ApiSettings
from fireside.billing.domain import Feature, UsageStatus
from fireside.billing.service import Meter
from fireside.capacity.allowance import Allowances
from fireside.capacity.customers import Customer, cluster_of, customer
from fireside.capacity.generation import GatedGeneration
from fireside.capacity.leases import Lease, Wanted
from fireside.capacity.service import Gate
from fireside.conversation.event import StreamEvent
from fireside.conversation.message import Message, Role, Usage
from fireside.engine.catalog import ModelCatalog, Route
from fireside.engine.ports import Capability, ChatPrompt, GenerationRequest, TextPrompt
from fireside.errors import BackendFailed
from fireside.kit import sse
from fireside.kit.clock import Clock
from fireside.kit.ids import NewId

PREFIX_CHARS = 2000
DEFAULT_MAX_TOKENS = 2048
"""Of a reply for which nobody asked for a length, where tokens have to be set aside."""


@dataclass(frozen=True)
class Gateway:
    """What the routes of the developer's API work with (the dependency `gateway`)."""

    settings: ApiSettings
    catalog: ModelCatalog
    meter: Meter
    metrics: Metrics
    clock: Clock
    new_id: NewId
    gate: Gate
    allowances: Allowances

    def customer(self, caller: Principal) -> Customer:
        """The caller as the gate sees them."""
        policy, now_s = self.gate.policy, self.clock.now().timestamp()
        cluster = (
            cluster_of(policy, caller.user_id, caller.network, now_s) if caller.network else ""
        )
        return customer(policy, caller.user_id, caller.plan, caller.role, cluster)

    async def route(
        self, model: str | None, caller: Principal, need: Capability = Capability.CHAT
    ) -> Route:
        """Where a model runs; waits for an engine that is away. Raises as the catalogue does."""
        try:
            return self.catalog.resolve(model, need)
        except BackendFailed as error:
            if not error.retryable:
                raise
        return await self.gate.route(model, need, self.customer(caller).rules.band)


class ChoiceFrames(Protocol):
    """Turns the events of one generation into stream frames."""

    def begin(self) -> bytes:
        """What comes before all else."""
        ...

    def feed(self, event: StreamEvent) -> bytes:
        """The frame for an event, or nothing."""
        ...

    def finish(self) -> bytes:
        """The last frame of this choice."""
        ...


class Frames(Protocol):
    """The frames of one streamed response."""

    def choice(self, index: int) -> ChoiceFrames:
        """Those of choice `index`."""
        ...

    def end(self, usage: Usage) -> bytes:
        """What follows the last choice."""
        ...


@dataclass(frozen=True)
class Work:
    """What one request asks for: `per_prompt` generations for each prompt. `headers` gets those
    that tell the caller's limits. `cache_key`: what the caller says requests with the same
    beginning have in common."""

    route: Route
    requests: list[GenerationRequest]
    per_prompt: int
    caller: Principal
    feature: Feature
    headers: dict[str, str]
    need: Capability = Capability.CHAT
    cache_key: str | None = None


class Generation:
    """The generations of one request, as one unit of work.

    Raises UserError when a prompt cannot fit into the model's context.
    """

    def __init__(self, gateway: Gateway, work: Work) -> None:
        for each in work.requests[:: work.per_prompt]:
            check_length(work.route, each)
        self._gateway = gateway
        self._work = work
        self._customer = gateway.customer(work.caller)
        is_bounded = bool(self._customer.rules.tokens_per_day)
        self._requests = [_bounded(x) for x in work.requests] if is_bounded else work.requests
        self._runs: list[GatedGeneration] = []
        self._tally = Tally(gateway.clock, self._requests, work.per_prompt)

    @property
    def usage(self) -> Usage:
        """What was used so far."""
        return self._tally.usage()

    async def collect(self, receive: Receive) -> list[Collected]:
        """Run to the end. Raises ClientGone when nobody waits for the answer any more."""
        collected = [Collected() for _ in self._requests]

        async def run(number: int) -> None:
            feed, see = collected[number].feed, self._tally.see
            async with aclosing(self._events(number)) as events:
                async for event in events:
                    see(number, event)
                    feed(event)

        await self._run_all(receive, run, None)
        return collected

    async def relay(self, scope: Scope, receive: Receive, send: Send, frames: Frames) -> None:
        """Stream to the client. Errors before the first frame are raised, later ones are sent."""
        response = _EventStream(send, self._gateway.settings.keep_alive_s)
        last = b""

        async def run(number: int) -> None:
            nonlocal last
            choice = frames.choice(number)
            feed, see = choice.feed, self._tally.see
            waiting = choice.begin()
            async with aclosing(self._events(number)) as events:
                async for event in events:
                    see(number, event)
                    if frame := feed(event):
                        await response.write(waiting + frame if waiting else frame)
                        waiting = b""
            last += waiting + choice.finish()

        try:
            await self._run_all(receive, run, response.keep_alive)
            await response.write(last + frames.end(self.usage), more=False)
        except ClientGone:
            return
        except Exception as error:  # the request's boundary once its answer has begun
            if not response.begun:
                raise
            reply = explain(error, self._gateway.clock.now())
            log_failure(error, reply, scope)
            await response.write(b"data: " + reply.encode() + b"\n\n", more=False)

    def _events(self, number: int) -> AsyncGenerator[StreamEvent, None]:
        request = self._requests[number]
        run = GatedGeneration(
            self._gateway.gate,
            self._wanted(request),
            partial(_request_for, request),
            salt=self._customer.salt,
            may_continue=_may_continue(request),
        )
        self._runs.append(run)
        return run.events()

    def _wanted(self, request: GenerationRequest) -> Wanted:
        return self._customer.wants(
            self._work.route.public_name,
            need=self._work.need,
            prompt_tokens=num_chars(request) // CHARS_PER_TOKEN,
            max_tokens=request.sampling.max_tokens,
            prefix=self._prefix(request),
            whole=request.whole,
        )

    def _prefix(self, request: GenerationRequest) -> str:
        """What an engine may have cached of the caller: the beginning of this conversation."""
        work = self._work
        routes = self._gateway.catalog.served(work.route.public_name, work.need).routes
        if len(routes) < 2:
            return ""
        beginning = work.cache_key or _beginning(request)
        digest = hashlib.blake2b(beginning.encode(errors="replace"), digest_size=12)
        return f"{work.caller.user_id} {digest.hexdigest()}"

    async def _run_all(self, receive: Receive, run: _Run, beside: _Beside | None) -> None:
        """Run all generations and meter them. Raises ClientGone when the client hangs up."""
        gateway = self._gateway
        status = UsageStatus.ABORTED
        allowance = await gateway.allowances.take(
            self._customer, sum(map(_most_tokens, self._requests)), self._work.headers
        )
        gateway.metrics.num_running += 1
        try:
            async with _HangUp(receive, beside):
                await self._side_by_side(run)
                status = UsageStatus.COMPLETE
        except ClientGone:
            raise
        except Exception:
            status = UsageStatus.FAILED
            raise
        finally:
            gateway.metrics.num_running -= 1
            self._tally.end()
            usage = self._tally.usage()
            allowance.settle(usage.prompt_tokens + usage.completion_tokens)
            if self._tally.anything_used:
                route = next((each.route for each in self._runs if each.route), self._work.route)
                entry = self._tally.entry(self._work.caller, route, self._work.feature, status)
                gateway.meter.record(
                    msgspec.structs.replace(
                        entry,
                        engine_s=sum(each.engine_s for each in self._runs),
                        plan=self._customer.plan,
                    )
                )

    async def _side_by_side(self, run: _Run) -> None:
        if len(self._requests) == 1:
            await run(0)
            return
        async with anyio.create_task_group() as group:
            for number in range(len(self._requests)):
                group.start_soon(run, number)


def _request_for(
    request: GenerationRequest, lease: Lease, begun: Message | None
) -> GenerationRequest:
    """The request as the lease's engine must see it."""
    model = lease.route.model.name
    if begun is None:
        return request if request.model == model else msgspec.structs.replace(request, model=model)
    prompt, said = request.prompt, begun.text()
    goes_on: ChatPrompt | TextPrompt
    if isinstance(prompt, ChatPrompt):
        goes_on = msgspec.structs.replace(
            prompt, messages=(*prompt.messages, begun), continue_final=True
        )
    else:
        goes_on = msgspec.structs.replace(prompt, text=prompt.text + said, echo=False)
    sampling = request.sampling
    if sampling.max_tokens is not None:
        num_said = begun.usage.completion_tokens if begun.usage is not None else 0
        left = max(1, sampling.max_tokens - num_said)
        sampling = msgspec.structs.replace(sampling, max_tokens=left)
    return msgspec.structs.replace(request, model=model, prompt=goes_on, sampling=sampling)


def _beginning(request: GenerationRequest) -> str:
    """Of the prompt: what later turns of the same conversation repeat, to the first question."""
    prompt = request.prompt
    if not isinstance(prompt, ChatPrompt):
        return prompt.text[:PREFIX_CHARS]
    said: list[str] = []
    for message in prompt.messages:
        said.append(message.text()[:PREFIX_CHARS])
        if message.author.role is Role.USER:
            break
    return "\n".join(said)


def _bounded(request: GenerationRequest) -> GenerationRequest:
    """The request with an end: a budget cannot hold tokens back for a reply without one."""
    if request.sampling.max_tokens is not None:
        return request
    sampling = msgspec.structs.replace(request.sampling, max_tokens=DEFAULT_MAX_TOKENS)
    return msgspec.structs.replace(request, sampling=sampling)


def _most_tokens(request: GenerationRequest) -> int:
    """What a request can take, prompt and reply together; the prompt is estimated."""
    reply = request.sampling.max_tokens
    return num_chars(request) // CHARS_PER_TOKEN + (DEFAULT_MAX_TOKENS if reply is None else reply)


def _may_continue(request: GenerationRequest) -> bool:
    """Whether another engine can go on in the middle: not inside a schema, a tool call, a gap."""
    prompt = request.prompt
    if isinstance(prompt, ChatPrompt):
        return prompt.response_format is None and not prompt.continue_final
    return prompt.suffix is None


_Run = Callable[[int], Coroutine[object, object, None]]
_Beside = Callable[[], Coroutine[object, object, None]]


class _EventStream:
    """A response of server-sent events, begun by its first frame."""

    def __init__(self, send: Send, keep_alive_s: float) -> None:
        self._send = send
        self._keep_alive_s = keep_alive_s
        self._num_frames = 0
        self.begun = False

    async def keep_alive(self) -> None:
        """Write a comment whenever nothing else was written for a while, so that no proxy gives up.

        A long prompt or a queue at the engine can take minutes. The response begins with the first
        comment, so an error after it is told in the stream.
        """
        while True:
            num_before = self._num_frames
            await anyio.sleep(self._keep_alive_s)
            if self._num_frames == num_before:
                await self.write(sse.COMMENT)

    async def write(self, frame: bytes, *, more: bool = True) -> None:
        """Send a frame; the last one with `more=False`."""
        self._num_frames += 1
        if not self.begun:
            self.begun = True
            await self._send({
                "type": "http.response.start",
                "status": 200,
                "headers": _STREAM_HEADERS,
            })
        await self._send({"type": "http.response.body", "body": frame, "more_body": more})


_STREAM_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx would hold tokens back
]


class _HangUp:
    """Stops its block with ClientGone when the client goes away; runs `beside` along with it.

    This is asyncio's task group because it costs 9 us where anyio's costs 56: a tenth of the time
    that a request may take here.
    """

    def __init__(self, receive: Receive, beside: _Beside | None) -> None:
        self._receive = receive
        self._beside = beside
        self._group = asyncio.TaskGroup()

    async def __aenter__(self) -> None:
        await self._group.__aenter__()
        self._tasks = [self._group.create_task(self._watch())]
        if self._beside is not None:
            self._tasks.append(self._group.create_task(self._beside()))

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        try:
            await self._group.__aexit__(kind, error, traceback)
        except BaseExceptionGroup as group:
            first = _innermost(group)
            raise first from first.__cause__

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        raise ClientGone


def _innermost(error: BaseException) -> BaseException:
    """The first error of nested groups: one request has one answer."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error

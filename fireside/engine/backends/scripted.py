"""An engine that says what it is told to: for tests and demonstrations, always the same.

Scripts are data (`decode_script` reads them from JSON). Without one it echoes what the person said.
A token is a word with the space behind it.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncGenerator
from typing import assert_never

import anyio
import anyio.lowlevel
import msgspec

from fireside.conversation.event import (
    Finish,
    PartEnd,
    PartStart,
    StreamEvent,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
    UsageReport,
)
from fireside.conversation.message import (
    FinishReason,
    Reasoning,
    Role,
    Text,
    ToolCall,
    Usage,
)
from fireside.engine.errors import ContextTooLong, EngineUnreachable, GarbledReply, ModelNotFound
from fireside.engine.ports import (
    Capability,
    Embeddings,
    EngineHealth,
    EngineModel,
    GenerationRequest,
    TextPrompt,
)
from fireside.errors import BackendFailed
from fireside.kit.hashing import sha256_hex

TOKEN = re.compile(r"\S+\s*|\s+")
EMBEDDING_LENGTH = 8
LOGPROB = -0.25


class Say(msgspec.Struct, frozen=True, tag="say"):
    """Text, token by token, each after `delay_s`."""

    text: str
    delay_s: float = 0.0


class Think(msgspec.Struct, frozen=True, tag="think"):
    """Reasoning, token by token."""

    text: str


class Call(msgspec.Struct, frozen=True, tag="call"):
    """A tool call."""

    name: str
    arguments: str = "{}"
    id: str = "call_1"


class Wait(msgspec.Struct, frozen=True, tag="wait"):
    """Silence that ends."""

    seconds: float


class Stall(msgspec.Struct, frozen=True, tag="stall"):
    """Silence that does not end; over HTTP the connection stays alive with comments."""


class Refuse(msgspec.Struct, frozen=True, tag="refuse"):
    """An error: a status before the first token over HTTP, an error object after it."""

    status: int = 500
    code: str = "failed"
    message: str = "The script says no."


class Garble(msgspec.Struct, frozen=True, tag="garble"):
    """Something that is not the protocol."""

    text: str = "data: {oops\n\n"


class HangUp(msgspec.Struct, frozen=True, tag="hang_up"):
    """The connection breaks."""


class End(msgspec.Struct, frozen=True, tag="end"):
    """An end other than the usual one after the last step."""

    reason: FinishReason


Step = Say | Think | Call | Wait | Stall | Refuse | Garble | HangUp | End
Script = tuple[Step, ...]

decode_script = msgspec.json.Decoder(Script).decode


class ScriptedEngine:
    """Plays scripts in the order they were queued, then `script`, else echoes.

    `requests` keeps every request, so that a test can look at what an engine was really asked.
    """

    def __init__(
        self,
        name: str = "scripted",
        *,
        models: tuple[str, ...] = ("scripted",),
        script: Script | None = None,
        context_tokens: int = 4096,
        token_delay_s: float = 0.0,
    ) -> None:
        self._name = name
        self._models = models
        self._script = script
        self._context_tokens = context_tokens
        self._token_delay_s = token_delay_s
        self._queued: deque[Script] = deque()
        self.requests: list[GenerationRequest] = []
        self.num_running = 0
        self.ok = True

    @property
    def name(self) -> str:
        return self._name

    def queue(self, *steps: Step) -> None:
        """Play these steps for the next request that has none yet."""
        self._queued.append(steps)

    def play(self, request: GenerationRequest) -> Script:
        """Take a request and say which steps answer it. Raises what the model would refuse."""
        self.requests.append(request)
        if request.model not in self._models:
            raise ModelNotFound(request.model)
        num_tokens = count_prompt(request)
        if num_tokens > self._context_tokens:
            raise ContextTooLong(num_tokens, self._context_tokens)
        if self._queued:
            return self._queued.popleft()
        return self._script or (Say(_echo(request), self._token_delay_s),)

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[StreamEvent, None]:
        """Stream one message; see the port."""
        self.num_running += 1
        try:
            performance = Performance(request)
            for step in self.play(request):
                match step:
                    case Wait(seconds=seconds):
                        await anyio.sleep(seconds)
                    case Stall():
                        await anyio.sleep_forever()
                    case Refuse():
                        raise BackendFailed(step.code, step.message, retryable=True)
                    case Garble():
                        raise GarbledReply(self._name, "sent something that is not a reply")
                    case HangUp():
                        raise EngineUnreachable(self._name, "hung up")
                    case Say() | Think() | Call() | End():
                        async for event in _paced(performance, step):
                            yield event
                    case _:
                        assert_never(step)
                if performance.ended:
                    break
            for event in performance.end():
                yield event
        finally:
            self.num_running -= 1

    async def embed(self, model: str, inputs: list[str]) -> Embeddings:
        """Vectors that depend on the text only."""
        await anyio.lowlevel.checkpoint()
        if model not in self._models:
            raise ModelNotFound(model)
        vectors = []
        for text in inputs:
            digest = bytes.fromhex(sha256_hex(text.encode()))
            vectors.append([byte / 255 for byte in digest[:EMBEDDING_LENGTH]])
        return Embeddings(vectors, sum(len(tokens_of(text)) for text in inputs))

    async def models(self) -> tuple[EngineModel, ...]:
        """The models it was made with; they can do everything."""
        await anyio.lowlevel.checkpoint()
        return tuple(
            EngineModel(name, self._context_tokens, frozenset(Capability), f"{name}@{self._name}")
            for name in self._models
        )

    async def health(self) -> EngineHealth:
        """As `ok` says."""
        await anyio.lowlevel.checkpoint()
        return EngineHealth(self.ok, "" if self.ok else "The script says that it is down.")

    async def aclose(self) -> None:
        """Nothing to release."""
        await anyio.lowlevel.checkpoint()


class Performance:
    """Turns the speaking steps of a script into events and keeps count."""

    def __init__(self, request: GenerationRequest) -> None:
        self._request = request
        self._index = -1
        self._num_tokens = 0
        self._open: type[Text] | type[Reasoning] | None = None
        self._reason: FinishReason | None = None
        self._started = False
        self.ended = False

    def speak(self, step: Say | Think | Call | End) -> list[StreamEvent]:
        """The events of one step; stops at the request's `max_tokens`."""
        events: list[StreamEvent] = []
        if not self._started:
            self._started = True
            prompt = self._request.prompt
            if isinstance(prompt, TextPrompt) and prompt.echo:
                self._write(events, Text, prompt.text)
        match step:
            case Say(text=text):
                self._say(events, Text, text)
            case Think(text=text):
                self._say(events, Reasoning, text)
            case Call():
                self._shut(events)
                self._index += 1
                self._num_tokens += 1
                self._reason = FinishReason.TOOL_CALLS
                events.append(PartStart(self._index, ToolCall(step.id, step.name)))
                events.append(ToolCallDelta(self._index, step.arguments))
                events.append(PartEnd(self._index))
            case End(reason=reason):
                self._reason, self.ended = reason, True
        return events

    def end(self) -> list[StreamEvent]:
        """The closing events."""
        events: list[StreamEvent] = []
        self._shut(events)
        usage = Usage(count_prompt(self._request), 0, self._num_tokens)
        return [*events, UsageReport(usage), Finish(self._reason or FinishReason.STOP)]

    def _say(
        self, events: list[StreamEvent], kind: type[Text] | type[Reasoning], text: str
    ) -> None:
        sampling = self._request.sampling
        for stop in sampling.stop:
            text = text.partition(stop)[0]
        for token in tokens_of(text):
            if sampling.max_tokens is not None and self._num_tokens >= sampling.max_tokens:
                self._reason, self.ended = FinishReason.LENGTH, True
                return
            self._num_tokens += 1
            self._write(events, kind, token)

    def _write(
        self, events: list[StreamEvent], kind: type[Text] | type[Reasoning], text: str
    ) -> None:
        if self._open is not kind:
            self._shut(events)
            self._index += 1
            self._open = kind
            events.append(PartStart(self._index, kind()))
        logprobs = (TokenLogprob(text, LOGPROB),) if self._request.sampling.logprobs else ()
        events.append(TextDelta(self._index, text, logprobs))

    def _shut(self, events: list[StreamEvent]) -> None:
        if self._open is not None:
            events.append(PartEnd(self._index))
            self._open = None


async def _paced(
    performance: Performance, step: Say | Think | Call | End
) -> AsyncGenerator[StreamEvent, None]:
    delay_s = step.delay_s if isinstance(step, Say) else 0.0
    for event in performance.speak(step):
        if isinstance(event, TextDelta):
            await anyio.sleep(delay_s)
        yield event


def tokens_of(text: str) -> list[str]:
    """The words of a text, each with the space behind it."""
    return TOKEN.findall(text)


def count_prompt(request: GenerationRequest) -> int:
    """The tokens of a prompt."""
    prompt = request.prompt
    if isinstance(prompt, TextPrompt):
        return len(tokens_of(prompt.text)) + len(tokens_of(prompt.suffix or ""))
    return sum(len(tokens_of(message.text())) for message in prompt.messages)


def _echo(request: GenerationRequest) -> str:
    """What the person said last; where a reply was begun, the rest of it."""
    prompt = request.prompt
    if isinstance(prompt, TextPrompt):
        return prompt.text
    said = [message for message in prompt.messages if message.author.role is Role.USER]
    text = said[-1].text() if said else ""
    begun = prompt.messages[-1].text() if prompt.continue_final else ""
    return text.removeprefix(begun)

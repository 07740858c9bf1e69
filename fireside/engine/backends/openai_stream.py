"""From the chunks of an OpenAI-compatible stream to stream events; pure, and the hot path.

One typed decoder reads a chunk; fields that nobody needs are skipped by the decoder and never
become Python objects.
"""

from __future__ import annotations

from collections.abc import Callable

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
from fireside.conversation.message import FinishReason, Reasoning, Text, ToolCall, Usage
from fireside.errors import BackendFailed
from fireside.kit.sse import Splitter

MAX_REPLY_BYTES = 32 * 1024 * 1024
MAX_TOOL_CALLS = 128


class _Wire(msgspec.Struct, frozen=True, gc=False):
    pass


class FunctionDelta(_Wire, frozen=True, gc=False):
    """A piece of a call: the name comes first, the arguments follow in pieces."""

    name: str | None = None
    arguments: str | None = None


class CallDelta(_Wire, frozen=True, gc=False):
    """A piece of the tool call at `index`."""

    index: int = 0
    id: str | None = None
    function: FunctionDelta | None = None


class Delta(_Wire, frozen=True, gc=False):
    """What a chat chunk adds. `reasoning` is newer servers' word for `reasoning_content`."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[CallDelta] | None = None


class TopLogprob(_Wire, frozen=True, gc=False):
    """An alternative token."""

    token: str = ""
    logprob: float = 0.0
    bytes: list[int] | None = None


class WireLogprob(_Wire, frozen=True, gc=False):
    """A token as chat streams describe it, and llama.cpp's text streams too."""

    token: str = ""
    logprob: float = 0.0
    bytes: list[int] | None = None
    top_logprobs: list[TopLogprob] | None = None


class Logprobs(_Wire, frozen=True, gc=False):
    """Both shapes: `content` of chat, parallel lists of the older text completions."""

    content: list[WireLogprob] | None = None
    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float] | None] | None = None


class Choice(_Wire, frozen=True, gc=False):
    """One of a chunk's choices; only the first is asked for and read."""

    delta: Delta | None = None
    message: Delta | None = None  # in a reply that is not a stream
    text: str | None = None
    finish_reason: str | None = None
    logprobs: Logprobs | None = None


class PromptDetails(_Wire, frozen=True, gc=False):
    """What of the prompt came out of the prefix cache."""

    cached_tokens: int | None = None


class WireUsage(_Wire, frozen=True, gc=False):
    """Token counts, once or in every chunk."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None


class Timings(_Wire, frozen=True, gc=False):
    """llama.cpp's own figures; its `prompt_n` leaves out what came from the cache."""

    cache_n: int = 0
    prompt_n: int = 0
    predicted_n: int = 0


class PromptProgress(_Wire, frozen=True, gc=False):
    """How far llama.cpp has read the prompt."""

    processed: int = 0


class WireError(_Wire, frozen=True, gc=False):
    """An error object, in a body or in mid-stream; numbers as llama.cpp gives them."""

    message: str = ""
    type: str | None = None
    code: str | int | None = None
    param: str | None = None
    n_prompt_tokens: int | None = None
    n_ctx: int | None = None


class Chunk(_Wire, frozen=True, gc=False):
    """One `data:` payload of a chat or text stream."""

    choices: list[Choice] = []
    usage: WireUsage | None = None
    timings: Timings | None = None
    prompt_progress: PromptProgress | None = None
    error: WireError | str | None = None


class InfillChunk(_Wire, frozen=True, gc=False):
    """One payload of llama.cpp's /infill stream; `stop` marks the last one."""

    content: str = ""
    stop: bool = False
    stop_type: str = ""
    timings: Timings | None = None
    prompt_progress: PromptProgress | None = None
    error: WireError | str | None = None


decode_chunk = msgspec.json.Decoder(Chunk).decode
decode_infill = msgspec.json.Decoder(InfillChunk).decode

FINISH_REASONS = {
    "stop": FinishReason.STOP,
    "eos": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "limit": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
    "abort": FinishReason.ABORT,
}
"""What servers say; anything else, such as the text of a stop sequence, is a stop."""


class StreamError(Exception):
    """The engine reported an error in mid-stream."""

    def __init__(self, error: WireError) -> None:
        super().__init__("error in mid-stream")
        self.error = error


UNREADABLE = (StreamError, BackendFailed, msgspec.DecodeError, ValueError, RecursionError)


class ChunkReader:
    """Turns the bytes of one reply into events; `end` gives those that close the message.

    What cannot be read is kept in `failure`, behind the events that came before it: StreamError for
    an error object, msgspec.DecodeError for what is no chunk, ValueError for one that cannot be.
    """

    def __init__(self, new_call_id: Callable[[], str], *, infill: bool = False) -> None:
        self._new_call_id = new_call_id
        self._take = self._take_infill if infill else self._take_chunk
        self._splitter = Splitter()
        self._index = -1
        self._open: type[Text] | type[Reasoning] | type[ToolCall] | None = None
        self._call: CallDelta | None = None  # the tool call being written
        self._num_calls = 0
        self._num_bytes = 0
        self._usage: WireUsage | None = None
        self._timings: Timings | None = None
        self.num_deltas = 0
        self.num_read = 0  # tokens of the prompt, where the engine tells
        self.finish_reason: FinishReason | None = None
        self.done = False  # the engine said [DONE]
        self.failure: Exception | None = None

    def feed(self, pieces: list[bytes]) -> list[StreamEvent]:
        """The events that `pieces` of the body, cut anywhere, complete."""
        events: list[StreamEvent] = []
        take = self._take
        try:
            for piece in pieces:
                for payload in self._splitter.feed(piece):
                    if payload == b"[DONE]":
                        self.done = True
                        return events
                    events += take(payload)
        except UNREADABLE as error:
            self.failure = error
        return events

    def feed_whole(self, pieces: list[bytes]) -> list[StreamEvent]:
        """The events of a reply that came as one JSON object; `pieces` are all of it."""
        self.done = True
        try:
            return self._take(b"".join(pieces))
        except UNREADABLE as error:
            self.failure = error
            return []

    def rest(self) -> bytes:
        """What has arrived of a frame that never ended."""
        return self._splitter.rest()

    def _take_chunk(self, payload: bytes) -> list[StreamEvent]:
        chunk = decode_chunk(payload)
        if chunk.error is not None:
            raise StreamError(as_error(chunk.error))
        if chunk.usage is not None:
            self._usage = chunk.usage
        if chunk.timings is not None:
            self._timings = chunk.timings
        if chunk.prompt_progress is not None:
            self.num_read = chunk.prompt_progress.processed
        if not chunk.choices:
            return []
        choice = chunk.choices[0]
        delta = choice.delta or choice.message
        text = choice.text if delta is None else delta.content
        if text and self._open is Text and choice.finish_reason is None:
            self._count(payload)
            logprobs = () if choice.logprobs is None else token_logprobs(choice.logprobs)
            return [TextDelta(self._index, text, logprobs)]
        return self._take_rest(choice, text, payload)

    def _take_infill(self, payload: bytes) -> list[StreamEvent]:
        chunk = decode_infill(payload)
        if chunk.error is not None:
            raise StreamError(as_error(chunk.error))
        if chunk.prompt_progress is not None:
            self.num_read = chunk.prompt_progress.processed
        events: list[StreamEvent] = []
        if chunk.content:
            self._write(events, Text, chunk.content)
            self._count(payload)
        if chunk.stop:
            self._timings = chunk.timings
            self.finish_reason = FINISH_REASONS.get(chunk.stop_type, FinishReason.STOP)
        return events

    def begin_text(self, text: str) -> StreamEvent:
        """Open the first part with `text`, which the engine will not repeat."""
        self._index, self._open = 0, Text
        return PartStart(0, Text(text))

    def end(self, ttft_ms: float | None, inter_token_ms: float | None) -> list[StreamEvent]:
        """The closing events; the reason is `stop` where the engine gave none."""
        events: list[StreamEvent] = []
        self._close(events)
        reason = self.finish_reason or FinishReason.STOP
        if self._num_calls and reason is FinishReason.STOP:
            reason = FinishReason.TOOL_CALLS  # some servers say "stop" after calls
        return [*events, UsageReport(self._total(ttft_ms, inter_token_ms)), Finish(reason)]

    def _total(self, ttft_ms: float | None, inter_token_ms: float | None) -> Usage:
        usage, timings = self._usage, self._timings
        prompt = cached = 0
        completion = self.num_deltas  # the best there is when the engine counts nothing
        if timings is not None:
            prompt, cached = timings.prompt_n + timings.cache_n, timings.cache_n
            completion = timings.predicted_n
        if usage is not None:
            prompt = usage.prompt_tokens or prompt
            completion = usage.completion_tokens or completion
            if usage.prompt_tokens_details is not None:
                cached = usage.prompt_tokens_details.cached_tokens or cached
        return Usage(prompt, cached, completion, ttft_ms, inter_token_ms)

    def _take_rest(self, choice: Choice, text: str | None, payload: bytes) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        delta = choice.delta or choice.message
        if delta is not None:
            if thought := delta.reasoning_content or delta.reasoning:
                self._write(events, Reasoning, thought)
            text = text or delta.refusal
        if text:
            self._write(events, Text, text, choice.logprobs)
        if delta is not None and delta.tool_calls:
            for call in delta.tool_calls:
                self._write_call(events, call)
        if events:
            self._count(payload)
        if choice.finish_reason:
            self.finish_reason = FINISH_REASONS.get(choice.finish_reason, FinishReason.STOP)
        return events

    def _count(self, payload: bytes) -> None:
        self.num_deltas += 1
        self._num_bytes += len(payload)
        if self._num_bytes > MAX_REPLY_BYTES:
            raise ValueError("reply too long")

    def _write(
        self,
        events: list[StreamEvent],
        kind: type[Text] | type[Reasoning],
        text: str,
        logprobs: Logprobs | None = None,
    ) -> None:
        if self._open is not kind:
            self._start(events, kind())
        tokens = () if logprobs is None else token_logprobs(logprobs)
        events.append(TextDelta(self._index, text, tokens))

    def _write_call(self, events: list[StreamEvent], delta: CallDelta) -> None:
        function = delta.function or FunctionDelta()
        current = self._call
        same = (
            current is not None
            and delta.index == current.index
            # Some servers number all their calls 0 and tell them apart by id only.
            and (not delta.id or not current.id or delta.id == current.id)
        )
        if not same:
            if not function.name:
                raise ValueError("a piece of a tool call that has not begun or is over")
            self._num_calls += 1
            if self._num_calls > MAX_TOOL_CALLS:
                raise ValueError("too many tool calls")
            self._call = delta
            self._start(events, ToolCall(delta.id or self._new_call_id(), function.name))
        if function.arguments:
            events.append(ToolCallDelta(self._index, function.arguments))

    def _start(self, events: list[StreamEvent], part: Text | Reasoning | ToolCall) -> None:
        self._close(events)
        self._index += 1
        self._open = type(part)
        if not isinstance(part, ToolCall):
            self._call = None
        events.append(PartStart(self._index, part))

    def _close(self, events: list[StreamEvent]) -> None:
        if self._open is not None:
            events.append(PartEnd(self._index))
            self._open = None


def token_logprobs(wire: Logprobs) -> tuple[TokenLogprob, ...]:
    """The tokens of either shape."""
    if wire.content:
        return tuple(
            TokenLogprob(
                each.token,
                each.logprob,
                each.bytes,
                tuple(
                    TokenLogprob(top.token, top.logprob, top.bytes)
                    for top in each.top_logprobs or ()
                ),
            )
            for each in wire.content
        )
    tokens, values = wire.tokens or [], wire.token_logprobs or []
    tops = wire.top_logprobs or [None] * len(tokens)
    return tuple(
        TokenLogprob(
            token,
            value if value is not None else 0.0,
            None,
            tuple(TokenLogprob(other, each) for other, each in (top or {}).items()),
        )
        for token, value, top in zip(tokens, values, tops, strict=False)
    )


def as_error(error: WireError | str) -> WireError:
    """An error object from either form servers send."""
    return WireError(message=error) if isinstance(error, str) else error

"""Response bodies: what a client of the original reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from fireside.conversation.event import TokenLogprob
from fireside.conversation.message import FinishReason, Usage
from fireside.errors import BackendFailed


class CachedOut(msgspec.Struct, frozen=True):
    """How much of the prompt the engine had seen before."""

    cached_tokens: int


class UsageOut(msgspec.Struct, frozen=True):
    """Tokens used by one request, all its choices together; the prompt counts once."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: CachedOut


class TopLogprobOut(msgspec.Struct, frozen=True):
    """One of the likeliest tokens at a place."""

    token: str
    logprob: float
    bytes: list[int] | None


class LogprobOut(msgspec.Struct, frozen=True):
    """A token that was drawn, and what else was likely."""

    token: str
    logprob: float
    bytes: list[int] | None
    top_logprobs: list[TopLogprobOut]


class LogprobsOut(msgspec.Struct, frozen=True):
    """Of a choice, or of one chunk of it."""

    content: list[LogprobOut]
    refusal: None = None


class FunctionOut(msgspec.Struct, frozen=True):
    """The function a call names; `arguments` is the JSON text as the model wrote it."""

    name: str
    arguments: str


class ToolCallOut(msgspec.Struct, frozen=True):
    """One call of a tool."""

    id: str
    function: FunctionOut
    type: Literal["function"] = "function"


class ChatMessageOut(msgspec.Struct, frozen=True):
    """What the model said. Without reasoning or calls their fields are absent."""

    content: str | None
    role: Literal["assistant"] = "assistant"
    refusal: None = None
    annotations: list[None] = []
    tool_calls: list[ToolCallOut] | msgspec.UnsetType = msgspec.UNSET
    reasoning_content: str | msgspec.UnsetType = msgspec.UNSET


class ChatChoiceOut(msgspec.Struct, frozen=True):
    """One of the `n` answers."""

    index: int
    message: ChatMessageOut
    logprobs: LogprobsOut | None
    finish_reason: str


class ChatCompletionOut(msgspec.Struct, frozen=True):
    """The response of POST /v1/chat/completions without `stream`."""

    id: str
    created: int
    model: str
    choices: list[ChatChoiceOut]
    usage: UsageOut
    system_fingerprint: str | None
    object: Literal["chat.completion"] = "chat.completion"


class TextLogprobsOut(msgspec.Struct, frozen=True):
    """Four lists of one length: tokens, their logprobs, the likeliest, where each begins."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]]
    text_offset: list[int]


class TextChoiceOut(msgspec.Struct, frozen=True):
    """One continuation."""

    index: int
    text: str
    logprobs: TextLogprobsOut | None
    finish_reason: str


class TextCompletionOut(msgspec.Struct, frozen=True):
    """The response of POST /v1/completions without `stream`."""

    id: str
    created: int
    model: str
    choices: list[TextChoiceOut]
    usage: UsageOut
    system_fingerprint: str | None
    object: Literal["text_completion"] = "text_completion"


def usage_out(usage: Usage) -> UsageOut:
    """The usage in the original's words."""
    return UsageOut(
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.prompt_tokens + usage.completion_tokens,
        CachedOut(usage.cached_tokens),
    )


def logprobs_out(logprobs: Sequence[TokenLogprob]) -> LogprobsOut:
    """Log probabilities of a chat completion."""
    return LogprobsOut([
        LogprobOut(
            each.token,
            each.logprob,
            each.bytes,
            [TopLogprobOut(top.token, top.logprob, top.bytes) for top in each.top_logprobs],
        )
        for each in logprobs
    ])


def text_logprobs_out(logprobs: Sequence[TokenLogprob], offset: int) -> TextLogprobsOut:
    """Log probabilities of a text completion, the first token at character `offset`."""
    offsets: list[int] = []
    for each in logprobs:
        offsets.append(offset)
        offset += len(each.token)
    return TextLogprobsOut(
        [each.token for each in logprobs],
        [each.logprob for each in logprobs],
        [{top.token: top.logprob for top in each.top_logprobs} for each in logprobs],
        offsets,
    )


def finish_word(reason: FinishReason | None) -> str:
    """The original's word. Raises BackendFailed when the engine gave up in mid-reply."""
    if reason is None or reason is FinishReason.ABORT:
        raise BackendFailed(
            "generation_aborted",
            "The engine stopped before the reply was complete.",
            hint="Send the request again.",
            retryable=True,
        )
    return reason.value

"""The engine port: run a model somewhere and stream what it says.

Failure policy: fail closed. A generation that cannot be run raises before its first event; one
that breaks afterwards raises BackendFailed in mid-stream, and what was said so far stands.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from fireside.conversation.event import StreamEvent
from fireside.conversation.message import Message


class Capability(StrEnum):
    """What a model on an engine can do, beyond answering a chat."""

    CHAT = "chat"
    COMPLETION = "completion"
    FILL_IN_THE_MIDDLE = "fill_in_the_middle"
    EMBEDDINGS = "embeddings"
    TOOLS = "tools"
    VISION = "vision"
    LOGPROBS = "logprobs"
    JSON_SCHEMA = "json_schema"
    CONTINUE = "continue"  # goes on writing an assistant message that was begun


class ToolSpec(msgspec.Struct, frozen=True):
    """A function the model may call; `parameters` is a JSON schema."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = {}
    strict: bool | None = None


class ToolChoice(StrEnum):
    """Whether the model may, must not or must call tools."""

    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"


class JsonObject(msgspec.Struct, frozen=True, tag="json_object"):
    """Answer with any JSON object."""


class JsonSchema(msgspec.Struct, frozen=True, tag="json_schema"):
    """Answer with JSON that fits `schema`."""

    name: str
    schema: dict[str, Any]
    strict: bool | None = None


ResponseFormat = JsonObject | JsonSchema


class Sampling(msgspec.Struct, frozen=True):
    """How tokens are drawn. None leaves the engine's default. Penalties are in [-2, 2]."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: Mapping[str, float] = {}
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    logprobs: bool = False
    top_logprobs: int | None = None


class ChatPrompt(msgspec.Struct, frozen=True):
    """A path through a conversation. `continue_final`: go on writing its last message."""

    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: ToolChoice | str = ToolChoice.AUTO  # a plain string names the one tool to call
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    continue_final: bool = False


class TextPrompt(msgspec.Struct, frozen=True):
    """A raw prefix to continue; with `suffix`, what is written must lead up to it."""

    text: str
    suffix: str | None = None
    echo: bool = False


class GenerationRequest(msgspec.Struct, frozen=True):
    """One run of one model. `model` is the engine's own name for it.

    `whole`: the caller reads only the finished message, so an engine may say it in a few large
    events, and should ask upstream without streaming where that is cheaper.

    `priority`: lower runs sooner, 0 is neutral. `cache_salt`: work kept from a prompt serves only
    prompts of the same salt; "" shares with all. An engine that has no such thing ignores them.
    """

    model: str
    prompt: ChatPrompt | TextPrompt
    sampling: Sampling = Sampling()
    request_id: str = ""
    whole: bool = False
    priority: int = 0
    cache_salt: str = ""


class EngineModel(msgspec.Struct, frozen=True):
    """A model that an engine serves. `release` identifies the exact weights, where known.

    `base`: the model of the same engine that this one is an adapter (LoRA) of; "" for a base.
    """

    name: str
    context_tokens: int
    capabilities: frozenset[Capability]
    release: str = ""
    base: str = ""


class Embeddings(msgspec.Struct, frozen=True):
    """Vectors in the order of the inputs; all of one length."""

    vectors: list[list[float]]
    prompt_tokens: int


class EngineHealth(msgspec.Struct, frozen=True):
    """Whether tokens can be expected; `detail` is one sentence for the operator."""

    ok: bool
    detail: str = ""


class EngineLoad(msgspec.Struct, frozen=True):
    """What an engine states about its own work; None where it states nothing.

    `slots`: sequences it decodes at once. `kv_used` and `prefix_hit_rate` are shares from 0 to 1;
    the hit rate is of the prompt tokens asked for since the look before, None when none were.
    """

    slots: int | None = None
    running: int | None = None
    waiting: int | None = None
    kv_used: float | None = None
    prefix_hit_rate: float | None = None


class Engine(Protocol):
    """A place where models run."""

    @property
    def name(self) -> str:
        """The engine's name in the catalogue, unique and stable."""
        ...

    def generate(self, request: GenerationRequest) -> AsyncIterator[StreamEvent]:
        """Stream one message: parts, usage, then `finish`; never `message_start`.

        An async generator. Closing it (`aclose`) or cancelling the task that iterates it stops the
        generation on the engine. Raises UserError (ContextTooLong and other refusals of the
        request) before the first event; BackendFailed before or between events.
        """
        ...

    async def embed(self, model: str, inputs: list[str]) -> Embeddings:
        """Vectors for `inputs`. Raises UserError when the model does not embed."""
        ...

    async def models(self) -> tuple[EngineModel, ...]:
        """What is served now. Raises BackendFailed when the engine does not answer."""
        ...

    async def health(self) -> EngineHealth:
        """A quick look, at most 2 s; never raises."""
        ...

    async def aclose(self) -> None:
        """Release connections and processes."""
        ...

"""From a generation request to the body that one flavour of server expects; pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from fireside.conversation.message import Role, ToolCall
from fireside.conversation.wire.openai_chat import emit
from fireside.engine.ports import (
    ChatPrompt,
    GenerationRequest,
    JsonObject,
    JsonSchema,
    ResponseFormat,
    Sampling,
    TextPrompt,
    ToolChoice,
    ToolSpec,
)
from fireside.errors import UserError


class Flavour(StrEnum):
    """Whose server it is, as far as it matters for what may be asked of it."""

    LLAMA_CPP = "llama_cpp"
    VLLM = "vllm"
    SGLANG = "sglang"
    OLLAMA = "ollama"
    OPENAI = "openai"  # the original: refuses fields it does not know
    GENERIC = "generic"


class StreamOptions(msgspec.Struct, frozen=True):
    """Ask for token counts at the end."""

    include_usage: bool = True


class WireFunction(msgspec.Struct, frozen=True, omit_defaults=True):
    """A function as the API describes it; `name` alone chooses it."""

    name: str
    description: str = ""
    parameters: dict[str, Any] | UnsetType = UNSET
    strict: bool | None = None


class WireTool(msgspec.Struct, frozen=True):
    """A tool offered, or the one tool that must be called."""

    function: WireFunction
    type: str = "function"


class WireSchema(msgspec.Struct, frozen=True, omit_defaults=True):
    """A named JSON schema."""

    name: str
    schema: dict[str, Any]
    strict: bool | None = None


class WireFormat(msgspec.Struct, frozen=True, omit_defaults=True):
    """The shape asked of the reply."""

    type: str
    json_schema: WireSchema | UnsetType = UNSET


class ChatBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """/v1/chat/completions. Unset fields are left out."""

    model: str
    stream: bool
    messages: list[dict[str, Any]]
    stream_options: StreamOptions | UnsetType = UNSET
    tools: list[WireTool] | UnsetType = UNSET
    tool_choice: str | WireTool | UnsetType = UNSET
    parallel_tool_calls: bool | UnsetType = UNSET
    response_format: WireFormat | UnsetType = UNSET
    continue_final_message: bool | UnsetType = UNSET
    add_generation_prompt: bool | UnsetType = UNSET
    return_progress: bool | UnsetType = UNSET
    logprobs: bool | UnsetType = UNSET
    top_logprobs: int | UnsetType = UNSET
    max_completion_tokens: int | UnsetType = UNSET
    max_tokens: int | UnsetType = UNSET
    temperature: float | UnsetType = UNSET
    top_p: float | UnsetType = UNSET
    top_k: int | UnsetType = UNSET
    min_p: float | UnsetType = UNSET
    presence_penalty: float | UnsetType = UNSET
    frequency_penalty: float | UnsetType = UNSET
    logit_bias: dict[str, float] | UnsetType = UNSET
    stop: list[str] | UnsetType = UNSET
    seed: int | UnsetType = UNSET
    priority: int | UnsetType = UNSET
    cache_salt: str | UnsetType = UNSET


class TextBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """/v1/completions."""

    model: str
    stream: bool
    prompt: str
    suffix: str | UnsetType = UNSET
    return_progress: bool | UnsetType = UNSET
    stream_options: StreamOptions | UnsetType = UNSET
    logprobs: int | UnsetType = UNSET
    max_tokens: int | UnsetType = UNSET
    temperature: float | UnsetType = UNSET
    top_p: float | UnsetType = UNSET
    top_k: int | UnsetType = UNSET
    min_p: float | UnsetType = UNSET
    presence_penalty: float | UnsetType = UNSET
    frequency_penalty: float | UnsetType = UNSET
    logit_bias: dict[str, float] | UnsetType = UNSET
    stop: list[str] | UnsetType = UNSET
    seed: int | UnsetType = UNSET
    priority: int | UnsetType = UNSET
    cache_salt: str | UnsetType = UNSET


class InfillBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """llama.cpp's /infill, which puts the model's own fill-in-the-middle tokens in place."""

    stream: bool
    input_prefix: str
    input_suffix: str
    return_progress: bool
    n_predict: int | UnsetType = UNSET
    temperature: float | UnsetType = UNSET
    top_p: float | UnsetType = UNSET
    top_k: int | UnsetType = UNSET
    min_p: float | UnsetType = UNSET
    presence_penalty: float | UnsetType = UNSET
    frequency_penalty: float | UnsetType = UNSET
    stop: list[str] | UnsetType = UNSET
    seed: int | UnsetType = UNSET


MAX_WHOLE_TOKENS = 1024
SLOWEST_TOKEN_S = 0.2

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode


class HttpCall(msgspec.Struct, frozen=True):
    """What to send. `at_root`: the path is not below /v1. `infill`: the answer is llama.cpp's.

    `whole`: it is not a stream. `extra_s`: how much longer than a first token the head may take.
    `ordered`: it names a priority, which a server may refuse.
    """

    path: str
    body: bytes
    at_root: bool = False
    infill: bool = False
    whole: bool = False
    extra_s: float = 0.0
    ordered: bool = False


def call_for(
    request: GenerationRequest, flavour: Flavour, *, takes_priority: bool = True
) -> HttpCall:
    """The HTTP call that runs `request`. Raises UserError when this flavour cannot express it."""
    prompt = request.prompt
    if request.priority and not (takes_priority and flavour is Flavour.VLLM):
        # SGLang has the field too, but by default the other way round: there higher runs sooner.
        request = msgspec.structs.replace(request, priority=0)
    if isinstance(prompt, TextPrompt) and prompt.suffix is not None:
        if flavour is Flavour.LLAMA_CPP:
            body = _infill(prompt.text, prompt.suffix, request.sampling)
            return HttpCall("/infill", _encode(body), at_root=True, infill=True)
    extra_s = _whole_extra_s(request, flavour)
    stream = extra_s is None
    if isinstance(prompt, ChatPrompt):
        path, encoded = "/chat/completions", _encode(_chat(request, prompt, flavour, stream))
    else:
        path, encoded = "/completions", _encode(_text(request, prompt, flavour, stream))
    ordered = request.priority != 0
    return HttpCall(path, encoded, whole=not stream, extra_s=extra_s or 0.0, ordered=ordered)


def _whole_extra_s(request: GenerationRequest, flavour: Flavour) -> float | None:
    """How much time a reply in one piece may take after its first token; None: stream it.

    A whole reply shows no tokens by which to tell that its engine is dead, so it must be bounded.
    llama.cpp always streams: it sees that its client left only when it writes.
    """
    max_tokens = request.sampling.max_tokens
    if not request.whole or max_tokens is None or flavour is Flavour.LLAMA_CPP:
        return None
    return max_tokens * SLOWEST_TOKEN_S if max_tokens <= MAX_WHOLE_TOKENS else None


def _chat(
    request: GenerationRequest, prompt: ChatPrompt, flavour: Flavour, stream: bool
) -> ChatBody:
    sampling = request.sampling
    continues = prompt.continue_final
    if continues:
        _check_continuable(prompt, flavour)
    original = flavour is Flavour.OPENAI
    by_flag = continues and flavour in {Flavour.VLLM, Flavour.SGLANG}
    max_tokens = _set(sampling.max_tokens)
    return ChatBody(
        model=request.model,
        stream=stream,
        messages=emit(prompt.messages),
        stream_options=StreamOptions() if stream else UNSET,
        tools=[_tool(each) for each in prompt.tools] if prompt.tools else UNSET,
        tool_choice=_tool_choice(prompt) if prompt.tools else UNSET,
        parallel_tool_calls=_set(prompt.parallel_tool_calls),
        response_format=_format(prompt.response_format),
        continue_final_message=True if by_flag else UNSET,
        add_generation_prompt=False if by_flag else UNSET,
        return_progress=_progress(flavour),
        logprobs=True if sampling.logprobs else UNSET,
        top_logprobs=_set(sampling.top_logprobs),
        max_completion_tokens=max_tokens if original else UNSET,
        max_tokens=UNSET if original else max_tokens,
        temperature=_set(sampling.temperature),
        top_p=_set(sampling.top_p),
        top_k=UNSET if original else _set(sampling.top_k),
        min_p=UNSET if original else _set(sampling.min_p),
        presence_penalty=_set(sampling.presence_penalty),
        frequency_penalty=_set(sampling.frequency_penalty),
        logit_bias=dict(sampling.logit_bias) if sampling.logit_bias else UNSET,
        stop=list(sampling.stop) if sampling.stop else UNSET,
        seed=_set(sampling.seed),
        priority=request.priority or UNSET,
        cache_salt=_salt(request, flavour),
    )


def _text(
    request: GenerationRequest, prompt: TextPrompt, flavour: Flavour, stream: bool
) -> TextBody:
    sampling = request.sampling
    original = flavour is Flavour.OPENAI
    wants_logprobs = sampling.logprobs or sampling.top_logprobs is not None
    return TextBody(
        model=request.model,
        stream=stream,
        prompt=prompt.text,
        suffix=_set(prompt.suffix),
        return_progress=_progress(flavour),
        stream_options=StreamOptions() if stream else UNSET,
        logprobs=(sampling.top_logprobs or 1) if wants_logprobs else UNSET,
        max_tokens=_set(sampling.max_tokens),
        temperature=_set(sampling.temperature),
        top_p=_set(sampling.top_p),
        top_k=UNSET if original else _set(sampling.top_k),
        min_p=UNSET if original else _set(sampling.min_p),
        presence_penalty=_set(sampling.presence_penalty),
        frequency_penalty=_set(sampling.frequency_penalty),
        logit_bias=dict(sampling.logit_bias) if sampling.logit_bias else UNSET,
        stop=list(sampling.stop) if sampling.stop else UNSET,
        seed=_set(sampling.seed),
        priority=request.priority or UNSET,
        cache_salt=_salt(request, flavour),
    )


def _infill(prefix: str, suffix: str, sampling: Sampling) -> InfillBody:
    return InfillBody(
        stream=True,
        input_prefix=prefix,
        input_suffix=suffix,
        return_progress=True,
        n_predict=_set(sampling.max_tokens),
        temperature=_set(sampling.temperature),
        top_p=_set(sampling.top_p),
        top_k=_set(sampling.top_k),
        min_p=_set(sampling.min_p),
        presence_penalty=_set(sampling.presence_penalty),
        frequency_penalty=_set(sampling.frequency_penalty),
        stop=list(sampling.stop) if sampling.stop else UNSET,
        seed=_set(sampling.seed),
    )


def _check_continuable(prompt: ChatPrompt, flavour: Flavour) -> None:
    if flavour is Flavour.OPENAI:
        raise _cannot_continue("This engine does not continue a reply that was begun.")
    last = prompt.messages[-1] if prompt.messages else None
    if last is None or last.author.role is not Role.ASSISTANT:
        raise _cannot_continue("Only an assistant's message can be continued.")
    if any(isinstance(part, ToolCall) for part in last.parts):
        raise _cannot_continue("A reply that has begun to call a tool cannot be continued.")


def _cannot_continue(message: str) -> UserError:
    return UserError("cannot_continue", message, hint="Ask for a new reply instead.")


def _tool(tool: ToolSpec) -> WireTool:
    return WireTool(WireFunction(tool.name, tool.description, tool.parameters, tool.strict))


def _tool_choice(prompt: ChatPrompt) -> str | WireTool | UnsetType:
    match prompt.tool_choice:
        case ToolChoice.AUTO:
            return UNSET
        case ToolChoice():
            return prompt.tool_choice.value
        case name:
            return WireTool(WireFunction(name))


def _format(wanted: ResponseFormat | None) -> WireFormat | UnsetType:
    match wanted:
        case None:
            return UNSET
        case JsonObject():
            return WireFormat("json_object")
        case JsonSchema(name=name, schema=schema, strict=strict):
            return WireFormat("json_schema", WireSchema(name, schema, strict))


def _progress(flavour: Flavour) -> bool | UnsetType:
    # llama.cpp notices that its client left only when it writes, and while it reads a prompt it
    # writes nothing but this.
    return True if flavour is Flavour.LLAMA_CPP else UNSET


def _salt(request: GenerationRequest, flavour: Flavour) -> str | UnsetType:
    salted = flavour in {Flavour.VLLM, Flavour.SGLANG}
    return request.cache_salt if salted and request.cache_salt else UNSET


def _set(value: T | None) -> T | UnsetType:
    return UNSET if value is None else value

"""What an OpenAI-compatible server says about its models; pure.

The original's listing holds names only; the others add what they please. Nothing is asked twice:
what a listing does not tell is guessed from whose server it is and from the model's name.
"""

from __future__ import annotations

import msgspec

from fireside.engine.backends.openai_request import Flavour
from fireside.engine.ports import Capability, EngineModel

MAX_MODELS = 1000
MAX_NAME_CHARS = 200


class _Meta(msgspec.Struct, frozen=True):
    n_ctx: int | None = None
    n_ctx_train: int | None = None


class _Architecture(msgspec.Struct, frozen=True):
    input_modalities: list[str] = []


class ListedModel(msgspec.Struct, frozen=True):
    """One model of /v1/models, with the words for its context window that are in use."""

    id: str
    owned_by: str | None = None
    max_model_len: int | None = None  # vLLM, SGLang
    context_length: int | None = None  # OpenRouter, Together
    context_window: int | None = None  # Groq
    max_context_length: int | None = None  # LM Studio, Mistral
    meta: _Meta | None = None  # llama.cpp
    architecture: _Architecture | None = None  # OpenRouter, llama.cpp
    type: str | None = None  # LM Studio, Together
    parent: str | None = None  # vLLM, SGLang: the model that an adapter belongs to


class Listing(msgspec.Struct, frozen=True):
    """The body of /v1/models."""

    data: list[ListedModel] = []


class TemplateCaps(msgspec.Struct, frozen=True):
    """What llama.cpp found the model's chat template to be able to say."""

    supports_tools: bool = False


class Props(msgspec.Struct, frozen=True):
    """The part of llama.cpp's /props that matters here."""

    chat_template_caps: TemplateCaps = TemplateCaps()
    fills_in_the_middle: bool = False  # ours: llama.cpp does not tell, it is tried once


decode_listing = msgspec.json.Decoder(Listing).decode
decode_props = msgspec.json.Decoder(Props).decode

_FLAVOUR_BY_OWNER = {
    "llamacpp": Flavour.LLAMA_CPP,
    "vllm": Flavour.VLLM,
    "sglang": Flavour.SGLANG,
    "library": Flavour.OLLAMA,
    "openai": Flavour.OPENAI,
    "openai-internal": Flavour.OPENAI,
    "system": Flavour.OPENAI,
}

_BASE = frozenset({Capability.CHAT, Capability.COMPLETION, Capability.CONTINUE})
_FULL = frozenset({Capability.LOGPROBS, Capability.JSON_SCHEMA, Capability.TOOLS})
_CAPABILITIES = {
    Flavour.LLAMA_CPP: _BASE | {Capability.LOGPROBS, Capability.JSON_SCHEMA},
    Flavour.VLLM: _BASE | _FULL,
    Flavour.SGLANG: _BASE | _FULL,
    Flavour.OLLAMA: _BASE
    | {Capability.JSON_SCHEMA, Capability.TOOLS, Capability.FILL_IN_THE_MIDDLE},
    Flavour.OPENAI: _FULL | {Capability.CHAT, Capability.VISION},
    Flavour.GENERIC: _FULL
    | {Capability.CHAT, Capability.COMPLETION, Capability.FILL_IN_THE_MIDDLE},
}

_NOT_FOR_TEXT = ("whisper", "tts-", "dall-e", "gpt-image", "sora", "moderation", "rerank")
_EMBEDDING = ("embed", "bge-", "e5-", "gte-", "minilm")


def flavour_of(listing: Listing) -> Flavour:
    """Whose server wrote this listing."""
    for model in listing.data:
        if flavour := _FLAVOUR_BY_OWNER.get((model.owned_by or "").lower()):
            return flavour
    return Flavour.GENERIC


def models_of(
    listing: Listing, flavour: Flavour, unknown_context_tokens: int, props: Props | None = None
) -> tuple[EngineModel, ...]:
    """The listed models that make text or vectors."""
    models = []
    by_name = {each.id: each for each in listing.data[:MAX_MODELS]}
    for listed in by_name.values():
        name = listed.id.lower()
        if not 0 < len(name) <= MAX_NAME_CHARS or any(word in name for word in _NOT_FOR_TEXT):
            continue
        base = by_name.get(listed.parent or "")
        # An adapter has its base's window, and is said to have none.
        told = _context_tokens(listed) or (_context_tokens(base) if base is not None else None)
        models.append(
            EngineModel(
                name=listed.id,
                context_tokens=told or unknown_context_tokens,
                capabilities=_capabilities(listed, name, flavour, props),
                base=base.id if base is not None and base is not listed else "",
            )
        )
    return tuple(models)


def _context_tokens(listed: ListedModel) -> int | None:
    meta = listed.meta or _Meta()
    told = (
        listed.max_model_len,
        listed.context_length,
        listed.context_window,
        listed.max_context_length,
        meta.n_ctx,
        meta.n_ctx_train,
    )
    return next((tokens for tokens in told if tokens and tokens > 0), None)


def _capabilities(
    listed: ListedModel, name: str, flavour: Flavour, props: Props | None
) -> frozenset[Capability]:
    if listed.type in {"embedding", "embeddings"} or any(word in name for word in _EMBEDDING):
        return frozenset({Capability.EMBEDDINGS})
    found = _CAPABILITIES[flavour]
    if listed.architecture is not None and "image" in listed.architecture.input_modalities:
        found |= {Capability.VISION}
    if props is not None and props.chat_template_caps.supports_tools:
        found |= {Capability.TOOLS}
    if props is not None and props.fills_in_the_middle:
        found |= {Capability.FILL_IN_THE_MIDDLE}
    return found

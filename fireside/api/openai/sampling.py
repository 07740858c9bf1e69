"""Request fields that chat and text completions share, and the checks between them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from fireside.engine.catalog import Route
from fireside.engine.errors import MissingCapability
from fireside.engine.ports import Capability, Sampling
from fireside.errors import UserError

MAX_CHOICES = 8
MAX_STOP = 4

Penalty = Annotated[float, Meta(ge=-2, le=2)]
TokenId = Annotated[str, Meta(pattern=r"^[0-9]{1,10}$")]
Bias = Annotated[float, Meta(ge=-100, le=100)]
Count = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Seed = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1 - MAX_CHOICES)]  # 64 bits, also + n


class StreamOptionsIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`include_obfuscation` is accepted and does nothing."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class GenerationIn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What both kinds of completion take. None means: the engine's default."""

    model: Annotated[str, Meta(max_length=200)]
    stream: bool | None = None
    stream_options: StreamOptionsIn | None = None
    n: Annotated[int, Meta(ge=1, le=MAX_CHOICES)] | None = None
    max_tokens: Count | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=-1, le=2**31 - 1)] | None = None
    min_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    logit_bias: dict[TokenId, Bias] | None = None
    stop: str | list[str] | None = None
    seed: Seed | None = None
    user: str | None = None  # accepted and not used

    @property
    def include_usage(self) -> bool:
        """Whether a stream ends with a chunk that tells the usage. Raises UserError."""
        if self.stream_options is None:
            return False
        if not self.stream:
            raise UserError(
                "invalid_value",
                "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
                param="stream_options",
            )
        return bool(self.stream_options.include_usage)

    def sampling(
        self, max_tokens: int | None, logprobs: bool, top_logprobs: int | None
    ) -> Sampling:
        """How the engine is to draw tokens. Raises UserError for a bad `stop`."""
        return Sampling(
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            min_p=self.min_p,
            presence_penalty=self.presence_penalty,
            frequency_penalty=self.frequency_penalty,
            logit_bias=self.logit_bias or {},
            max_tokens=max_tokens,
            stop=_stops(self.stop),
            seed=self.seed,
            logprobs=logprobs,
            top_logprobs=top_logprobs,
        )


def _stops(stop: str | list[str] | None) -> tuple[str, ...]:
    if stop is None:
        return ()
    stops = (stop,) if isinstance(stop, str) else tuple(stop)
    if len(stops) > MAX_STOP:
        raise UserError(
            "array_above_max_length",
            f"Invalid 'stop': at most {MAX_STOP} sequences are allowed, you gave {len(stops)}.",
            param="stop",
        )
    if not all(stops):
        raise UserError(
            "invalid_value", "Invalid 'stop': a stop sequence must not be empty.", param="stop"
        )
    return stops


def for_choice(sampling: Sampling, number: int) -> Sampling:
    """The sampling of choice `number`: a seed that was asked for goes up by one each time."""
    if sampling.seed is None or number == 0:
        return sampling
    return msgspec.structs.replace(sampling, seed=sampling.seed + number)


_WORDS = {
    Capability.CHAT: "chat",
    Capability.COMPLETION: "raw text completion",
    Capability.FILL_IN_THE_MIDDLE: "filling in the middle",
    Capability.EMBEDDINGS: "embeddings",
    Capability.TOOLS: "tools",
    Capability.VISION: "pictures",
    Capability.LOGPROBS: "log probabilities",
    Capability.JSON_SCHEMA: "a JSON response format",
    Capability.CONTINUE: "continuing a message",
}


def require(route: Route, capability: Capability, param: str) -> None:
    """Raise MissingCapability naming `param` unless the model can do what it asks for."""
    if capability not in route.model.capabilities:
        raise MissingCapability(
            route.public_name,
            _WORDS[capability],
            hint=f"Leave out '{param}', or choose another model: GET /v1/models lists them.",
            param=param,
        )

"""POST /v1/completions: the request."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from fireside.api.openai.sampling import GenerationIn, require
from fireside.engine.catalog import Route
from fireside.engine.ports import Capability, GenerationRequest, TextPrompt
from fireside.errors import UserError

DEFAULT_MAX_TOKENS = 16  # the original's
MAX_GENERATIONS = 64


class TextCompletionIn(GenerationIn, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of the request. Unknown fields are refused by name.

    Prompts are text; token ids are refused, because ids of one tokenizer mean nothing to another.
    """

    prompt: str | list[str | int | list[int]]
    suffix: str | None = None
    echo: bool | None = None
    logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    best_of: Annotated[int, Meta(ge=1)] | None = None

    def to_generations(self, route: Route, request_id: str) -> list[GenerationRequest]:
        """One request for each prompt. Raises UserError when this model cannot serve them."""
        require(route, Capability.COMPLETION, "model")
        if self.suffix:
            require(route, Capability.FILL_IN_THE_MIDDLE, "suffix")
        if self.logprobs is not None:
            require(route, Capability.LOGPROBS, "logprobs")
        self._check_combinations()
        max_tokens = DEFAULT_MAX_TOKENS if self.max_tokens is None else self.max_tokens
        sampling = self.sampling(max_tokens, self.logprobs is not None, self.logprobs)
        return [
            GenerationRequest(
                route.model.name,
                TextPrompt(text, suffix=self.suffix or None, echo=bool(self.echo)),
                sampling,
                request_id=request_id,
                whole=not self.stream,
            )
            for text in self._texts()
        ]

    def _check_combinations(self) -> None:
        if self.echo and self.suffix:
            raise _not_together("echo", "suffix")
        if self.echo and self.logprobs is not None:
            raise _not_together("echo", "logprobs")
        if self.best_of is not None and self.best_of != (self.n or 1):
            raise UserError(
                "invalid_value",
                "Invalid 'best_of': choosing among more completions than are returned is not "
                "supported.",
                hint="Leave it out, or set it to the value of 'n'.",
                param="best_of",
            )

    def _texts(self) -> list[str]:
        prompts = [self.prompt] if isinstance(self.prompt, str) else self.prompt
        if not prompts:
            raise UserError(
                "empty_array",
                "Invalid 'prompt': empty array. Expected at least one prompt.",
                param="prompt",
            )
        texts = [prompt for prompt in prompts if isinstance(prompt, str)]
        if len(texts) != len(prompts):
            raise UserError(
                "token_ids_not_supported",
                "Prompts given as token ids are not supported.",
                hint="Send the prompt as text.",
                param="prompt",
            )
        if len(texts) * (self.n or 1) > MAX_GENERATIONS:
            raise UserError(
                "array_above_max_length",
                f"Too many completions: prompts times 'n' may be at most {MAX_GENERATIONS}.",
                hint="Send the prompts in several requests.",
                param="prompt",
            )
        return texts


def _not_together(one: str, other: str) -> UserError:
    return UserError(
        "invalid_parameter_combination",
        f"Setting '{one}' and '{other}' at the same time is not supported.",
        param=one,
    )


decoder = msgspec.json.Decoder(TextCompletionIn)

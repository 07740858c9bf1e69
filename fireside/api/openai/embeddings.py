"""POST /v1/embeddings."""

from __future__ import annotations

import base64
from array import array
from typing import Annotated, Any, Literal

import msgspec
from litestar import Controller, Request, post
from litestar.di import NamedDependency
from litestar.types import ASGIApp
from msgspec import Meta

from fireside.accounts.access import principal
from fireside.api.edge import LIMIT_HEADERS
from fireside.api.openai.body import ClientGone, read_json
from fireside.api.openai.documented import documented
from fireside.api.openai.generation import Gateway
from fireside.api.openai.lengths import CHARS_PER_TOKEN
from fireside.api.openai.models import MODELS_RUN
from fireside.api.openai.responses import JsonReply, to_nobody
from fireside.billing.domain import Feature, UsageEntry
from fireside.conversation.message import Usage
from fireside.engine.ports import Capability
from fireside.errors import UserError

MAX_INPUTS = 2048


class EmbeddingsIn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of the request. Unknown fields are refused by name."""

    model: Annotated[str, Meta(max_length=200)]
    input: str | list[str | int | list[int]]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Meta(ge=1)] | None = None
    user: str | None = None

    def texts(self) -> list[str]:
        """The inputs as text. Raises UserError for none, too many, empty ones and token ids."""
        inputs = [self.input] if isinstance(self.input, str) else self.input
        if not 1 <= len(inputs) <= MAX_INPUTS:
            raise UserError(
                "invalid_value",
                f"Invalid 'input': give 1 to {MAX_INPUTS} texts, not {len(inputs)}.",
                param="input",
            )
        texts = [each for each in inputs if isinstance(each, str)]
        if len(texts) != len(inputs):
            raise UserError(
                "token_ids_not_supported",
                "Inputs given as token ids are not supported.",
                hint="Send them as text; some clients have a setting check_embedding_ctx_length.",
                param="input",
            )
        if not all(texts):
            raise UserError(
                "invalid_value", "Invalid 'input': a text must not be empty.", param="input"
            )
        return texts


class EmbeddingOut(msgspec.Struct, frozen=True):
    """One vector: numbers, or base64 of little-endian 32-bit floats."""

    index: int
    embedding: list[float] | str
    object: Literal["embedding"] = "embedding"


class EmbeddingUsageOut(msgspec.Struct, frozen=True):
    """Tokens read."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsOut(msgspec.Struct, frozen=True):
    """The vectors in the order of the inputs."""

    data: list[EmbeddingOut]
    model: str
    usage: EmbeddingUsageOut
    object: Literal["list"] = "list"


decoder = msgspec.json.Decoder(EmbeddingsIn)


class EmbeddingsApi(Controller):
    """Vectors for texts."""

    path = "/v1/embeddings"
    tags = ["OpenAI API"]

    @post(
        opt={"rule": MODELS_RUN},
        status_code=200,
        summary="Create embeddings",
        **documented(EmbeddingsIn, EmbeddingsOut),
    )
    async def create(
        self, request: Request[Any, Any, Any], gateway: NamedDependency[Gateway]
    ) -> ASGIApp:
        """The vectors of the inputs."""
        try:
            asked = await read_json(request.scope, request.receive, decoder, gateway.settings)
        except ClientGone:
            return to_nobody
        caller = principal(request)
        route = await gateway.route(asked.model, caller, Capability.EMBEDDINGS)
        if asked.dimensions is not None:
            raise UserError(
                "unsupported_by_model",
                f"The vectors of '{route.public_name}' cannot be shortened.",
                hint="Leave out 'dimensions'.",
                param="dimensions",
            )
        texts = asked.texts()
        wanted = gateway.customer(caller).wants(
            asked.model,
            need=Capability.EMBEDDINGS,
            prompt_tokens=sum(map(len, texts)) // CHARS_PER_TOKEN,
            max_tokens=1,
            whole=True,
        )
        headers = request.scope["state"].setdefault(LIMIT_HEADERS, {})
        asking = gateway.customer(caller)
        allowance = await gateway.allowances.take(asking, wanted.prompt_tokens, headers)
        used = 0
        try:
            lease = await gateway.gate.ask(wanted).lease()
            try:
                route = lease.route
                made = await route.engine.embed(route.model.name, texts)
                used = made.prompt_tokens
            finally:
                lease.close()
        finally:
            allowance.settle(used)
        gateway.meter.record(
            UsageEntry(
                user_id=caller.user_id,
                model=route.public_name,
                release=route.release,
                engine=route.engine.name,
                feature=Feature.API_EMBEDDINGS,
                usage=Usage(prompt_tokens=made.prompt_tokens),
                at=gateway.clock.now(),
                engine_s=lease.engine_s,
                plan=asking.plan,
                api_key_id=caller.key_id,
            )
        )
        as_text = asked.encoding_format == "base64"
        data = [
            EmbeddingOut(index, _base64(vector) if as_text else vector)
            for index, vector in enumerate(made.vectors)
        ]
        usage = EmbeddingUsageOut(made.prompt_tokens, made.prompt_tokens)
        return JsonReply(EmbeddingsOut(data, route.public_name, usage))


def _base64(vector: list[float]) -> str:
    return base64.b64encode(array("f", vector).tobytes()).decode()

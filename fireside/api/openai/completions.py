"""POST /v1/completions: continue raw text, or fill in what stands before a suffix."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Controller, Request, post
from litestar.di import NamedDependency
from litestar.types import ASGIApp, Receive, Scope, Send

from fireside.accounts.access import principal
from fireside.api.edge import LIMIT_HEADERS
from fireside.api.openai.body import ClientGone, read_json
from fireside.api.openai.completion_request import TextCompletionIn, decoder
from fireside.api.openai.completion_stream import TextFrames
from fireside.api.openai.documented import documented
from fireside.api.openai.generation import Gateway, Generation, Work
from fireside.api.openai.models import MODELS_RUN
from fireside.api.openai.replies import TextCompletionOut, usage_out
from fireside.api.openai.responses import JsonReply, to_nobody
from fireside.api.openai.sampling import for_choice
from fireside.billing.domain import Feature
from fireside.engine.ports import Capability


class Completions(Controller):
    """Complete text, streamed or whole."""

    path = "/v1/completions"
    tags = ["OpenAI API"]

    @post(
        opt={"rule": MODELS_RUN},
        status_code=200,
        summary="Create a completion",
        **documented(TextCompletionIn, TextCompletionOut, streams=True),
    )
    async def create(
        self, request: Request[Any, Any, Any], gateway: NamedDependency[Gateway]
    ) -> ASGIApp:
        """The completions, or an application that streams them."""
        try:
            asked = await read_json(request.scope, request.receive, decoder, gateway.settings)
            return await _answer(asked, request, gateway)
        except ClientGone:
            return to_nobody


async def _answer(
    asked: TextCompletionIn, request: Request[Any, Any, Any], gateway: Gateway
) -> ASGIApp:
    caller = principal(request)
    route = await gateway.route(asked.model, caller, Capability.COMPLETION)
    include_usage = asked.include_usage
    prompts = asked.to_generations(route, request.scope["state"].get("request_id", ""))
    num_choices = asked.n or 1
    requests = [
        msgspec.structs.replace(prompt, sampling=for_choice(prompt.sampling, number))
        for prompt in prompts
        for number in range(num_choices)
    ]
    work = Work(
        route,
        requests,
        num_choices,
        caller,
        Feature.API_COMPLETION,
        request.scope["state"].setdefault(LIMIT_HEADERS, {}),
        Capability.COMPLETION,
    )
    generation = Generation(gateway, work)
    id = "cmpl-" + gateway.new_id().replace("-", "")
    created = int(gateway.clock.now().timestamp())
    if asked.stream:
        frames = TextFrames(
            id, created, route.public_name, route.release, include_usage=include_usage
        )

        async def stream(scope: Scope, receive: Receive, send: Send) -> None:
            await generation.relay(scope, receive, send, frames)

        return stream
    collected = await generation.collect(request.receive)
    return JsonReply(
        TextCompletionOut(
            id=id,
            created=created,
            model=route.public_name,
            choices=[each.text_choice(index) for index, each in enumerate(collected)],
            usage=usage_out(generation.usage),
            system_fingerprint=route.release or None,
        )
    )

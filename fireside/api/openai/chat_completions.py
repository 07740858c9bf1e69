"""POST /v1/chat/completions."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Controller, Request, post
from litestar.di import NamedDependency
from litestar.types import ASGIApp, Receive, Scope, Send

from fireside.accounts.access import principal
from fireside.api.edge import LIMIT_HEADERS
from fireside.api.openai.body import ClientGone, read_json
from fireside.api.openai.chat_request import ChatCompletionIn, decoder
from fireside.api.openai.chat_stream import ChatFrames
from fireside.api.openai.documented import documented
from fireside.api.openai.generation import Gateway, Generation, Work
from fireside.api.openai.models import MODELS_RUN
from fireside.api.openai.replies import ChatCompletionOut, usage_out
from fireside.api.openai.responses import JsonReply, to_nobody
from fireside.api.openai.sampling import for_choice
from fireside.billing.domain import Feature


class ChatCompletions(Controller):
    """Answer a conversation, streamed or whole."""

    path = "/v1/chat/completions"
    tags = ["OpenAI API"]

    @post(
        opt={"rule": MODELS_RUN},
        status_code=200,
        summary="Create a chat completion",
        **documented(ChatCompletionIn, ChatCompletionOut, streams=True),
    )
    async def create(
        self, request: Request[Any, Any, Any], gateway: NamedDependency[Gateway]
    ) -> ASGIApp:
        """The reply, or an application that streams it."""
        try:
            asked = await read_json(request.scope, request.receive, decoder, gateway.settings)
            return await _answer(asked, request, gateway)
        except ClientGone:
            return to_nobody


async def _answer(
    asked: ChatCompletionIn, request: Request[Any, Any, Any], gateway: Gateway
) -> ASGIApp:
    caller = principal(request)
    route = await gateway.route(asked.model, caller)
    include_usage = asked.include_usage
    first = asked.to_generation(route, request.scope["state"].get("request_id", ""))
    num_choices = asked.n or 1
    requests = [first]
    for number in range(1, num_choices):
        sampling = for_choice(first.sampling, number)
        requests.append(msgspec.structs.replace(first, sampling=sampling))
    work = Work(
        route,
        requests,
        num_choices,
        caller,
        Feature.API_CHAT,
        request.scope["state"].setdefault(LIMIT_HEADERS, {}),
        cache_key=asked.prompt_cache_key,
    )
    generation = Generation(gateway, work)
    id = "chatcmpl-" + gateway.new_id().replace("-", "")
    created = int(gateway.clock.now().timestamp())
    if asked.stream:
        frames = ChatFrames(
            id, created, route.public_name, route.release, include_usage=include_usage
        )

        async def stream(scope: Scope, receive: Receive, send: Send) -> None:
            await generation.relay(scope, receive, send, frames)

        return stream
    collected = await generation.collect(request.receive)
    return JsonReply(
        ChatCompletionOut(
            id=id,
            created=created,
            model=route.public_name,
            choices=[each.chat_choice(index) for index, each in enumerate(collected)],
            usage=usage_out(generation.usage),
            system_fingerprint=route.release or None,
        )
    )

"""The official Node client against a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import msgspec

from fireside.billing.domain import UsageStatus
from fireside.conversation.event import StreamEvent
from fireside.engine.ports import ChatPrompt, GenerationRequest
from tests.api.conftest import KEY, Server, endless, says
from tests.api.node_runtime import HERE, Node


async def hello_or_endless(request: GenerationRequest) -> AsyncIterator[StreamEvent]:
    """Says hello, or goes on for ever when asked to."""
    asked = request.prompt
    if isinstance(asked, ChatPrompt) and asked.messages[0].text() == "go on":
        async for event in endless(request):
            yield event
    else:
        for event in says("Hello", ",", " you", "!"):
            yield event


async def test_the_node_client_does_all_that_the_python_client_does(
    server: Server, node: Node
) -> None:
    server.engine.script = hello_or_endless
    done = await anyio.run_process(
        ["node", "check.mjs"],
        cwd=HERE,
        env={**node.env, "FIRESIDE_URL": server.url, "FIRESIDE_KEY": KEY},
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert msgspec.json.decode(done.stdout) == {
        "models": ["able", "plain"],
        "whole": "Hello, you!",
        "total_tokens": 11,
        "streamed": "Hello, you!",
        "streamed_tokens": 11,
        "choices": ["Hello, you!", "Hello, you!"],
        "text": "Hello, you!",
        "vector": [2, 0.5, -1],
        "error": {
            "kind": "NotFoundError",
            "status": 404,
            "code": "model_not_found",
            "param": "model",
            "type": "invalid_request_error",
            "has_request_id": True,
        },
        "refused": "AuthenticationError",
        "abandoned_after": 5,
    }
    with anyio.fail_after(20):
        while not server.engine.stopped:
            await anyio.sleep(0.01)
    assert server.entries[-1].status is UsageStatus.ABORTED

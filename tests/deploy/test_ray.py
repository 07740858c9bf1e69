"""The Ray application, started on this machine: `make test-ray`.

It says how long things took in bench/results/ray_serve.json.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path

import anyio
import msgspec
import psutil
import pytest

from fireside.conversation.event import TextDelta
from fireside.engine.backends.openai_compatible import OpenAICompatibleEngine
from fireside.engine.ports import EngineLoad, GenerationRequest, Sampling, TextPrompt
from fireside.engine.settings import EngineSettings
from fireside.errors import BackendFailed, FiresideError
from tests.engine import vllm_server

ROOT = Path(__file__).resolve().parents[2]
SERVE = ROOT / ".venv-ray" / "bin" / "serve"
RESULTS = ROOT / "bench" / "results" / "ray_serve.json"
NAME = "smollm2-135m"
KEY = "a-key-for-the-engines"
GGUF = ROOT / ".models" / "SmolLM2-135M-Instruct.Q4_1.gguf"

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not (SERVE.exists() and GGUF.exists()),
        reason="Ray is not built here: `make test-ray` does it (500 MB)",
    ),
]


class Application:
    """`serve run` in the foreground, in a session of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.forecast = folder / "forecast.json"
        self.forecast.write_text('{"slots_needed": 0}')
        (folder / "key").write_text(f"{KEY}\n")
        app = folder / "app"
        command = [sys.executable, "-m", "fireside", "deploy", "ray", "--out", str(app)]
        command += ["--name", NAME, "--slots", "2", "--context", "2048", "--cpus", "0.5"]
        command += ["--port", str(self.port), "--forecast", str(self.forecast), *options]
        command += ["--key-file", str(folder / "key")]
        subprocess.run(command, check=True, cwd=ROOT)
        config = (app / "serve.yaml").read_text()
        config += "      upscale_delay_s: 1.0\n      downscale_delay_s: 3.0\n"
        (app / "serve.yaml").write_text(config)
        self.log = folder / "ray.log"
        self.short = Path(f"/tmp/fs-ray-{os.getpid()}")
        self.started_s = time.monotonic()
        env = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                ["nice", "-n", "15", str(SERVE), "run", "serve.yaml"],
                cwd=app,
                # Its sockets' paths must be short.
                env={**env, "RAY_TMPDIR": str(self.short)},
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def url(self) -> str:
        """What Fireside would be told."""
        return f"http://127.0.0.1:{self.port}/v1"

    def servers(self, mark: str = "llama_process.py") -> list[psutil.Process]:
        """The model servers that its replicas run."""
        found = []
        for process in psutil.process_iter(["cmdline", "environ"]):
            if any(mark in part for part in process.info["cmdline"] or ()):
                folder = (process.info["environ"] or {}).get("PYTHONPATH", "")
                found += [process] if folder == str(self.log.parent / "app") else []
        return found

    def stop(self) -> float:
        """Seconds until everything was gone."""
        began = time.monotonic()
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
        _, alive = psutil.wait_procs([*family, *self.servers()], timeout=30)
        for process in alive:
            process.kill()
        shutil.rmtree(self.short, ignore_errors=True)
        assert not alive, [process.cmdline()[:3] for process in alive]
        return time.monotonic() - began


@contextmanager
def application(folder: Path, *options: str) -> Iterator[Application]:
    started = Application(folder, *options)
    try:
        yield started
    finally:
        started.stop()


def client(app: Application, key: str = KEY) -> OpenAICompatibleEngine:
    return OpenAICompatibleEngine("ray", app.url, EngineSettings(max_attempts=1), api_key=key)


async def until(condition: Callable[[], bool], seconds: float) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds
        await anyio.sleep(0.2)
    return time.monotonic() - began


async def until_it_answers(app: Application, engine: OpenAICompatibleEngine) -> float:
    """Seconds until a token came."""
    began = time.monotonic()
    while True:
        assert app.process.poll() is None, app.log.read_text(errors="replace")[-4000:]
        try:
            await engine.models()
            assert await say(engine, 1)
            return time.monotonic() - began
        except FiresideError:
            assert time.monotonic() - began < 300, app.log.read_text(errors="replace")[-4000:]
            await anyio.sleep(0.5)


async def say(engine: OpenAICompatibleEngine, max_tokens: int, leave_after: int = 10**9) -> int:
    """How many deltas came."""
    sampling = Sampling(max_tokens=max_tokens, logit_bias={"0": -100.0, "2": -100.0})
    num_deltas = 0
    request = GenerationRequest(NAME, TextPrompt("1 2 3 4"), sampling, priority=1)
    async with aclosing(engine.generate(request)) as events:
        async for event in events:
            num_deltas += isinstance(event, TextDelta)
            if num_deltas == leave_after:
                break
    return num_deltas


async def test_llama_cpp_replicas_follow_the_forecast(tmp_path: Path) -> None:
    options = ("--engine", "llama_cpp", "--model", str(GGUF), "--replicas", "1:2")
    figures: dict[str, float] = {}
    with application(tmp_path, *options) as app:
        engine = client(app)
        figures["start_s"] = await until_it_answers(app, engine)
        (model,) = await engine.models()
        assert (model.name, model.context_tokens) == (NAME, 2048)
        assert await engine.load() == EngineLoad(), "one replica's figures are not the fleet's"
        assert len(app.servers()) == 1
        stranger = client(app, key="another")
        with pytest.raises(BackendFailed, match="did not accept the key"):
            await stranger.models()
        await stranger.aclose()

        app.forecast.write_text(json.dumps({"slots_needed": 3}))
        figures["second_replica_s"] = await until(lambda: len(app.servers()) == 2, 120)
        await anyio.sleep(5)

        began = time.monotonic()
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(say, engine, 16)
        figures["four_replies_s"] = time.monotonic() - began

        assert await say(engine, 1500, leave_after=10) == 10
        await anyio.sleep(0.5)
        used = [sum(process.cpu_times()[:2]) for process in app.servers()]
        await anyio.sleep(2)
        more = [sum(process.cpu_times()[:2]) for process in app.servers()]
        figures["cpu_s_in_2_s_after_leaving"] = sum(more) - sum(used)
        assert sum(more) - sum(used) < 0.5, "who left is not written for"

        app.forecast.write_text(json.dumps({"slots_needed": 0}))
        figures["back_to_one_s"] = await until(lambda: len(app.servers()) == 1, 120)
        assert await say(engine, 2)

        app.servers()[0].kill()
        figures["dead_server_replaced_s"] = await until_it_answers(app, engine)
        await engine.aclose()
        began = time.monotonic()
    figures["stopped_s"] = time.monotonic() - began
    rounded = {name: round(value, 2) for name, value in figures.items()}
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(rounded)) + b"\n")


@pytest.mark.skipif(
    not vllm_server.MODEL.exists(), reason="vLLM is not built here: `make test-vllm` does it"
)
async def test_a_vllm_replica_answers_and_ends_with_its_replica(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in vllm_server.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    options = ("--engine", "vllm", "--model", str(vllm_server.MODEL), "--gpus", "0")
    options += ("--python", str(vllm_server.PYTHON), "--flag=--enforce-eager")
    with application(tmp_path, *options, "--flag=--dtype=bfloat16") as app:
        engine = client(app)
        await until_it_answers(app, engine)
        (model,) = await engine.models()
        assert (model.name, model.context_tokens) == (NAME, 2048)
        assert await say(engine, 500, leave_after=5) == 5
        servers = app.servers("vllm.entrypoints.cli.main")
        assert servers
        await engine.aclose()
    gone, alive = psutil.wait_procs(servers, timeout=30)
    assert not alive
    assert gone

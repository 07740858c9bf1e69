"""Engines on Ray Serve, to stand behind Fireside's gate: `serve run serve.yaml`.

Each replica runs one model server (vLLM, or llama.cpp as Fireside runs it) on a loopback port and
hands requests through, byte for byte, so that the address of the application is that of one
OpenAI-compatible engine with as many slots as there are replicas times `slots`. How many replicas
there are follows from what is under way and from the gate's forecast of the hours to come.

It needs `ray[serve]`, and vllm or fireside where the replicas run; no part of Fireside is loaded in
the replica itself. `fireside deploy ray` writes this file, gate_policy.py and serve.yaml.
"""

from __future__ import annotations

import asyncio
import hmac
import importlib.util
import json
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from gate_policy import GatePolicy
from ray import serve
from ray.serve import Application
from ray.serve.config import AutoscalingConfig, AutoscalingPolicy, BackpressureConfig
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

START_S = 900.0
HEALTH_S = 5.0
ANSWER_S = 3600.0
PASSED_ON = ("/v1/models", "/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/infill")
SPARE_CALLS = 4  # listings and the like, beside the replies being written

# Runs a command in a session of its own and ends it all when our end of the pipe is closed, which
# is when the replica is gone, however it died. Should Ray kill this program first, the command is
# told to end by the kernel.
GUARD = """
import ctypes, os, signal, subprocess, sys, threading, time
libc = ctypes.CDLL(None)
child = subprocess.Popen(
    sys.argv[1:],
    stdin=subprocess.DEVNULL,
    start_new_session=True,
    preexec_fn=lambda: libc.prctl(1, signal.SIGTERM),
)
def kill(number):
    try:
        os.killpg(child.pid, number)
    except ProcessLookupError:
        pass
def end():
    sys.stdin.buffer.read()
    kill(signal.SIGTERM)
    time.sleep(10)
    kill(signal.SIGKILL)
threading.Thread(target=end, daemon=True).start()
code = child.wait()
kill(signal.SIGKILL)
sys.exit(code if code >= 0 else 1)
"""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The `args` of serve.yaml. `model` is a folder or name for vLLM, a GGUF file for llama.cpp.

    `slots`: sequences that one replica decodes at once. `python`: the interpreter that has vLLM,
    where it is not this one. `forecast`: a file or an address with what the gate's forecast says;
    `forecast_key_file` holds the API key for that address. `flags` are added to vLLM's.
    `key_file` holds what callers must show as their key; without it everybody is served.
    """

    engine: str = "vllm"
    model: str = ""
    name: str = ""
    slots: int = 32
    context_tokens: int = 8192
    min_replicas: int = 1
    max_replicas: int = 1
    gpus: float = 0.0
    cpus: float = 1.0
    threads: int = 0
    python: str = ""
    flags: tuple[str, ...] = ()
    forecast: str = ""
    forecast_key_file: str = ""
    key_file: str = ""
    upscale_delay_s: float = 10.0
    downscale_delay_s: float = 600.0

    def __post_init__(self) -> None:
        if self.engine not in {"vllm", "llama_cpp"}:
            raise ValueError(f"engine is vllm or llama_cpp, not {self.engine!r}")
        if not self.model:
            raise ValueError("model is missing")
        if not 0 < self.min_replicas <= self.max_replicas:
            raise ValueError("replicas: at least 1, and the minimum not above the maximum")
        if self.slots < 1:
            raise ValueError("slots: at least 1")


class Child:
    """The model server of one replica. `pipe` is what its life hangs on."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, api_key: str) -> None:
        self.process = process
        self.url = url
        self.headers = {"authorization": f"Bearer {api_key}"}

    def wait_until_ready(self) -> None:
        """Raises RuntimeError when it ends instead."""
        deadline_s = time.monotonic() + START_S
        while time.monotonic() < deadline_s:
            if self.process.poll() is not None:
                raise RuntimeError(f"the model server ended with code {self.process.returncode}")
            try:
                with urllib.request.urlopen(f"{self.url}/health", timeout=HEALTH_S):
                    return
            except OSError:
                time.sleep(0.5)
        raise RuntimeError(f"the model server was not ready after {START_S:.0f} s")

    def end(self) -> None:
        """Close the pipe; what is on its other end sees to the rest."""
        if self.process.stdin is not None:
            self.process.stdin.close()


def start_vllm(settings: Settings) -> Child:
    """vLLM, ordering its queue by our priority, keeping prefixes, counting what it kept."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    python = settings.python or sys.executable
    command = [python, "-m", "vllm.entrypoints.cli.main", "serve", settings.model]
    command += ["--host=127.0.0.1", f"--port={port}", f"--max-num-seqs={settings.slots}"]
    command += [f"--max-model-len={settings.context_tokens}", "--scheduling-policy=priority"]
    command += ["--enable-prefix-caching", "--enable-prompt-tokens-details"]
    if settings.name:
        command += [f"--served-model-name={settings.name}"]
    guarded = [sys.executable, "-c", GUARD, *command, *settings.flags]
    process = subprocess.Popen(guarded, stdin=subprocess.PIPE)
    return Child(process, f"http://127.0.0.1:{port}", "none")


def start_llama_cpp(settings: Settings) -> Child:
    """The program that Fireside runs as its embedded engine; it ends with its standard input."""
    package = importlib.util.find_spec("fireside")
    if package is None or not package.submodule_search_locations:
        raise RuntimeError("fireside is not installed where this replica runs")
    program = Path(package.submodule_search_locations[0], "engine/backends/llama_process.py")
    asked = {
        "name": settings.name or Path(settings.model).stem,
        "path": settings.model,
        "context_tokens": settings.context_tokens,
        "parallel_slots": settings.slots,
        "threads": settings.threads or max(1, int(settings.cpus)),
        "batch_tokens": 0,
        "prompt_cache_mib": 256,
        "api_key": secrets.token_urlsafe(24),
    }
    process = subprocess.Popen(
        [sys.executable, "-P", str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(asked).encode() + b"\n")
    process.stdin.flush()
    answer = json.loads(process.stdout.readline() or b"{}")
    if "address" not in answer:
        raise RuntimeError(f"llama.cpp: {answer.get('failed', 'it ended without a word')}")
    return Child(process, answer["address"].rstrip("/"), asked["api_key"])


@serve.deployment
class Engine:
    """One replica."""

    def __init__(self, settings: Settings) -> None:
        starts = {"vllm": start_vllm, "llama_cpp": start_llama_cpp}
        key = Path(settings.key_file).read_text().strip() if settings.key_file else ""
        if settings.key_file and not key:
            raise ValueError(f"there is no key in {settings.key_file}")
        self._bearer = f"Bearer {key}".encode() if key else b""
        self._child = starts[settings.engine](settings)
        self._child.wait_until_ready()
        self._http: aiohttp.ClientSession | None = None

    async def __call__(self, request: Request) -> Response:
        """Hand one request through. When the client leaves, the model server is told at once."""
        path = request.url.path
        shown = request.headers.get("authorization", "").encode()
        if self._bearer and not hmac.compare_digest(shown, self._bearer):
            error = {"message": "This key is not accepted.", "type": "invalid_api_key"}
            return JSONResponse({"error": error}, 401)
        if path not in PASSED_ON:
            error = {"message": "There is nothing at this address.", "type": "not_found"}
            return JSONResponse({"error": error}, 404)
        body = await request.body()
        kind = request.headers.get("content-type", "application/json")
        headers = {"content-type": kind, **self._child.headers}
        if request_id := request.headers.get("x-request-id"):
            headers["x-request-id"] = request_id
        try:
            reply = await self._session().request(
                request.method, self._child.url + path, data=body, headers=headers
            )
        except aiohttp.ClientError as failure:
            error = {"message": f"The model server is gone: {failure}", "type": "server_error"}
            return JSONResponse({"error": error}, 503)
        return StreamingResponse(
            _pieces(reply), reply.status, media_type=reply.headers.get("content-type")
        )

    async def check_health(self) -> None:
        """Raises when the model server is gone or does not answer; Ray then replaces us."""
        if self._child.process.poll() is not None:
            raise RuntimeError("the model server has ended")
        async with asyncio.timeout(HEALTH_S):
            async with self._session().get(f"{self._child.url}/health") as reply:
                if reply.status != 200:
                    raise RuntimeError(f"the model server says {reply.status}")

    def __del__(self) -> None:
        """Ray calls this when the replica is stopped, after the replies in progress."""
        if child := getattr(self, "_child", None):
            child.end()

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            timeout = aiohttp.ClientTimeout(total=ANSWER_S, connect=HEALTH_S)
            connector = aiohttp.TCPConnector(limit=0)
            self._http = aiohttp.ClientSession(timeout=timeout, connector=connector)
        return self._http


async def _pieces(reply: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for piece in reply.content.iter_any():
            yield piece
    finally:
        reply.close()


def build(args: dict[str, Any]) -> Application:
    """The application that serve.yaml names; `args` are the fields of Settings."""
    if "flags" in args:
        args = {**args, "flags": tuple(args["flags"])}
    settings = Settings(**args)
    policy = AutoscalingPolicy(
        policy_function=GatePolicy,
        policy_kwargs={
            "slots": settings.slots,
            "forecast": settings.forecast,
            "forecast_key_file": settings.forecast_key_file,
        },
    )
    deployment = Engine.options(
        ray_actor_options={"num_cpus": settings.cpus, "num_gpus": settings.gpus},
        max_ongoing_requests=settings.slots + SPARE_CALLS,
        # The gate keeps the queue; what slips past it is told to come back, not kept here.
        max_queued_requests=settings.slots * settings.max_replicas,
        backpressure_config=BackpressureConfig(status_code=429, retry_after_s=1.0),
        autoscaling_config=AutoscalingConfig(
            min_replicas=settings.min_replicas,
            max_replicas=settings.max_replicas,
            initial_replicas=settings.min_replicas,
            target_ongoing_requests=settings.slots,
            upscale_delay_s=settings.upscale_delay_s,
            downscale_delay_s=settings.downscale_delay_s,
            policy=policy,
        ),
        health_check_period_s=3,  # after three failures Ray replaces the replica
        health_check_timeout_s=HEALTH_S + 5,
        graceful_shutdown_timeout_s=600,  # replies in progress are finished
    )
    return deployment.bind(settings)

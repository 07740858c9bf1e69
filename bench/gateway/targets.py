"""What stands in front of the mock engine: nothing, Fireside, and peers where they are installed.

A peer lives in an environment of its own, named by `--litellm` or `--open-webui` (the folder of
the virtual environment); without one it is reported as not installed. LiteLLM must be 1.80.x:
1.82.7, 1.82.8 and 1.107.0 were compromised.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from bench.gateway.process import Process, call, free_port

ROOT = Path(__file__).resolve().parents[2]
EMAIL, PASSWORD = "bench@example.com", "a long bench password 1"


class Endpoint(msgspec.Struct):
    """Where a target takes chat completions."""

    port: int
    path: str = "/v1/chat/completions"
    headers: dict[str, str] = {}
    model: str = "mock"


class Running(msgspec.Struct):
    """A target that is up. `process` is None for the bare engine."""

    name: str
    version: str
    endpoint: Endpoint
    process: Process | None
    cold_start_s: float = 0.0
    restart: Callable[[], float] | None = None


class NotInstalled(Exception):
    """The peer is not on this machine."""


def mock_engine(work_dir: Path, *flags: str, cpu: int | None = None) -> tuple[Process, int]:
    """The mock engine, ready, and its port."""
    port = free_port()
    process = Process(
        [sys.executable, "-m", "bench.gateway.mock_engine", "--port", str(port), *flags],
        log=work_dir / "mock.log",
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        cpu=cpu,
    )
    process.wait_until_up(port, "/health")
    return process, port


def bare(engine_port: int) -> Running:
    """The engine itself."""
    return Running("engine", "mock", Endpoint(engine_port), None)


Launcher = Callable[[list[str], dict[str, str], Path], Process]
"""Starts `fireside` with words of its command line, an environment and a log."""


class Fireside:
    """`fireside serve` as an operator runs it: SQLite, keys, metering and journal on."""

    def __init__(
        self,
        work_dir: Path,
        engine_port: int,
        cpu: int | None = None,
        launcher: Launcher | None = None,
    ) -> None:
        self.data_dir = work_dir / "fireside"
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._cpu = cpu
        self._launcher = launcher
        self._engine_port = engine_port
        self._log = work_dir / "fireside.log"
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(work_dir),
            "FIRESIDE_DATA_DIR": str(self.data_dir),
            "FIRESIDE__ENGINE__EMBEDDED": "false",
        }

    def set_up(self, emails: Sequence[str] = (EMAIL,), *, with_engine: bool = True) -> None:
        """Create accounts and add the engine by the command line."""
        for email in emails:
            words = ("--email", email, "--name", "Bench", "--password-stdin")
            self._cli("user", "create", *words, given=PASSWORD)
        if with_engine:
            self._cli("engine", "add", "mock", f"http://127.0.0.1:{self._engine_port}/v1")

    def make_key(self, email: str = EMAIL) -> str:
        """An API key."""
        return self._cli("key", "create", "--user", email, "--name", "bench").split()[-1]

    def wait_for_model(self, key: str, within_s: float = 60.0) -> str:
        """The first model's name, once there is one."""
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            headers = {"Authorization": f"Bearer {key}"}
            status, body = call(self.port, "GET", "/v1/models", headers=headers)
            if status == 200 and (models := json.loads(body)["data"]):
                return str(models[0]["id"])
            time.sleep(0.2)
        raise RuntimeError(f"No model within {within_s:.0f} s; see {self._log}.")

    def launch(self) -> Process:
        """The server, not yet ready."""
        words = ["serve", "--port", str(self.port)]
        if self._launcher is not None:
            return self._launcher(words, self.env, self._log)
        return Process(
            [sys.executable, "-m", "fireside", *words],
            log=self._log,
            env=self.env,
            cpu=self._cpu,
        )

    def start(self) -> tuple[Process, float]:
        """The server and the seconds until /readyz said yes."""
        process = self.launch()
        return process, process.wait_until_up(self.port, "/readyz")

    def _cli(self, *words: str, given: str = "") -> str:
        done = subprocess.run(
            [sys.executable, "-m", "fireside", *words],
            env=self.env,
            input=given,
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"fireside {' '.join(words[:2])}: {done.stdout}{done.stderr}")
        return done.stdout.strip()


def fireside(work_dir: Path, engine_port: int, cpu: int) -> Running:
    """This project."""
    server = Fireside(work_dir, engine_port, cpu)
    server.set_up()
    key = server.make_key()
    process, cold_start_s = server.start()
    headers = {"Authorization": f"Bearer {key}"}
    return Running("fireside", "", Endpoint(server.port, headers=headers), process, cold_start_s)


def litellm(home: Path | None, work_dir: Path, engine_port: int, cpu: int) -> Running:
    """LiteLLM's proxy: one worker, a master key, no database."""
    version = _version(home, "litellm")
    if not version.startswith("1.80."):
        raise NotInstalled(f"LiteLLM {version} is there; only 1.80.x is run.")
    config = work_dir / "litellm.yaml"
    config.write_text(
        f"""model_list:
  - model_name: mock
    litellm_params:
      model: openai/mock
      api_base: http://127.0.0.1:{engine_port}/v1
      api_key: none
general_settings: {{master_key: sk-bench}}
litellm_settings: {{telemetry: false, drop_params: true}}
"""
    )
    port = free_port()
    assert home is not None
    process = Process(
        [f"{home}/bin/litellm", *f"--config {config} --port {port} --num_workers 1".split()],
        log=work_dir / "litellm.log",
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(work_dir),
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "NO_DOCS": "True",
        },
        cpu=cpu,
    )
    cold_start_s = process.wait_until_up(port, "/health/liveliness")
    headers = {"Authorization": "Bearer sk-bench"}
    return Running("litellm", version, Endpoint(port, headers=headers), process, cold_start_s)


def open_webui(home: Path | None, work_dir: Path, engine_port: int, cpu: int) -> Running:
    """Open WebUI with its default SQLite, one worker; its API that relays to the engine."""
    version = _version(home, "open-webui")
    assert home is not None
    port = free_port()
    process = Process(
        [str(home / "bin/open-webui"), "serve", "--host", "127.0.0.1", "--port", str(port)],
        log=work_dir / "open-webui.log",
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(work_dir),
            "DATA_DIR": str(work_dir / "open-webui"),
            "OPENAI_API_BASE_URLS": f"http://127.0.0.1:{engine_port}/v1",
            "OPENAI_API_KEYS": "none",
            "ENABLE_OLLAMA_API": "false",
            "WEBUI_SECRET_KEY": "a bench secret that is long enough to sign with",
            "HF_HUB_OFFLINE": "1",
            "OFFLINE_MODE": "true",
            "RAG_EMBEDDING_ENGINE": "openai",
            "ANONYMIZED_TELEMETRY": "false",
            "ENABLE_VERSION_UPDATE_CHECK": "false",
            "GLOBAL_LOG_LEVEL": "WARNING",
        },
        cpu=cpu,
    )
    cold_start_s = process.wait_until_up(port, "/health", within_s=120)
    person = json.dumps({"name": "bench", "email": EMAIL, "password": PASSWORD}).encode()
    as_json = {"Content-Type": "application/json"}
    status, body = call(port, "POST", "/api/v1/auths/signup", person, as_json)
    if status != 200:
        process.stop()
        raise RuntimeError(f"Open WebUI did not sign up: {status}.")
    headers = {"Authorization": f"Bearer {json.loads(body)['token']}"}
    call(port, "GET", "/api/models", headers=headers)  # it relays only what it has listed
    endpoint = Endpoint(port, "/api/chat/completions", headers)
    return Running("open-webui", version, endpoint, process, cold_start_s)


def _version(home: Path | None, package: str) -> str:
    """Of a peer, asked of its own environment. Raises NotInstalled."""
    if home is None or not (home / "bin/python").exists():
        raise NotInstalled("not installed")
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    done = subprocess.run(
        [str(home / "bin/python"), "-c", code], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NotInstalled("not installed")
    return done.stdout.strip()

"""A real vLLM on loopback, from the environment that `make test-vllm` builds."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-vllm" / "bin" / "python"
MODEL = ROOT / ".cache" / "vllm" / "model"
ADAPTER = ROOT / ".cache" / "vllm" / "adapter"
NAME = "smollm2-135m"
START_S = 600.0  # 37 s on two quiet cores
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
    "OMP_NUM_THREADS": "1",
}
FLAGS = (
    "--dtype=bfloat16",
    "--max-model-len=2048",
    "--enforce-eager",
    "--enable-prefix-caching",
    "--enable-prompt-tokens-details",
)


class VllmServer:
    """One server process, in a session of its own: it has children that must go with it."""

    def __init__(self, log: Path, flags: tuple[str, ...]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.log = log
        self.root = f"http://127.0.0.1:{self.port}"
        self.url = f"{self.root}/v1"
        self.started_s = time.monotonic()
        self.ready_after_s = 0.0
        command = ["nice", "-n", "15", str(PYTHON), "-m", "vllm.entrypoints.cli.main", "serve"]
        command += [str(MODEL), f"--served-model-name={NAME}", "--host=127.0.0.1"]
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                [*command, f"--port={self.port}", *FLAGS, *flags],
                env={**os.environ, **ENVIRONMENT},
                cwd=log.parent,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        """Wait for its first answer; fails with its last words when it ends instead."""
        while time.monotonic() - self.started_s < START_S:
            try:
                with urllib.request.urlopen(f"{self.root}/health", timeout=2):
                    self.ready_after_s = time.monotonic() - self.started_s
                    return
            except (urllib.error.URLError, OSError):
                ended = self._process.poll() is not None
                assert not ended, self.log.read_text(errors="replace")[-4000:]
                time.sleep(0.5)
        raise AssertionError(f"vLLM did not start within {START_S:.0f} s")

    def post(self, path: str, body: dict[str, str]) -> int:
        """The status of an administrative call."""
        request = urllib.request.Request(
            f"{self.url}/{path}",
            msgspec.json.encode(body),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as reply:
            return int(reply.status)

    def metric(self, name: str) -> float:
        """The sum of all series whose line begins with `name`."""
        with urllib.request.urlopen(f"{self.root}/metrics", timeout=10) as reply:
            lines = reply.read().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    def kill(self) -> None:
        """End it and its children at once, as a crash of the machine would."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait(30)

    def stop(self) -> None:
        """End it in order."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            pass
        self.kill()


@contextmanager
def servers(folder: Path, *flags: tuple[str, ...]) -> Iterator[list[VllmServer]]:
    """One server for each tuple of flags, all started at the same time and ready."""
    started: list[VllmServer] = []
    try:
        for number, each in enumerate(flags):
            started.append(VllmServer(folder / f"vllm-{number}.log", each))
        for server in started:
            server.wait_until_ready()
        yield started
    finally:
        for server in started:
            server.stop()

"""The whole product as an operator runs it: `fireside serve`, the bundled model, one real key."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import openai
import pytest

ROOT = Path(__file__).resolve().parents[2]
MODELS = Path(os.environ.get("FIRESIDE__ENGINE__MODELS_DIR", ROOT / ".models"))
MODEL = "smollm2-135m"
READY = re.compile(r"Fireside is ready at (http://\S+)")

NEEDS_MODEL = [
    pytest.mark.model,
    pytest.mark.skipif(
        not any(MODELS.glob("*135*.gguf")) and not any(MODELS.glob("*135M*.gguf")),
        reason=f"The bundled model is not in {MODELS}: run `make model`.",
    ),
]


@dataclass
class BundledServer:
    """A running server, the official client for it, and its process."""

    client: openai.OpenAI
    process: subprocess.Popen[bytes]

    def engine_pid(self) -> int:
        """The process in which the model runs: the child with the most memory."""
        pids, found = [self.process.pid], []
        while pids:
            task = Path(f"/proc/{pids.pop()}/task")
            for children in task.glob("*/children"):
                young = [int(pid) for pid in children.read_text().split()]
                found += young
                pids += young
        return max(found, key=_resident_pages)


def _resident_pages(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1])


@contextmanager
def bundled_server(data_dir: Path) -> Iterator[BundledServer]:
    """Start one with an account and a key; stop it afterwards."""
    env = {
        **os.environ,
        "FIRESIDE_DATA_DIR": str(data_dir),
        "FIRESIDE__ENGINE__MODELS_DIR": str(MODELS),
        "FIRESIDE__ENGINE__EMBEDDED_MODEL": MODEL,
        "FIRESIDE__ENGINE__FETCH_DEFAULT_MODEL": "false",
    }
    house = [sys.executable, "-m", "fireside"]

    def run(*words: str) -> str:
        done = subprocess.run(
            [*house, *words],
            env=env,
            input="a long password 1",
            text=True,
            capture_output=True,
            check=True,
        )
        return done.stdout

    run("user", "create", "--email", "ann@example.com", "--name", "Ann", "--password-stdin")
    key = run("key", "create", "--user", "ann@example.com", "--name", "test").split()[-1]
    log = data_dir / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*house, "serve", "--port", "0"], env=env, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        url = _wait_until_ready(log, process)
        with openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as made:
            yield BundledServer(made, process)
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_ready(log: Path, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline and process.poll() is None:
        if found := READY.search(log.read_text(errors="replace")):
            if httpx.get(f"{found[1]}/readyz").status_code == 200:
                return found[1]
        time.sleep(0.1)
    raise AssertionError(log.read_text(errors="replace")[-3000:])

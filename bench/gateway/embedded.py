"""O14: tokens/s of the embedded engine through the whole product, against llama.cpp alone.

Both are there the whole time, with the same file, slots and threads; the load goes to one and the
other in turn, so that a change of the machine's mood meets both.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import msgspec

from bench.gateway.load import Report, Size
from bench.gateway.measure import Load
from bench.gateway.process import free_port
from bench.gateway.targets import ROOT, Endpoint, Fireside, Running

STREAMS = 8
CONTEXT_TOKENS = 2048
QUESTION = "Tell me a long story about the sea, with a storm, a lighthouse and an old captain."
MODEL = ROOT / ".models" / "SmolLM2-135M-Instruct.Q4_1.gguf"


class Embedded(msgspec.Struct, kw_only=True):
    """Medians over the rounds; `share` is the median of each round's ratio."""

    bare_tokens_per_s: float
    product_tokens_per_s: float
    share: float
    rounds: list[tuple[float, float]]
    errors: dict[str, int]


class BareLlama:
    """The embedded engine's own child process, without the product around it."""

    def __init__(self, model: Path) -> None:
        self.key = "bench"
        program = ROOT / "fireside" / "engine" / "backends" / "llama_process.py"
        self._process = subprocess.Popen(
            [sys.executable, str(program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
        )
        settings = {
            "name": "bare",
            "path": str(model),
            "api_key": self.key,
            "context_tokens": CONTEXT_TOKENS,
            "parallel_slots": STREAMS,
            "threads": 0,
            "batch_tokens": 0,
            "prompt_cache_mib": 256,
        }
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(settings) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "failed" in answer:
            raise RuntimeError(f"llama.cpp did not load the model: {answer['failed']}")
        self.port = int(answer["address"].rsplit(":", 1)[1])

    def stop(self) -> None:
        """Its end of input is its end."""
        self._process.kill()
        self._process.wait()


def embedded(work_dir: Path, model: Path, *, rounds: int, round_s: float, seed: int) -> Embedded:
    """Measure both in turn."""
    server = Fireside(work_dir, free_port())
    server.env |= {
        "FIRESIDE__ENGINE__EMBEDDED": "true",
        "FIRESIDE__ENGINE__EMBEDDED_MODEL": str(model),
        "FIRESIDE__ENGINE__FETCH_DEFAULT_MODEL": "false",
        "FIRESIDE__ENGINE__PARALLEL_SLOTS": str(STREAMS),
        "FIRESIDE__ENGINE__CONTEXT_TOKENS": str(CONTEXT_TOKENS),
    }
    server.set_up(with_engine=False)
    key = server.make_key()
    process, _ = server.start()
    bare = BareLlama(model)
    try:
        headers = {"Authorization": f"Bearer {key}"}
        name = server.wait_for_model(key)
        product = Running("product", "", Endpoint(server.port, headers=headers, model=name), None)
        headers = {"Authorization": f"Bearer {bare.key}"}
        alone = Running("bare", "", Endpoint(bare.port, headers=headers, model="bare"), None)
        errors: dict[str, int] = {}
        pairs = []
        for number in range(rounds + 1):
            seconds = round_s if number else 3.0  # the first round warms up
            pair = [_tokens_per_s(x, seconds, seed, errors) for x in (alone, product)]
            if number:
                pairs.append((pair[0], pair[1]))
    finally:
        bare.stop()
        process.stop()
    return Embedded(
        bare_tokens_per_s=round(statistics.median(a for a, _ in pairs), 1),
        product_tokens_per_s=round(statistics.median(b for _, b in pairs), 1),
        share=round(statistics.median(b / a for a, b in pairs), 4) if pairs else 0.0,
        rounds=pairs,
        errors=errors,
    )


def _tokens_per_s(target: Running, seconds: float, seed: int, errors: dict[str, int]) -> float:
    report: Report = Load(target, cpu=None, seed=seed).run(
        concurrency=STREAMS,
        sizes=(Size(20, 128),),
        question=QUESTION,
        duration_s=seconds,
        warm_up_s=1.0,
        drain_s=0.0,
    )
    for error, count in report.errors.items():
        errors[error] = errors.get(error, 0) + count
    return report.events_per_s

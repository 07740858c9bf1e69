"""Goals, what peers do, and the table and JSON made of a run."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from bench.gateway.embedded import Embedded
from bench.gateway.measure import SavedReplies, Speed

ROOT = Path(__file__).resolve().parents[2]


class Measured(msgspec.Struct, kw_only=True):
    """One target's figures; `missing` says why there are none."""

    name: str
    version: str = ""
    missing: str = ""
    cold_start_s: float = 0.0
    idle_mb: float = 0.0
    idle_stream_kb: float = 0.0
    speed: Speed = msgspec.field(default_factory=Speed)
    page: SavedReplies = msgspec.field(default_factory=SavedReplies)


class Baseline(msgspec.Struct):
    """What somebody else does. `source` is `this run` or `recorded` (earlier, similar machine)."""

    value: float
    source: str


class Goal(msgspec.Struct):
    """One line of the result."""

    value: float | None
    goal: str
    ok: bool | None
    baseline: dict[str, Baseline] = {}
    note: str = ""


RECORDED: dict[str, dict[str, float]] = {
    "litellm": {
        "requests_per_s": 91,
        "events_per_s": 647,
        "ttft_added_ms_at_10_per_s": 160,
        "idle_mb": 255,
        "cold_start_s": 7,
        "overload_ttft_ms_p50": 26_000,
    },
    "open-webui": {
        "requests_per_s": 46,
        "events_per_s": 3_500,
        "ttft_added_ms_at_10_per_s": 31,
        "idle_mb": 790,
        "cold_start_s": 20,
        "overload_ttft_ms_p50": 37_000,
        "cpu_ms_per_saved_reply": 198,
    },
    "vllm-router": {"requests_per_s": 9_900, "events_per_s": 51_200},
    "nginx": {"requests_per_s": 20_200, "events_per_s": 71_400},
}
"""Medians of an earlier comparison on one core, for peers that are not installed."""


class Line(msgspec.Struct):
    """How one goal is read off: `field` of `Measured` or its parts; `limit` by `sign`."""

    key: str
    field: str
    sign: str
    limit: float


LINES = (
    Line("O8.requests_per_s", "requests_per_s", ">=", 2_000),
    Line("O8.events_per_s", "events_per_s", ">=", 24_000),
    Line("O8.ttft_added_ms_at_10_per_s", "ttft_added_ms_at_10_per_s", "<=", 3),
    Line("O8.ttft_added_ms_at_200_streams", "ttft_added_ms_at_200_streams", "<=", 3),
    Line("O8.idle_stream_kb", "idle_stream_kb", "<=", 30),
    Line("idle_mb", "idle_mb", "<=", 150),
    Line("cold_start_s", "cold_start_s", "<=", 2),
    Line("O7.abort_ms_max", "abort_ms_max", "<=", 127.6),
    Line("O7.never_stopped", "num_never_stopped", "<=", 0),
    Line("O7.wasted_tokens_share", "wasted_tokens_share", "<=", 0.01),
    Line("page.cpu_ms_per_saved_reply", "cpu_ms_per_saved_reply", "<=", 20),
    Line("page.ack_ms_p50", "page_ack_ms_p50", "", 0),
    Line("page.wrong_replies", "num_wrong_replies", "<=", 0),
    Line("wrong_texts", "num_wrong_texts", "<=", 0),
    Line("overload.ttft_ms_p50", "overload_ttft_ms_p50", "", 0),
    Line("cpu_ms_per_request", "cpu_ms_per_request", "", 0),
    Line("cpu_us_per_event", "cpu_us_per_event", "", 0),
    Line("paced_cpu_us_per_event", "paced_cpu_us_per_event", "", 0),
)


def figure(measured: Measured, field: str) -> float:
    """A target's figure by its name."""
    holders = (measured, measured.speed, measured.page)
    return float(next(getattr(x, field) for x in holders if field in x.__struct_fields__))


def goals(all_measured: list[Measured]) -> dict[str, Goal]:
    """Each goal with Fireside's figure and everybody else's."""
    not_run = Measured(name="fireside", missing="not run")
    ours = next((x for x in all_measured if x.name == "fireside"), not_run)
    others = [x for x in all_measured if x.name != "fireside"]
    found = {line.key: _goal(line, ours, others) for line in LINES}
    litellm = found["O8.requests_per_s"].baseline.get("litellm")
    if litellm is not None and not ours.missing:
        ratio = round(ours.speed.requests_per_s / litellm.value, 1)
        found["O8.requests_vs_litellm"] = Goal(
            ratio, ">= 20", ratio >= 20, {"litellm": Baseline(1.0, litellm.source)}
        )
    return found


def embedded_goal(found: Embedded) -> Goal:
    """O14."""
    return Goal(
        found.share,
        ">= 0.97",
        found.share >= 0.97 and not found.errors,
        {"llama.cpp": Baseline(found.bare_tokens_per_s, "this run")},
        f"{found.product_tokens_per_s} tokens/s through the product, "
        f"{found.bare_tokens_per_s} without" + (f"; {found.errors}" if found.errors else ""),
    )


def _goal(line: Line, ours: Measured, others: list[Measured]) -> Goal:
    baseline: dict[str, Baseline] = {}
    for name, recorded in RECORDED.items():
        if line.field in recorded:
            baseline[name] = Baseline(recorded[line.field], "recorded")
    for other in others:
        value = figure(other, line.field)
        if not other.missing and value:
            baseline[other.name] = Baseline(value, "this run")
    if ours.missing:
        return Goal(None, _wanted(line), None, baseline, ours.missing)
    value = figure(ours, line.field)
    return Goal(round(value, 4), _wanted(line), _holds(line)(value), baseline)


def _wanted(line: Line) -> str:
    return f"{line.sign} {line.limit:g}" if line.sign else "reported"


def _holds(line: Line) -> Callable[[float], bool | None]:
    match line.sign:
        case ">=":
            return lambda value: value >= line.limit
        case "<=":
            return lambda value: value <= line.limit
        case _:
            return lambda _value: None


def made_by(module: str, seed: int, load_before: tuple[float, float, float]) -> dict[str, Any]:
    """Where, from what and how a result was made."""

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=ROOT, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    cpu = next(
        (x for x in Path("/proc/cpuinfo").read_text().splitlines() if x.startswith("model name")),
        "",
    )
    return {
        "commit": git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(git("status", "--porcelain", "--", "fireside", "bench")),
        "seed": seed,
        "command": " ".join(["python", "-m", module, *sys.argv[1:]]),
        "machine": f"{os.cpu_count()} x {cpu.partition(': ')[2]}, {platform.system()}",
        "python": platform.python_version(),
        "load_before": load_before,
    }


def table(all_measured: list[Measured], found: dict[str, Goal]) -> str:
    """The result for a person."""
    names = [x.name for x in all_measured]
    rows = [["", "goal", "ok", *names]]
    for line in LINES:
        goal = found[line.key]
        cells = [x.missing if x.missing else f"{figure(x, line.field):,.4g}" for x in all_measured]
        rows.append([line.key, goal.goal, {True: "yes", False: "NO", None: "-"}[goal.ok], *cells])
    for key, goal in found.items():
        if key not in {line.key for line in LINES}:
            shown = "-" if goal.value is None else f"{goal.value:,.4g}"
            rows.append([key, goal.goal, {True: "yes", False: "NO", None: "-"}[goal.ok], shown])
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(3 + len(names))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip()
        for row in rows
    )

"""One command: every target in front of the same mock engine, in one run.

    make bench-gateway OUT=result.json
    python -m bench.gateway --litellm DIR --open-webui DIR --only fireside,litellm --quick

The target has one core to itself; the mock engine and the load generator share the other.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from bench.gateway import report, targets
from bench.gateway.embedded import MODEL, embedded
from bench.gateway.measure import Bench, Engine, Load, idle_stream_bytes, saved_replies
from bench.gateway.plot import svg
from bench.gateway.report import Measured

TARGET_CPU, LOAD_CPU = 0, 1
RESULTS = report.ROOT / "bench" / "results"

Start = Callable[[Path, int, int], targets.Running]


def main() -> int:
    """Measure, print the table, write the JSON; 1 when a goal is missed."""
    args = _arguments()
    load_before = os.getloadavg()
    if load_before[0] > 0.5:
        sys.stderr.write(f"This machine is busy (load {load_before[0]:.1f}); figures suffer.\n")
    all_measured = []
    with tempfile.TemporaryDirectory(prefix="fireside-bench-") as folder:
        for name, start in _targets(args).items():
            sys.stderr.write(f"{name} ...\n")
            all_measured.append(_measure(name, start, Path(folder), args))
        found = report.goals(all_measured)
        if Path(args.model).exists() and (not args.only or "embedded" in args.only):
            sys.stderr.write("embedded ...\n")
            rounds, round_s = (2, 8.0) if args.quick else (4, 20.0)
            (Path(folder) / "embedded").mkdir()
            o14 = embedded(
                Path(folder) / "embedded",
                Path(args.model),
                rounds=rounds,
                round_s=round_s,
                seed=args.seed,
            )
            found["O14.tokens_share"] = report.embedded_goal(o14)
    sys.stdout.write(report.table(all_measured, found) + "\n")
    result = {
        **{key: msgspec.to_builtins(goal) for key, goal in found.items()},
        "_made_by": report.made_by("bench.gateway", args.seed, load_before),
        "_targets": [msgspec.to_builtins(x) for x in all_measured],
    }
    out = Path(args.out) if args.out else RESULTS / "gateway.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")
    out.with_suffix(".svg").write_text(svg(all_measured))
    sys.stderr.write(f"Written to {out} and {out.with_suffix('.svg')}.\n")
    return 1 if any(goal.ok is False for goal in found.values()) else 0


def _targets(args: argparse.Namespace) -> dict[str, Start]:
    known: dict[str, Start] = {
        "engine": lambda _folder, port, _cpu: targets.bare(port),
        "fireside": targets.fireside,
        "litellm": partial(targets.litellm, _folder(args.litellm)),
        "open-webui": partial(targets.open_webui, _folder(args.open_webui)),
    }
    wanted = args.only.split(",") if args.only else list(known)
    return {name: known[name] for name in known if name in wanted}


def _measure(name: str, start: Start, folder: Path, args: argparse.Namespace) -> Measured:
    work_dir = folder / name
    work_dir.mkdir()
    mock, port = targets.mock_engine(work_dir, cpu=LOAD_CPU)
    try:
        return _measure_before(name, start, work_dir, Engine(port), args)
    finally:
        mock.stop()


def _measure_before(
    name: str, start: Start, work_dir: Path, engine: Engine, args: argparse.Namespace
) -> Measured:
    """Measure one target that stands before `engine`."""
    scale = 0.3 if args.quick else 1.0
    cold_starts = []
    try:
        for attempt in range(1 if args.quick or name == "engine" else 3):
            run_dir = work_dir / str(attempt)
            run_dir.mkdir()
            target = start(run_dir, engine.port, TARGET_CPU)
            cold_starts.append(target.cold_start_s)
            if target.process and attempt < (0 if args.quick else 2):
                target.process.stop()
    except targets.NotInstalled as missing:
        return Measured(name=name, missing=str(missing))
    load = Load(target, cpu=LOAD_CPU, seed=args.seed)
    try:
        load.run(stream=True, concurrency=2, duration_s=1.0)  # what is loaded at first use
        measured = Measured(
            name=name,
            version=target.version,
            cold_start_s=round(statistics.median(cold_starts), 3),
            idle_mb=round(target.process.pss_bytes() / 1e6, 1) if target.process else 0.0,
        )
        measured.speed = Bench(target, engine, load, scale).run()
        if name == "fireside":
            measured.page = saved_replies(target, engine, cpu=LOAD_CPU, scale=scale)
        stream_bytes = idle_stream_bytes(target, engine, load)
        measured.idle_stream_kb = round(stream_bytes / 1e3, 1)
        return measured
    finally:
        if target.process:
            target.process.stop()


def _folder(path: str | None) -> Path | None:
    return Path(path) if path else None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", help="where the JSON goes; bench/results/gateway.json")
    parser.add_argument("--only", default="", help="targets, by commas")
    parser.add_argument("--quick", action="store_true", help="a third of the time, less exact")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default=str(MODEL), help="a GGUF file for O14")
    env = os.environ
    parser.add_argument("--litellm", default=env.get("BENCH_LITELLM"), help="its environment")
    parser.add_argument("--open-webui", default=env.get("BENCH_OPEN_WEBUI"), help="likewise")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

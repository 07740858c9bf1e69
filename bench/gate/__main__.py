"""One command: the gate's goals on the running product, against no gate and against a peer.

    make bench-gate OUT=result.json TRACE=trace.csv.gz
    python -m bench.gate --only O1,O3 --litellm DIR [--quick | --thorough]

The server has one core to itself, mock engines and clients share the other; engines, promises and
traces run five times as fast as the clock. The capacity is measured first, on the bare engine.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from bench.gate import draw, failover, fair, limits, overload, routing, simulated, waves
from bench.gate.arrivals import CHAT, Trace, read_trace
from bench.gate.house import has_gate
from bench.gate.rig import Depth, Rig
from bench.gateway.report import ROOT, Goal, made_by

RESULTS = ROOT / "bench" / "results"
BUSY = 0.5
COMPRESSION = 5.0


class Bench:
    """Runs what was asked for and keeps what was found, also when a later part breaks."""

    def __init__(self, rig: Rig, args: argparse.Namespace, out: Path) -> None:
        self._rig = rig
        self._args = args
        self._out = out
        self._load_before = os.getloadavg()
        self.found: dict[str, Goal] = {}
        self.details: dict[str, Any] = {}
        self.took_s: dict[str, float] = {}

    def run(self) -> None:
        """Everything, in order."""
        self._step("cap", self._cap)
        for ids, step in (
            ("O1,O2,O3,O13", self._overload),
            ("O4", self._fairness),
            ("O5", self._abuse),
            ("O6", self._budgets),
            ("O7", self._leaving),
            ("O8", self._costs),
            ("O9", self._routing),
            ("O10", self._waves),
            ("O11", self._storm),
            ("O12", self._no_engine),
            ("R3", self._failover),
            ("O5,O10", self._simulated),
        ):
            wanted = set(self._args.only.split(",")) if self._args.only else set(ids.split(","))
            if wanted & set(ids.split(",")):
                self._step(ids, step)

    def write(self) -> None:
        """The result so far."""
        result = {
            **{key: msgspec.to_builtins(goal) for key, goal in sorted(self.found.items())},
            "_made_by": {
                **made_by("bench.gate", self._args.seed, self._load_before),
                "trace": self._rig.trace.name,
                "compression": self._rig.compression,
                "cap_work_s_per_s": round(self._rig.cap, 4),
                "void": self._rig.voids,
                "took_s": self.took_s,
                "load_after": os.getloadavg(),
            },
            "_details": self.details,
        }
        self._out.parent.mkdir(parents=True, exist_ok=True)
        self._out.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")
        self._out.with_suffix(".md").write_text(self._page())

    def _page(self) -> str:
        """The table for people, as Markdown."""
        rows = ["| | value | goal | reached | others, same run | |", "|---|---:|---|---|---|---|"]
        for key, goal in sorted(self.found.items(), key=lambda pair: _order(pair[0])):
            value, wanted, is_ok, others = in_words(goal)
            note = goal.note.replace("|", "/")
            rows.append(f"| {key} | {value} | {wanted} | {is_ok} | {others} | {note} |")
        void = f" Void: {'; '.join(self._rig.voids)}." if self._rig.voids else ""
        load = f"{self._load_before[0]:.1f}"
        head = (
            f"# What the gate reached\n\nWritten by `make bench-gate`; load before: {load}, "
            f"trace: {self._rig.trace.name}.{void} How to read it: "
            "[performance](../../docs/guide/performance.md).\n\n"
        )
        return head + "\n".join(rows) + "\n"

    def _step(self, name: str, step: Callable[[], None]) -> None:
        say(f"{name} ...")
        began = time.monotonic()
        try:
            step()
        except Exception as error:  # noqa: BLE001 - one broken part must not cost the others
            say(f"   BROKEN: {type(error).__name__}: {error}")
            for each in name.split(","):
                self.found[each if each not in self.found else f"{each}.broken"] = Goal(
                    None, "", False, {}, f"broken: {error}"[:400]
                )
        self.took_s[name] = round(time.monotonic() - began, 1)
        say(f"   {self.took_s[name]:.0f} s")
        self.write()

    def _cap(self) -> None:
        say(f"   {self._rig.measure_cap():.3f} engine seconds a second")

    def _overload(self) -> None:
        home = Path(self._args.litellm) if self._args.litellm else None
        found = overload.overload(self._rig, home)
        self.found.update(overload.goals(found))
        self._out.with_suffix(".svg").write_text(draw.attainment(found))
        waits = self._out.with_name(self._out.stem + "-waits.svg")
        waits.write_text(draw.waits(found, self._rig.compression))
        for runs in (found.on, found.off, found.peer):
            for each in runs.values():
                each.ttft_s = {}
        self.details["overload"] = msgspec.to_builtins(found)

    def _fairness(self) -> None:
        self.found.update(fair.fairness_goals(fair.fairness(self._rig)))

    def _abuse(self) -> None:
        self.found.update(fair.abuse_goals(fair.abuse(self._rig)))

    def _budgets(self) -> None:
        self.found.update(limits.budget_goals(limits.budgets(self._rig)))

    def _leaving(self) -> None:
        self.found.update(limits.leaving_goals(limits.leaving(self._rig)))

    def _costs(self) -> None:
        self.found.update(limits.cost_goals(limits.costs(self._rig)))

    def _routing(self) -> None:
        self.found.update(routing.goals(routing.routing(self._rig)))

    def _waves(self) -> None:
        found = waves.waves(self._rig)
        self.found.update(waves.wave_goals(found))
        self.details["waves"] = found.by_hump

    def _storm(self) -> None:
        off = waves.storm(self._rig, gate=False) if self._rig.thorough else None
        self.found.update(waves.storm_goals(waves.storm(self._rig, gate=True), off))

    def _simulated(self) -> None:
        self.found.update(simulated.goals(self._rig))

    def _no_engine(self) -> None:
        off = failover.no_engine(self._rig, gate=False) if self._rig.thorough else None
        self.found.update(failover.no_engine_goals(failover.no_engine(self._rig, gate=True), off))

    def _failover(self) -> None:
        off = failover.failover(self._rig, gate=False) if self._rig.thorough else None
        self.found.update(failover.failover_goals(failover.failover(self._rig, gate=True), off))


def main() -> int:
    """Measure, print the table, write JSON and pictures; 1 when a goal is missed, 2 when void."""
    args = _arguments()
    try:
        trace = _trace(args.trace)
    except ValueError as error:
        say(str(error))
        return 2
    if not has_gate():
        say("This server has no gate; only figures without one are measured.")
    if os.getloadavg()[0] > BUSY:
        say(f"This machine is busy (load {os.getloadavg()[0]:.1f}); figures suffer.")
    out = Path(args.out) if args.out else RESULTS / "gate.json"
    with tempfile.TemporaryDirectory(prefix="fireside-bench-") as folder:
        is_small = (os.cpu_count() or 1) < 2
        rig = Rig(
            Path(folder),
            trace,
            seed=args.seed,
            depth=Depth(args.depth),
            compression=args.compression,
            gateway_cpu=None if is_small else 0,
            load_cpu=None if is_small else 1,
        )
        bench = Bench(rig, args, out)
        bench.run()
    print(table(bench.found))
    say(f"Written to {out}.")
    if rig.voids:
        say(f"VOID: {len(rig.voids)} runs do not count, the first: {rig.voids[0]}.")
        return 2
    return 1 if any(goal.ok is False for goal in bench.found.values()) else 0


def _trace(path: str | None) -> Trace:
    if path and not Path(path).is_file():
        raise ValueError(f"There is no trace {path}.")
    return read_trace(Path(path) if path else CHAT)


def table(found: dict[str, Goal]) -> str:
    """The result for a person."""
    rows = [("", "value", "goal", "ok", "others")]
    for key, goal in sorted(found.items(), key=lambda pair: _order(pair[0])):
        rows.append((key, *in_words(goal)))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        lines.append("  ".join([*cells, row[4]]).rstrip())
    return "\n".join(lines)


def in_words(goal: Goal) -> tuple[str, str, str, str]:
    """Value, goal, whether it was reached, and others' figures."""
    value = "-" if goal.value is None else f"{goal.value:,.4g}"
    others = ", ".join(f"{name} {each.value:,.4g}" for name, each in goal.baseline.items())
    return value, goal.goal, {True: "yes", False: "NO", None: "-"}[goal.ok], others


def _order(key: str) -> tuple[str, int, str]:
    head, _, rest = key.partition(".")
    return head[0], int(head[1:]) if head[1:].isdigit() else 0, rest


def say(text: str) -> None:
    """To whoever watches."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", help="where the JSON goes; bench/results/gate.json")
    parser.add_argument("--trace", help="a CSV with t_s, prompt_tokens, output_tokens[, client]")
    parser.add_argument("--only", default="", help="goals, by commas")
    depth = parser.add_mutually_exclusive_group()
    for name, meaning in ((Depth.QUICK, "less exact"), (Depth.THOROUGH, "all baselines")):
        depth.add_argument(
            f"--{name}", dest="depth", action="store_const", const=name, help=meaning
        )
    parser.set_defaults(depth=Depth.NORMAL)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--compression", type=float, default=COMPRESSION)
    parser.add_argument("--litellm", default=os.environ.get("BENCH_LITELLM"), help="its folder")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

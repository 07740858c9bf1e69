"""R1 and R2 in full: 1,000 kill -9 of the server at random points, and resumption from any offset.

    python -m bench.crash --kills 1000 --turns 100 --out bench/results/crash.json

Exit code 1 when anything is lost, doubled, garbled, stuck or shown to a stranger.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from bench.crash.oplog import Findings
from bench.crash.resume import ResumeFindings
from bench.crash.runs import merged, resume, storms
from bench.gateway.load import quantiles
from bench.gateway.report import ROOT, made_by

MAX_LOST_MS = 100.0
MAX_REPLAY_MS = 150.0


def main() -> int:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--lanes", type=int, default=2, help="servers side by side")
    parser.add_argument("--turns", type=int, default=60, help="replies read from random offsets")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", default=str(ROOT / "bench" / "results" / "crash.json"))
    args = parser.parse_args()
    load_before = os.getloadavg()
    with tempfile.TemporaryDirectory(prefix="fireside-crash-") as folder:
        parts = asyncio.run(storms(Path(folder), args.kills, args.seed, args.lanes))
    with tempfile.TemporaryDirectory(prefix="fireside-resume-") as folder:
        read = asyncio.run(resume(Path(folder), args.turns, 8, args.seed))
    result = {
        **_goals(merged(parts), read),
        "_made_by": made_by("bench.crash", args.seed, load_before),
    }
    shown = msgspec.json.format(msgspec.json.encode(result), indent=1)
    Path(args.out).write_bytes(shown + b"\n")
    sys.stdout.buffer.write(shown + b"\n")
    return 0 if all(goal["ok"] for key, goal in result.items() if key[0] != "_") else 1


def _goals(storm: Findings, read: ResumeFindings) -> dict[str, Any]:
    in_short = msgspec.to_builtins(storm)
    in_short["start_s"] = round(statistics.median(storm.start_s), 3)
    lost_ms = quantiles([lost_s * 1000 for lost_s in storm.lost_s])
    del in_short["lost_s"]
    return {
        "R1": {
            "value": len(storm.broken),
            "goal": "0 acknowledged messages lost, doubled, garbled or stuck",
            "ok": not storm.broken,
            "baseline": {"open-webui": "killed in mid-reply it loses all of the reply (recorded)"},
            "findings": in_short,
        },
        "R1.lost_text_ms_max": {
            "value": lost_ms.max,
            "goal": f"<= {MAX_LOST_MS:g}",
            "ok": lost_ms.max <= MAX_LOST_MS,
            "baseline": {},
            "findings": msgspec.to_builtins(lost_ms),
        },
        "R2": {
            "value": len(read.broken),
            "goal": "the same bytes from any offset; strangers get 404",
            "ok": not read.broken,
            "baseline": {},
            "findings": msgspec.to_builtins(read),
        },
        "R2.replay_ms_p99": {
            "value": read.replay_ms.p99,
            "goal": f"<= {MAX_REPLAY_MS:g}",
            "ok": read.replay_ms.p99 <= MAX_REPLAY_MS,
            "baseline": {},
        },
    }


if __name__ == "__main__":
    sys.exit(main())

"""R1 in full: 1,000 kill -9 of the server at random points; nothing acknowledged may be lost.

    python -m bench.crash --kills 1000 --out bench/results/crash.json

Exit code 1 when anything is lost, doubled, garbled or stuck.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

import msgspec

from bench.crash.oplog import Findings
from bench.crash.storm import Storm
from bench.gateway.report import ROOT, made_by
from bench.gateway.targets import mock_engine

NUM_TOKENS = 40


async def storms(work_dir: Path, num_kills: int, seed: int, lanes: int) -> list[Findings]:
    """`lanes` servers side by side, each with its own data and its share of the kills."""
    pace = ("--mode", "paced", "--compression", "3", "--reply-tokens", str(NUM_TOKENS))
    engine, port = await asyncio.to_thread(mock_engine, work_dir, *pace)
    try:
        async with asyncio.TaskGroup() as tasks:
            runs = []
            for lane in range(lanes):
                folder = work_dir / f"lane{lane}"
                folder.mkdir()
                storm = Storm(
                    folder, port, seed=seed * 100 + lane, num_users=3, num_tokens=NUM_TOKENS
                )
                runs.append(tasks.create_task(storm.run(num_kills // lanes)))
        return [run.result() for run in runs]
    finally:
        engine.stop()


def merged(parts: list[Findings]) -> Findings:
    """One verdict of several lanes."""
    total = Findings()
    for part in parts:
        total.num_kills += part.num_kills
        total.num_sent += part.num_sent
        total.num_acked += part.num_acked
        total.num_cut_replies += part.num_cut_replies
        total.num_resumed += part.num_resumed
        total.max_lost_s = max(total.max_lost_s, part.max_lost_s)
        total.max_lost_tokens = max(total.max_lost_tokens, part.max_lost_tokens)
        total.max_settle_s = max(total.max_settle_s, part.max_settle_s)
        total.start_s += part.start_s
        total.broken += part.broken
    return total


def main() -> int:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--lanes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", default=str(ROOT / "bench" / "results" / "crash.json"))
    args = parser.parse_args()
    load_before = os.getloadavg()
    with tempfile.TemporaryDirectory(prefix="fireside-crash-") as folder:
        parts = asyncio.run(storms(Path(folder), args.kills, args.seed, args.lanes))
    total = merged(parts)
    shown = msgspec.to_builtins(total)
    starts = sorted(shown.pop("start_s"))
    shown["start_s_p50"] = starts[len(starts) // 2]
    result = {
        "R1": {
            "value": len(total.broken),
            "goal": f"0 of {args.kills} kills lose, double, garble or block anything",
            "ok": not total.broken,
            "baseline": {"open-webui": "loses all of a reply that is under way (recorded)"},
        },
        "_findings": shown,
        "_made_by": made_by(args.seed, load_before),
    }
    Path(args.out).write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(shown), indent=1).decode() + "\n")
    return 1 if total.broken else 0


if __name__ == "__main__":
    sys.exit(main())

"""A storm or a fuzz with its mock engine, for the command and for the tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.crash.oplog import Findings
from bench.crash.resume import Fuzzer, ResumeFindings
from bench.crash.storm import Storm
from bench.gateway.targets import Launcher, mock_engine

NUM_TOKENS = 40


async def storms(
    work_dir: Path, num_kills: int, seed: int, lanes: int, launcher: Launcher | None = None
) -> list[Findings]:
    """`lanes` servers side by side, each with its own data and its share of the kills."""
    async with _engine(work_dir) as port:
        async with asyncio.TaskGroup() as tasks:
            runs = []
            for lane in range(lanes):
                folder = work_dir / f"lane{lane}"
                folder.mkdir()
                storm = Storm(
                    folder,
                    port,
                    seed=seed * 100 + lane,
                    num_users=3,
                    num_tokens=NUM_TOKENS,
                    launcher=launcher,
                )
                runs.append(tasks.create_task(storm.run(num_kills // lanes)))
        return [run.result() for run in runs]


def merged(parts: list[Findings]) -> Findings:
    """One verdict of several lanes."""
    total = Findings()
    for part in parts:
        total.num_kills += part.num_kills
        total.num_sent += part.num_sent
        total.num_acked += part.num_acked
        total.num_cut_replies += part.num_cut_replies
        total.num_resumed += part.num_resumed
        total.lost_s += part.lost_s
        total.max_lost_tokens = max(total.max_lost_tokens, part.max_lost_tokens)
        total.max_settle_s = max(total.max_settle_s, part.max_settle_s)
        total.start_s += part.start_s
        total.broken += part.broken
    return total


async def resume(
    work_dir: Path, num_turns: int, readings_per_turn: int, seed: int
) -> ResumeFindings:
    """Read `num_turns` replies, and as many again that are cut by a crash, from random offsets."""
    async with _engine(work_dir) as port:
        fuzzer = Fuzzer(work_dir, port, seed=seed, num_tokens=NUM_TOKENS)
        return await fuzzer.run(num_turns, readings_per_turn)


@asynccontextmanager
async def _engine(work_dir: Path) -> AsyncIterator[int]:
    pace = ("--mode", "paced", "--compression", "3", "--reply-tokens", str(NUM_TOKENS))
    engine, port = await asyncio.to_thread(mock_engine, work_dir, *pace)
    try:
        yield port
    finally:
        engine.stop()

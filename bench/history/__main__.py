"""List, open and search in a large account, on SQLite and PostgreSQL.

    python -m bench.history [--conversations 10000] [--long 10000] [--rounds 200]

Prints one JSON object, `{goal: {value, goal, ok, baseline}}` with values in milliseconds, and
writes it to the file named by OUT as well. PostgreSQL runs with fsync on, as it would be kept.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from pathlib import Path

import anyio
import msgspec

from bench.history.corpus import Corpus
from bench.history.measure import Account, Size, Timing, fill, measure
from fireside.db.database import connect
from fireside.db.local_postgres import LocalPostgres
from fireside.db.migrate import upgrade
from fireside.db.settings import DatabaseSettings

GOAL_MS = 50.0
SEED = 20261122
BASELINES = {"search": "Open WebUI, 10,000 chats: 1,200 ms", "list": "Open WebUI: titles 238 ms"}


class Goal(msgspec.Struct, frozen=True):
    """One figure against what it must reach."""

    value: float
    goal: float
    ok: bool
    baseline: str


async def run(url: str, size: Size, rounds: int) -> tuple[Account, dict[str, Timing]]:
    """Fill the database at `url` and measure it."""
    await upgrade(url)
    database = connect(url, DatabaseSettings())
    corpus = Corpus(SEED)
    try:
        account = await fill(database, corpus, size)
        return account, await measure(database, corpus, account, rounds)
    finally:
        await database.aclose()


def goals(name: str, timings: dict[str, Timing]) -> dict[str, Goal]:
    """What is promised: the 99th percentile of each thing a person waits for."""
    return {
        f"{what} p99 ms ({name})": Goal(
            timings[what].p99_ms, GOAL_MS, timings[what].p99_ms <= GOAL_MS, BASELINES.get(what, "")
        )
        for what in ("list", "open", "open the long one", "search")
    }


def main() -> None:
    """Both databases, one after the other."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--conversations", type=int, default=10_000)
    options.add_argument("--long", type=int, default=10_000)
    options.add_argument("--rounds", type=int, default=200)
    given = options.parse_args()
    size = Size(given.conversations, given.long, 4, max(1, given.conversations // 10))
    report: dict[str, object] = {}
    details: dict[str, object] = {}
    with tempfile.TemporaryDirectory(prefix="fireside-bench-") as directory:
        file = Path(directory) / "fireside.db"
        found = {"SQLite": anyio.run(run, f"sqlite+aiosqlite:///{file}", size, given.rounds)}
        file_bytes = file.stat().st_size
    with LocalPostgres(durable=True) as server:
        found["PostgreSQL"] = anyio.run(run, server.url(), size, given.rounds)
    for name, (account, timings) in found.items():
        report |= goals(name, timings)
        details[name] = {
            "num_messages": account.num_messages,
            "messages_written_per_s": round(account.num_messages / account.fill_s),
            "timings": timings,
        }
    report["about"] = {
        "command": f"python -m bench.history --conversations {size.num_conversations}"
        f" --long {size.long_conversation} --rounds {given.rounds}",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python"
        f" {platform.python_version()}, load {os.getloadavg()[0]:.1f} at the end",
        "seed": SEED,
        "sqlite_file_bytes": file_bytes,
        "size": size,
        "details": details,
    }
    text = msgspec.json.format(msgspec.json.encode(report), indent=1)
    print(text.decode())
    if out := os.environ.get("OUT"):
        Path(out).write_bytes(text + b"\n")


if __name__ == "__main__":
    main()

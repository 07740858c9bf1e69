"""The server that tests and benchmarks run on leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import pytest

from fireside.db.local_postgres import LocalPostgres

pytestmark = pytest.mark.postgres

HOLD = """
import time
from fireside.db.local_postgres import LocalPostgres
with LocalPostgres() as server:
    print(server.pid, server.socket_dir, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("readable", [True, False])
async def test_it_starts_whoever_asks_and_wherever_the_binaries_are(
    readable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fireside.db.local_postgres._readable_by_all", lambda _file: readable)
    with LocalPostgres() as server:
        pid, directory = server.pid, server.socket_dir
        connection = await asyncpg.connect(
            host=str(directory), user="fireside", database="postgres"
        )
        assert await connection.fetchval("SHOW listen_addresses") == ""
        await connection.close()
    assert not Path(f"/proc/{pid}").exists()
    assert not directory.exists()


def test_it_dies_with_the_process_that_started_it() -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        pid, directory = holder.stdout.readline().decode().split()
        holder.kill()
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists():
            break
        time.sleep(0.1)
    assert not Path(f"/proc/{pid}").exists()
    for path, _, files in os.walk(Path(directory).parent, topdown=False):
        for name in files:
            Path(path, name).unlink()
        Path(path).rmdir()

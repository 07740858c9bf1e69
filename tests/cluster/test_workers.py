"""`fireside serve --workers`: one address, several processes, replaced without anybody noticing."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import psutil
import pytest

from bench.gateway.process import Process, call
from bench.gateway.targets import PASSWORD, Fireside, mock_engine
from bench.gateway.words import reply
from bench.page import LOST, Page, Refused
from fireside.conversation.message import Status
from tests.api.bundled_server import MODEL, MODELS, NEEDS_MODEL
from tests.cluster.town import EMAIL, folded, is_end, until

pytestmark = [pytest.mark.postgres, pytest.mark.anyio, pytest.mark.timeout(300)]
NUM_TOKENS = 60
NUM_ROLLS = 2


class Counts:
    """What everybody together saw."""

    def __init__(self) -> None:
        self.is_over = False
        self.num_turns = 0
        self.num_api = 0
        self.num_requests = 0
        self.num_reconnects = 0
        self.failures: list[str] = []


@pytest.fixture
def house(postgres_url: str, tmp_path: Path) -> Iterator[tuple[Fireside, Process]]:
    flags = ("--mode", "paced", "--compression", "2", "--reply-tokens", str(NUM_TOKENS))
    engine, port = mock_engine(tmp_path, *flags)
    server = Fireside(tmp_path, port)
    server.env |= {
        "FIRESIDE__DB__URL": postgres_url,
        "FIRESIDE__CHAT__TITLES": "false",
        "FIRESIDE__SERVER__WORKERS": "2",
        "FIRESIDE__SERVER__DRAIN_S": "10",
        "FIRESIDE__CHAT__KEEP_ENDED_S": "1",
    }
    try:
        server.set_up([EMAIL])
        process, _ = server.start()
        try:
            yield server, process
        finally:
            process.stop()
    finally:
        engine.stop()


async def test_workers_are_replaced_under_load_and_nobody_notices(
    house: tuple[Fireside, Process],
) -> None:
    _server, process = house
    await replace_under_load(house, NUM_ROLLS)

    # One that dies is started again.
    victim = next(iter(workers(process)))
    os.kill(victim, signal.SIGKILL)

    async def is_replaced() -> bool:
        present = workers(process)
        return victim not in present and len(present) == 2

    await until(is_replaced, 20)


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_twenty_rolling_restarts_fail_nothing_and_cut_nothing(
    house: tuple[Fireside, Process],
) -> None:
    counts = await replace_under_load(house, 20)
    print(  # noqa: T201  the figures are what a long test is run for
        f"\n20 rolling restarts: {counts.num_turns} turns, {counts.num_reconnects} reconnects, "
        f"{counts.num_api} API streams, {counts.num_requests} requests, 0 failed"
    )


async def replace_under_load(house: tuple[Fireside, Process], num_rolls: int) -> Counts:
    """Replace all workers so many times while people chat and programs call. Nothing may fail."""
    server, process = house
    key = await asyncio.to_thread(server.make_key, EMAIL)
    await asyncio.to_thread(server.wait_for_model, key)
    page = Page(server.port)
    await page.sign_in(EMAIL, PASSWORD)
    counts = Counts()
    before = workers(process)
    assert len(before) == 2
    try:
        async with asyncio.timeout(40 * num_rolls + 60), asyncio.TaskGroup() as tasks:
            for number in range(4):
                tasks.create_task(chat(page, number, counts))
            for number in range(2):
                tasks.create_task(call_api(server.port, key, number, counts))
            tasks.create_task(look_around(server.port, key, counts))
            await asyncio.sleep(1)
            known = before
            for _ in range(num_rolls):
                os.kill(process.pid, signal.SIGHUP)

                async def all_are_new(known: set[int] = known) -> bool:
                    present = workers(process)
                    return len(present) == 2 and not present & known

                await until(all_are_new, 40)
                known = workers(process)
            await asyncio.sleep(0.5)
            counts.is_over = True
        assert counts.failures == []
        assert counts.num_turns >= 8
        assert counts.num_api >= 8
        assert counts.num_requests >= 50
        assert counts.num_reconnects > 0, "no stream was open; this proved nothing"
        return counts
    finally:
        await page.close()


def workers(process: Process) -> set[int]:
    """Process ids of the server processes."""
    found = set()
    for child in psutil.Process(process.pid).children():
        try:
            if "fireside.cli.worker" in child.cmdline():
                found.add(child.pid)
        except psutil.Error:
            continue
    return found


async def chat(page: Page, number: int, counts: Counts) -> None:
    """Send, and follow to the end as the page does: what ends early is read on from there."""
    while not counts.is_over:
        text = f"roll {number} {counts.num_turns}"
        try:
            started = await page.send(str(uuid.uuid4()), text, None, None)
            frames = []
            while not (frames and is_end(frames[-1])):
                counts.num_reconnects += bool(frames)
                after = frames[-1].number if frames else 0
                frames += [frame async for frame in page.follow(started.turn_id, after)]
        except (*LOST, Refused) as error:
            counts.failures.append(f"chat: {error!r}")
            continue
        message = folded(frames)
        if message.status is not Status.COMPLETE or message.text() != reply(text, NUM_TOKENS):
            counts.failures.append(f"chat: {message.status} {message.text()[:60]}")
        counts.num_turns += 1


async def call_api(port: int, key: str, number: int, counts: Counts) -> None:
    """Streams of the API over connections that are kept."""
    headers = {"Authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=headers) as session:
        while not counts.is_over:
            ask = {
                "model": "mock",
                "stream": True,
                "messages": [{"role": "user", "content": f"api {number} {counts.num_api}"}],
            }
            try:
                async with session.post("/v1/chat/completions", json=ask) as response:
                    body = await response.read()
            except LOST as error:
                counts.failures.append(f"api: {error!r}")
                continue
            if response.status != 200 or not body.endswith(b"data: [DONE]\n\n"):
                counts.failures.append(f"api: {response.status} {body[-80:]!r}")
            counts.num_api += 1


async def look_around(port: int, key: str, counts: Counts) -> None:
    """Small requests, one after another on one connection."""
    headers = {"Authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=headers) as session:
        while not counts.is_over:
            if (status := await _status(session)) != 200:
                counts.failures.append(f"get: {status}")
            counts.num_requests += 1
            await asyncio.sleep(0.01)


async def _status(session: aiohttp.ClientSession) -> object:
    try:
        async with session.get("/v1/models") as response:
            await response.read()
            return response.status
    except LOST as error:
        return error


@NEEDS_MODEL[0]
@NEEDS_MODEL[1]
async def test_workers_share_one_embedded_engine_that_outlives_them(
    postgres_url: str, tmp_path: Path
) -> None:
    server = Fireside(tmp_path, 0)
    server.env |= {
        "FIRESIDE__DB__URL": postgres_url,
        "FIRESIDE__SERVER__WORKERS": "2",
        "FIRESIDE__ENGINE__EMBEDDED": "true",
        "FIRESIDE__ENGINE__EMBEDDED_MODEL": MODEL,
        "FIRESIDE__ENGINE__MODELS_DIR": str(MODELS),
        "FIRESIDE__ENGINE__FETCH_DEFAULT_MODEL": "false",
    }
    server.set_up([EMAIL], with_engine=False)
    process, _ = server.start()
    try:
        key = server.make_key(EMAIL)
        model = server.wait_for_model(key)
        (engine,) = engines(process)
        for _ in range(4):
            assert answer(server.port, key, model) == 200
        before = workers(process)
        os.kill(process.pid, signal.SIGHUP)

        async def all_are_new() -> bool:
            present = workers(process)
            return len(present) == 2 and not present & before

        await until(all_are_new, 40)
        assert answer(server.port, key, model) == 200
        assert engines(process) == {engine}
        os.kill(engine, signal.SIGKILL)
        assert answer(server.port, key, model) == 200, "a request waits for the new one"
    finally:
        process.stop()


def engines(process: Process) -> set[int]:
    """Process ids of the embedded engines."""
    children = psutil.Process(process.pid).children(recursive=True)
    return {each.pid for each in children if "llama_process.py" in " ".join(_words(each))}


def _words(process: psutil.Process) -> list[str]:
    """Its command line; none of one that has just ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def answer(port: int, key: str, model: str) -> int:
    """The status of one short completion."""
    ask = {"model": model, "max_tokens": 4, "messages": [{"role": "user", "content": "Hi"}]}
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    return call(port, "POST", "/v1/chat/completions", json.dumps(ask).encode(), headers)[0]


def test_several_workers_on_sqlite_are_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fireside", "serve", "--port", "0", "--workers", "2"],
        env={"PATH": os.environ["PATH"], "FIRESIDE_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "PostgreSQL" in done.stderr
    assert "Traceback" not in done.stderr

"""What two hosts do while Valkey or PostgreSQL is away, and what a paused process may not do."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.gateway.process import call
from bench.gateway.targets import PASSWORD
from bench.gateway.words import reply
from bench.page import LOST, Page, Refused
from fireside.conversation.message import Status
from fireside.db.local_postgres import LocalPostgres
from tests.cluster.town import EMAIL, Town, ask, folded, read, read_to_end, town, until

pytestmark = [pytest.mark.postgres, pytest.mark.anyio, pytest.mark.timeout(300)]
NUM_TOKENS = 120


@pytest.fixture
def server() -> Iterator[LocalPostgres]:
    # Nothing that is acknowledged may be lost, so this one does not forget.
    with LocalPostgres(durable=True) as running:
        yield running


@pytest.fixture
def two(server: LocalPostgres, tmp_path: Path) -> Iterator[Town]:
    with town(server.url(), tmp_path, num_tokens=NUM_TOKENS, pace="1") as built:
        built.build(2)
        yield built


async def _has_said(page: Page, turn_id: str, num_frames: int = 8) -> bool:
    try:
        return len(await read(page, turn_id, 0, most=num_frames)) == num_frames
    except LOST:
        return False


def _valkey_is_ok(town: Town, number: int) -> bool:
    _status, body = call(town.hosts[number].port, "GET", "/readyz")
    checks = {check["name"]: check["ok"] for check in json.loads(body)["checks"]}
    return bool(checks["valkey"])


async def test_replies_go_on_whatever_goes_away(two: Town, server: LocalPostgres) -> None:
    here, there = pages = await two.sign_in()
    try:
        await _without_valkey(two, here, there)
        await _with_postgres_crashing(server, here, there)
        await _with_a_paused_process(two, here, there)
    finally:
        for page in pages:
            await page.close()


async def _without_valkey(two: Town, here: Page, there: Page) -> None:
    started = await ask(here, "no valkey")
    await until(lambda: _has_said(there, started.turn_id))
    reading = asyncio.create_task(read_to_end([there], started.turn_id))
    await asyncio.sleep(0.2)
    two.valkey.stop()
    assert folded(await reading).text() == reply("no valkey", NUM_TOKENS)

    assert not _valkey_is_ok(two, 0)
    fresh = Page(two.hosts[1].port)
    await fresh.sign_in(EMAIL, PASSWORD)
    await fresh.close()
    started = await ask(here, "stop without valkey")
    await until(lambda: _has_said(there, started.turn_id))
    await there._json("POST", f"/api/turns/{started.turn_id}/stop", {})
    stopped = folded(await read_to_end([there], started.turn_id, within_s=5))
    assert stopped.status is Status.INTERRUPTED

    started = await ask(here, "valkey is back")
    reading = asyncio.create_task(read_to_end([there], started.turn_id))
    await asyncio.sleep(0.3)
    two.valkey.start()
    assert folded(await reading).text() == reply("valkey is back", NUM_TOKENS)

    async def all_hear_again() -> bool:
        return _valkey_is_ok(two, 0) and _valkey_is_ok(two, 1)

    await until(all_hear_again)
    started = await ask(there, "as before")
    assert folded(await read_to_end([here], started.turn_id)).text() == reply(
        "as before", NUM_TOKENS
    )


async def _with_postgres_crashing(server: LocalPostgres, here: Page, there: Page) -> None:
    turns = [await ask(page, f"crash {n}") for n, page in enumerate((here, there, here))]
    await until(lambda: _has_said(there, turns[0].turn_id))
    readings = [
        asyncio.create_task(read_to_end([page], turn.turn_id))
        for turn, page in zip(turns, (there, here, here), strict=True)
    ]
    server.crash()
    await asyncio.sleep(1)
    with pytest.raises(Refused, match="503"):
        await ask(here, "nobody hears this")
    await asyncio.to_thread(server.start_again)
    for n, frames in enumerate(await asyncio.gather(*readings)):
        assert folded(frames).text() == reply(f"crash {n}", NUM_TOKENS)
    for turn in turns:
        opened = await there.conversation(turn.conversation.id)
        assert opened.turns == []
        assert opened.messages[-1].message.status is Status.COMPLETE


async def _with_a_paused_process(two: Town, here: Page, there: Page) -> None:
    """Its turn is finished elsewhere while it sleeps; what it says once it wakes is nowhere."""
    started = await ask(here, "asleep")
    await until(lambda: _has_said(there, started.turn_id))
    os.kill(two.processes[0].pid, signal.SIGSTOP)
    try:
        frames = await read_to_end([there], started.turn_id)
        assert folded(frames).text() == reply("asleep", NUM_TOKENS)
    finally:
        os.kill(two.processes[0].pid, signal.SIGCONT)
    await asyncio.sleep(1.5)
    for page in (here, there):
        opened = await page.conversation(started.conversation.id)
        assert opened.turns == []
        assert opened.messages[-1].message.text() == reply("asleep", NUM_TOKENS)
        again = await read(page, started.turn_id, frames[0].number)
        assert folded([frames[0], *again]).text() == reply("asleep", NUM_TOKENS)
    started = await ask(here, "awake")
    assert folded(await read_to_end([there], started.turn_id)).text() == reply("awake", NUM_TOKENS)

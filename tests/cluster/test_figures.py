"""What following and taking over cost between three hosts; run by name, it prints its figures."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from bench.gateway.load import quantiles
from bench.gateway.words import reply
from bench.page import Frame, Page
from fireside.db.local_postgres import LocalPostgres
from tests.cluster.town import Town, ask, folded, read, read_to_end, town

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.anyio,
    pytest.mark.long,
    pytest.mark.timeout(1200),
]
NUM_TOKENS = 80
NUM_TURNS = 20
NUM_REPLAYS = 600
NUM_KILLS = 8


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Town]:
    with LocalPostgres(durable=True) as server:
        with town(server.url(), tmp_path, num_tokens=NUM_TOKENS, pace="1") as built:
            built.build(3)
            yield built


async def test_replay_and_takeover(three: Town) -> None:
    pages = await three.sign_in()
    try:
        replay_ms = await _replays(pages)
        gaps_s = await _takeovers(three, pages)
    finally:
        for page in pages:
            await page.close()
    print("\nreplay at another host, ms:", quantiles(replay_ms))  # noqa: T201
    print("gap when the owner is killed, s:", quantiles(gaps_s))  # noqa: T201
    assert max(gaps_s) < 6


async def _replays(pages: list[Page]) -> list[float]:
    """Live and ended replies, from random offsets, at hosts that do not run them."""
    rng = random.Random(1)
    turns = [(await ask(pages[0], f"turn {n}")).turn_id for n in range(NUM_TURNS)]
    wholes = await asyncio.gather(*(read_to_end([pages[1]], turn) for turn in turns))
    times = []
    for _ in range(NUM_REPLAYS):
        n = rng.randrange(NUM_TURNS)
        place = rng.randrange(len(wholes[n]) - 1)
        begun = time.monotonic()
        tail = await read(pages[rng.choice([1, 2])], turns[n], wholes[n][place].number)
        times.append((tail[0].at - begun) * 1000)
        assert _bytes(tail) == _bytes(wholes[n][place + 1 :])
    return times


async def _takeovers(three: Town, pages: list[Page]) -> list[float]:
    gaps = []
    for number in range(NUM_KILLS):
        owner = number % 3
        others = [page for n, page in enumerate(pages) if n != owner]
        texts = [f"kill {number} {n}" for n in range(3)]
        turns = [(await ask(pages[owner], text)).turn_id for text in texts]
        readings = [asyncio.create_task(read_to_end(others, turn)) for turn in turns]
        await asyncio.sleep(0.4)
        three.processes[owner].kill()
        for text, frames in zip(texts, await asyncio.gather(*readings), strict=True):
            assert folded(frames).text() == reply(text, NUM_TOKENS)
            gaps.append(max(b.at - a.at for a, b in pairwise(frames)))
        await asyncio.to_thread(three.restart, owner)
    return gaps


def _bytes(frames: list[Frame]) -> list[tuple[int, bytes]]:
    return [(frame.number, frame.data) for frame in frames]

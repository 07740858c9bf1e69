"""Three hosts as separate processes with separate data directories: one conversation."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from bench.gateway.words import reply
from bench.page import Refused
from fireside.conversation.message import Status
from tests.cluster.town import Town, ask, folded, read, read_to_end, town, until

pytestmark = [pytest.mark.postgres, pytest.mark.anyio, pytest.mark.timeout(300)]
NUM_TOKENS = 80


@pytest.fixture
def three(postgres_url: str, tmp_path: Path) -> Iterator[Town]:
    with town(postgres_url, tmp_path, num_tokens=NUM_TOKENS, pace="1") as built:
        built.build(3)
        yield built


async def test_a_turn_is_followed_stopped_and_finished_anywhere(three: Town) -> None:
    pages = await three.sign_in()
    strangers = await three.sign_in("eve@example.com")
    rng = random.Random(1)
    try:
        # Followed live and replayed from any offset, at any host: the same bytes.
        turns = [(await ask(pages[n % 3], f"question {n}")).turn_id for n in range(6)]
        wholes = await asyncio.gather(
            *(read_to_end([pages[(n + 1) % 3]], turn) for n, turn in enumerate(turns))
        )
        replay_ms = []
        for n, (turn, whole) in enumerate(zip(turns, wholes, strict=True)):
            assert folded(whole).text() == reply(f"question {n}", NUM_TOKENS)
            truth = {frame.number: frame.data for frame in whole}
            for page in pages:
                after = rng.choice([0, *list(truth)[:-1]])
                begun = time.monotonic()
                tail = await read(page, turn, after)
                replay_ms.append((tail[0].at - begun) * 1000)
                assert [(f.number, f.data) for f in tail] == [
                    (k, v) for k, v in truth.items() if k > after
                ]
        assert sorted(replay_ms)[len(replay_ms) // 2] < 150
        for stranger in strangers:
            with pytest.raises(Refused, match="404"):
                await read(stranger, turns[0])

        # What runs is known everywhere, and can be stopped from anywhere.
        started = await ask(pages[0], "stop me")
        conversation_id = started.conversation.id
        for page in pages:
            opened = await page.conversation(conversation_id)
            assert [turn.turn_id for turn in opened.turns] == [started.turn_id]
            assert opened.conversation.running == [started.turn_id]
        await until(lambda: _has_said(pages[2], started.turn_id))
        await pages[1]._json("POST", f"/api/turns/{started.turn_id}/stop", {})
        frames = await read_to_end([pages[2]], started.turn_id, within_s=3)
        assert folded(frames).status is Status.INTERRUPTED
        for page in pages:
            assert (await page.conversation(conversation_id)).turns == []

        # A host dies: another one finishes what it wrote.
        orphans = [(await ask(pages[0], f"orphan {n}")).turn_id for n in range(3)]
        await until(lambda: _has_said(pages[1], orphans[0]))
        three.processes[0].kill()
        readings = await asyncio.gather(
            *(read_to_end([pages[1 + n % 2]], turn) for n, turn in enumerate(orphans))
        )
        for n, frames in enumerate(readings):
            assert folded(frames).text() == reply(f"orphan {n}", NUM_TOKENS)
            assert folded(frames).status is Status.COMPLETE
        gap_s = max(b.at - a.at for frames in readings for a, b in pairwise(frames))
        assert gap_s < 6
        three.restart(0)
        again = await read(pages[0], orphans[0])
        assert folded(again).text() == reply("orphan 0", NUM_TOKENS)
    finally:
        for page in [*pages, *strangers]:
            await page.close()


async def _has_said(page, turn_id: str) -> bool:
    return len(await read(page, turn_id, 0, most=8)) == 8

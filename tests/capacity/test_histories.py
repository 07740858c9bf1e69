"""Whatever happens in whatever order, no slot, no place and no flow is lost or counted twice."""

from __future__ import annotations

import pytest

from tests.capacity.histories import History


@pytest.mark.parametrize("block", range(10))
def test_the_books_agree_after_every_step(block: int) -> None:
    for seed in range(block * 20, block * 20 + 20):
        History(seed).run(120)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_the_books_agree_in_100_000_histories() -> None:
    for seed in range(100_000):
        History(seed).run(40)

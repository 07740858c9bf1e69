"""Random histories of budgets: servers that reserve, settle, pause, die and lose the database.

After every step the books must agree: what a window has set aside is the sum of its leases, and
never more than its limit.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import func, select

from fireside.capacity.budgets import Budgets
from fireside.capacity.tables import TokenLeaseRow, TokenWindowRow
from fireside.capacity.token_repository import TokenLease
from fireside.db.database import Database, Transaction
from fireside.errors import BackendFailed, LimitReached
from fireside.kit.clock import FakeClock
from fireside.kit.ids import new_id
from tests.capacity.conftest import Away

LIMIT = 1000
LEASE_S = 30.0
OWNERS = ("ann", "ben")
STEPS = (*["reserve"] * 6, *["settle"] * 4, "time", "die", "away", "lose")


class Flaky(Away):
    """A database that may also commit and then lose its answer."""

    lose = False

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Transaction]:
        async with super().write() as tx:
            yield tx
        if self.lose:
            raise BackendFailed("database_unavailable", "lost", retryable=True)


class Servers:
    """A few servers over one database, and what their callers hold."""

    def __init__(self, database: Database, clock: FakeClock, seed: int) -> None:
        self.database, self.clock = database, clock
        self.chance = random.Random(seed)
        self.links = [Flaky(database) for _ in range(3)]
        self.servers = [self._server(link) for link in self.links]
        self.held: dict[int, list[TokenLease]] = defaultdict(list)

    def _server(self, link: Flaky) -> Budgets:
        return Budgets(link, self.clock, new_id, LEASE_S)

    async def step(self) -> None:
        number = self.chance.randrange(3)
        server, link = self.servers[number], self.links[number]
        match self.chance.choice(
            ["reserve"] * 6 + ["settle"] * 4 + ["time", "die", "away", "lose"]
        ):
            case "reserve":
                await self._reserve(number)
            case "settle" if self.held[number]:
                lease = self.held[number].pop(self.chance.randrange(len(self.held[number])))
                server.settle(lease, self.chance.randint(0, lease.tokens))
                await server.flush()
            case "time":
                self.clock.advance(self.chance.choice([1, LEASE_S / 3, LEASE_S / 3, LEASE_S]))
                await self._look_after()
            case "die":  # kill -9: what it held and had not written is forgotten
                self.servers[number], self.held[number] = self._server(link), []
            case "away":
                link.away = not link.away
            case "lose":
                link.lose = not link.lose

    async def _reserve(self, number: int) -> None:
        owner, tokens = self.chance.choice(OWNERS), self.chance.randint(0, LIMIT // 2)
        try:
            self.held[number].append(await self.servers[number].reserve(owner, tokens, LIMIT))
        except (LimitReached, BackendFailed):
            pass

    async def _look_after(self) -> None:
        for server in self.servers:
            try:
                await server.look_after()
            except BackendFailed:
                pass

    async def check(self) -> None:
        """The books agree."""
        leased = (
            select(func.coalesce(func.sum(TokenLeaseRow.tokens), 0))
            .where(
                TokenLeaseRow.owner == TokenWindowRow.owner,
                TokenLeaseRow.window_start == TokenWindowRow.window_start,
            )
            .scalar_subquery()
        )
        query = select(TokenWindowRow.used, TokenWindowRow.reserved, leased)
        async with self.database.read() as tx:
            windows = (await tx.execute(query)).all()
        for used, reserved, of_leases in windows:
            assert reserved == of_leases
            assert 0 <= reserved <= LIMIT
            assert used >= 0

    async def end(self) -> None:
        """All servers settle what they hold; in the end nothing is set aside."""
        for number, (server, link) in enumerate(zip(self.servers, self.links, strict=True)):
            link.away = link.lose = False
            for lease in self.held[number]:
                server.settle(lease, 0)
            await server.flush()
        self.clock.advance(2 * LEASE_S)
        await self._look_after()
        async with self.database.read() as tx:
            left = (await tx.execute(select(func.count()).select_from(TokenLeaseRow))).scalar_one()
            held = select(func.coalesce(func.sum(TokenWindowRow.reserved), 0))
            assert (left, (await tx.execute(held)).scalar_one()) == (0, 0)


@pytest.mark.parametrize("seed", range(3))
async def test_the_books_agree_after_every_step(
    database: Database, clock: FakeClock, seed: int
) -> None:
    servers = Servers(database, clock, seed)
    for _ in range(150):
        await servers.step()
        await servers.check()
    await servers.end()
    await servers.check()

"""The leader is agreed in a real Valkey: gone leaders are followed, and Valkey may go away."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import anyio
import pytest

from fireside.capacity.asks import Ask, Granted
from fireside.capacity.backends.valkey_gate import GateCoordination
from fireside.capacity.policy import Band, default_policy
from fireside.capacity.sharing import Role, SharedScheduler
from fireside.kit.clock import SystemClock
from fireside.kit.ids import new_id
from fireside.kit.local_valkey import LocalValkey
from fireside.kit.valkey import Valkey
from fireside.kit.valkey_broker import ValkeyBroker

pytestmark = pytest.mark.anyio
CLOCK = SystemClock()
SLOTS = 4


@pytest.fixture
def server() -> Iterator[LocalValkey]:
    with LocalValkey() as running:
        yield running


class Gateway:
    """One process's scheduler, and what it was granted."""

    def __init__(self) -> None:
        now = CLOCK.monotonic_s()
        self.scheduler = SharedScheduler(default_policy(), now, new_id())
        self.scheduler.deliver = self.take
        self.scheduler.set_engines({"model": ["engine"]}, {"engine": SLOTS}, now)
        self.granted: list[str] = []
        self.coordination: GateCoordination | None = None
        self.stop = anyio.CancelScope()

    def take(self, decisions) -> None:
        self.granted += [each.ask_id for each in decisions if isinstance(each, Granted)]

    def ask(self, name: str) -> None:
        now = CLOCK.monotonic_s()
        ask = Ask(id=name, pool="model", band=Band.LATER, flow=name, arrived_at=now)
        self.take([self.scheduler.arrive(ask, now)])

    async def tick(self) -> None:
        while True:
            self.take(self.scheduler.tick(CLOCK.monotonic_s()))
            await anyio.sleep(0.1)


@asynccontextmanager
async def gateways(server: LocalValkey, number: int) -> AsyncIterator[list[Gateway]]:
    built = [Gateway() for _ in range(number)]

    async def run(gateway: Gateway) -> None:
        valkey = Valkey(server.url)
        broker = ValkeyBroker(valkey)
        with gateway.stop:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(broker.run)
                tasks.start_soon(gateway.tick)
                gateway.coordination = GateCoordination(valkey, broker, gateway.scheduler, CLOCK)
                await gateway.coordination.run()
        with anyio.CancelScope(shield=True):
            await valkey.aclose()

    async with anyio.create_task_group() as tasks:
        for gateway in built:
            tasks.start_soon(run, gateway)
        yield built
        for gateway in built:
            gateway.stop.cancel()


async def until(check, within_s: float = 10.0) -> float:
    begun = anyio.current_time()
    with anyio.fail_after(within_s):
        while not check():
            await anyio.sleep(0.01)
    return anyio.current_time() - begun


def roles(built: list[Gateway]) -> list[Role]:
    return sorted(each.scheduler.role for each in built)


async def test_one_leads_and_the_next_one_follows_within_two_seconds(server):
    async with gateways(server, 3) as built:
        settled = [Role.FOLLOWING, Role.FOLLOWING, Role.LEADING]
        await until(lambda: roles(built) == settled)
        leader = next(each for each in built if each.scheduler.role is Role.LEADING)
        first, second = (each for each in built if each is not leader)
        for number in range(SLOTS):
            first.ask(f"a{number}")
        await until(lambda: len(first.granted) == SLOTS)
        second.ask("b")
        await anyio.sleep(0.3)
        assert second.granted == []

        # It is killed: not even its resignation is heard.
        leader.coordination._resign = anyio.lowlevel.checkpoint
        leader.stop.cancel()
        took_s = await until(lambda: Role.LEADING in roles([first, second]))
        assert took_s < 2
        await anyio.sleep(0.8)
        assert second.granted == [], "all slots are held by the other one still"
        first.take(first.scheduler.finish("a0", 1, 1, CLOCK.monotonic_s()))
        await until(lambda: second.granted == ["b"])


async def test_without_valkey_each_decides_for_its_share(server):
    async with gateways(server, 2) as built:
        await until(lambda: roles(built) == [Role.FOLLOWING, Role.LEADING])
        await until(lambda: all(each.scheduler.num_processes == 2 for each in built))
        server.stop()
        await until(lambda: roles(built) == [Role.ALONE, Role.ALONE])
        for gateway in built:
            for number in range(SLOTS):
                gateway.ask(f"{id(gateway)}-{number}")
            assert len(gateway.granted) == SLOTS // 2
        server.start()
        await until(lambda: roles(built) == [Role.FOLLOWING, Role.LEADING])
        finished: set[str] = set()

        def all_had_their_turn() -> bool:
            for gateway in built:
                for ask_id in set(gateway.granted) - finished:
                    finished.add(ask_id)
                    gateway.take(gateway.scheduler.finish(ask_id, 1, 1, CLOCK.monotonic_s()))
            return len(finished) == 2 * SLOTS

        await until(all_had_their_turn)

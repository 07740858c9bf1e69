"""Who leads the gate, agreed in Valkey, and the messages between leader and followers.

The leader holds a key that runs out after `LEASE_MS`; whoever finds it gone takes it, in one
script, under the next epoch. A leader that was paused sends under an old epoch, which nobody obeys.

Failure policy: a process that cannot reach Valkey for `ALONE_AFTER_S` decides for itself, with its
share of the engines' slots, and joins the others again when Valkey is back.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import anyio
import msgspec
import structlog

from fireside.capacity.sharing import FromLeader, Message, Role, SharedScheduler, ToLeader
from fireside.kit.clock import Clock
from fireside.kit.pubsub import Broker
from fireside.kit.valkey import Valkey, ValkeyGone

LEASE_MS = 1400
LOOK_EVERY_S = 0.2
ALONE_AFTER_S = 1.1  # less than the lease: a leader that cannot renew stops before another begins

_ELECT = """
local leader = redis.call('GET', KEYS[1])
if leader == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
elseif not leader then
  leader = ARGV[1]
  redis.call('SET', KEYS[1], leader, 'PX', ARGV[2])
  redis.call('INCR', KEYS[2])
end
return {leader, redis.call('GET', KEYS[2])}
"""
_RESIGN = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
"""

logger = structlog.get_logger(__name__)

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[ToLeader | FromLeader]).decode


class GateCoordination:
    """Gives `scheduler` its role and carries its messages, while `run` runs."""

    def __init__(
        self, valkey: Valkey, broker: Broker, scheduler: SharedScheduler, clock: Clock
    ) -> None:
        self.scheduler = scheduler
        self._valkey = valkey
        self._broker = broker
        self._clock = clock
        self._outgoing: dict[str, list[Message]] = {}
        self._to_send = anyio.Event()
        self._agreed_s = clock.monotonic_s()
        scheduler.send = self._send

    async def run(self) -> None:
        """Take part until cancelled, then let another lead at once."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._carry)
                tasks.start_soon(self._listen)
                tasks.start_soon(self._watch)
                await self._elect_forever()
        finally:
            with anyio.CancelScope(shield=True), anyio.move_on_after(1):
                await self._resign()

    async def _elect_forever(self) -> None:
        while True:
            asked_s = self._clock.monotonic_s()
            with suppress(ValkeyGone):
                leader, epoch = await self._elect()
                # An answer that took long may not hold any more.
                if self._clock.monotonic_s() - asked_s < ALONE_AFTER_S:
                    self._agreed_s = asked_s
                    self._take_role(leader, epoch)
            await anyio.sleep(LOOK_EVERY_S)

    async def _watch(self) -> None:
        """Nobody leads or follows who has not heard from Valkey lately."""
        while True:
            await anyio.sleep(LOOK_EVERY_S)
            if self._clock.monotonic_s() - self._agreed_s > ALONE_AFTER_S:
                self._take_role("", 0)

    def _take_role(self, leader: str, epoch: int) -> None:
        scheduler, now = self.scheduler, self._clock.monotonic_s()
        before = scheduler.role
        if leader and leader == scheduler.process:
            scheduler.lead(epoch, now)
        elif leader and self._broker.is_connected:
            scheduler.follow(leader, epoch, now)
        else:
            scheduler.be_alone(now)
        if scheduler.role is not before:
            logger.info("gate_role", role=scheduler.role.value, epoch=epoch)

    async def _elect(self) -> tuple[str, int]:
        keys = [self._valkey.name("gate", "leader"), self._valkey.name("gate", "epoch")]
        with self._valkey.reached() as client:
            answer: Any = await client.eval(
                _ELECT, len(keys), *keys, self.scheduler.process, str(LEASE_MS)
            )
        leader, epoch = answer
        return leader.decode(), int(epoch)

    async def _resign(self) -> None:
        if self.scheduler.role is not Role.LEADING:
            return
        try:
            with self._valkey.reached() as client:
                key = self._valkey.name("gate", "leader")
                await client.eval(_RESIGN, 1, key, self.scheduler.process)
        except ValkeyGone:
            return

    # messages

    def _send(self, process: str, message: Message) -> None:
        self._outgoing.setdefault(process, []).append(message)
        self._to_send.set()

    async def _carry(self) -> None:
        """What is said within one turn of the event loop goes together."""
        while True:
            await self._to_send.wait()
            self._to_send = anyio.Event()
            outgoing, self._outgoing = self._outgoing, {}
            for process, messages in outgoing.items():
                self._broker.publish(_topic(process), _encode(messages))
            await anyio.lowlevel.checkpoint()

    async def _listen(self) -> None:
        with self._broker.subscribe(_topic(self.scheduler.process), stays=True) as messages:
            async for payload in messages:
                if payload is None:
                    continue  # what was lost is said again with the next beat
                for message in _decode(payload):
                    self.scheduler.take(message, self._clock.monotonic_s())


def _topic(process: str) -> str:
    return f"gate:{process}"

"""What a running reply says, handed to readers at other processes over Valkey.

The process that runs a reply appends groups of its events to a capped stream and then publishes
them; a reader elsewhere subscribes, reads the stream from its offset on and goes on with what is
published. A group's place in the stream is the number of its last event, so one that is sent twice
is there once, and a process that lost its turn cannot add to it any more.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any

import anyio
import msgspec
from redis.asyncio.client import Pipeline
from redis.exceptions import ResponseError

from fireside.chat.log import TurnLog
from fireside.chat.reading import Group, Reading
from fireside.chat.recovery import live
from fireside.conversation.event import Failure, encode_event
from fireside.conversation.message import UserId
from fireside.kit import sse
from fireside.kit.pubsub import Subscription
from fireside.kit.valkey import Valkey, ValkeyGone
from fireside.kit.valkey_broker import ValkeyBroker

RETRY_S = 0.3
LOOK_AGAIN_S = 2.0
MAX_GROUPS = 4096
KEPT_RUNNING_S = 20
KEEP_EVERY_S = 5.0

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Group).decode


class _Sent:
    """How far one reply has been sent."""

    def __init__(self, log: TurnLog) -> None:
        self.log = log
        self.num_frames = 0
        self.num_notices = 0
        self.is_new = True

    def unsent(self) -> Group | None:
        """What was said since."""
        log = self.log
        frames = log.frames[self.num_frames :]
        notice, number, at = log.notice
        if number <= self.num_notices:
            notice, number, at = b"", 0, 0
        if not frames and not notice:
            return None
        first = log.base + self.num_frames + 1
        return Group(first, frames, notice or None, number, log.base + at, log.ended)

    def advance(self, group: Group) -> None:
        """`group` was sent."""
        self.is_new = False
        self.num_frames += len(group.frames)
        self.num_notices = max(self.num_notices, group.notice_number)


class ValkeyRelay:
    """Sends what this process's replies say; reads what those of others do."""

    def __init__(
        self, valkey: Valkey, broker: ValkeyBroker, interval_s: float, kept_s: float
    ) -> None:
        self._valkey = valkey
        self._broker = broker
        self._interval_s = interval_s
        self._kept_s = max(1, int(kept_s))
        self._sent: dict[str, _Sent] = {}
        self._dirty: set[str] = set()
        self._work = anyio.Event()

    @property
    def is_connected(self) -> bool:
        """Whether what other processes send is heard."""
        return self._broker.is_connected

    def attach(self, log: TurnLog) -> None:
        """Send what this reply says, from its first event on, until it ends or leaves."""
        self._sent[log.turn_id] = _Sent(log)
        log.on_growth = self._note
        self._note(log)

    async def run(self) -> None:
        """Send until cancelled, then once more."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._keep)
                while True:
                    await self._work.wait()
                    self._work = anyio.Event()
                    if not await self._send_or_keep():
                        await anyio.sleep(RETRY_S)
                    await anyio.sleep(self._interval_s)
        finally:
            with anyio.CancelScope(shield=True), anyio.move_on_after(1):
                await self._send_or_keep()

    def _note(self, log: TurnLog) -> None:
        self._dirty.add(log.turn_id)
        self._work.set()

    async def _send_or_keep(self) -> bool:
        dirty, self._dirty = self._dirty, set()
        try:
            await self._send([self._sent[id] for id in dirty if id in self._sent])
        except ValkeyGone:
            self._dirty |= dirty
            self._work.set()
            return False
        return True

    async def _send(self, grown: Sequence[_Sent]) -> None:
        groups = [(each, group) for each in grown if (group := each.unsent()) is not None]
        with self._valkey.reached() as client:
            async with client.pipeline(transaction=False) as pipeline:
                for each, group in groups:
                    self._add(pipeline, each, group)
                for answer in await pipeline.execute(raise_on_error=False):
                    # A place that is taken: the group was sent before and the answer was lost, or
                    # another process has this turn by now.
                    if isinstance(answer, Exception) and not isinstance(answer, ResponseError):
                        raise answer
        for each, group in groups:
            self._broker.publish(_topic(each.log.turn_id), _encode(group))
            each.advance(group)
            if group.ended:
                self._sent.pop(each.log.turn_id, None)

    def _add(self, pipeline: Pipeline, each: _Sent, group: Group) -> None:
        key = self._key(each.log.turn_id)
        place = f"{group.last}-{group.notice_number}"
        pipeline.xadd(key, {b"g": _encode(group)}, place, MAX_GROUPS, approximate=True)
        pipeline.expire(key, self._kept_s if group.ended else KEPT_RUNNING_S)
        if each.is_new:
            self._name_owner(pipeline, each.log)

    async def _keep(self) -> None:
        """A reply that is silent for long, as while it waits for its turn, is not forgotten."""
        while True:
            await anyio.sleep(KEEP_EVERY_S)
            self._sent = {id: each for id, each in self._sent.items() if not each.log.left}
            with suppress(ValkeyGone), self._valkey.reached() as client:
                async with client.pipeline(transaction=False) as pipeline:
                    for id, each in self._sent.items():
                        pipeline.expire(self._key(id), KEPT_RUNNING_S)
                        self._name_owner(pipeline, each.log)
                    await pipeline.execute(raise_on_error=False)

    def _name_owner(self, pipeline: Pipeline, log: TurnLog) -> None:
        if log.conversation_id is None:
            pipeline.set(self._owner_key(log.turn_id), log.owner_id, ex=KEPT_RUNNING_S)

    # reading

    def listen(self, turn_id: str) -> AbstractContextManager[Subscription]:
        """Hear, while the block runs, what is said in a turn; see `read`."""
        return self._broker.subscribe(_topic(turn_id))

    def read(self, payload: bytes) -> Group:
        """What one message of `listen` says."""
        return _decode(payload)

    async def groups(self, turn_id: str, after: int) -> list[Group] | None:
        """What is kept of events above number `after`; None when the relay is away."""
        try:
            with self._valkey.reached() as client:
                found: Any = await client.xrange(self._key(turn_id), f"{after}-1", "+")
        except ValkeyGone:
            return None
        groups = [_decode(fields[b"g"]) for _place, fields in found]
        # Of what was announced only the last counts, and only while nothing was said after it.
        return [
            group if group is groups[-1] and group.notice_at >= group.last else _silenced(group)
            for group in groups
        ]

    async def temporary_owner(self, turn_id: str) -> UserId | None:
        """Whose temporary chat this is that another process runs, or ran a moment ago."""
        try:
            with self._valkey.reached() as client:
                owner: Any = await client.get(self._owner_key(turn_id))
        except ValkeyGone:
            return None
        return UserId(owner.decode()) if owner is not None else None

    async def follow_temporary(self, turn_id: str, after: int) -> AsyncIterator[bytes]:
        """Server-sent events of a temporary chat of another process; it is kept nowhere else."""
        reading = Reading(after)
        with self.listen(turn_id) as heard:
            while not reading.ended:
                groups = await self.groups(turn_id, reading.at)
                if groups is None:
                    await anyio.sleep(RETRY_S)
                    continue
                for group in groups:
                    if piece := reading.take(group, can_skip=True):
                        yield piece
                if not reading.ended and await self.temporary_owner(turn_id) is None:
                    lost = Failure("reply_lost", "The server that wrote this reply has gone.")
                    yield sse.encode(encode_event(lost), reading.at + 1)
                    return
                async for piece in live(self, heard, reading, LOOK_AGAIN_S):
                    yield piece

    def _key(self, turn_id: str) -> str:
        return self._valkey.name("turn", turn_id)

    def _owner_key(self, turn_id: str) -> str:
        return self._valkey.name("temporary", turn_id)


def _topic(turn_id: str) -> str:
    return f"turn:{turn_id}"


def _silenced(group: Group) -> Group:
    return msgspec.structs.replace(group, notice=None)

"""R2: a reply is followed from any offset, by any device, before and after a crash: same bytes."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from pathlib import Path

import msgspec

from bench.crash.oplog import Finding
from bench.gateway.load import Quantiles, quantiles
from bench.gateway.process import Process
from bench.gateway.targets import PASSWORD, Fireside
from bench.gateway.words import reply
from bench.page import LOST, Frame, Page, Refused
from fireside.conversation.event import MessageStart, Snapshot
from fireside.conversation.fold import Fold
from fireside.conversation.message import Message, Status

OWNER, STRANGER = "owner@example.com", "stranger@example.com"


class ResumeFindings(msgspec.Struct):
    """The verdict of a run. `replay_ms` is the time to the first frame of an ended reply."""

    num_turns: int = 0
    num_readings: int = 0
    num_frames: int = 0
    replay_ms: Quantiles = msgspec.field(default_factory=Quantiles)
    broken: list[Finding] = []


class Fuzzer:
    """One server, one owner on two devices, one stranger."""

    def __init__(self, work_dir: Path, engine_port: int, *, seed: int, num_tokens: int) -> None:
        self.findings = ResumeFindings()
        self._random = random.Random(seed)
        self._num_tokens = num_tokens
        self._server = Fireside(work_dir, engine_port)
        self._truth: dict[str, dict[int, bytes]] = {}
        self._texts: dict[str, str] = {}
        self._replay_ms: list[float] = []
        self._devices: list[Page] = []

    async def run(self, num_turns: int, readings_per_turn: int) -> ResumeFindings:
        """Read while replies are written, after they ended, and after two crashes."""
        await asyncio.to_thread(self._server.set_up, (OWNER, STRANGER))
        process, _ = await asyncio.to_thread(self._server.start)
        port = self._server.port
        self._devices = [Page(port), Page(port)]
        stranger = Page(port)
        try:
            for device in self._devices:
                await device.sign_in(OWNER, PASSWORD)
            await stranger.sign_in(STRANGER, PASSWORD)
            turns = [await self._begin(n) for n in range(num_turns)]
            self.findings.num_turns = num_turns
            await self._read_at_random(turns, readings_per_turn)
            await self._refuse(stranger, turns)
            await self._read_to_the_end(turns)
            process = await self._crash(process)
            await self._read_to_the_end(turns)
            fresh = [await self._begin(num_turns + n) for n in range(num_turns)]
            await self._read_at_random(fresh, 1)
            process = await self._crash(process)  # in the middle of the fresh ones
            await self._read_at_random(fresh, readings_per_turn)
            await self._read_to_the_end(fresh)
            await self._refuse(stranger, fresh)
        finally:
            process.stop()
            for page in (*self._devices, stranger):
                await page.close()
        self.findings.replay_ms = quantiles(self._replay_ms)
        return self.findings

    async def _begin(self, number: int) -> str:
        text = f"question {number}"
        started = await self._devices[0].send(str(uuid.uuid4()), text, None, None)
        self._truth[started.turn_id] = {}
        self._texts[started.turn_id] = text
        return started.turn_id

    async def _crash(self, process: Process) -> Process:
        process.kill()
        again, _ = await asyncio.to_thread(self._server.start)
        return again

    async def _read_at_random(self, turns: list[str], readings_per_turn: int) -> None:
        """Readers that come with any known offset and leave after any number of frames."""
        async with asyncio.TaskGroup() as tasks:
            for turn_id in turns:
                for _ in range(readings_per_turn):
                    tasks.create_task(self._read_some(turn_id))

    async def _read_some(self, turn_id: str) -> None:
        await asyncio.sleep(self._random.uniform(0, 0.4))
        known = sorted(self._truth[turn_id])
        after = self._random.choice([0, *known])
        wanted = self._random.randint(1, self._num_tokens)
        frames: list[Frame] = []
        device = self._random.choice(self._devices)
        try:
            async for frame in device.follow(turn_id, after):
                frames.append(frame)
                if len(frames) == wanted:
                    break
        except LOST:
            pass
        self._compare(turn_id, after, frames)

    async def _read_to_the_end(self, turns: list[str]) -> None:
        """From the start, and from three random offsets: the same reply every time."""
        for turn_id in turns:
            whole = await self._tail(turn_id, 0, timed=False)
            final = self._folded(turn_id, whole)
            if final.status is not Status.COMPLETE:
                self._wrong("not_ended", turn_id, str(final.status))
            if final.text() != reply(self._texts[turn_id], self._num_tokens):
                self._wrong("text", turn_id, "another text than the engine gave")
            numbers = [frame.number for frame in whole]
            for _ in range(3):
                place = self._random.randrange(len(numbers))
                tail = await self._tail(turn_id, numbers[place], timed=True)
                joined = [*whole[: place + 1], *tail]
                if self._folded(turn_id, joined) != final:
                    self._wrong("fold", turn_id, f"after {numbers[place]} it folds differently")

    async def _tail(self, turn_id: str, after: int, *, timed: bool) -> list[Frame]:
        begun = time.monotonic()
        device = self._random.choice(self._devices)
        frames = [frame async for frame in device.follow(turn_id, after)]
        if timed and frames:
            self._replay_ms.append((frames[0].at - begun) * 1000)
        self._compare(turn_id, after, frames)
        return frames

    def _compare(self, turn_id: str, after: int, frames: list[Frame]) -> None:
        """Every number has one content for ever, and numbers only go up from the offset."""
        self.findings.num_readings += 1
        self.findings.num_frames += len(frames)
        truth = self._truth[turn_id]
        at = after
        for frame in frames:
            snapshot = isinstance(frame.event(), Snapshot)
            if frame.number != at + 1 and not snapshot and at:
                self._wrong("numbers", turn_id, f"{frame.number} after {at}")
            at = frame.number
            if not snapshot and truth.setdefault(at, frame.data) != frame.data:
                self._wrong("bytes", turn_id, f"event {at} changed")

    def _folded(self, turn_id: str, frames: list[Frame]) -> Message:
        """What a page would show. A tail that only repeats the end changes nothing."""
        first = frames[0].event()
        if not isinstance(first, MessageStart | Snapshot):
            self._wrong("beginning", turn_id, "it does not begin with the message")
            raise ValueError("no beginning")
        state = Fold(first.message)
        for frame in frames[1:]:
            state.apply(frame.event())
        return state.message()

    async def _refuse(self, stranger: Page, turns: list[str]) -> None:
        for turn_id in turns:
            try:
                async for _ in stranger.follow(turn_id, self._random.randrange(50)):
                    self._wrong("foreign", turn_id, "shown to a stranger")
                    break
                else:
                    self._wrong("foreign", turn_id, "an empty stream for a stranger")
            except Refused as refused:
                if refused.status != 404:
                    self._wrong("foreign", turn_id, f"a stranger got {refused.status}")

    def _wrong(self, what: str, turn_id: str, detail: str) -> None:
        self.findings.broken.append(Finding(what, f"turn {turn_id}: {detail}"))

"""People who chat while their server is killed again and again."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from pathlib import Path

from bench.crash.oplog import Findings, Send, check_conversation, check_loss
from bench.gateway.process import Process
from bench.gateway.targets import PASSWORD, Fireside, Launcher
from bench.page import LOST, Page, Refused, Started
from fireside.conversation.event import (
    Failure,
    Finish,
    MessageStart,
    PartStart,
    Snapshot,
    StreamEvent,
    TextDelta,
)
from fireside.conversation.message import Text

SETTLED_WITHIN_S = 5.0
REST_EVERY = 10
RETRIED = {429, 503}


class Tab:
    """One open conversation of one person; does one thing at a time."""

    def __init__(self, storm: Storm, user: int, number: int) -> None:
        self._storm = storm
        self._user = user
        self._random = random.Random(storm.seed * 1000 + number)
        self._name = f"tab {number}"
        self._count = 0
        self.sends: list[Send] = []

    async def live(self) -> None:
        """Finish what is unfinished, then go on sending, until the server is gone."""
        try:
            await self.settle()
            while self._storm.sending:
                await self._say_something()
                await asyncio.sleep(self._random.uniform(0, 0.05))
        except LOST:
            return

    async def settle(self) -> None:
        """Repeat what was not acknowledged, follow what has not ended."""
        for send in self.sends:
            if not send.acked:
                await self._post(send)
            if not send.ended:
                await self._watch(send)

    async def _say_something(self) -> None:
        last = self.sends[-1] if self.sends else None
        anew = last is None or self._random.random() < 0.3
        self._count += 1
        send = Send(
            request_id=str(uuid.UUID(int=self._random.getrandbits(128), version=4)),
            text=f"{self._name} says {self._count} in run {self._storm.seed}",
            user=self._user,
            conversation_id=None if anew or last is None else last.conversation_id,
            parent_id=None if anew or last is None else last.reply_id,
        )
        self.sends.append(send)
        await self._post(send)
        await self._watch(send)

    async def _post(self, send: Send) -> None:
        page = self._storm.pages[self._user]
        started: Started = await page.send(
            send.request_id, send.text, send.conversation_id, send.parent_id
        )
        if started.conversation is not None:
            send.conversation_id = started.conversation.id
        send.acked = True
        send.turn_id = started.turn_id
        send.reply_id = str(started.message.message.id)

    async def _watch(self, send: Send) -> None:
        """Follow the reply from the last event that was seen."""
        first = send.last_event > 0
        async for frame in self._storm.pages[self._user].follow(send.turn_id, send.last_event):
            event = frame.event()
            if first and isinstance(event, Snapshot):
                self._storm.findings.num_resumed += 1
                check_loss(send, event.message.text(), self._storm.killed_at, self._storm.findings)
            first = False
            send.last_event = frame.number
            show(send, event, frame.at)
        if not send.ended:
            raise ConnectionError("The stream ended without the reply's end.")


def show(send: Send, event: StreamEvent, at: float) -> None:
    """What the page would show after this event."""
    match event:
        case MessageStart(message=message) | Snapshot(message=message):
            send.shown = message.text()
            send.seen = [(at, len(send.shown))]
            send.ended = message.status not in {"streaming", "queued"}
        case PartStart(part=Text(text=text)) | TextDelta(text=text):
            send.shown += text
            send.seen.append((at, len(send.shown)))
        case Finish() | Failure():
            send.ended = True
        case _:
            pass


class Storm:
    """One server, its data directory, and the people who use it."""

    def __init__(
        self,
        work_dir: Path,
        engine_port: int,
        *,
        seed: int,
        num_users: int,
        num_tokens: int,
        launcher: Launcher | None = None,
    ) -> None:
        self.seed = seed
        self.findings = Findings()
        self.sending = True
        self.killed_at = 0.0
        self.pages: list[Page] = []
        self._random = random.Random(seed)
        self._num_users = num_users
        self._num_tokens = num_tokens
        self._server = Fireside(work_dir, engine_port, launcher=launcher)
        self._tabs = [Tab(self, i % num_users, i) for i in range(num_users * 2)]

    async def run(self, num_kills: int) -> Findings:
        """Kill `num_kills` times, then let everything come to rest and compare."""
        emails = [f"person{i}@example.com" for i in range(self._num_users)]
        await asyncio.to_thread(self._server.set_up, emails)
        process, _ = await asyncio.to_thread(self._server.start)
        self.pages = [Page(self._server.port) for _ in emails]
        for page, email in zip(self.pages, emails, strict=True):
            await page.sign_in(email, PASSWORD)
        try:
            for number in range(1, num_kills + 1):
                await self._chat_until_killed(process)
                process = await self._start()
                if number % REST_EVERY == 0:
                    await self._rest()
            self.sending = False
            await self._rest()
            await self._compare()
        finally:
            process.stop()
            for page in self.pages:
                await page.close()
        return self.findings

    async def _chat_until_killed(self, process: Process) -> None:
        async with asyncio.TaskGroup() as tasks:
            for tab in self._tabs:
                tasks.create_task(tab.live())
            await asyncio.sleep(self._random.uniform(0.02, 0.6))
            self._kill(process)

    async def _start(self) -> Process:
        """Start again; one time in eight the server is killed while it starts."""
        while self._random.random() < 0.125:
            process = self._server.launch()
            await asyncio.sleep(self._random.uniform(0.0, 1.5))
            process.kill()
            self.findings.num_kills += 1
        process = self._server.launch()
        took_s = await asyncio.to_thread(process.wait_until_up, self._server.port, "/readyz")
        self.findings.start_s.append(round(took_s, 3))
        return process

    def _kill(self, process: Process) -> None:
        self.killed_at = time.monotonic()
        process.kill()
        self.findings.num_kills += 1
        cut = [s for tab in self._tabs for s in tab.sends if s.acked and not s.ended]
        self.findings.num_cut_replies += len(cut)

    async def _rest(self) -> None:
        """Everything that was under way has to come to its end soon after the start."""
        started_at = time.monotonic()
        try:
            async with asyncio.timeout(SETTLED_WITHIN_S), asyncio.TaskGroup() as tasks:
                for tab in self._tabs:
                    tasks.create_task(tab.settle())
        except TimeoutError:
            stuck = [s.turn_id for t in self._tabs for s in t.sends if not s.ended]
            self.findings.wrong("stuck", f"{len(stuck)} replies still open: {stuck[:3]}")
        took_s = time.monotonic() - started_at
        self.findings.max_settle_s = max(self.findings.max_settle_s, round(took_s, 3))

    async def _compare(self) -> None:
        sends = [send for tab in self._tabs for send in tab.sends]
        self.findings.num_sent = len(sends)
        self.findings.num_acked = sum(send.acked for send in sends)
        for user, page in enumerate(self.pages):
            mine = [send for send in sends if send.user == user]
            known = {send.conversation_id for send in mine if send.conversation_id}
            there = await page.conversation_ids()
            if len(there) != len(set(there)) or set(there) != known:
                self.findings.wrong(
                    "conversations", f"{len(there)} are there, {len(known)} were acknowledged"
                )
            for conversation_id in known & set(there):
                opened = await page.conversation(conversation_id)
                of_it = [send for send in mine if send.conversation_id == conversation_id]
                check_conversation(opened, of_it, self._num_tokens, self.findings)
        await self._check_foreign(sends)

    async def _check_foreign(self, sends: list[Send]) -> None:
        """Somebody else's stream is not there."""
        for send in sends[:20]:
            stranger = self.pages[(send.user + 1) % len(self.pages)]
            try:
                async for _ in stranger.follow(send.turn_id):
                    self.findings.wrong("foreign", f"turn {send.turn_id} was shown to a stranger")
                    break
            except Refused as refused:
                if refused.status != 404:
                    self.findings.wrong("foreign", f"a stranger got {refused.status}, not 404")

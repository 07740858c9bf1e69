"""Load on the page's own path: messages sent, replies saved and followed, from a process apart.

echo '{"port": 8321, "email": "a@b.c", "password": "..."}' | python -m bench.gateway.page_path
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
import uuid

import msgspec
import uvloop

from bench.gateway.load import Quantiles, quantiles
from bench.gateway.words import reply
from bench.page import Page
from fireside.conversation.event import Finish, TextDelta
from fireside.conversation.message import Status

TURNS_PER_CONVERSATION = 5


class PageSpec(msgspec.Struct, kw_only=True):
    """What to send. Every tab sends, follows the reply to its end, and sends again."""

    port: int
    email: str
    password: str
    num_tabs: int = 16
    num_tokens: int = 100
    duration_s: float = 20.0
    cpu: int | None = None


class PageReport(msgspec.Struct, kw_only=True):
    """What came back. `ack_ms` is the time until a message was acknowledged."""

    num_replies: int
    num_wrong: int
    ack_ms: Quantiles
    ttft_ms: Quantiles


class _Tabs:
    def __init__(self, spec: PageSpec) -> None:
        self._spec = spec
        self._page = Page(spec.port)
        self._until = 0.0
        self._acks: list[float] = []
        self._firsts: list[float] = []
        self._num_replies = self._num_wrong = 0

    async def run(self) -> PageReport:
        await self._page.sign_in(self._spec.email, self._spec.password)
        self._until = time.monotonic() + self._spec.duration_s
        async with asyncio.TaskGroup() as tasks:
            for number in range(self._spec.num_tabs):
                tasks.create_task(self._tab(number))
        await self._page.close()
        return PageReport(
            num_replies=self._num_replies,
            num_wrong=self._num_wrong,
            ack_ms=quantiles(self._acks),
            ttft_ms=quantiles(self._firsts),
        )

    async def _tab(self, number: int) -> None:
        conversation_id = parent_id = None
        count = 0
        while time.monotonic() < self._until:
            if count % TURNS_PER_CONVERSATION == 0:
                conversation_id = parent_id = None
            count += 1
            text = f"tab {number} of {os.getpid()} asks {count}"
            sent_at = time.monotonic()
            started = await self._page.send(str(uuid.uuid4()), text, conversation_id, parent_id)
            self._acks.append((time.monotonic() - sent_at) * 1000)
            if started.conversation is not None:
                conversation_id = started.conversation.id
            parent_id = str(started.message.message.id)
            said = await self._read(started.turn_id, sent_at)
            self._num_replies += 1
            self._num_wrong += said != reply(text, self._spec.num_tokens)

    async def _read(self, turn_id: str, sent_at: float) -> str:
        pieces: list[str] = []
        ended = Status.STREAMING
        async for frame in self._page.follow(turn_id):
            event = frame.event()
            if isinstance(event, TextDelta):
                if not pieces:
                    self._firsts.append((frame.at - sent_at) * 1000)
                pieces.append(event.text)
            elif isinstance(event, Finish):
                ended = Status.COMPLETE
        return "".join(pieces) if ended is Status.COMPLETE else ""


def main() -> None:
    """Run the spec on standard input."""
    spec = msgspec.json.decode(sys.stdin.buffer.read(), type=PageSpec)
    if spec.cpu is not None:
        os.sched_setaffinity(0, {spec.cpu})

    async def run() -> PageReport:
        return await _Tabs(spec).run()

    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(run())) + b"\n")


if __name__ == "__main__":
    main()

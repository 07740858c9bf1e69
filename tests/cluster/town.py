"""Several hosts, each a process with a data directory of its own, on one PostgreSQL and Valkey."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.crash.nursery import Nursery
from bench.gateway.process import Process
from bench.gateway.targets import PASSWORD, Fireside, mock_engine
from bench.page import LOST, Frame, Page, Refused, Started
from fireside.conversation.event import MessageStart, Snapshot
from fireside.conversation.fold import Fold
from fireside.conversation.message import Message
from fireside.kit.local_valkey import LocalValkey

EMAIL = "ada@example.com"
RECONNECT_S = 0.05


@dataclass
class Town:
    """Hosts by number. `pages[n]` is a browser of the same person that talks to host n only."""

    database_url: str
    valkey: LocalValkey
    engine: Process
    engine_port: int
    nursery: Nursery
    work_dir: Path
    hosts: list[Fireside] = field(default_factory=list)
    processes: list[Process] = field(default_factory=list)

    def build(self, num_hosts: int, **env: str) -> None:
        """Start so many hosts."""
        for number in range(num_hosts):
            folder = self.work_dir / f"host{number}"
            folder.mkdir(exist_ok=True)
            host = Fireside(folder, self.engine_port, launcher=self.nursery.launch)
            host.env |= {
                "FIRESIDE__DB__URL": self.database_url,
                "FIRESIDE__VALKEY__URL": self.valkey.url,
                "FIRESIDE__CHAT__TITLES": "false",
                "FIRESIDE__SERVER__DRAIN_S": "10",
                **env,
            }
            self.hosts.append(host)
        self.hosts[0].set_up([EMAIL, "eve@example.com"])
        self.processes = [host.launch() for host in self.hosts]
        for host, process in zip(self.hosts, self.processes, strict=True):
            process.wait_until_up(host.port, "/readyz")

    def restart(self, number: int) -> None:
        """Start a host that was ended."""
        self.processes[number], _ = self.hosts[number].start()

    def stop(self) -> None:
        """End every host."""
        for process in self.processes:
            process.stop()

    async def sign_in(self, email: str = EMAIL) -> list[Page]:
        """A browser for each host."""
        pages = [Page(host.port) for host in self.hosts]
        for page in pages:
            await page.sign_in(email, PASSWORD)
        return pages


@contextmanager
def town(database_url: str, work_dir: Path, *, num_tokens: int, pace: str = "3") -> Iterator[Town]:
    """A town without hosts yet."""
    with ExitStack() as stack:
        valkey = stack.enter_context(LocalValkey())
        flags = ("--mode", "paced", "--compression", pace, "--reply-tokens", str(num_tokens))
        engine, port = mock_engine(work_dir, *flags)
        stack.callback(engine.stop)
        nursery = Nursery()
        stack.callback(nursery.close)
        built = Town(database_url, valkey, engine, port, nursery, work_dir)
        stack.callback(built.stop)
        yield built


async def ask(page: Page, text: str = "question") -> Started:
    """Send a message in a new conversation."""
    return await page.send(str(uuid.uuid4()), text, None, None)


async def read(page: Page, turn_id: str, after: int = 0, most: int = 1_000_000) -> list[Frame]:
    """At most so many frames from one connection."""
    frames: list[Frame] = []
    async for frame in page.follow(turn_id, after):
        frames.append(frame)
        if len(frames) >= most:
            break
    return frames


async def read_to_end(
    pages: list[Page], turn_id: str, after: int = 0, within_s: float = 30.0
) -> list[Frame]:
    """Every frame until the reply ends, over as many connections and hosts as it takes."""
    frames: list[Frame] = []
    attempt = 0
    async with asyncio.timeout(within_s):
        while not (frames and is_end(frames[-1])):
            page = pages[attempt % len(pages)]
            attempt += 1
            try:
                async for frame in page.follow(turn_id, frames[-1].number if frames else after):
                    frames.append(frame)
            except LOST:
                await asyncio.sleep(RECONNECT_S)
            except Refused as refused:
                if refused.status not in {429, 503}:
                    raise
                await asyncio.sleep(RECONNECT_S)
    return frames


def is_end(frame: Frame) -> bool:
    """Whether this event is a reply's last."""
    event = frame.event()
    if isinstance(event, MessageStart | Snapshot):
        return event.message.status not in {"streaming", "queued"}
    return type(event).__name__ in {"Finish", "Failure"}


def folded(frames: list[Frame]) -> Message:
    """What a page would show after these frames."""
    first = frames[0].event()
    assert isinstance(first, MessageStart | Snapshot)
    state = Fold(first.message)
    for frame in frames[1:]:
        state.apply(frame.event())
    return state.message()


async def until(check: object, within_s: float = 10.0) -> float:
    """Wait for an asynchronous condition; the seconds it took."""
    begun = time.monotonic()
    async with asyncio.timeout(within_s):
        while not await check():  # type: ignore[operator]
            await asyncio.sleep(0.02)
    return time.monotonic() - begun

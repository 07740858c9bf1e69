"""One life of the embedded engine's process: started, asked whether it serves, heard, buried."""

from __future__ import annotations

import secrets
import signal
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import anyio
import msgspec
from anyio.abc import ByteReceiveStream, Process
from anyio.streams.buffered import BufferedByteReceiveStream

from fireside.engine.backends import llama_process

MAX_ANSWER_BYTES = 64 * 1024
LAST_WORDS = 12
EXIT_WAIT_S = 2.0

ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
"""Nothing of ours: the server's environment may hold keys."""


class ChildSettings(msgspec.Struct, frozen=True):
    """What `llama_process.py` reads on its standard input."""

    name: str
    path: str
    context_tokens: int
    parallel_slots: int
    threads: int
    batch_tokens: int
    prompt_cache_mib: int
    api_key: str = ""


class _Answer(msgspec.Struct, frozen=True):
    address: str = ""
    failed: str = ""


class LoadFailed(Exception):
    """The child says that it cannot load the model, or takes too long; trying again is no use."""


class ChildDied(Exception):
    """The child ended without a word; the message says how."""


class LlamaChild:
    """A running child. Made by `child_running`."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._words: deque[str] = deque(maxlen=LAST_WORDS)
        self.api_key = secrets.token_urlsafe(24)
        self.address = ""

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def start_serving(self, settings: ChildSettings, timeout_s: float) -> None:
        """Hand over the settings and wait until the model is loaded and the port open.

        Raises LoadFailed, ChildDied.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = msgspec.structs.replace(settings, api_key=self.api_key)
        try:
            with anyio.fail_after(timeout_s):
                await self._process.stdin.send(msgspec.json.encode(asked) + b"\n")
                answers = BufferedByteReceiveStream(self._process.stdout)
                line = await answers.receive_until(b"\n", MAX_ANSWER_BYTES)
                answer = msgspec.json.decode(line, type=_Answer)
                if answer.failed:
                    await self._process.wait()
        except TimeoutError:
            raise LoadFailed(f"Loading took longer than {timeout_s:.0f} seconds.") from None
        except (
            anyio.BrokenResourceError,
            anyio.ClosedResourceError,
            anyio.EndOfStream,
            anyio.IncompleteRead,
            anyio.DelimiterNotFound,
            msgspec.DecodeError,
        ):
            raise ChildDied(await self.wait()) from None
        if answer.failed:
            raise LoadFailed(self.reason() or answer.failed)
        self.address = answer.address

    async def wait(self) -> str:
        """Wait for its end; returns how it ended, to follow "the engine"."""
        code = await self._process.wait()
        if code >= 0:
            return f"stopped with exit code {code}"
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        why = _SIGNAL_HINTS.get(name, "")
        return f"was killed by {name}{why}"

    def kill(self) -> None:
        """End it at once."""
        if self._process.returncode is None:
            self._process.kill()

    async def stop(self) -> None:
        """Let it end by itself, which it does when its standard input ends."""
        assert self._process.stdin is not None
        await self._process.stdin.aclose()

    def reason(self) -> str:
        """Why loading failed, out of its last words; empty when they do not say."""
        told = [word for word in self._words if "error loading model" in word]
        told = told or [word for word in self._words if " E " in word]
        return told[-1].rpartition(" E ")[2].strip()[:300] if told else ""

    async def listen(self) -> None:
        """Keep its last words. It is told to report errors only, which never quote a prompt."""
        assert self._process.stderr is not None
        async for line in _lines(self._process.stderr):
            self._words.append(line)

    async def bury(self) -> None:
        """See that it is gone."""
        self.kill()
        await self._process.wait()
        await self._process.aclose()


_SIGNAL_HINTS = {
    "SIGKILL": " (out of memory, perhaps)",
    "SIGILL": " (this processor lacks an instruction it needs)",
}


@asynccontextmanager
async def child_running() -> AsyncIterator[LlamaChild]:
    """A new child process, gone when the block ends; it must be listened to within it."""
    process = await anyio.open_process(
        [sys.executable, "-P", llama_process.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        start_new_session=True,  # Ctrl-C in a terminal is for the server to handle
    )
    child = LlamaChild(process)
    try:
        yield child
    finally:
        with anyio.CancelScope(shield=True):
            await child.bury()


async def _lines(stream: ByteReceiveStream) -> AsyncIterator[str]:
    rest = b""
    async for chunk in stream:
        *lines, rest = (rest + chunk)[-MAX_ANSWER_BYTES:].split(b"\n")
        for line in map(partial(bytes.decode, errors="replace"), lines):
            yield line[:500]

"""A raw HTTP/1.1 client connection, cheap enough not to be what is measured."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from typing import cast

_EVENT = b"data: {"
_LAST_CHUNK = b"0\r\n\r\n"
_SPOKEN = re.compile(rb'"(?:content|text)": ?"[^"]')


class Outcome:
    """What came of one request; times by CLOCK_MONOTONIC, 0 where it did not happen."""

    __slots__ = (
        "aborted_at",
        "body",
        "ended_at",
        "error",
        "first_at",
        "head",
        "lag_s",
        "last_at",
        "longest_gap_s",
        "num_events",
        "num_spoken",
        "prompt",
        "sent_at",
        "status",
    )

    def __init__(self, prompt: str = "") -> None:
        self.prompt = prompt
        self.lag_s = 0.0
        self.sent_at = self.first_at = self.ended_at = self.aborted_at = 0.0
        self.last_at = self.longest_gap_s = 0.0
        self.num_events = 0
        self.num_spoken = 0
        self.head = b""
        self.status = 0
        self.error = ""
        self.body = b""


class Client(asyncio.Protocol):
    """One keep-alive connection with at most one request under way.

    `on_end` is called once per request, also when the connection breaks.
    """

    def __init__(
        self, on_end: Callable[[Client, Outcome], None], *, count_spoken: bool = False
    ) -> None:
        self._on_end = on_end
        self._count_spoken = count_spoken
        self._outcome: Outcome | None = None
        self._transport: asyncio.Transport | None = None
        self._abort_after = 0
        self._keep = False

    @property
    def usable(self) -> bool:
        """Whether another request may be sent."""
        return self._transport is not None and self._outcome is None

    @property
    def outcome(self) -> Outcome | None:
        """What is under way."""
        return self._outcome

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        outcome = self._outcome
        if outcome is None:
            return
        if not self._in_body or self._left is not None or self._chunked:
            outcome.error = "cut"
        self._finish()

    def send(
        self, data: bytes, outcome: Outcome, *, abort_after: int = 0, keep: bool = False
    ) -> None:
        """Send a request. `abort_after` events the connection is dropped; `keep` the body."""
        assert self._transport is not None
        self._outcome = outcome
        self._abort_after = abort_after
        self._keep = keep
        self._in_body = False
        self._chunked = False
        self._left: int | None = None
        self._head = b""
        self._tail = b""
        self._pieces: list[bytes] = []
        outcome.sent_at = time.monotonic()
        self._transport.write(data)

    def close(self) -> None:
        """Drop the connection, whatever is under way."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        outcome = self._outcome
        if outcome is None:
            return
        if not self._in_body:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            data = self._head[end + 4 :]
            self._read_head(self._head[:end], outcome)
        if self._keep or outcome.first_at == 0.0:
            self._pieces.append(data)
            if outcome.first_at == 0.0 and _SPOKEN.search(b"".join(self._pieces)):
                outcome.first_at = time.monotonic()
        if self._count_spoken:
            outcome.num_spoken += len(_SPOKEN.findall(data))
        seen = self._tail + data
        num_new = seen.count(_EVENT)
        if num_new:
            self._note_gap(outcome)
        outcome.num_events += num_new
        self._tail = seen[-6:]
        if self._left is not None:
            self._left -= len(data)
            if self._left <= 0:
                self._finish()
        elif self._chunked and seen.endswith(_LAST_CHUNK):
            self._finish()
        if self._abort_after and outcome.num_events >= self._abort_after and self._outcome:
            outcome.aborted_at = time.monotonic()
            outcome.error = ""
            self._abort_after = 0
            self.close()

    def _note_gap(self, outcome: Outcome) -> None:
        if outcome.first_at == 0.0:
            return
        now = time.monotonic()
        if outcome.last_at:
            outcome.longest_gap_s = max(outcome.longest_gap_s, now - outcome.last_at)
        outcome.last_at = now

    def _read_head(self, head: bytes, outcome: Outcome) -> None:
        self._in_body = True
        outcome.status = int(head[9:12])
        outcome.head = head
        lower = head.lower()
        if b"transfer-encoding: chunked" in lower:
            self._chunked = True
            return
        found = re.search(rb"content-length: *(\d+)", lower)
        if found:
            self._left = int(found[1])

    def _finish(self) -> None:
        outcome = self._outcome
        assert outcome is not None
        self._outcome = None
        outcome.ended_at = time.monotonic()
        if self._keep:
            outcome.body = b"".join(self._pieces)
        if outcome.status != 200 and not outcome.error and outcome.status != 201:
            outcome.error = f"status {outcome.status}" if outcome.status else "no answer"
        self._on_end(self, outcome)

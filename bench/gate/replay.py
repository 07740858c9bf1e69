"""The replayer: its own process, on its own core, against loopback only.

    python -m bench.gate.replay < replay.json > replayed.json

Reads a `Replay` from standard input and writes a `Replayed` to standard output. What is sent does
not depend on what comes back, save for retries; a run whose own sends were late is void.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import sys
import time
from collections import deque

import msgspec
import uvloop

from bench.gate.spec import Attempt, Replay, Replayed, prompt_text, said_before
from bench.gateway.client import Client, Outcome
from bench.gateway.load import MAX_CONNECTIONS, MAX_SEND_LAG_MS, quantiles, spoken
from bench.gateway.words import reply

MAX_RUN_S = 600.0
REFUSALS = frozenset({429, 503})
_RETRY_AFTER = re.compile(rb"\r\nretry-after: *(\d+)", re.I)
_CODE = re.compile(rb'"code": ?"([^"]*)"')


class _Call(Outcome):
    """One request under way."""

    __slots__ = ("attempt", "text")

    def __init__(self, attempt: Attempt, text: str) -> None:
        super().__init__()
        self.attempt = attempt
        self.text = text


class Replayer:
    """One run of one replay."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self._loop = asyncio.get_running_loop()
        self._random = random.Random(replay.seed)
        self._idle: list[Client] = []
        self._num_connections = 0
        self._calls: list[_Call] = []
        self._lags: list[float] = []
        self._num_open = 0
        self._run = f"{os.getpid():x}{time.monotonic_ns() // 1000:x}"
        self._heads = [self._head_for(caller.key) for caller in replay.callers]
        self._todo = deque(range(len(replay.sends))) if replay.concurrency else deque[int]()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> Replayed:
        """Send, wait for what is under way, report."""
        replay = self._replay
        self._began = time.monotonic() + 0.1
        if replay.concurrency:
            last_s = replay.stop_s or MAX_RUN_S
            for _ in range(min(replay.concurrency, len(replay.sends))):
                self._next_of_closed_loop()
        else:
            last_s = max((send.at_s for send in replay.sends), default=0.0)
            for number, send in enumerate(replay.sends):
                self._plan(number, 0, send.at_s)
        until = self._began + min(last_s + replay.drain_s, MAX_RUN_S)
        while self._num_open and time.monotonic() < until:
            await asyncio.sleep(0.02)
        return self._report()

    def _now_s(self) -> float:
        return time.monotonic() - self._began

    def _plan(self, number: int, attempt: int, at_s: float) -> None:
        self._num_open += 1
        delay_s = max(0.0, at_s - self._now_s())
        self._loop.call_later(delay_s, self._begin, number, attempt, at_s)

    def _next_of_closed_loop(self) -> None:
        stop_s = self._replay.stop_s
        if self._todo and not (stop_s and self._now_s() > stop_s):
            self._num_open += 1
            number = self._todo.popleft()
            self._loop.call_soon(self._begin, number, 0, max(0.0, self._now_s()))

    def _begin(self, number: int, attempt: int, due_s: float) -> None:
        # Late is what the replayer is; a server that is slow to take connections is not its fault.
        self._lags.append(max(0.0, self._now_s() - due_s) * 1000)
        call = self._call(number, attempt, due_s)
        self._calls.append(call)
        while self._idle:
            client = self._idle.pop()
            if client.usable:
                self._send(client, call)
                return
        if self._num_connections >= MAX_CONNECTIONS:
            call.error = "the replayer has no more connections"
            self._settle(call)
            return
        self._num_connections += 1
        task = self._loop.create_task(self._connect(call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, call: _Call) -> None:
        try:
            _, client = await self._loop.create_connection(
                lambda: Client(self._ended), "127.0.0.1", self._replay.port
            )
        except OSError as error:
            self._num_connections -= 1
            call.error = f"no connection: {error.strerror or error}"
            self._settle(call)
            return
        self._send(client, call)

    def _call(self, number: int, attempt: int, due_s: float) -> _Call:
        text = prompt_text(self._run, number, self._replay.sends[number])
        return _Call(Attempt(number, attempt, due_s, -1.0, -1.0, -1.0, 0, "unfinished"), text)

    def _send(self, client: Client, call: _Call) -> None:
        replay = self._replay
        send = replay.sends[call.attempt.send]
        caller = replay.callers[send.caller]
        body = msgspec.json.encode({
            "model": replay.model,
            "stream": True,
            "stream_options": {"include_usage": True},
            **({"max_tokens": replay.max_tokens} if replay.max_tokens else {}),
            "messages": [*said_before(send), {"role": "user", "content": call.text}],
        })
        head = self._heads[send.caller]
        client.send(head + b"Content-Length: %d\r\n\r\n" % len(body) + body, call, keep=True)
        call.attempt.sent_s = call.sent_at - self._began
        self._loop.call_later(caller.patience_s, self._lose_patience, client, call)

    def _lose_patience(self, client: Client, call: _Call) -> None:
        if call.first_at == 0.0 and call.ended_at == 0.0 and client.outcome is call:
            call.aborted_at = time.monotonic()
            client.close()

    def _ended(self, client: Client, outcome: Outcome) -> None:
        assert isinstance(outcome, _Call)
        if client.usable:
            self._idle.append(client)
        else:
            self._num_connections -= 1
        self._settle(outcome)

    def _settle(self, call: _Call) -> None:
        """A request is over; ask again, or take the next."""
        self._num_open -= 1
        self._judge(call)
        attempt = call.attempt
        caller = self._replay.callers[self._replay.sends[attempt.send].caller]
        if attempt.outcome not in {"ok", "unfinished"} and attempt.number < caller.retries:
            wait_s = attempt.retry_after_s
            if wait_s >= 0:
                wait_s /= self._replay.pace
            else:
                wait_s = self._replay.backoff_s * 2**attempt.number
            wait_s *= 1 + 0.1 * self._random.random()
            at_s = self._now_s() + wait_s
            if wait_s <= caller.patience_s:
                self._plan(attempt.send, attempt.number + 1, at_s)
        if self._replay.concurrency:
            self._next_of_closed_loop()

    def _judge(self, call: _Call) -> None:
        """Read off what can be told without looking at the text."""
        attempt = call.attempt
        offset = self._began
        attempt.ended_s = (call.ended_at or time.monotonic()) - offset
        attempt.first_s = call.first_at - offset if call.first_at else -1.0
        attempt.status = call.status
        attempt.longest_gap_s = call.longest_gap_s
        if call.aborted_at:
            attempt.outcome = "gave_up"
        elif call.status in REFUSALS:
            attempt.outcome = "refused"
            found = _RETRY_AFTER.search(call.head)
            attempt.retry_after_s = float(found[1]) if found else -1.0
            attempt.has_limits = b"x-ratelimit-" in call.head.lower()
            code = _CODE.search(call.body)
            attempt.detail = code[1].decode(errors="replace") if code else ""
        elif call.error or b'"error"' in call.body[-600:]:
            attempt.outcome = "error"
            attempt.detail = call.error or call.body[-600:].decode(errors="replace")
        else:
            attempt.outcome = "ok"

    def _report(self) -> Replayed:
        for call in self._calls:
            self._read_text(call)
        lag_p99_ms = quantiles(self._lags).p99
        report = Replayed(
            began_at=self._began,
            attempts=[call.attempt for call in self._calls],
            lag_p99_ms=lag_p99_ms,
            cpu_s=round(time.process_time(), 3),
        )
        if not self._replay.concurrency and lag_p99_ms > MAX_SEND_LAG_MS:
            report.void = f"send lag p99 {lag_p99_ms:.1f} ms is over {MAX_SEND_LAG_MS:.0f} ms"
        return report

    def _read_text(self, call: _Call) -> None:
        """Compare what was said with what should have been; after the run, it takes time."""
        attempt = call.attempt
        if attempt.outcome != "ok":
            return
        send = self._replay.sends[attempt.send]
        wanted = min(send.output_tokens, self._replay.max_tokens or send.output_tokens)
        try:
            said = spoken(call.body, stream=True)
        except msgspec.DecodeError:
            said = ""
        attempt.num_tokens = len(said.split())
        if self._replay.check_texts:
            attempt.is_right = said == reply(call.text, wanted)
        if b"[DONE]" not in call.body[-100:]:
            attempt.outcome, attempt.detail = "error", "the stream has no end"

    def _head_for(self, key: str) -> bytes:
        lines = f"Authorization: Bearer {key}\r\n" if key else ""
        return (
            f"POST {self._replay.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Content-Type: application/json\r\n{lines}"
        ).encode()


def main() -> None:
    """Replay what standard input says."""
    replay = msgspec.json.decode(sys.stdin.buffer.read(), type=Replay)
    if replay.cpu is not None:
        os.sched_setaffinity(0, {replay.cpu})

    async def run() -> Replayed:
        return await Replayer(replay).run()

    replayed = uvloop.run(run())
    sys.stdout.buffer.write(msgspec.json.encode(replayed) + b"\n")


if __name__ == "__main__":
    main()

"""The load generator: its own process, on its own core, against loopback only.

    echo '{"port": 9100, "concurrency": 32, "duration_s": 5}' | python -m bench.gateway.load

Reads a `Spec` as JSON from standard input and writes a `Report` to standard output. Open loop
(`rate_per_s` > 0) sends by the clock whatever comes back and is void when its own send lag shows;
closed loop keeps `concurrency` requests under way. Both stop by themselves.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from collections import Counter

import msgspec
import uvloop

from bench.gateway.client import Client, Outcome
from bench.gateway.words import prompt_hash, reply

MAX_SEND_LAG_MS = 20.0
MAX_DURATION_S = 600.0
MAX_CONNECTIONS = 4096


class Size(msgspec.Struct, array_like=True):
    """Of one request: prompt and reply tokens."""

    prompt_tokens: int
    reply_tokens: int


class Spec(msgspec.Struct, kw_only=True):
    """What to send. Sizes are drawn from `sizes` by `seed`, prompts differ in every request.

    With a `question` the engine is a real one: it is asked with a number behind it, at temperature
    0, and what counts are the events that carry text.
    """

    port: int
    path: str = "/v1/chat/completions"
    headers: dict[str, str] = {}
    model: str = "mock"
    stream: bool = True
    sizes: tuple[Size, ...] = (Size(20, 100),)
    concurrency: int = 0
    rate_per_s: float = 0.0
    duration_s: float = 5.0
    warm_up_s: float = 0.0
    drain_s: float = 10.0
    abort_after_events: int = 0
    sample_every: int = 50
    seed: int = 0
    cpu: int | None = None
    want_records: bool = False
    question: str = ""


class Quantiles(msgspec.Struct):
    """Of a time in milliseconds."""

    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    max: float = 0.0


class Seen(msgspec.Struct, array_like=True):
    """One request as its client saw it; matches `mock_engine.Record` by the prompt."""

    prompt: str
    sent_at: float
    first_at: float
    ended_at: float
    aborted_at: float


class Report(msgspec.Struct, kw_only=True):
    """What came back. `void` says why the run does not count, or is empty."""

    num_requests: int
    num_ok: int
    num_unfinished: int
    errors: dict[str, int]
    duration_s: float
    requests_per_s: float
    events_per_s: float
    ttft_ms: Quantiles
    latency_ms: Quantiles
    send_lag_ms: Quantiles
    num_checked: int
    num_wrong_texts: int
    cpu_s: float
    void: str = ""
    records: list[Seen] = []


def quantiles(values_ms: list[float]) -> Quantiles:
    """The usual ones; zeros of nothing."""
    if not values_ms:
        return Quantiles()
    ordered = sorted(values_ms)

    def at(q: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(q * len(ordered)))], 3)

    return Quantiles(at(0.5), at(0.95), at(0.99), round(ordered[-1], 3))


class Load:
    """One run of one spec."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._random = random.Random(spec.seed)
        self._loop = asyncio.get_running_loop()
        self._idle: list[Client] = []
        self._clients: set[Client] = set()
        self._outcomes: list[Outcome] = []
        self._expected: dict[str, tuple[str, int]] = {}
        self._num_under_way = 0
        self._counts_from = self._sends_until = 0.0
        self._events_in_span = 0
        self._run = f"{os.getpid():x}{int(time.monotonic() * 1000):x}"
        headers = {"Content-Type": "application/json", **spec.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._head = f"POST {spec.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{lines}".encode()

    async def run(self) -> Report:
        """Send, wait for what is under way, report."""
        spec = self._spec
        now = time.monotonic()
        self._counts_from = now + spec.warm_up_s
        self._sends_until = self._counts_from + min(spec.duration_s, MAX_DURATION_S)
        self._loop.call_later(spec.warm_up_s, self._count_events, -1)
        self._loop.call_later(self._sends_until - now, self._count_events, 1)
        if spec.rate_per_s > 0:
            await self._open_loop(now)
        else:
            for _ in range(spec.concurrency):
                await self._start(0.0)
        while time.monotonic() < self._sends_until:
            await asyncio.sleep(0.05)
        last = time.monotonic() + spec.drain_s
        while self._num_under_way and time.monotonic() < last:
            await asyncio.sleep(0.02)
        return self._report()

    async def _open_loop(self, now: float) -> None:
        due = now
        while due < self._sends_until:
            due += self._random.expovariate(self._spec.rate_per_s)
            wait_s = due - time.monotonic()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            await self._start(due)

    async def _start(self, due: float) -> None:
        """Send one request over a free connection, or a new one."""
        self._num_under_way += 1
        while self._idle:
            client = self._idle.pop()
            if client.usable:
                break
        else:
            if len(self._clients) >= MAX_CONNECTIONS:
                outcome = Outcome()
                outcome.sent_at = outcome.ended_at = time.monotonic()
                outcome.error = "no more connections"
                self._outcomes.append(outcome)
                self._num_under_way -= 1
                return
            _, client = await self._loop.create_connection(
                lambda: Client(self._ended, count_spoken=bool(self._spec.question)),
                "127.0.0.1",
                self._spec.port,
            )
            self._clients.add(client)
        self._send(client, due)

    def _new_client(self) -> Client:
        return Client(self._ended, count_spoken=bool(self._spec.question))

    def _send(self, client: Client, due: float) -> None:
        spec = self._spec
        number = len(self._outcomes)
        size = self._random.choice(spec.sizes)
        text = f"{self._run}-{number} ".ljust(size.prompt_tokens * 4, "x")
        if spec.question:
            text = f"{spec.question} ({number % 64})"
        outcome = Outcome(f"{prompt_hash(text):016x}")
        self._outcomes.append(outcome)
        body = b'{"model":"%s","stream":%s,"max_tokens":%d%s,"messages":[%s]}' % (
            spec.model.encode(),
            b"true" if spec.stream else b"false",
            size.reply_tokens,
            b',"temperature":0' if spec.question else b"",
            b'{"role":"user","content":"%s"}' % text.encode(),
        )
        sampled = bool(spec.sample_every) and number % spec.sample_every == 0
        if sampled and not spec.abort_after_events and not spec.question:
            self._expected[outcome.prompt] = (text, size.reply_tokens)
        data = self._head + b"Content-Length: %d\r\n\r\n" % len(body) + body
        client.send(data, outcome, abort_after=spec.abort_after_events, keep=sampled)
        outcome.lag_s = max(0.0, outcome.sent_at - due) if due else 0.0

    def _ended(self, client: Client, outcome: Outcome) -> None:
        self._num_under_way -= 1
        if outcome.aborted_at:
            outcome.error = ""
        if not client.usable:
            self._clients.discard(client)
        if self._spec.rate_per_s > 0:
            self._idle.append(client)
        elif time.monotonic() < self._sends_until:
            if client.usable:
                self._num_under_way += 1
                self._send(client, 0.0)
            else:
                self._loop.create_task(self._start(0.0))

    def _report(self) -> Report:
        counted = [x for x in self._outcomes if x.sent_at >= self._counts_from]
        done = [x for x in self._outcomes if x.ended_at and not x.error]
        ended = [x for x in done if self._counts_from <= x.ended_at <= self._sends_until]
        unfinished = [x for x in counted if not x.ended_at]
        span_s = self._sends_until - self._counts_from
        now = time.monotonic()
        lag = quantiles([x.lag_s * 1000 for x in counted])
        waits = [((x.first_at or now) - x.sent_at) * 1000 for x in counted if not x.error]
        checked = [x for x in counted if x.body and not x.error and x.prompt in self._expected]
        report = Report(
            num_requests=len(counted),
            num_ok=sum(1 for x in counted if x.ended_at and not x.error),
            num_unfinished=len(unfinished),
            errors=dict(Counter(x.error for x in counted if x.error)),
            duration_s=round(span_s, 3),
            requests_per_s=round(len(ended) / span_s, 1),
            events_per_s=round(self._events_in_span / span_s, 1),
            ttft_ms=quantiles(waits),
            latency_ms=quantiles([(x.ended_at - x.sent_at) * 1000 for x in counted if x.ended_at]),
            send_lag_ms=lag,
            num_checked=len(checked),
            num_wrong_texts=sum(1 for x in checked if not self._is_right(x)),
            cpu_s=round(time.process_time(), 3),
        )
        if self._spec.rate_per_s > 0 and lag.p99 > MAX_SEND_LAG_MS:
            report.void = f"send lag p99 {lag.p99:.1f} ms is over {MAX_SEND_LAG_MS:.0f} ms"
        if self._spec.want_records:
            report.records = [
                Seen(x.prompt, x.sent_at, x.first_at, x.ended_at, x.aborted_at) for x in counted
            ]
        return report

    def _count_events(self, sign: int) -> None:
        """Called when the span that counts begins and when it ends."""
        if self._spec.question:
            self._events_in_span += sign * sum(x.num_spoken for x in self._outcomes)
        else:
            self._events_in_span += sign * sum(x.num_events for x in self._outcomes)

    def _is_right(self, outcome: Outcome) -> bool:
        """Whether the text is exactly what the mock engine answers to this prompt."""
        text, num_tokens = self._expected[outcome.prompt]
        return spoken(outcome.body, self._spec.stream) == reply(text, num_tokens)


class _Delta(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    message: _Delta | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice] = []


def spoken(body: bytes, stream: bool) -> str:
    """The reply's text in a response body (with its chunk sizes, where it was chunked)."""
    pieces = body.split(b"data: ")[1:] if stream else [body]
    said = []
    for piece in pieces:
        start, end = piece.find(b"{"), piece.rfind(b"}")
        if start < 0:
            continue
        for choice in msgspec.json.decode(piece[start : end + 1], type=_Answer).choices:
            part = choice.delta or choice.message
            said.append((part.content or "") if part else "")
    return "".join(said)


def main() -> None:
    """Run the spec on standard input."""
    spec = msgspec.json.decode(sys.stdin.buffer.read(), type=Spec)
    if spec.cpu is not None:
        os.sched_setaffinity(0, {spec.cpu})

    async def run() -> Report:
        return await Load(spec).run()

    report = uvloop.run(run())
    sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")


if __name__ == "__main__":
    main()

"""The measurements, each the same for every target."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from typing import Any

import msgspec

from bench.gateway.load import Quantiles, Report, Seen, Size, Spec, quantiles
from bench.gateway.page_path import PageReport, PageSpec
from bench.gateway.process import call
from bench.gateway.reply import Record
from bench.gateway.targets import EMAIL, PASSWORD, Running

_AZURE_QUANTILES = ((2, 7), (372, 67), (396, 85), (703, 103), (1020, 129), (1097, 217), (4083, 400))
"""Prompt and reply tokens of a chat service, roughly: Azure's public trace of November 2023."""

_ABORT_AFTER = 100


class Engine:
    """The mock engine's controls."""

    def __init__(self, port: int) -> None:
        self.port = port

    def instant(self) -> None:
        """Answer at once; forget all counters."""
        self._post("mode", {"mode": "instant"})
        self._post("reset", {})

    def paced(
        self, *, replicas: int = 1, compression: float = 1.0, reply_tokens: int = 1000
    ) -> None:
        """Answer by the cost model; forget all counters."""
        mode = {
            "mode": "paced",
            "replicas": replicas,
            "compression": compression,
            "reply_tokens": reply_tokens,
        }
        self._post("mode", mode)
        self._post("reset", {})

    def fault(self, **fault: Any) -> None:
        """Make something go wrong."""
        self._post("fault", fault)

    def faults(self, faults: list[dict[str, Any]]) -> None:
        """These and no others are meant to go wrong from now on."""
        call(self.port, "POST", "/mock/faults", msgspec.json.encode(faults))

    def stats(self) -> dict[str, float]:
        """Counters since the last reset."""
        return msgspec.json.decode(call(self.port, "GET", "/mock/stats")[1], type=dict[str, float])

    def records(self) -> dict[str, Record]:
        """Each request's life, by its prompt."""
        body = call(self.port, "GET", "/mock/records")[1]
        return {x.prompt: x for x in msgspec.json.decode(body, type=list[Record])}

    def _post(self, what: str, body: dict[str, Any]) -> None:
        call(self.port, "POST", f"/mock/{what}", msgspec.json.encode(body))


class Load:
    """Runs the load generator against a target and keeps an eye on its processor time."""

    def __init__(self, target: Running, *, cpu: int | None, seed: int) -> None:
        self._target = target
        self._cpu = cpu
        self._seed = seed
        self.target_cpu_s = 0.0

    def run(self, **what: Any) -> Report:
        """One run; `what` are fields of `Spec`."""
        at = self._target.endpoint
        spec = Spec(
            port=at.port,
            path=at.path,
            headers=at.headers,
            model=at.model,
            cpu=self._cpu,
            seed=self._seed,
            **what,
        )
        before = self.cpu_s()
        done = subprocess.run(
            [sys.executable, "-m", "bench.gateway.load"],
            input=msgspec.json.encode(spec),
            stdout=subprocess.PIPE,
            timeout=900,
            check=True,
        )
        self.target_cpu_s = self.cpu_s() - before
        return msgspec.json.decode(done.stdout, type=Report)

    def cpu_s(self) -> float:
        """Processor time of the target so far."""
        return self._target.process.cpu_s() if self._target.process else 0.0


class Speed(msgspec.Struct, kw_only=True):
    """What one target did. Times are medians in milliseconds unless named otherwise."""

    requests_per_s: float = 0.0
    cpu_ms_per_request: float = 0.0
    events_per_s: float = 0.0
    cpu_us_per_event: float = 0.0
    paced_cpu_us_per_event: float = 0.0
    ttft_added_ms_at_10_per_s: float = 0.0
    ttft_added_ms_at_200_streams: float = 0.0
    ttft_added_ms_at_200_streams_p99: float = 0.0
    abort_ms_p50: float = 0.0
    abort_ms_max: float = 0.0
    num_aborts: int = 0
    num_never_stopped: int = 0
    wasted_tokens_share: float = 0.0
    overload_ttft_ms_p50: float = 0.0
    overload_ttft_ms_p99: float = 0.0
    overload_errors: dict[str, int] = {}
    overload_refused: int = 0
    num_wrong_texts: int = 0
    errors: dict[str, int] = {}
    void: list[str] = []


class Bench:
    """All measurements of one target, in order."""

    def __init__(self, target: Running, engine: Engine, load: Load, scale: float) -> None:
        self.speed = Speed()
        self._target = target
        self._engine = engine
        self._load = load
        self._scale = scale

    def run(self) -> Speed:
        """Everything; a minute or two at full scale."""
        self.requests()
        self.events()
        self.ttft_quiet()
        self.ttft_streams()
        self.aborts()
        self.overload()
        self._settle()
        return self.speed

    def requests(self) -> None:
        """Short replies without a stream, 32 at a time."""
        self._settle()
        self._engine.instant()
        report = self._run(
            stream=False, concurrency=32, sizes=(Size(20, 8),), duration_s=6, warm_up_s=1
        )
        self.speed.requests_per_s = report.requests_per_s
        self.speed.cpu_ms_per_request = self._per(report.num_requests, 1e3)

    def events(self) -> None:
        """100 streams of 200 tokens as fast as they come."""
        self._settle()
        self._engine.instant()
        report = self._run(concurrency=100, sizes=(Size(20, 200),), duration_s=8, warm_up_s=2)
        self.speed.events_per_s = report.events_per_s
        self.speed.cpu_us_per_event = self._per(self._engine.stats()["tokens"], 1e6)

    def ttft_quiet(self) -> None:
        """10 requests a second, open loop."""
        self._settle()
        self._engine.instant()
        report = self._run(rate_per_s=10, sizes=(Size(20, 20),), duration_s=20, want_records=True)
        self.speed.ttft_added_ms_at_10_per_s = self._added(report.records).p50

    def ttft_streams(self) -> None:
        """200 streams over seven engines of 32 slots, at the cost model's own speed."""
        self._settle()
        self._engine.paced(replicas=7)
        report = self._run(
            concurrency=200,
            sizes=tuple(Size(20, n) for n in range(50, 151, 10)),
            duration_s=20,
            warm_up_s=4,
            want_records=True,
        )
        added = self._added(report.records)
        self.speed.ttft_added_ms_at_200_streams = added.p50
        self.speed.ttft_added_ms_at_200_streams_p99 = added.p99
        self.speed.paced_cpu_us_per_event = self._per(self._engine.stats()["tokens"], 1e6)

    def aborts(self) -> None:
        """Clients that leave after 100 events; when did the engine stop?"""
        self._settle()
        self._engine.paced(compression=2)
        report = self._run(
            concurrency=16,
            sizes=(Size(20, 400),),
            duration_s=10,
            abort_after_events=_ABORT_AFTER,
            want_records=True,
        )
        time.sleep(1.0)
        at_engine = self._engine.records()
        delays, wasted, produced, lost = [], 0, 0, 0
        for seen in report.records:
            record = at_engine.get(seen.prompt)
            if record is None or not seen.aborted_at:
                continue
            if not record.aborted_at:
                lost += 1
                continue
            delays.append((record.aborted_at - seen.aborted_at) * 1000)
            produced += record.num_tokens
            wasted += max(0, record.num_tokens - _ABORT_AFTER + 1)  # one event names the role
        found = quantiles(delays)
        self.speed.abort_ms_p50, self.speed.abort_ms_max = found.p50, found.max
        self.speed.num_aborts = len(delays)
        self.speed.num_never_stopped = lost
        self.speed.wasted_tokens_share = round(wasted / produced, 4) if produced else 1.0

    def overload(self) -> None:
        """Four times what the engine can serve, open loop, time compressed fivefold."""
        self._settle()
        self._engine.paced(compression=5)
        sizes = tuple(Size(*x) for x in _AZURE_QUANTILES)
        report = self._run(rate_per_s=48, sizes=sizes, duration_s=20, drain_s=20)
        self.speed.overload_ttft_ms_p50 = report.ttft_ms.p50
        self.speed.overload_ttft_ms_p99 = report.ttft_ms.p99
        self.speed.overload_errors = report.errors
        self.speed.overload_refused = sum(
            n for error, n in report.errors.items() if error in {"status 429", "status 503"}
        )

    def _run(self, *, duration_s: float, **what: Any) -> Report:
        report = self._load.run(duration_s=max(1.0, duration_s * self._scale), **what)
        speed = self.speed
        speed.num_wrong_texts += report.num_wrong_texts
        if report.void:
            speed.void.append(report.void)
        for error, n in report.errors.items():
            speed.errors[error] = speed.errors.get(error, 0) + n
        return report

    def _settle(self) -> None:
        """Wait until the engine and the target have worked off what was before, at most 60 s."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            before_s = self._load.cpu_s()
            time.sleep(0.5)
            stats = self._engine.stats()
            quiet = self._load.cpu_s() - before_s < 0.05
            if quiet and not stats["running"] and not stats["waiting"]:
                return

    def _per(self, count: float, unit: float) -> float:
        return round(self._load.target_cpu_s * unit / count, 3) if count else 0.0

    def _added(self, records: list[Seen]) -> Quantiles:
        """The client's time to its first text less the engine's own, request by request."""
        at_engine = self._engine.records()
        added = []
        for seen in records:
            record = at_engine.get(seen.prompt)
            if record is not None and record.first_at and seen.first_at:
                took = (seen.first_at - seen.sent_at) - (record.first_at - record.arrived_at)
                added.append(took * 1000)
        return quantiles(added)


class SavedReplies(msgspec.Struct, kw_only=True):
    """What the page's path costs: replies of 100 tokens, saved and followed."""

    cpu_ms_per_saved_reply: float = 0.0
    num_saved_replies: int = 0
    num_wrong_replies: int = 0
    page_ack_ms_p50: float = 0.0
    page_ack_ms_p99: float = 0.0
    page_ttft_ms_p50: float = 0.0


def saved_replies(target: Running, engine: Engine, *, cpu: int, scale: float) -> SavedReplies:
    """16 tabs that send, follow to the end and send again; the engine at its own speed."""
    if target.process is None:
        return SavedReplies()
    engine.paced(reply_tokens=100)
    spec = PageSpec(
        port=target.endpoint.port,
        email=EMAIL,
        password=PASSWORD,
        duration_s=max(5.0, 30 * scale),
        cpu=cpu,
    )
    before_s = target.process.cpu_s()
    done = subprocess.run(
        [sys.executable, "-m", "bench.gateway.page_path"],
        input=msgspec.json.encode(spec),
        stdout=subprocess.PIPE,
        timeout=300,
        check=True,
    )
    used_s = target.process.cpu_s() - before_s
    report = msgspec.json.decode(done.stdout, type=PageReport)
    return SavedReplies(
        cpu_ms_per_saved_reply=round(used_s * 1000 / max(1, report.num_replies), 2),
        num_saved_replies=report.num_replies,
        num_wrong_replies=report.num_wrong,
        page_ack_ms_p50=report.ack_ms.p50,
        page_ack_ms_p99=report.ack_ms.p99,
        page_ttft_ms_p50=report.ttft_ms.p50,
    )


def idle_stream_bytes(target: Running, engine: Engine, load: Load, count: int = 400) -> float:
    """Memory that one open stream costs while its engine says nothing."""
    if target.process is None:
        return 0.0
    engine.paced(replicas=64)
    before = target.process.pss_bytes()
    engine.fault(kind="stall", at_token=1, times=count)
    at = target.endpoint
    spec = Spec(
        port=at.port,
        path=at.path,
        headers=at.headers,
        model=at.model,
        concurrency=count,
        duration_s=8,
        drain_s=0,
    )
    with subprocess.Popen(
        [sys.executable, "-m", "bench.gateway.load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as run:
        assert run.stdin is not None
        run.stdin.write(msgspec.json.encode(spec))
        run.stdin.close()
        samples = []
        for _ in range(3):
            time.sleep(2)
            samples.append(target.process.pss_bytes())
        run.wait(timeout=30)
    return max(0.0, (statistics.median(samples) - before) / count)

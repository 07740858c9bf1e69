"""Figures for Prometheus, in a registry of our own.

What is counted for each request is bound ahead of time, so that counting one costs a few
microseconds; what somebody else already counts is read when the page is scraped (`Probes`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from fireside.billing.domain import UsageEntry
from fireside.engine.ports import EngineLoad

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

TTFT_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
INTER_TOKEN_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.2, 2.5)

STATED = {
    "slots": "Replies the engine says it can write at once.",
    "running": "Requests the engine says it is at work on.",
    "waiting": "Requests the engine says are waiting in it.",
    "kv_used": "Share of the engine's cache memory in use.",
    "prefix_hit_rate": "Share of prompt tokens of the last seconds that the engine had kept.",
}
"""What engines state about themselves: fields of EngineLoad, each a gauge."""


@dataclass(frozen=True)
class EngineFigures:
    """One engine, as the operator sees it; `load` is what it states about itself."""

    name: str
    up: bool
    num_restarts: int = 0
    load: EngineLoad | None = None


@dataclass(frozen=True)
class Probes:
    """Where figures are read that other rooms keep."""

    num_running_turns: Callable[[], int] = lambda: 0
    journal_lag_s: Callable[[], float] = lambda: 0.0
    engines: Callable[[], Sequence[EngineFigures]] = lambda: ()
    num_usage_dropped: Callable[[], int] = lambda: 0
    num_log_lines_dropped: Callable[[], int] = lambda: 0


class Metrics:
    """All metrics. `num_running` is the number of generations under way for the API."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.num_running = 0
        self.probes = Probes()
        self._requests = Counter(
            "fireside_requests",
            "HTTP requests.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._tokens = Counter(
            "fireside_tokens",
            "Tokens, by what they were: prompt, cached (part of prompt), completion.",
            ["model", "kind"],
            registry=self.registry,
        )
        self._generations = Counter(
            "fireside_generations",
            "Ended generations.",
            ["model", "feature", "status"],
            registry=self.registry,
        )
        self._ttft = Histogram(
            "fireside_ttft_seconds",
            "From the request to its first token.",
            ["model"],
            buckets=TTFT_BUCKETS_S,
            registry=self.registry,
        )
        self._inter_token = Histogram(
            "fireside_inter_token_seconds",
            "Mean time between two tokens of a generation.",
            ["model"],
            buckets=INTER_TOKEN_BUCKETS_S,
            registry=self.registry,
        )
        self._request_counters: dict[tuple[str, str, int], Counter] = {}
        self._model_meters: dict[str, _ModelMeters] = {}
        self._generation_counters: dict[tuple[str, str, str], Counter] = {}
        self.registry.register(_Probed(self))

    @property
    def num_running_in_all(self) -> int:
        """Generations under way, for the API and the page."""
        return self.num_running + self.probes.num_running_turns()

    def count_request(self, method: str, route: str, status: int) -> None:
        """One request was answered. `route` is the template, never the path."""
        key = (method, route, status)
        counter = self._request_counters.get(key)
        if counter is None:
            counter = self._requests.labels(method, route, str(status))
            self._request_counters[key] = counter
        counter.inc()

    def observe(self, entry: UsageEntry) -> None:
        """One generation ended; a listener of the meter."""
        usage = entry.usage
        key = (entry.model, entry.feature.value, entry.status.value)
        counter = self._generation_counters.get(key)
        if counter is None:
            counter = self._generation_counters[key] = self._generations.labels(*key)
        counter.inc()
        meters = self._model_meters.get(entry.model)
        if meters is None:
            meters = self._model_meters[entry.model] = _ModelMeters(
                self._tokens.labels(entry.model, "prompt"),
                self._tokens.labels(entry.model, "completion"),
                self._tokens.labels(entry.model, "cached"),
                self._ttft.labels(entry.model),
                self._inter_token.labels(entry.model),
            )
        meters.prompt.inc(usage.prompt_tokens)
        meters.completion.inc(usage.completion_tokens)
        if usage.cached_tokens:
            meters.cached.inc(usage.cached_tokens)
        if usage.ttft_ms is not None:
            meters.ttft.observe(usage.ttft_ms / 1000)
        if usage.inter_token_ms is not None:
            meters.inter_token.observe(usage.inter_token_ms / 1000)

    def exposition(self) -> bytes:
        """The page that Prometheus scrapes."""
        return generate_latest(self.registry)


@dataclass(frozen=True)
class _ModelMeters:
    prompt: Counter
    completion: Counter
    cached: Counter
    ttft: Histogram
    inter_token: Histogram


class _Probed(Collector):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        probes = self._metrics.probes
        yield _gauge(
            "fireside_running_generations",
            "Generations under way, for the API and the page.",
            self._metrics.num_running_in_all,
        )
        yield _gauge(
            "fireside_running_turns", "Turns of the page under way.", probes.num_running_turns()
        )
        yield _gauge(
            "fireside_journal_lag_seconds",
            "Age of the oldest streamed text that is not on disk yet.",
            probes.journal_lag_s(),
        )
        yield _counter(
            "fireside_usage_dropped",
            "Usage records lost because the database was away too long.",
            probes.num_usage_dropped(),
        )
        yield _counter(
            "fireside_log_lines_dropped",
            "Log lines lost because stderr was not read fast enough.",
            probes.num_log_lines_dropped(),
        )
        up = GaugeMetricFamily(
            "fireside_engine_up", "1 when the engine answers.", labels=["engine"]
        )
        restarts = CounterMetricFamily(
            "fireside_engine_restarts", "Restarts of an engine's process.", labels=["engine"]
        )
        loads = [_gauge_by_engine(f"fireside_engine_{name}", help) for name, help in STATED.items()]
        for engine in probes.engines():
            up.add_metric([engine.name], float(engine.up))
            restarts.add_metric([engine.name], engine.num_restarts)
            for name, gauge in zip(STATED, loads, strict=True):
                value = getattr(engine.load, name, None)
                if value is not None:
                    gauge.add_metric([engine.name], value)
        yield up
        yield restarts
        yield from loads


def _gauge_by_engine(name: str, help: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help, labels=["engine"])


def _gauge(name: str, help: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help, value=value)


def _counter(name: str, help: str, value: float) -> Metric:
    return CounterMetricFamily(name, help, value=value)

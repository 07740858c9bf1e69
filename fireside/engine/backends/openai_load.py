"""How busy a server says it is: Prometheus' text of vLLM and SGLang, the slots of llama.cpp."""

from __future__ import annotations

import asyncio
import math

import msgspec

from fireside.engine.backends.http_client import HttpClient, HttpError
from fireside.engine.backends.openai_request import Flavour
from fireside.engine.ports import EngineLoad

LOAD_TIMEOUT_S = 2.0
MAX_METRICS_BYTES = 4 * 1024 * 1024
MAX_SLOTS = 4096
MAX_COUNT = 1_000_000
MAX_TOKENS = 1e18


class _Names(msgspec.Struct, frozen=True):
    """What one kind of server calls its figures; older names come last."""

    running: tuple[str, ...]
    waiting: tuple[str, ...]
    kv_used: tuple[str, ...]
    asked: tuple[str, ...]  # prompt tokens looked up in the prefix cache, ever
    found: tuple[str, ...]  # of these, found there

    def all(self) -> frozenset[str]:
        """Every name."""
        return frozenset(self.running + self.waiting + self.kv_used + self.asked + self.found)


_NAMES = {
    Flavour.VLLM: _Names(
        running=("vllm:num_requests_running",),
        waiting=("vllm:num_requests_waiting",),
        kv_used=("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"),
        asked=("vllm:prefix_cache_queries_total", "vllm:gpu_prefix_cache_queries_total"),
        found=("vllm:prefix_cache_hits_total", "vllm:gpu_prefix_cache_hits_total"),
    ),
    Flavour.SGLANG: _Names(
        running=("sglang:num_running_reqs",),
        waiting=("sglang:num_queue_reqs",),
        kv_used=("sglang:token_usage",),
        asked=("sglang:prompt_tokens_total",),
        found=("sglang:cached_tokens_total",),
    ),
}


class Figures(msgspec.Struct, frozen=True):
    """One look. `asked` and `found` count prompt tokens since the server started."""

    running: int | None = None
    waiting: int | None = None
    kv_used: float | None = None
    asked: float | None = None
    found: float | None = None


class _Slot(msgspec.Struct, frozen=True):
    is_processing: bool = False


_decode_slots = msgspec.json.Decoder(list[_Slot]).decode


class LoadReader:
    """Asks one server. Remembers the look before, from which the hit rate is reckoned."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http
        self._before = Figures()

    async def read(self, flavour: Flavour) -> EngineLoad | None:
        """What it states now; None when it does not answer in 2 s or answers nonsense."""
        if flavour is Flavour.LLAMA_CPP:
            body = await self._get("/slots")
            return slots_load(body) if body is not None else None
        names = _NAMES.get(flavour)
        if names is None:
            return EngineLoad()
        body = await self._get("/metrics")
        if body is None:
            return None
        now = figures(body, names)
        before, self._before = self._before, now
        rate = hit_rate(before, now)
        return EngineLoad(
            running=now.running, waiting=now.waiting, kv_used=now.kv_used, prefix_hit_rate=rate
        )

    async def _get(self, path: str) -> bytes | None:
        """The body of a 200; empty for another answer, None for none."""
        try:
            async with asyncio.timeout(LOAD_TIMEOUT_S):
                reply = await self._http.request("GET", path, timeout_s=LOAD_TIMEOUT_S)
                try:
                    body = await reply.read(MAX_METRICS_BYTES)
                finally:
                    reply.close()
                return body if reply.status == 200 else b""
        except (HttpError, TimeoutError):
            return None


def figures(body: bytes, names: _Names) -> Figures:
    """The figures in a Prometheus text. Counts of several replicas add up, shares do not."""
    values = _series(body, names.all())

    def series(candidates: tuple[str, ...]) -> list[float]:
        return next((values[name] for name in candidates if name in values), [])

    def count(candidates: tuple[str, ...]) -> int | None:
        found = series(candidates)
        return int(min(MAX_COUNT, sum(found))) if found else None

    def tokens(candidates: tuple[str, ...]) -> float | None:
        found = series(candidates)
        return min(MAX_TOKENS, sum(found)) if found else None

    kv_used = series(names.kv_used)
    return Figures(
        running=count(names.running),
        waiting=count(names.waiting),
        kv_used=min(1.0, max(kv_used)) if kv_used else None,
        asked=tokens(names.asked),
        found=tokens(names.found),
    )


def hit_rate(before: Figures, now: Figures) -> float | None:
    """The share of prompt tokens found between two looks; None when none were asked for."""
    if now.asked is None or now.found is None:
        return None
    asked, found = now.asked - (before.asked or 0.0), now.found - (before.found or 0.0)
    if asked < 0 or found < 0:  # the server was restarted
        asked, found = now.asked, now.found
    return min(1.0, found / asked) if asked > 0 else None


def slots_load(body: bytes) -> EngineLoad:
    """What llama.cpp's /slots states; nothing when it is switched off."""
    try:
        slots = _decode_slots(body)[:MAX_SLOTS] if body else []
    except (msgspec.DecodeError, RecursionError):
        slots = []
    if not slots:
        return EngineLoad()
    return EngineLoad(slots=len(slots), running=sum(each.is_processing for each in slots))


def _series(body: bytes, wanted: frozenset[str]) -> dict[str, list[float]]:
    """The values of every series of these names; what is not a finite count is left out."""
    found: dict[str, list[float]] = {}
    for line in body.decode("utf-8", "replace").split("\n"):
        name = line[: _name_end(line)]
        if name not in wanted:
            continue
        rest = line.rpartition("}")[2] if "{" in line else line[len(name) :]
        try:
            value = float(rest.split()[0])
        except (IndexError, ValueError):
            continue
        if math.isfinite(value) and value >= 0:
            found.setdefault(name, []).append(value)
    return found


def _name_end(line: str) -> int:
    ends = [at for at in (line.find("{"), line.find(" ")) if at > 0]
    return min(ends, default=0)

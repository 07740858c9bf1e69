"""Requests and tokens per minute: buckets that fill up again steadily. Pure.

They live in memory, one set for each server process.
"""

from __future__ import annotations

import math
from collections import OrderedDict

import msgspec

from fireside.capacity.policy import PlanPolicy

MAX_FLOWS = 100_000
MINUTE_S = 60.0


class RateState(msgspec.Struct, frozen=True, kw_only=True):
    """One limit at one moment. `reset_s`: until the whole of it is there again."""

    limit: int
    remaining: int
    reset_s: float


class RateAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a request may go on. When not, `refused_by` is the limit that holds it back until
    `retry_after_s` from now; `impossible` says that no waiting will help."""

    ok: bool
    requests: RateState | None = None
    tokens: RateState | None = None
    refused_by: str = ""
    retry_after_s: float = 0.0
    impossible: bool = False

    def headers(self) -> dict[str, str]:
        """The x-ratelimit headers in OpenAI's form; none for a plan without limits."""
        found: dict[str, str] = {}
        for name, state in (("requests", self.requests), ("tokens", self.tokens)):
            if state is not None:
                found[f"x-ratelimit-limit-{name}"] = str(state.limit)
                found[f"x-ratelimit-remaining-{name}"] = str(state.remaining)
                found[f"x-ratelimit-reset-{name}"] = duration(state.reset_s)
        return found


class _Debts:
    """What a flow has taken and time has not given back yet."""

    __slots__ = ("at", "requests", "tokens")

    def __init__(self, at: float) -> None:
        self.at = at
        self.requests = 0.0
        self.tokens = 0.0


class RateLimiter:
    """Buckets by flow. Every call is given `now` in seconds of a clock that only goes forward."""

    def __init__(self) -> None:
        self._debts: OrderedDict[str, _Debts] = OrderedDict()

    def take(self, flow: str, plan: PlanPolicy, tokens: int, now: float) -> RateAnswer:
        """Take one request and so many tokens, or neither."""
        if not plan.requests_per_minute and not plan.tokens_per_minute:
            return RateAnswer(ok=True)
        debts = self._present(flow, plan, now)
        wait_requests = _wait_s(debts.requests, 1, plan.requests_per_minute)
        wait_tokens = _wait_s(debts.tokens, tokens, plan.tokens_per_minute)
        wait_s = max(wait_requests, wait_tokens)
        if wait_s <= 0:
            debts.requests += 1 if plan.requests_per_minute else 0
            debts.tokens += tokens if plan.tokens_per_minute else 0
        return RateAnswer(
            ok=wait_s <= 0,
            requests=_state(debts.requests, plan.requests_per_minute),
            tokens=_state(debts.tokens, plan.tokens_per_minute),
            refused_by=""
            if wait_s <= 0
            else "requests_per_minute"
            if wait_requests >= wait_tokens
            else "tokens_per_minute",
            retry_after_s=wait_s if math.isfinite(wait_s) else 0.0,
            impossible=math.isinf(wait_s),
        )

    def give_back(self, flow: str, tokens: int) -> None:
        """Return tokens that were taken and not used."""
        debts = self._debts.get(flow)
        if debts is not None:
            debts.tokens = max(0.0, debts.tokens - tokens)

    def look(self, flow: str, plan: PlanPolicy, now: float) -> RateAnswer:
        """The state without taking anything."""
        if not plan.requests_per_minute and not plan.tokens_per_minute:
            return RateAnswer(ok=True)
        debts = self._present(flow, plan, now)
        return RateAnswer(
            ok=True,
            requests=_state(debts.requests, plan.requests_per_minute),
            tokens=_state(debts.tokens, plan.tokens_per_minute),
        )

    def _present(self, flow: str, plan: PlanPolicy, now: float) -> _Debts:
        debts = self._debts.setdefault(flow, _Debts(now))
        self._debts.move_to_end(flow)
        while len(self._debts) > MAX_FLOWS:  # who asked longest ago has been given back the most
            self._debts.popitem(last=False)
        share = max(0.0, now - debts.at) / MINUTE_S
        debts.at = now
        debts.requests = max(0.0, debts.requests - share * plan.requests_per_minute)
        debts.tokens = max(0.0, debts.tokens - share * plan.tokens_per_minute)
        return debts


def duration(seconds: float) -> str:
    """A time as OpenAI writes it: `20ms`, `1s`, `6m0s`, `1h0m0s`."""
    if seconds < 1:
        return f"{math.ceil(max(seconds, 0.0) * 1000 - 1e-6)}ms"
    whole = math.ceil(seconds - 1e-9)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def _wait_s(debt: float, wanted: float, limit: int) -> float:
    """How long until `wanted` fits under `limit`; infinite when it never will."""
    if not limit:
        return 0.0
    if wanted > limit:
        return math.inf
    over = debt + wanted - limit
    return over / limit * MINUTE_S if over > 1e-6 else 0.0


def _state(debt: float, limit: int) -> RateState | None:
    if not limit:
        return None
    return RateState(
        limit=limit,
        remaining=max(0, math.floor(limit - debt + 1e-6)),
        reset_s=debt / limit * MINUTE_S,
    )

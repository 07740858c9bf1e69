"""What the pages of capacity read of the gate while it works."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol, runtime_checkable

import msgspec

from fireside.capacity.policy import Band


class PoolFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One pool now. `pressure` is demand over capacity; `service_s` how long a slot is held."""

    pool: str
    slots: int
    running: dict[Band, int] = {}
    waiting: dict[Band, int] = {}
    reserved: dict[Band, int] = {}
    pressure: float = 0.0
    service_s: float = 0.0


class EngineFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One engine now. `limit` is how much the gate gives it; `slots` what it says it has."""

    name: str
    ok: bool
    running: int = 0
    limit: int = 0
    slots: int | None = None
    token_ms: float | None = None
    first_token_ms: float | None = None
    tokens_per_s: float = 0.0
    stalled: bool = False


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """Five seconds of the gate."""

    at: datetime
    arrived: int = 0
    granted: int = 0
    refused: int = 0
    waiting: int = 0
    running: int = 0


class PlanFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a plan has in the house; `refused_1m` counts the last minute."""

    running: int = 0
    waiting: int = 0
    refused_1m: int = 0


class CapacityView(msgspec.Struct, frozen=True, kw_only=True):
    """The gate now. `bottleneck` is one sentence; `series` the last five minutes."""

    bottleneck: str
    rung: int = 0
    rung_name: str = "normal"
    pools: list[PoolFigures] = []
    engines: list[EngineFigures] = []
    series: list[Moment] = []
    plans: dict[str, PlanFigures] = {}


@runtime_checkable  # Litestar checks what it hands to endpoints
class GateView(Protocol):
    """The gate as its pages see it. Both answer at once, from memory, and never fail."""

    def live(self) -> CapacityView:
        """Everything at this moment."""
        ...

    def expected_wait(self, model: str) -> float | None:
        """Seconds that somebody who asks for `model` now would wait; None while none can answer."""
        ...

"""The gate as administrators and the status page see it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from fireside.capacity.ladder import Rung
from fireside.capacity.policy import BANDS, WATCHED, Band
from fireside.capacity.pool import Pool
from fireside.capacity.ports import (
    CapacityView,
    EngineFigures,
    Moment,
    PlanFigures,
    PoolFigures,
)
from fireside.capacity.service import Gate
from fireside.errors import BackendFailed, UserError

NEARLY_FULL = 0.9
STALLED_S = 10.0


class LiveGate:
    """Reads the gate; implements `GateView`. `series` gives the last minutes."""

    def __init__(self, gate: Gate, series: Callable[[], list[Moment]]) -> None:
        self._gate = gate
        self._series = series

    def live(self) -> CapacityView:
        """Everything at this moment."""
        scheduler = self._gate.scheduler
        pools = [each for each in scheduler.pools.values() if _is_shown(each)]
        rung = max((each.ladder.rung for each in pools), default=Rung.NORMAL)
        engines = self._engines()
        figures = [_figures(each) for each in pools]
        return CapacityView(
            bottleneck=bottleneck(figures, engines, self._gate.policy.bands[Band.PAID].per_token_s),
            rung=rung.value,
            rung_name=rung.name.lower(),
            pools=figures,
            engines=engines,
            series=self._series(),
            plans=self._plans(),
        )

    def expected_wait(self, model: str) -> float | None:
        """Seconds that somebody on the free plan who asks for `model` now would wait."""
        try:
            wait = self._gate.expected_wait(model, Band.FREE)
        except (UserError, BackendFailed):
            return None
        return wait.likely_s if wait is not None else None

    def _engines(self) -> list[EngineFigures]:
        now = self._gate.now_s()
        found = []
        for engine in self._gate.scheduler.engines.values():
            silent = [now - run.last_at for run in engine.runs.values()]
            token_s = engine.token_s
            found.append(
                EngineFigures(
                    name=engine.name,
                    ok=engine.ok,
                    running=engine.num_running,
                    limit=int(engine.limit),
                    slots=engine.slots,
                    token_ms=None if token_s is None else round(token_s * 1000, 1),
                    first_token_ms=None
                    if engine.first_token_s is None
                    else round(engine.first_token_s * 1000, 1),
                    tokens_per_s=round(engine.num_running / token_s, 1) if token_s else 0.0,
                    stalled=bool(silent) and min(silent) > STALLED_S,
                )
            )
        return found

    def _plans(self) -> dict[str, PlanFigures]:
        gate = self._gate
        running = Counter(lease.plan for lease in gate.leases.values())
        waiting = Counter(ticket.wanted.plan for ticket in gate.tickets.values())
        refused = gate.refused_lately()
        return {
            name: PlanFigures(
                running=running[name], waiting=waiting[name], refused_1m=refused[name]
            )
            for name in gate.policy.plans
        }


def bottleneck(pools: list[PoolFigures], engines: list[EngineFigures], per_token_s: float) -> str:
    """What holds people up right now, in one sentence. Pure."""
    return (
        _bad_engine(engines)
        or _slow_engine(pools, engines, per_token_s)
        or _full_pool(pools)
        or "Nothing is holding anybody up."
    )


def _bad_engine(engines: list[EngineFigures]) -> str:
    if not any(engine.ok for engine in engines):
        return "No engine answers: every question is held until one does."
    stalled = next((each.name for each in engines if each.stalled), None)
    return f"The engine {stalled} has stopped producing tokens." if stalled is not None else ""


def _slow_engine(pools: list[PoolFigures], engines: list[EngineFigures], per_token_s: float) -> str:
    num_waiting = sum(sum(pool.waiting.values()) for pool in pools)
    for each in engines:
        if num_waiting and each.token_ms is not None and each.token_ms > per_token_s * 1000:
            return (
                f"The engine {each.name} takes {each.token_ms:.0f} ms a token, so it is given only "
                f"{each.limit} at once, and {num_waiting} wait."
            )
    return ""


def _full_pool(pools: list[PoolFigures]) -> str:
    fullest = max(pools, key=lambda pool: pool.pressure, default=None)
    if fullest is None:
        return ""
    watched = sum(pool.waiting.get(band, 0) for pool in pools for band in WATCHED)
    later = sum(pool.waiting.get(Band.LATER, 0) for pool in pools)
    if watched:
        return (
            f"Slots of {fullest.pool}: {sum(fullest.running.values())} of {fullest.slots} run and "
            f"{watched} wait; demand is {fullest.pressure:.1f} times what it can do."
        )
    if fullest.pressure > NEARLY_FULL:
        return f"{fullest.pool} is nearly full: demand is {fullest.pressure:.1f} of what it can do."
    return f"Nobody watches a queue; {later} turns wait for a quiet moment." if later else ""


def _is_shown(pool: Pool) -> bool:
    """Every model that runs, once: not one that another has replaced, and the same engine under its
    qualified name only while that is asked for."""
    busy = any(pool.running.values()) or any(q.num_waiting for q in pool.queues.values())
    return bool(pool.name) and (busy or (pool.slots > 0 and "/" not in pool.name))


def _figures(pool: Pool) -> PoolFigures:
    return PoolFigures(
        pool=pool.name,
        slots=pool.slots,
        running=dict(pool.running),
        waiting={band: queue.num_waiting for band, queue in pool.queues.items()},
        reserved={band: pool.reserve(band) for band in BANDS},
        pressure=round(pool.pressure, 3),
        service_s=round(pool.service_s, 2),
    )

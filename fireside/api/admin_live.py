"""GET /api/admin/live: what the machine is doing right now."""

from __future__ import annotations

from datetime import timedelta

import msgspec
from litestar import Controller, get
from litestar.di import NamedDependency

from fireside.accounts.access import Rule
from fireside.accounts.service import AccountService
from fireside.api.live import Live, Step, Stored
from fireside.api.metrics import Metrics
from fireside.db.database import Database
from fireside.engine.domain import EngineView
from fireside.engine.service import EngineService
from fireside.history.service import HistoryService
from fireside.kit.clock import Clock

STORED_FOR = timedelta(seconds=30)
"""Counting every message reads an index through, so the count is kept this long."""


class LiveOut(msgspec.Struct, frozen=True):
    """Rates are means over the last minute; the series has one step for each five seconds."""

    uptime_s: float
    running_turns: int
    running_generations: int
    tokens_per_s: float
    requests_per_s: float
    ttft_ms_p50: float | None
    ttft_ms_p95: float | None
    journal_lag_ms: float
    users: int
    conversations: int
    messages: int
    series: list[Step]
    engines: list[EngineView]


class LiveController(Controller):
    """Figures for the operator's first page."""

    path = "/api/admin/live"
    tags = ["Operator"]

    @get(opt={"rule": Rule.ADMIN}, summary="Live figures")
    async def live(
        self,
        live: NamedDependency[Live],
        metrics: NamedDependency[Metrics],
        db: NamedDependency[Database],
        accounts: NamedDependency[AccountService],
        history: NamedDependency[HistoryService],
        engines: NamedDependency[EngineService],
        clock: NamedDependency[Clock],
    ) -> LiveOut:
        """The last five minutes, and how much is stored."""
        stored = live.stored
        if stored is None or clock.now() - stored.at > STORED_FOR:
            async with db.read() as tx:
                totals = await history.totals(tx)
                num_users = await accounts.users.count(tx)
            stored = Stored(clock.now(), num_users, totals.num_conversations, totals.num_messages)
            live.stored = stored
        probes = metrics.probes
        summary = live.summary()
        return LiveOut(
            uptime_s=live.uptime_s,
            running_turns=probes.num_running_turns(),
            running_generations=metrics.num_running_in_all,
            tokens_per_s=summary.tokens_per_s,
            requests_per_s=summary.requests_per_s,
            ttft_ms_p50=summary.ttft_ms_p50,
            ttft_ms_p95=summary.ttft_ms_p95,
            journal_lag_ms=probes.journal_lag_s() * 1000,
            users=stored.num_users,
            conversations=stored.num_conversations,
            messages=stored.num_messages,
            series=summary.series,
            engines=await engines.views(),
        )

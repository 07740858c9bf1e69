"""The composition root: the only file that knows which backend is real.

`build` puts the services together, `running` keeps their background work alive, `asgi` makes the
HTTP application. Nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import anyio
from litestar import Litestar
from litestar.di import Provide
from litestar.types import ASGIApp

from fireside.accounts.access import (
    IdentifyMiddleware,
    check_access,
    principal,
    undeclared_routes,
)
from fireside.accounts.endpoints import CONTROLLERS as ACCOUNT_CONTROLLERS
from fireside.accounts.service import AccountService, build_accounts
from fireside.api.account_archive import AccountSection, FeedbackSection
from fireside.api.admin_live import LiveController
from fireside.api.edge import Edge
from fireside.api.errors import exception_handlers
from fireside.api.live import Live
from fireside.api.logs import LogWriter
from fireside.api.metrics import EngineFigures, Metrics, Probes
from fireside.api.openai.chat_completions import ChatCompletions
from fireside.api.openai.completions import Completions
from fireside.api.openai.embeddings import EmbeddingsApi
from fireside.api.openai.generation import Gateway
from fireside.api.openai.models import Models
from fireside.api.operator import operator_controllers
from fireside.api.page import PageFiles, find_page_root, serve_page
from fireside.api.schema import openapi_config, serve_document
from fireside.billing.endpoints import CONTROLLERS as USAGE_CONTROLLERS
from fireside.billing.repository import UsageRepository
from fireside.billing.service import Meter
from fireside.capacity.allowance import Allowances
from fireside.capacity.endpoints import CONTROLLERS as CAPACITY_CONTROLLERS
from fireside.capacity.leader_view import LeaderView
from fireside.capacity.records import CapacityRecords, build_records
from fireside.capacity.service import Gate
from fireside.capacity.sharing import SharedScheduler
from fireside.capacity.status_endpoints import CONTROLLERS as STATUS_CONTROLLERS
from fireside.capacity.view import LiveGate
from fireside.chat.endpoints import CONTROLLERS as CHAT_CONTROLLERS
from fireside.chat.feed import Feed
from fireside.chat.journal import Journal
from fireside.chat.opening import TurnOpener
from fireside.chat.ownership import Ownership, Sole
from fireside.chat.ports import Relay
from fireside.chat.repository import TurnRepository
from fireside.chat.runner import ReplyRunner
from fireside.chat.service import TurnService
from fireside.chat.titling import TitleWriter
from fireside.db.database import Database, connect, url_for
from fireside.engine.catalog import ModelCatalog
from fireside.engine.endpoints import CONTROLLERS as ENGINE_CONTROLLERS
from fireside.engine.service import EngineService, build_engines
from fireside.errors import Bug
from fireside.feedback.endpoints import FeedbackController
from fireside.feedback.repository import FeedbackRepository
from fireside.feedback.service import FeedbackService
from fireside.history.endpoints import CONTROLLERS as HISTORY_CONTROLLERS
from fireside.history.repository import HistoryRepository
from fireside.history.service import HistoryService
from fireside.kit.clock import Clock, FasterClock, SystemClock
from fireside.kit.ids import NewId, new_id
from fireside.kit.pubsub import Broker
from fireside.settings import Settings


@dataclass(frozen=True)
class Shared:
    """What this process has in common with others. `aclose` ends it, last of all.

    `is_alone_on_host`: no other process of this data directory runs turns, so that what is marked
    as theirs was left by one that ended.
    """

    broker: Broker
    relay: Relay
    scheduler: SharedScheduler
    coordinate: Callable[[], Coroutine[Any, Any, None]]
    aclose: Callable[[], Awaitable[None]]
    is_alone_on_host: bool = True


@dataclass(frozen=True)
class Services:
    """Everything a server consists of."""

    settings: Settings
    clock: Clock
    new_id: NewId
    db: Database
    broker: Broker
    feed: Feed
    accounts: AccountService
    engines: EngineService
    catalog: ModelCatalog
    gate: Gate
    gate_view: LiveGate
    allowances: Allowances
    records: CapacityRecords
    meter: Meter
    metrics: Metrics
    live: Live
    history: HistoryService
    feedback: FeedbackService
    turns: TurnService
    shared: Shared | None = None


def build(
    settings: Settings,
    *,
    clock: Clock | None = None,
    new_id: NewId = new_id,
    log_writer: LogWriter | None = None,
    shared: Shared | None = None,
) -> Services:
    """The services over their real backends. Opens nothing yet."""
    clock = clock or SystemClock()
    db = connect(url_for(settings.db, settings.data_dir), settings.db)
    broker = shared.broker if shared is not None else Broker()
    feed = Feed(broker)
    metrics, live = Metrics(), Live(clock)
    meter = Meter(
        db, UsageRepository(), settings.billing, new_id, listeners=(metrics.observe, live.observe)
    )
    accounts = replace(
        build_accounts(db, settings.accounts, clock, new_id, broker=broker),
        is_full=lambda: gate.is_full(),
    )
    engines = build_engines(db, settings.engine, settings.data_dir, clock, new_id, broker)
    records = build_records(db, settings.capacity, clock, new_id, engines.catalog)
    gate = Gate(
        engines.catalog,
        settings.capacity,
        clock if settings.capacity.time_scale == 1 else FasterClock(settings.capacity.time_scale),
        new_id,
        note=records.minutes.count,
        scheduler=shared.scheduler if shared is not None else None,
    )
    if shared is not None:
        shared.scheduler.deliver = gate.receive
    records.policies.on_change(gate.set_policy)
    gate.on_engine_failed = engines.remote.suspect
    allowances = Allowances(records.rates, records.budgets, clock)
    conversations = HistoryRepository()
    owners = _owners(db, settings, clock, new_id, shared)
    journal = Journal(db, TurnRepository(), clock, settings.chat.journal_interval_s, owners)
    turns = TurnService(
        database=db,
        history=conversations,
        turns=TurnRepository(),
        opener=TurnOpener(
            conversations, TurnRepository(), accounts, gate, settings.chat, clock, new_id
        ),
        runner=ReplyRunner(gate, allowances, journal, meter, clock, settings.chat),
        journal=journal,
        titles=TitleWriter(db, conversations, gate, meter, feed, clock),
        catalog=engines.catalog,
        feed=feed,
        clock=clock,
        new_id=new_id,
        settings=settings.chat,
        owners=owners,
        relay=shared.relay if shared is not None else None,
        broker=broker,
    )
    feedback = FeedbackService(FeedbackRepository(), conversations, accounts, clock, new_id)
    metrics.probes = Probes(
        num_running_turns=lambda: turns.num_running,
        journal_lag_s=lambda: journal.lag_s,
        engines=lambda: [
            EngineFigures(engine.name, engine.ok, engine.restarts, engine.load)
            for engine in engines.figures()
        ],
        num_usage_dropped=lambda: meter.num_dropped,
        num_log_lines_dropped=lambda: log_writer.num_dropped if log_writer is not None else 0,
    )
    return Services(
        settings=settings,
        clock=clock,
        new_id=new_id,
        db=db,
        broker=broker,
        feed=feed,
        accounts=accounts,
        engines=engines,
        catalog=engines.catalog,
        gate=gate,
        gate_view=LiveGate(gate, records.minutes.series),
        allowances=allowances,
        records=records,
        meter=meter,
        metrics=metrics,
        live=live,
        history=HistoryService(
            conversations,
            clock,
            new_id,
            running=turns,
            sections=(AccountSection(db, accounts), FeedbackSection(db, feedback)),
        ),
        feedback=feedback,
        turns=turns,
        shared=shared,
    )


def _owners(
    db: Database, settings: Settings, clock: Clock, new_id: NewId, shared: Shared | None
) -> Sole:
    if db.dialect == "sqlite":  # one process by nature
        return Sole()
    return Ownership(
        db,
        clock,
        new_id,
        settings.data_dir / "host.id",
        lease_s=settings.chat.owner_lease_s,
        is_alone_on_host=shared is None or shared.is_alone_on_host,
    )


@asynccontextmanager
async def running(services: Services) -> AsyncIterator[None]:
    """Background work, while the block runs.

    Turns are stopped first, so that their journal is written while everything else still works.
    """
    async with anyio.create_task_group() as lower:
        lower.start_soon(services.broker.run)
        if services.shared is not None:
            lower.start_soon(services.shared.coordinate)
        lower.start_soon(services.engines.run)
        lower.start_soon(services.gate.run)
        lower.start_soon(services.records.run, services.gate_view)
        lower.start_soon(services.meter.run)
        lower.start_soon(services.accounts.run)
        lower.start_soon(services.history.run, services.db)
        async with anyio.create_task_group() as upper:
            await upper.start(services.turns.run)
            yield
            upper.cancel_scope.cancel()
        lower.cancel_scope.cancel()
    await services.engines.aclose()
    await services.db.aclose()
    if services.shared is not None:
        await services.shared.aclose()


@dataclass(frozen=True)
class Application:
    """The ASGI application, and the routes within it."""

    litestar: Litestar
    app: ASGIApp

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection."""
        await self.app(scope, receive, send)


def asgi(services: Services) -> Application:
    """The HTTP application. Raises Bug when a route does not declare who may call it."""

    @asynccontextmanager
    async def lifespan(_app: Litestar) -> AsyncIterator[None]:
        async with running(services):
            yield

    litestar = Litestar(
        route_handlers=[
            *ACCOUNT_CONTROLLERS,
            *ENGINE_CONTROLLERS,
            *CAPACITY_CONTROLLERS,
            *STATUS_CONTROLLERS,
            *USAGE_CONTROLLERS,
            *HISTORY_CONTROLLERS,
            FeedbackController,
            *CHAT_CONTROLLERS,
            ChatCompletions,
            Completions,
            EmbeddingsApi,
            Models,
            *operator_controllers(services.settings.api),
            LiveController,
            serve_document,
            serve_page,
        ],
        dependencies=_dependencies(services),
        exception_handlers=exception_handlers(services.clock),
        guards=[check_access],
        lifespan=[lifespan],
        request_max_body_size=services.settings.api.max_body_bytes,
        openapi_config=openapi_config(),
        debug=False,
        logging_config=None,
    )
    if missing := undeclared_routes(litestar):
        raise Bug("undeclared_route", f"These routes declare no access rule: {', '.join(missing)}.")
    identified = IdentifyMiddleware(litestar, services.accounts.identities)
    edge = Edge(
        identified,
        metrics=services.metrics,
        live=services.live,
        clock=services.clock,
        new_id=services.new_id,
        log_requests=services.settings.api.log_requests,
    )
    return Application(litestar, edge)


def _dependencies(services: Services) -> dict[str, Provide]:
    gateway = Gateway(
        settings=services.settings.api,
        catalog=services.catalog,
        meter=services.meter,
        metrics=services.metrics,
        clock=services.clock,
        new_id=services.new_id,
        gate=services.gate,
        allowances=services.allowances,
    )
    fixed: dict[str, object] = {
        "accounts": services.accounts,
        "broker": services.broker,
        "catalog": services.catalog,
        "clock": services.clock,
        "db": services.db,
        "engines": services.engines,
        "feed": services.feed,
        "feedback": services.feedback,
        "gate_view": services.gate_view
        if services.shared is None
        else LeaderView(services.gate_view, services.shared.scheduler),
        "gateway": gateway,
        "history": services.history,
        "live": services.live,
        "meter": services.meter,
        "metrics": services.metrics,
        "page": PageFiles(find_page_root()),
        "turns": services.turns,
        **services.records.dependencies(),
    }
    given = {name: _provide(value) for name, value in fixed.items()}
    return {**given, "principal": Provide(principal, sync_to_thread=False)}


def _provide(value: object) -> Provide:
    return Provide(lambda: value, use_cache=True, sync_to_thread=False)

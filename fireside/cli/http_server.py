"""One server process: from its settings and a listening socket to its orderly end."""

from __future__ import annotations

import gc
import logging
import socket
import sys
from collections.abc import Callable

import anyio
import uvicorn
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from fireside.api.logs import LogWriter, configure_logging
from fireside.app import Services, Shared, asgi, build
from fireside.capacity.policy import default_policy
from fireside.capacity.sharing import SharedScheduler
from fireside.errors import BackendFailed, UserError
from fireside.kit.clock import SystemClock
from fireside.kit.ids import new_id
from fireside.settings import Settings

LEAVE_S = 10.0
LINGER_S = 1.0
"""How long a connection without a request stays open, so that one on its way is answered."""

IDLE_POLL_S = 0.05


def connect_shared(settings: Settings, *, is_alone_on_host: bool = True) -> Shared | None:
    """What this process shares with others; None where it is the only one.

    Loads the client of Valkey only where a server is set. Raises UserError when that cannot work.
    """
    if not settings.valkey.url:
        return None
    if not settings.db.url.startswith("postgres"):
        raise UserError(
            "valkey_needs_postgresql",
            "The setting valkey.url is for several processes, and they need PostgreSQL.",
            hint="Set db.url to postgresql://USER@HOST/NAME, or leave valkey.url empty.",
        )
    try:
        from fireside.capacity.backends.valkey_gate import GateCoordination
        from fireside.chat.backends.valkey_relay import ValkeyRelay
        from fireside.kit.valkey import Valkey
        from fireside.kit.valkey_broker import ValkeyBroker
    except ModuleNotFoundError as error:
        raise UserError(
            "no_valkey_client",
            "The setting valkey.url needs a package that is not installed.",
            hint="Install `fireside[workers]`.",
        ) from error
    valkey = Valkey(settings.valkey.url, settings.valkey.prefix)
    broker = ValkeyBroker(valkey)
    chat = settings.chat
    relay = ValkeyRelay(valkey, broker, chat.journal_interval_s, max(10.0, chat.keep_ended_s))
    clock = SystemClock()
    scheduler = SharedScheduler(default_policy(), clock.monotonic_s(), new_id())
    gate = GateCoordination(valkey, broker, scheduler, clock)
    return Shared(broker, relay, scheduler, gate.run, valkey.aclose, is_alone_on_host)


async def serve_until_stopped(
    settings: Settings,
    listener: socket.socket,
    shared: Shared | None,
    on_ready: Callable[[], None],
) -> None:
    """Serve until a signal ends it. Raises BackendFailed when the server cannot start."""
    writer = LogWriter()
    # Somebody who watches the terminal wants the address and what goes wrong, not every request.
    configure_logging(writer, level=logging.WARNING if sys.stderr.isatty() else logging.INFO)
    writer.start()
    try:
        services = build(settings, log_writer=writer, shared=shared)
        leaving = _ClosesConnections(asgi(services))
        grace_s = settings.server.shutdown_grace_s if shared is None else settings.server.drain_s
        config = uvicorn.Config(
            leaving,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=max(1, int(grace_s)),
            timeout_keep_alive=75,
            lifespan="on",
            loop="none",
        )
        server = _Server(config, services, leaving, on_ready)
        await server.serve(sockets=[listener])
        if not server.started:
            raise BackendFailed(
                "startup_failed",
                "Fireside could not start.",
                hint="The log above names the cause; `fireside doctor` looks for more.",
            )
    finally:
        await anyio.to_thread.run_sync(writer.close)


class _ClosesConnections:
    """Once `is_leaving`, every answer is the last one of its connection."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.is_leaving = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if not self.is_leaving or scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return

        async def last(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        await self._app(scope, receive, last)


class _Server(uvicorn.Server):
    """Says when it listens. Where there are other processes it leaves its work to them."""

    def __init__(
        self,
        config: uvicorn.Config,
        services: Services,
        connections: _ClosesConnections,
        on_ready: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._services = services
        self._connections = connections
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            # What is loaded by now stays; looking through it again took 15 % of a request's time.
            gc.freeze()
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._services.broker.is_shared:
            for each in self.servers:
                each.close()
            self._connections.is_leaving = True
            with anyio.move_on_after(LEAVE_S):
                await self._services.turns.leave()
            await _until(lambda: not self.server_state.connections, LINGER_S)
            drain_s = self._services.settings.server.drain_s
            await _until(lambda: not self.server_state.tasks or self.force_exit, drain_s)
        await super().shutdown(sockets)


async def _until(is_over: Callable[[], object], limit_s: float) -> None:
    deadline = anyio.current_time() + limit_s
    while not is_over() and anyio.current_time() < deadline:  # noqa: ASYNC110  uvicorn has no event
        await anyio.sleep(IDLE_POLL_S)

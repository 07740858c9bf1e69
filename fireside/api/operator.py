"""Health, readiness and metrics: what machines ask about this machine."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import anyio
import msgspec
from litestar import Controller, MediaType, Request, Response, get
from litestar.di import NamedDependency

from fireside.accounts.access import Rule, require
from fireside.accounts.domain import Scope as KeyScope
from fireside.api.metrics import CONTENT_TYPE, Metrics
from fireside.api.settings import ApiSettings
from fireside.db.database import Database
from fireside.engine.catalog import ModelCatalog
from fireside.errors import BackendFailed, FiresideError
from fireside.kit.pubsub import Broker

READY_TIMEOUT_S = 2.0
METRICS_READ = Rule.ADMIN.with_scope(KeyScope.METRICS_READ)


class HealthOut(msgspec.Struct, frozen=True):
    """The process answers."""

    ok: bool = True


class CheckOut(msgspec.Struct, frozen=True):
    """One thing this server needs. `reason` says what is wrong with it."""

    name: str
    ok: bool
    reason: str = ""


class ReadyOut(msgspec.Struct, frozen=True):
    """Whether requests can be served now, and why not."""

    ready: bool
    checks: list[CheckOut]


class Operator(Controller):
    """Routes for supervisors, load balancers and Prometheus."""

    tags = ["Operator"]

    @get("/healthz", opt={"rule": Rule.PUBLIC}, sync_to_thread=False)
    def healthz(self) -> HealthOut:
        """Whether the process is alive; it asks nobody else."""
        return HealthOut()

    @get("/readyz", opt={"rule": Rule.PUBLIC})
    async def readyz(
        self,
        db: NamedDependency[Database],
        catalog: NamedDependency[ModelCatalog],
        broker: NamedDependency[Broker],
    ) -> Response[ReadyOut]:
        """Whether the database answers and a model is ready: 200, or 503 with the reason.

        Several processes also name Valkey, without which each goes on by itself.
        """
        checks = [await _database(db), _engine(catalog)]
        ready = all(check.ok for check in checks)
        if broker.is_shared:
            checks.append(_valkey(broker))
        return Response(ReadyOut(ready, checks), status_code=200 if ready else 503)


class MetricsPage(Controller):
    """GET /metrics for administrators and keys with the scope for it."""

    tags = ["Operator"]

    @get("/metrics", opt={"rule": METRICS_READ}, media_type=MediaType.TEXT, sync_to_thread=False)
    def metrics(self, metrics: NamedDependency[Metrics]) -> Response[bytes]:
        """The figures, in Prometheus' text format."""
        return Response(metrics.exposition(), media_type=CONTENT_TYPE)


class LoopbackMetricsPage(Controller):
    """GET /metrics where the setting `metrics_on_loopback` opens it to this machine itself."""

    tags = ["Operator"]

    @get("/metrics", opt={"rule": Rule.PUBLIC}, media_type=MediaType.TEXT, sync_to_thread=False)
    def metrics(
        self, request: Request[Any, Any, Any], metrics: NamedDependency[Metrics]
    ) -> Response[bytes]:
        """The figures, in Prometheus' text format."""
        if request.client is None or not ip_address(request.client.host).is_loopback:
            require(request, METRICS_READ)
        return Response(metrics.exposition(), media_type=CONTENT_TYPE)


def operator_controllers(settings: ApiSettings) -> list[type[Controller]]:
    """The controllers of this module; which /metrics is among them depends on a setting."""
    return [Operator, LoopbackMetricsPage if settings.metrics_on_loopback else MetricsPage]


async def _database(db: Database) -> CheckOut:
    try:
        with anyio.fail_after(READY_TIMEOUT_S):
            async with db.read() as tx:
                await tx.exec_driver_sql("SELECT 1")
    except (TimeoutError, BackendFailed):
        return CheckOut("database", ok=False, reason="The database does not answer.")
    return CheckOut("database", ok=True)


def _valkey(broker: Broker) -> CheckOut:
    if broker.is_connected:
        return CheckOut("valkey", ok=True)
    return CheckOut(
        "valkey", ok=False, reason="Valkey does not answer; this process goes on by itself."
    )


def _engine(catalog: ModelCatalog) -> CheckOut:
    try:
        catalog.resolve(None)
    except FiresideError as error:
        return CheckOut("engine", ok=False, reason=error.message)
    return CheckOut("engine", ok=True)

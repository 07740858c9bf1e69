"""The outermost layer: a request id, one log line and the figures of every request."""

from __future__ import annotations

import re

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from fireside.accounts.domain import Principal
from fireside.api.live import Live
from fireside.api.metrics import Metrics
from fireside.kit.clock import Clock
from fireside.kit.ids import NewId

log = structlog.get_logger("fireside.request")

CLIENT_GONE = 499
"""The status that is logged when the client hung up before there was one (nginx's number)."""

_SANE_ID = re.compile(rb"[A-Za-z0-9._:-]{8,128}")


LIMIT_HEADERS = "limit_headers"
"""Where a route leaves the x-ratelimit headers of any answer, in the request's state."""


class Edge:
    """Wraps the whole application, so that even an unknown path gets its id and is counted.

    `scope["state"]["request_id"]` holds the id: the caller's `X-Request-Id` if it is sane.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: Metrics,
        live: Live,
        clock: Clock,
        new_id: NewId,
        log_requests: bool,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._live = live
        self._clock = clock
        self._new_id = new_id
        self._log_requests = log_requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == ScopeType.HTTP:
            await self._serve(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _serve(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        request_id = _given_id(scope) or self._new_id().encode()
        scope.setdefault("state", {})["request_id"] = request_id.decode()
        status = CLIENT_GONE
        started_s = self._clock.monotonic_s()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message["headers"], (b"x-request-id", request_id)]
                if limits := scope["state"].get(LIMIT_HEADERS):
                    headers += [(k.encode(), v.encode()) for k, v in limits.items()]
                message["headers"] = headers
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            self._note(scope, status, started_s)

    def _note(self, scope: HTTPScope, status: int, started_s: float) -> None:
        route: str = scope.get("path_template") or "(none)"
        self._metrics.count_request(scope["method"], route, status)
        self._live.count_request()
        self._live.note_running(self._metrics.num_running_in_all)
        if self._log_requests:
            principal = scope["state"].get("principal")
            log.info(
                "request",
                request_id=scope["state"]["request_id"],
                method=scope["method"],
                route=route,
                status=status,
                ms=round((self._clock.monotonic_s() - started_s) * 1000, 2),
                user_id=principal.user_id if isinstance(principal, Principal) else None,
            )


def _given_id(scope: HTTPScope) -> bytes | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _SANE_ID.fullmatch(value):
            return value
    return None

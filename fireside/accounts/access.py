"""The door: who is asking (once per request) and whether this route is open to them.

`IdentifyMiddleware` turns the cookie or the bearer key into a `Principal`; the guard `check_access`
holds it against the rule that the route declares. A route without a rule is closed, and
`undeclared_routes` lets the app refuse to start with one.
"""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from typing import Any

from litestar import Litestar, Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.routes import ASGIRoute, HTTPRoute, WebSocketRoute
from litestar.types import ASGIApp, Receive, Send
from litestar.types import Scope as AsgiScope

from fireside.accounts.domain import Access, Principal, Rule, Via, check_rule
from fireside.accounts.ports import Identities
from fireside.errors import BackendFailed, Bug, Denied, SignInNeeded

__all__ = [
    "KEY_PREFIX",
    "SAFE_METHODS",
    "SESSION_COOKIES",
    "IdentifyMiddleware",
    "Rule",
    "check_access",
    "optional_principal",
    "principal",
    "require",
    "undeclared_routes",
]

SESSION_COOKIE = "fireside_session"
SECURE_SESSION_COOKIE = "__Host-fireside_session"
SESSION_COOKIES = (SECURE_SESSION_COOKIE, SESSION_COOKIE)
"""Over https the cookie carries the `__Host-` prefix: no other host or path can plant it."""

KEY_PREFIX = "fs-"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
MAX_CREDENTIAL_CHARS = 200


class IdentifyMiddleware:
    """Puts the `Principal` of the request, or None, into `scope["state"]["principal"]`.

    Only the session cookie and `Authorization: Bearer fs-...` are looked at: a key in another
    header, a cookie or the query string identifies nobody. When both are sent the bearer key
    counts, and a bad one is not rescued by the cookie; other schemes (a proxy's Basic) are passed
    over. A database that does not answer makes the
    request nobody's; the guard reports the outage on every route that is not public.
    """

    def __init__(self, app: ASGIApp, identities: Identities) -> None:
        self.app = app
        self._identities = identities

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Identify, then go on."""
        if scope["type"] in {"http", "websocket"}:
            state = scope.setdefault("state", {})
            state["principal"] = None
            try:
                state["principal"] = await self._identify(scope)
            except BackendFailed as outage:
                state["identity_outage"] = outage
        await self.app(scope, receive, send)

    async def _identify(self, scope: AsgiScope) -> Principal | None:
        cookies: list[bytes] = []
        for name, value in scope["headers"]:
            if name == b"authorization" and value[:7].lower() == b"bearer ":
                key = _fireside_key(value[7:].strip())
                return await self._identities.by_key(key) if key else None
            if name == b"cookie":
                cookies.append(value)
        if cookies and (secret := session_secret(b"; ".join(cookies))):
            return await self._identities.by_session(secret)
        return None


def _fireside_key(value: bytes) -> str | None:
    if not value.startswith(KEY_PREFIX.encode()) or len(value) > MAX_CREDENTIAL_CHARS:
        return None
    return value.decode("latin-1")


def session_secret(cookie_header: bytes) -> str | None:
    """The login session's secret in a Cookie header, if there is one."""
    if b"fireside_session=" not in cookie_header:
        return None
    try:
        cookies = SimpleCookie(cookie_header.decode("latin-1"))
    except CookieError:
        return None
    for name in SESSION_COOKIES:
        if name in cookies and 0 < len(cookies[name].value) <= MAX_CREDENTIAL_CHARS:
            return cookies[name].value
    return None


async def check_access(  # noqa: RUF029  the framework runs a plain function in a thread
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """Guard for the whole app: hold the caller against the route's declared rule."""
    if _is_automatic_options(handler):
        return
    rule = handler.opt.get("rule")
    if not isinstance(rule, Rule):
        raise Bug(
            "undeclared_route",
            "This address does not declare who may call it, so nobody may.",
            hint='Declare opt={"rule": Rule....} on its handler.',
        )
    require(connection, rule)


def require(connection: ASGIConnection[Any, Any, Any, Any], rule: Rule) -> None:
    """Raise unless the caller of `connection` passes `rule` and, with a cookie, is same-origin."""
    caller = optional_principal(connection)
    _check_origin(connection, caller)
    outage = connection.scope["state"].get("identity_outage")
    if outage is not None and rule.access is not Access.PUBLIC:
        raise outage
    check_rule(rule, caller)


def optional_principal(connection: ASGIConnection[Any, Any, Any, Any]) -> Principal | None:
    """Who is asking, or None: for public routes that say more to those they know."""
    found = connection.scope["state"].get("principal")
    return found if isinstance(found, Principal) else None


def principal(request: Request[Any, Any, Any]) -> Principal:
    """Who is asking (the dependency `principal`). Raises SignInNeeded on a public route."""
    found = optional_principal(request)
    if found is None:
        raise SignInNeeded("sign_in_needed", "Nobody is signed in.", hint="Sign in first.")
    return found


def _check_origin(connection: ASGIConnection[Any, Any, Any, Any], caller: Principal | None) -> None:
    """Refuse unsafe requests that another site made a browser send (CSRF).

    `Sec-Fetch-Site` decides where it is sent (browsers since 2023), else `Origin` against the
    host. With a cookie one of the two must be there; without one (signing in) neither may point
    elsewhere, so that nobody is signed in to somebody else's account. Keys are never sent by a
    browser on its own, so they are not held to this.
    """
    if connection.scope.get("method") in SAFE_METHODS:  # a WebSocket has none: never safe
        return
    if caller is not None and caller.via is Via.KEY:
        return
    headers = connection.headers
    site = headers.get("sec-fetch-site")
    origin = headers.get("origin")
    if site is not None:
        same = site in {"same-origin", "none"}
    elif origin is not None:
        hosts = {headers.get("host"), headers.get("x-forwarded-host")}
        same = origin.partition("://")[2] in hosts - {None, ""}
    else:
        same = caller is None
    if not same:
        raise Denied(
            "cross_site",
            "This request did not come from this site's own page.",
            hint="Send it with an 'Origin' header of this host, or use an API key.",
        )


def _is_automatic_options(handler: BaseRouteHandler) -> bool:
    """Litestar adds an OPTIONS handler to each path; it tells the methods and nothing else."""
    return handler.fn.__module__ == "litestar.routes.http" and "OPTIONS" in getattr(
        handler, "http_methods", ()
    )


def undeclared_routes(app: Litestar) -> list[str]:
    """`METHOD path` of every route handler without a rule; the app refuses to start unless []."""
    missing: list[str] = []
    for route in app.routes:
        handlers: list[BaseRouteHandler] = []
        match route:
            case HTTPRoute():
                handlers.extend(route.route_handlers)
            case WebSocketRoute() | ASGIRoute():
                handlers.append(route.route_handler)
        for handler in handlers:
            if _is_automatic_options(handler) or isinstance(handler.opt.get("rule"), Rule):
                continue
            methods = ",".join(sorted(getattr(handler, "http_methods", ()))) or "*"
            missing.append(f"{methods} {route.path}")
    return missing

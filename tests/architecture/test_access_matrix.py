"""Goal S2: every operation of the whole application, tried by every kind of caller.

The operations come from the routes, so a new one is in the matrix without anybody thinking of it.
What each caller should get is written here once more, apart from the code that decides it, and the
doors that stand open to everybody are listed by name.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import anyio
import pytest
from litestar.routes import HTTPRoute

from fireside.accounts.domain import (
    Access,
    Device,
    Rule,
    Scope,
    User,
    UserRole,
    UserStatus,
)
from fireside.app import Application, Services, asgi, build
from fireside.conversation.message import ConversationId, MessageId, Role, text_message
from fireside.conversation.tree import Conversation
from fireside.history.repository import HistoryRepository
from fireside.kit.clock import FakeClock
from fireside.kit.ids import new_id
from fireside.settings import load

pytestmark = pytest.mark.anyio

OPEN_TO_EVERYBODY = {
    "GET /api/bootstrap",
    "POST /api/auth/sign-up",
    "POST /api/auth/sign-in",
    "POST /api/auth/sign-out",
    "POST /api/auth/reset",
    "GET /api/shared/{slug}",
    "GET /api/status",
    "GET /healthz",
    "GET /readyz",
    "GET /openapi.json",
    "GET /api/schema",
    "GET /api/schema/openapi.json",
    "GET /api/schema/{path}",
}
"""Every operation that needs no caller. Making a route public means adding it here."""

READ_BY_MACHINES = {"GET /api/admin/capacity/forecast"}
"""What an administrator's key may read of their pages, with the scope for metrics."""

NUMBERS = {"version": "1"}
"""Path parameters that are no ids."""

PAGE = {"/", "/{path}"}
"""The page's own files, and the 404 of everything that is nowhere else."""

DOOR_CODES = {
    "sign_in_needed": 401,
    "key_not_accepted": 403,
    "missing_scope": 403,
    "admin_only": 403,
    "cross_site": 403,
}
"""What the door says, and nothing behind it does (with that status)."""

SAFE = {"GET", "HEAD", "OPTIONS"}


class Who(StrEnum):
    """The callers of the matrix."""

    NOBODY = "nobody"
    MEMBER = "a member"
    ADMIN = "an administrator"
    REVOKED_SESSION = "a login session that was ended"
    EXPIRED_SESSION = "a login session that ran out"
    DISABLED = "a disabled person's login session"
    DISABLED_KEY = "a disabled person's key"
    ERASED = "an erased person's login session"
    MEMBER_KEY = "a member's key with the scope"
    ADMIN_KEY = "an administrator's key with the scope"
    BARE_KEY = "an administrator's key with every scope but this"
    REVOKED_KEY = "a revoked key"
    UNKNOWN_KEY = "a made-up key"
    KEY_ELSEWHERE = "a good key in other headers and a cookie"
    KEY_IN_QUERY = "a good key in the query string"
    CROSS_SITE = "an administrator's cookie, sent by another site"
    NO_ORIGIN = "an administrator's cookie without an origin"


SESSIONS = {Who.MEMBER, Who.ADMIN, Who.CROSS_SITE, Who.NO_ORIGIN}
KEYS = {Who.MEMBER_KEY, Who.ADMIN_KEY, Who.BARE_KEY}
ADMINS = {Who.ADMIN, Who.ADMIN_KEY, Who.BARE_KEY, Who.CROSS_SITE, Who.NO_ORIGIN}


def expected(rule: Rule, method: str, who: Who) -> str | None:
    """The code with which the door should refuse, None where it should open."""
    foreign = who in {Who.CROSS_SITE, Who.NO_ORIGIN} and method not in SAFE
    reasons = {
        "cross_site": foreign,
        "sign_in_needed": who not in SESSIONS | KEYS,
        "key_not_accepted": who in KEYS and rule.scope is None,
        "missing_scope": who is Who.BARE_KEY,
        "admin_only": rule.access is Access.ADMIN and who not in ADMINS,
    }
    if rule.access is Access.PUBLIC:
        return "cross_site" if foreign else None
    return next((code for code, holds in reasons.items() if holds), None)


@dataclass(frozen=True)
class Operation:
    """One method of one path, with the rule that its handler declares."""

    method: str
    path: str
    rule: Rule

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def parameters(self) -> list[str]:
        return [part[1:-1] for part in self.path.split("/") if part.startswith("{")]

    def url(self, values: MutableMapping[str, str]) -> str:
        parts = self.path.split("/")
        return "/".join(
            values.get(part[1:-1], NUMBERS.get(part[1:-1]) or new_id())
            if part.startswith("{")
            else part
            for part in parts
        )


@dataclass
class Reply:
    """What came back: the status, and the error code if it is an error body."""

    status: int = 0
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def code(self) -> str | None:
        if self.status < 400 or not self.body.startswith(b'{"error"'):
            return None
        code: str = json.loads(self.body)["error"]["code"]
        return code


class House:
    """The whole application over a fresh database, without its background work."""

    def __init__(self, services: Services, clock: FakeClock) -> None:
        self.services, self.clock = services, clock
        self.app: Application = asgi(services)
        self.history = HistoryRepository()

    def operations(self) -> list[Operation]:
        found = []
        for route in self.app.litestar.routes:
            assert isinstance(route, HTTPRoute), f"{route.path} is of a kind unknown to this test"
            for handler in route.route_handlers:
                if handler.fn.__module__ == "litestar.routes.http":
                    continue  # the automatic OPTIONS
                rule = handler.opt.get("rule")
                assert isinstance(rule, Rule), route.path
                path = "/".join(
                    f"{{{part[1:-1].partition(':')[0]}}}" if part.startswith("{") else part
                    for part in route.path.split("/")
                )
                found += [
                    Operation(str(method), path, rule)
                    for method in sorted(handler.http_methods)
                    if method != "HEAD"
                ]
        return sorted(found, key=lambda operation: operation.name)

    async def person(
        self, role: UserRole = UserRole.MEMBER, status: UserStatus = UserStatus.ACTIVE
    ) -> User:
        accounts = self.services.accounts
        user = accounts.new_user(f"{new_id()}@example.org", "Somebody", role)
        async with self.services.db.write() as tx:
            await accounts.users.insert(tx, user, None)
            if status is not UserStatus.ACTIVE:
                await accounts.users.update_standing(tx, user.id, role, status, self.clock.now())
        return user

    async def cookie(self, user: User) -> dict[str, str]:
        async with self.services.db.write() as tx:
            secret = await self.services.accounts.open_session(tx, user.id, Device("", ""))
        return {"cookie": f"fireside_session={secret}", "origin": "http://fireside.test"}

    async def key(self, user: User, scopes: frozenset[Scope]) -> tuple[str, str]:
        async with self.services.db.write() as tx:
            info, text = await self.services.accounts.create_key(tx, user, "k", scopes)
        return text, info.id

    async def call(
        self, method: str, url: str, headers: dict[str, str], body: bytes = b"{}"
    ) -> Reply:
        """One request; a reply that is not an error is cut off after its first bytes."""
        path, _, query = url.partition("?")
        raw = {"host": "fireside.test", "content-type": "application/json"} | headers
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in raw.items()],
            "client": ("192.0.2.1", 1),
            "server": ("fireside.test", 80),
            "state": {},
        }
        reply = Reply()
        sent = False
        with anyio.fail_after(20), anyio.CancelScope() as enough:

            async def receive() -> dict[str, Any]:
                nonlocal sent
                if sent:
                    await anyio.sleep_forever()
                sent = True
                return {"type": "http.request", "body": body, "more_body": False}

            async def send(message: MutableMapping[str, Any]) -> None:
                if message["type"] == "http.response.start":
                    reply.status = message["status"]
                    reply.headers = {k.decode(): v.decode() for k, v in message["headers"]}
                else:
                    reply.body += message.get("body", b"")
                if reply.status < 400:  # a stream may stay open for ever: its start will do
                    enough.deadline = min(enough.deadline, anyio.current_time() + 0.2)

            await self.app(scope, receive, send)
        assert reply.status, f"{method} {path} was never answered"
        return reply


@pytest.fixture
async def house(sqlite_url: str, tmp_path: Path, clock: FakeClock) -> AsyncIterator[House]:
    settings, _sources = load(
        {
            "data_dir": str(tmp_path / "data"),
            "db.url": sqlite_url,
            "accounts.argon2_memory_kib": 8,
            "accounts.argon2_passes": 1,
            "api.log_requests": False,
            "db.sqlite_synchronous": "NORMAL",
        },
        environ={},
    )
    services = build(settings, clock=clock)
    yield House(services, clock)
    await services.db.aclose()


class Callers:
    """Credentials of every kind. Those that open a door are fresh for each call, so that what one
    call does cannot mislead the next; those that never do are made once.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        self._worthless: dict[Who, tuple[dict[str, str], str]] = {}

    async def headers(self, who: Who, scope: Scope | None) -> tuple[dict[str, str], str]:
        """Headers and query string with which `who` calls a route that asks for `scope`."""
        make: dict[Who, Callable[[], Awaitable[dict[str, str]]]] = {
            Who.NOBODY: self._nobody,
            Who.MEMBER: lambda: self._session(UserRole.MEMBER),
            Who.ADMIN: lambda: self._session(UserRole.ADMIN),
            Who.REVOKED_SESSION: self._revoked_session,
            Who.EXPIRED_SESSION: self._expired_session,
            Who.DISABLED: lambda: self._disabled(by_key=False),
            Who.DISABLED_KEY: lambda: self._disabled(by_key=True),
            Who.ERASED: self._erased,
            Who.MEMBER_KEY: lambda: self._key(UserRole.MEMBER, _with(scope, UserRole.MEMBER)),
            Who.ADMIN_KEY: lambda: self._key(UserRole.ADMIN, _with(scope, UserRole.ADMIN)),
            Who.BARE_KEY: lambda: self._key(UserRole.ADMIN, frozenset(Scope) - {scope}),
            Who.REVOKED_KEY: self._revoked_key,
            Who.UNKNOWN_KEY: self._unknown_key,
            Who.KEY_ELSEWHERE: self._key_elsewhere,
            Who.KEY_IN_QUERY: self._nobody,
            Who.CROSS_SITE: self._cross_site,
            Who.NO_ORIGIN: self._no_origin,
        }
        if who in self._worthless:
            return self._worthless[who]
        query = ""
        if who is Who.KEY_IN_QUERY:
            key = await self._good_key()
            query = f"?key={key}&api_key={key}&access_token={key}&authorization=Bearer%20{key}"
        made = await make[who](), query
        if who not in SESSIONS | KEYS:
            self._worthless[who] = made
        return made

    async def _nobody(self) -> dict[str, str]:
        return {"origin": "http://fireside.test"}

    async def _session(self, role: UserRole) -> dict[str, str]:
        return await self._house.cookie(await self._house.person(role))

    async def _revoked_session(self) -> dict[str, str]:
        user = await self._house.person(UserRole.ADMIN)
        headers = await self._house.cookie(user)
        reply = await self._house.call("POST", "/api/auth/sign-out", headers)
        assert reply.status == 204
        return headers

    async def _expired_session(self) -> dict[str, str]:
        headers = await self._session(UserRole.ADMIN)
        assert (await self._house.call("GET", "/api/me", headers)).status == 200
        self._house.clock.advance(31 * 86_400)
        return headers

    async def _disabled(self, *, by_key: bool) -> dict[str, str]:
        user = await self._house.person(UserRole.ADMIN)
        headers = await self._house.cookie(user)
        if by_key:
            key, _ = await self._house.key(user, frozenset(Scope))
            headers = _bearer(key)
        else:
            assert (await self._house.call("GET", "/api/me", headers)).status == 200
        admin = await self._session(UserRole.ADMIN)
        path, body = f"/api/admin/users/{user.id}", b'{"status":"disabled"}'
        assert (await self._house.call("PATCH", path, admin, body)).status == 200
        return headers

    async def _erased(self) -> dict[str, str]:
        user = await self._house.person(UserRole.ADMIN)
        headers = await self._house.cookie(user)
        assert (await self._house.call("GET", "/api/me", headers)).status == 200
        admin = await self._session(UserRole.ADMIN)
        path = f"/api/admin/users/{user.id}"
        assert (await self._house.call("DELETE", path, admin, b"")).status == 204
        return headers

    async def _key(self, role: UserRole, scopes: frozenset[Scope]) -> dict[str, str]:
        key, _ = await self._house.key(await self._house.person(role), scopes)
        return _bearer(key)

    async def _good_key(self) -> str:
        user = await self._house.person(UserRole.ADMIN)
        return (await self._house.key(user, frozenset(Scope)))[0]

    async def _revoked_key(self) -> dict[str, str]:
        user = await self._house.person(UserRole.ADMIN)
        key, key_id = await self._house.key(user, frozenset(Scope))
        session = await self._house.cookie(user)
        path = f"/api/me/keys/{key_id}"
        assert (await self._house.call("DELETE", path, session, b"")).status == 204
        return _bearer(key)

    async def _unknown_key(self) -> dict[str, str]:
        return _bearer("fs-" + "A" * 43)

    async def _key_elsewhere(self) -> dict[str, str]:
        key = await self._good_key()
        return {
            "origin": "http://fireside.test",
            "x-api-key": key,
            "api-key": key,
            "x-authorization": f"Bearer {key}",
            "authorization": f"Token {key}",
            "cookie": f"fireside_session={key}; authorization=Bearer {key}",
        }

    async def _cross_site(self) -> dict[str, str]:
        headers = await self._session(UserRole.ADMIN)
        return headers | {"origin": "https://evil.test", "sec-fetch-site": "cross-site"}

    async def _no_origin(self) -> dict[str, str]:
        headers = await self._session(UserRole.ADMIN)
        del headers["origin"]
        return headers


def _bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def _with(scope: Scope | None, role: UserRole) -> frozenset[Scope]:
    """The scope alone, as far as a key of that role can be made with it."""
    if scope is None or (scope is Scope.METRICS_READ and role is UserRole.MEMBER):
        return frozenset({Scope.MODELS_RUN})
    return frozenset({scope})


async def test_the_doors_that_stand_open_are_the_listed_ones(house: House) -> None:
    public = {
        operation.name
        for operation in house.operations()
        if operation.rule.access is Access.PUBLIC and operation.path not in PAGE
    }
    assert public == OPEN_TO_EVERYBODY


async def test_administrators_pages_are_for_administrators(house: House) -> None:
    operations = [each for each in house.operations() if each.path.startswith("/api/admin")]
    assert len(operations) >= 15
    others = {each.name: each.rule for each in operations if each.rule != Rule.ADMIN}
    for_machines = Rule.ADMIN.with_scope(Scope.METRICS_READ)
    assert others == dict.fromkeys(READ_BY_MACHINES, for_machines)


async def test_the_developers_api_wants_the_scope_for_it(house: House) -> None:
    operations = [each for each in house.operations() if each.path.startswith("/v1/")]
    assert len(operations) >= 4
    wanted = Rule.SIGNED_IN.with_scope(Scope.MODELS_RUN)
    assert [each.name for each in operations if each.rule != wanted] == []


async def test_no_key_reaches_an_account_or_its_keys(house: House) -> None:
    """A stolen key must not be able to make others, or to end what its owner would notice."""
    operations = [each for each in house.operations() if each.path.startswith("/api/me")]
    reachable = {each.name for each in operations if each.rule.scope is not None}
    assert reachable <= {"GET /api/me/export"}


async def test_the_openapi_document_lists_no_operation_that_is_not_in_the_matrix(
    house: House,
) -> None:
    document = house.app.litestar.openapi_schema.to_schema()
    listed = {
        f"{method.upper()} {path}"
        for path, item in document["paths"].items()
        for method in item
        if method in {"get", "post", "put", "patch", "delete"}
    }
    names = {operation.name for operation in house.operations()}
    assert len(listed) > 40
    assert listed - names == set()


async def test_every_operation_treats_every_caller_as_its_rule_says(house: House) -> None:
    callers = Callers(house)
    wrong: list[str] = []
    num_calls = 0
    await house.person(UserRole.ADMIN)  # so that nobody in the matrix is the last one
    for operation in house.operations():
        for who in Who:
            headers, query = await callers.headers(who, operation.rule.scope)
            reply = await house.call(operation.method, operation.url({}) + query, headers)
            num_calls += 1
            refusal = expected(operation.rule, operation.method, who)
            if who is Who.MEMBER_KEY and operation.rule.scope is Scope.METRICS_READ:
                refusal = "missing_scope"  # such a key cannot be made for a member
            code = reply.code if DOOR_CODES.get(reply.code or "") == reply.status else None
            if code != refusal:
                wrong.append(f"{operation.name} by {who}: {refusal} was due, got {reply.code}")
            if refusal is not None and "set-cookie" in reply.headers:
                wrong.append(f"{operation.name} by {who}: refused, but sets a cookie")
    assert wrong == []
    assert num_calls == len(house.operations()) * len(Who)


# What a path parameter names, for the operations on one person's own things.
OWNED = {"conversation_id", "folder_id", "session_id", "key_id", "turn_id"}
BODIES = {
    "POST /api/turns/{turn_id}/choose": b'{"choice":"later"}',
    "PATCH /api/conversations/{conversation_id}": b'{"title":"Mine now"}',
    "PATCH /api/folders/{folder_id}": b'{"name":"Mine now"}',
}
FIRST = {
    "POST /api/conversations/{conversation_id}/restore": "DELETE",
}
"""What the owner does to the thing before the operation makes sense on it."""


async def owned_by(house: House, user: User) -> dict[str, str]:
    """One of each thing that a person can own and a path can name."""
    now = house.clock.now()
    conversation = Conversation(
        id=ConversationId(new_id()), owner_id=user.id, created_at=now, updated_at=now
    )
    message = text_message(new_id(), Role.USER, "Hello", created_at=now)
    services = house.services
    async with services.db.write() as tx:
        await house.history.insert_conversation(tx, conversation)
        await house.history.insert_message(tx, conversation.id, user.id, message)
        await house.history.update_conversation(
            tx, user.id, conversation.id, head=MessageId(message.id)
        )
    cookie = await house.cookie(user)
    reply = await house.call("POST", "/api/folders", cookie, b'{"name":"Mine"}')
    sessions = await house.call("GET", "/api/me/sessions", cookie)
    _, key_id = await house.key(user, frozenset({Scope.MODELS_RUN}))
    assert reply.status == 201
    async with services.db.read() as tx:
        (session, *_) = await services.accounts.credentials.sessions(tx, user.id, now)
    assert sessions.status == 200
    return {
        "conversation_id": conversation.id,
        "folder_id": json.loads(reply.body)["id"] if reply.body else new_id(),
        "session_id": session.id,
        "key_id": key_id,
        "turn_id": new_id(),
    }


def on_own_things(house: House) -> list[Operation]:
    """Operations that name a thing and are for signed-in people."""
    return [
        operation
        for operation in house.operations()
        if operation.parameters and operation.rule.access is Access.SIGNED_IN
        if not operation.path.startswith("/v1/")
    ]


async def test_every_named_thing_is_known_to_the_isolation_test(house: House) -> None:
    named = {name for operation in on_own_things(house) for name in operation.parameters}
    assert named <= OWNED, "say what it is in owned_by"


async def test_other_peoples_things_are_not_there(house: House) -> None:
    wrong: list[str] = []
    for operation in on_own_things(house):
        owner, other = await house.person(), await house.person(UserRole.ADMIN)
        mine = await owned_by(house, owner)
        body = BODIES.get(operation.name, b"{}" if operation.method in {"POST"} else b"")
        url = operation.url(mine)
        if first := FIRST.get(operation.name):
            there = url.removesuffix("/restore")
            assert (await house.call(first, there, await house.cookie(owner), b"")).status < 300
        stolen = await house.call(operation.method, url, await house.cookie(other), body)
        made_up = await house.call(
            operation.method, operation.url({}), await house.cookie(other), body
        )
        if (stolen.status, stolen.body) != (404, made_up.body):
            wrong.append(f"{operation.name}: {stolen.status} {stolen.body[:200]!r}")
        own = await house.call(operation.method, url, await house.cookie(owner), body)
        # Without this the test would pass on a route that answers 404 to everybody.
        if own.status >= 400 and "turn_id" not in operation.parameters:
            wrong.append(f"{operation.name} by its owner: {own.status} {own.body[:200]!r}")
    assert wrong == []

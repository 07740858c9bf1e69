"""The door: declared rules, identification and requests made by other sites."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from litestar import Litestar, get

from fireside.accounts.access import Rule, check_access, session_secret, undeclared_routes
from fireside.accounts.domain import (
    ALL_SCOPES,
    Principal,
    Scope,
    UserRole,
    Via,
    check_rule,
)
from fireside.conversation.message import UserId
from fireside.db.database import Database, ReadTransaction
from fireside.errors import BackendFailed, Denied, SignInNeeded
from fireside.kit.clock import FakeClock
from tests.accounts.conftest import PASSWORD, Instance, bearer, code_of

pytestmark = pytest.mark.anyio

HOME = "http://fireside.test"


def caller(role: UserRole, via: Via, *scopes: Scope) -> Principal:
    held = ALL_SCOPES if via is Via.SESSION else frozenset(scopes)
    return Principal(UserId("somebody"), role, held, via)


NOBODY = None
MEMBER = caller(UserRole.MEMBER, Via.SESSION)
ADMIN = caller(UserRole.ADMIN, Via.SESSION)
BARE_KEY = caller(UserRole.ADMIN, Via.KEY)
RUN_KEY = caller(UserRole.MEMBER, Via.KEY, Scope.MODELS_RUN)
METRICS_KEY = caller(UserRole.ADMIN, Via.KEY, Scope.METRICS_READ)
MEMBERS_METRICS_KEY = caller(UserRole.MEMBER, Via.KEY, Scope.METRICS_READ)
RUN = Rule.SIGNED_IN.with_scope(Scope.MODELS_RUN)
METRICS = Rule.ADMIN.with_scope(Scope.METRICS_READ)


@pytest.mark.parametrize(
    ("rule", "who", "outcome"),
    [
        (Rule.PUBLIC, NOBODY, None),
        (Rule.PUBLIC, BARE_KEY, None),
        (Rule.SIGNED_IN, NOBODY, SignInNeeded),
        (Rule.SIGNED_IN, MEMBER, None),
        (Rule.SIGNED_IN, ADMIN, None),
        (Rule.SIGNED_IN, RUN_KEY, Denied),
        (RUN, NOBODY, SignInNeeded),
        (RUN, MEMBER, None),
        (RUN, RUN_KEY, None),
        (RUN, BARE_KEY, Denied),
        (RUN, METRICS_KEY, Denied),
        (Rule.ADMIN, NOBODY, SignInNeeded),
        (Rule.ADMIN, MEMBER, Denied),
        (Rule.ADMIN, ADMIN, None),
        (Rule.ADMIN, BARE_KEY, Denied),
        (METRICS, ADMIN, None),
        (METRICS, METRICS_KEY, None),
        (METRICS, MEMBERS_METRICS_KEY, Denied),
        (METRICS, RUN_KEY, Denied),
    ],
)
async def test_rules_let_through_whom_they_name(
    rule: Rule, who: Principal | None, outcome: type[Exception] | None
) -> None:
    if outcome is None:
        check_rule(rule, who)
        return
    with pytest.raises(outcome) as refused:
        check_rule(rule, who)
    assert type(refused.value) is outcome


async def test_a_route_without_a_rule_is_found_and_closed() -> None:
    @get("/open", opt={"rule": Rule.PUBLIC})
    async def declared() -> str:
        return "open"

    @get("/forgotten/{thing:str}")
    async def forgotten(thing: str) -> str:
        return f"{thing} should never be seen"

    @get("/odd", opt={"rule": "public"})
    async def odd() -> str:
        return "should never be seen"

    with pytest.warns(DeprecationWarning):
        app = Litestar([declared, forgotten, odd], guards=[check_access], openapi_config=None)
    assert undeclared_routes(app) == ["GET /forgotten/{thing:str}", "GET /odd"]
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url=HOME) as client:
        assert (await client.get("/open")).text == "open"
        for path in ("/forgotten/x", "/odd"):
            answer = await client.get(path)
            assert answer.status_code == 500
            assert "never be seen" not in answer.text
            assert (await client.options(path)).status_code == 204


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": HOME}, 204),
        ({"sec-fetch-site": "same-origin"}, 204),
        ({"sec-fetch-site": "none"}, 204),
        ({"sec-fetch-site": "same-origin", "origin": "null"}, 204),
        ({"sec-fetch-site": "cross-site", "origin": "https://evil.test"}, 403),
        ({"sec-fetch-site": "cross-site", "origin": HOME}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "https://evil.test"}, 403),
        ({"origin": "http://fireside.test.evil.test"}, 403),
        ({"origin": "http://fireside.test:8080"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"referer": HOME}, 403),
        ({}, 403),
        ({"origin": "https://chat.example.org", "x-forwarded-host": "chat.example.org"}, 204),
    ],
)
async def test_a_cookie_acts_only_from_our_own_page(
    instance: Instance, admin: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    async with instance.client() as browser:
        browser.cookies = httpx.Cookies(admin.cookies)
        del browser.headers["origin"]
        answer = await browser.delete("/api/me/sessions", headers=headers)
        assert answer.status_code == status
        if status == 403:
            assert code_of(answer) == (403, "cross_site")
        assert (await browser.get("/api/me", headers=headers)).status_code == 200


async def test_nobody_is_signed_in_to_an_account_by_another_site(
    instance: Instance, admin: httpx.AsyncClient
) -> None:
    body = {"email": "admin@example.org", "password": PASSWORD}
    async with instance.client() as victim:
        del victim.headers["origin"]
        foreign = {"sec-fetch-site": "cross-site", "origin": "https://evil.test"}
        lured = await victim.post("/api/auth/sign-in", json=body, headers=foreign)
        assert code_of(lured) == (403, "cross_site")
        assert "set-cookie" not in lured.headers
        assert (await victim.post("/api/auth/sign-in", json=body)).status_code == 200


async def test_a_key_acts_from_anywhere(instance: Instance, admin: httpx.AsyncClient) -> None:
    key, _ = await instance.key(admin)
    async with instance.client() as program:
        del program.headers["origin"]
        for headers in ({}, {"origin": "https://app.test", "sec-fetch-site": "cross-site"}):
            answer = await program.post("/v1/act", headers=bearer(key) | headers)
            assert answer.status_code == 200


@pytest.mark.parametrize(
    ("header", "secret"),
    [
        (b"fireside_session=abc", "abc"),
        (b"theme=dark; fireside_session=abc; x=y", "abc"),
        (b"fireside_session=plain; __Host-fireside_session=safe", "safe"),
        (b"fireside_session=", None),
        (b"xfireside_session=abc", None),
        (b"fireside_session=" + b"a" * 300, None),
        (b"\xff\xfe; fireside_session", None),
        (b"", None),
    ],
)
async def test_the_secret_is_read_from_the_cookie_header(header: bytes, secret: str | None) -> None:
    assert session_secret(header) == secret


class Unplugged(Database):
    """A database that does not answer."""

    def __init__(self) -> None:
        pass

    @asynccontextmanager
    async def read(self) -> AsyncIterator[ReadTransaction]:
        raise BackendFailed("database_unavailable", "The database did not answer.", retryable=True)
        yield


async def test_without_the_database_private_doors_stay_closed_and_public_ones_open(
    clock: FakeClock,
) -> None:
    @get("/alive", opt={"rule": Rule.PUBLIC})
    async def alive() -> str:
        return "yes"

    instance = Instance(Unplugged(), clock)
    instance.app.register(alive)
    async with instance.client() as client:
        cookie = {"cookie": "fireside_session=abc"}
        assert (await client.get("/alive", headers=cookie)).status_code == 200
        for headers in (cookie, bearer("fs-abc")):
            answer = await client.get("/v1/probe", headers=headers)
            assert code_of(answer) == (503, "database_unavailable")

"""A small application of the accounts room alone, and people who use it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from litestar import Litestar, get, post
from litestar.di import NamedDependency, Provide
from litestar.middleware import DefineMiddleware

from fireside.accounts.access import IdentifyMiddleware, Rule, check_access, principal
from fireside.accounts.domain import Principal, Scope
from fireside.accounts.endpoints import CONTROLLERS
from fireside.accounts.service import AccountService, build_accounts
from fireside.accounts.settings import AccountsSettings
from fireside.api.errors import exception_handlers
from fireside.db.database import Database
from fireside.kit.clock import FakeClock
from fireside.kit.ids import new_id

PASSWORD = "correct horse battery"
FAST = AccountsSettings(argon2_memory_kib=8, argon2_passes=1)
ORIGIN = {"origin": "http://fireside.test"}


@get("/v1/probe", opt={"rule": Rule.SIGNED_IN.with_scope(Scope.MODELS_RUN)})
async def probe(principal: NamedDependency[Principal]) -> dict[str, str]:
    return {"user_id": principal.user_id, "via": principal.via}


@get("/metrics", opt={"rule": Rule.ADMIN.with_scope(Scope.METRICS_READ)})
async def metrics() -> str:
    return "fine"


@post("/v1/act", opt={"rule": Rule.SIGNED_IN.with_scope(Scope.MODELS_RUN)}, status_code=200)
async def act(principal: NamedDependency[Principal]) -> dict[str, str]:
    return {"user_id": principal.user_id}


def small_app(
    accounts: NamedDependency[AccountService], db: NamedDependency[Database], *more: Any
) -> Litestar:
    """What fireside.app does, for this room only."""
    return Litestar(
        [*CONTROLLERS, probe, act, metrics, *more],
        guards=[check_access],
        middleware=[DefineMiddleware(IdentifyMiddleware, identities=accounts.identities)],
        exception_handlers=exception_handlers(accounts.clock),
        dependencies={
            "db": Provide(lambda: db, sync_to_thread=False),
            "accounts": Provide(lambda: accounts, sync_to_thread=False),
            "principal": Provide(principal, sync_to_thread=False),
        },
        openapi_config=None,
    )


class Instance:
    """A running accounts room and its clients."""

    def __init__(
        self, db: NamedDependency[Database], clock: FakeClock, settings: AccountsSettings = FAST
    ) -> None:
        self.db = db
        self.clock = clock
        self.accounts = build_accounts(db, settings, clock, new_id)
        self.app = small_app(self.accounts, db)

    def client(self, address: str = "127.0.0.1", **headers: str) -> httpx.AsyncClient:
        """A browser (or program) with cookies of its own."""
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, client=(address, 1)),  # type: ignore[arg-type]
            base_url="http://fireside.test",
            headers=ORIGIN | headers,
        )

    @asynccontextmanager
    async def person(self, email: str) -> AsyncIterator[httpx.AsyncClient]:
        """Somebody who has just signed up; the first one is administrator."""
        async with self.client() as client:
            wish = {"email": email, "password": PASSWORD, "name": "Somebody"}
            answer = await client.post("/api/auth/sign-up", json=wish)
            assert answer.status_code == 201, answer.text
            yield client

    async def key(self, person: httpx.AsyncClient, **fields: object) -> tuple[str, str]:
        """A new API key's text and id."""
        answer = await person.post("/api/me/keys", json={"name": "laptop"} | fields)
        assert answer.status_code == 201, answer.text
        return answer.json()["key"], answer.json()["info"]["id"]


def code_of(answer: httpx.Response) -> tuple[int, str]:
    """Status and error code."""
    return answer.status_code, answer.json()["error"]["code"]


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.fixture
def instance(database: Database, clock: FakeClock) -> Instance:
    return Instance(database, clock)


@pytest.fixture
async def admin(instance: Instance) -> AsyncIterator[httpx.AsyncClient]:
    async with instance.person("admin@example.org") as client:
        yield client


@pytest.fixture
async def member(instance: Instance, admin: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    async with instance.person("member@example.org") as client:
        yield client

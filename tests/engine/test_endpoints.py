"""Models, engines and the library over HTTP, through the guard, in front of real servers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx
import pytest
from litestar import Litestar
from litestar.di import Provide
from litestar.types import ASGIApp, Receive, Scope, Send

from fireside.accounts.access import check_access, principal
from fireside.accounts.domain import Principal, UserRole, Via
from fireside.api.errors import exception_handlers
from fireside.conversation.message import UserId
from fireside.db.database import Database
from fireside.engine.backends.scripted import ScriptedEngine
from fireside.engine.backends.scripted_server import ScriptedServer
from fireside.engine.endpoints import CONTROLLERS
from fireside.engine.service import EngineService, build_engines
from fireside.engine.settings import EngineSettings
from fireside.kit.clock import SystemClock
from fireside.kit.ids import new_id
from fireside.kit.pubsub import Broker
from tests.engine.conftest import tiny_gguf

SETTINGS = EngineSettings(fetch_default_model=False, hub_url="", refresh_interval_s=0.1)


class House:
    """The engine room behind HTTP."""

    def __init__(self, db: Database, data_dir: Path) -> None:
        self.engines: EngineService = build_engines(
            db, SETTINGS, data_dir, SystemClock(), new_id, Broker()
        )
        given = {"db": db, "engines": self.engines, "catalog": self.engines.catalog}
        self._app = Litestar(
            route_handlers=list(CONTROLLERS),
            dependencies={
                **{name: _provide(value) for name, value in given.items()},
                "principal": Provide(principal, sync_to_thread=False),
            },
            guards=[check_access],
            exception_handlers=exception_handlers(SystemClock()),
            openapi_config=None,
        )

    def client(self, role: UserRole | None = UserRole.ADMIN) -> httpx.AsyncClient:
        """A browser of somebody with that role; None is nobody."""
        who = None
        if role is not None:
            who = Principal(UserId(new_id()), role, frozenset(), Via.SESSION, "s")
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(_signed_in(self._app, who)),  # type: ignore[arg-type]
            base_url="http://fireside.test",
            headers={"origin": "http://fireside.test", "sec-fetch-site": "same-origin"},
        )


def _provide(value: object) -> Provide:
    return Provide(lambda: value, sync_to_thread=False)


def _signed_in(app: Litestar, who: Principal | None) -> ASGIApp:
    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["principal"] = who
        await app(scope, receive, send)

    return wrapped


@pytest.fixture
async def house(sqlite_database: Database, tmp_path: Path) -> AsyncIterator[House]:
    made = House(sqlite_database, tmp_path)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(made.engines.run)
        yield made
        tasks.cancel_scope.cancel()
    await made.engines.aclose()


@asynccontextmanager
async def upstream(*models: str) -> AsyncIterator[str]:
    async with ScriptedServer(ScriptedEngine(models=models)).serving() as url:
        yield url


async def test_an_engine_is_added_listed_switched_off_and_removed(house: House) -> None:
    async with upstream("big-one") as url, house.client() as admin:
        added = await admin.post(
            "/api/admin/engines", json={"name": "gpu-1", "base_url": url, "api_key": "sk-canary"}
        )
        assert added.status_code == 201, added.text
        row = added.json()
        expected = {
            "name": "gpu-1",
            "kind": "openai",
            "base_url": url,
            "enabled": True,
            "ok": True,
            "detail": "",
            "models": ["big-one"],
            "restarts": 0,
        }
        assert {name: row[name] for name in expected} == expected
        listed = (await admin.get("/api/admin/engines")).json()
        assert [each["id"] for each in listed] == ["embedded", row["id"]]
        assert "sk-canary" not in str(listed)
        models = (await admin.get("/api/models")).json()
        assert models["default"] == "big-one"
        assert models["models"][0]["ready"] is True
        off = await admin.patch(f"/api/admin/engines/{row['id']}", json={"enabled": False})
        assert (off.status_code, off.json()["enabled"]) == (200, False)
        assert (await admin.get("/api/models")).json()["models"] == []
        gone = await admin.delete(f"/api/admin/engines/{row['id']}")
        assert gone.status_code == 204
        assert (await admin.delete(f"/api/admin/engines/{row['id']}")).status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"name": "gpu 1", "base_url": "http://h/v1"}, 400, "name"),
        ({"name": "embedded", "base_url": "http://h/v1"}, 400, "name"),
        ({"name": "gpu-1", "base_url": "gopher://h"}, 400, "base_url"),
        ({"name": "gpu-1", "base_url": "http://user:pw@h"}, 400, "base_url"),
        ({"name": "gpu-1"}, 400, "base_url"),
        ({"name": "gpu-1", "base_url": "http://h", "extra": 1}, 400, "extra"),
        ({"name": "gpu-1", "base_url": "http://h", "models": "all"}, 400, "models"),
    ],
)
async def test_a_bad_engine_is_refused_naming_the_field(
    house: House, body: dict[str, object], status: int, param: str
) -> None:
    async with house.client() as admin:
        answer = await admin.post("/api/admin/engines", json=body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)
        assert len((await admin.get("/api/admin/engines")).json()) == 1


async def test_only_administrators_see_and_change_engines(house: House) -> None:
    calls = [
        ("GET", "/api/admin/engines"),
        ("POST", "/api/admin/engines"),
        ("PATCH", "/api/admin/engines/embedded"),
        ("DELETE", "/api/admin/engines/x"),
        ("GET", "/api/admin/library"),
        ("POST", "/api/admin/library/smollm2-135m/pull"),
        ("POST", "/api/admin/library/smollm2-135m/use"),
    ]
    async with house.client(UserRole.MEMBER) as member, house.client(None) as nobody:
        for method, path in calls:
            assert (await member.request(method, path, json={})).status_code == 403
            assert (await nobody.request(method, path, json={})).status_code == 401
        assert (await member.get("/api/models")).status_code == 200
        assert (await nobody.get("/api/models")).status_code == 401


async def test_the_library_tells_what_can_be_had(house: House) -> None:
    async with house.client() as admin:
        models = {each["name"]: each for each in (await admin.get("/api/admin/library")).json()}
    small = models["smollm2-135m"]
    assert (small["state"], small["licence"]) == ("absent", "Apache-2.0")
    assert small["size_bytes"] == 98_362_432
    assert {"qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"} <= set(models)


async def test_what_is_not_there_cannot_be_fetched_or_used(house: House) -> None:
    async with house.client() as admin:
        for path in ("nonsense/pull", "nonsense/use", "smollm2-135m/use", "..%2F..%2Fetc/use"):
            answer = await admin.post(f"/api/admin/library/{path}")
            assert answer.status_code == 404, path


async def test_a_file_that_is_no_model_cannot_be_used(house: House, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir(exist_ok=True)
    (folder / "letter.gguf").write_text("Dear reader, this is no model, only a letter to you.")
    async with house.client() as admin:
        answer = await admin.post("/api/admin/library/letter/use")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "not_gguf")


async def test_a_chosen_file_that_cannot_be_loaded_is_shown_as_failed(
    house: House, tmp_path: Path
) -> None:
    folder = tmp_path / "models"
    folder.mkdir(exist_ok=True)
    (folder / "hollow.gguf").write_bytes(tiny_gguf())
    async with house.client() as admin:
        assert (await admin.post("/api/admin/library/hollow/use")).status_code == 202
        with anyio.fail_after(30):
            while (row := await _row(admin, "hollow"))["state"] != "failed":
                await anyio.sleep(0.05)
    assert "error loading model" in str(row["detail"])


async def _row(admin: httpx.AsyncClient, name: str) -> dict[str, object]:
    rows = (await admin.get("/api/admin/library")).json()
    return next(row for row in rows if row["name"] == name)


async def test_the_embedded_engine_is_switched_off_and_on(house: House) -> None:
    async with house.client() as admin:
        for enabled in (False, True):
            answer = await admin.patch("/api/admin/engines/embedded", json={"enabled": enabled})
            assert (answer.status_code, answer.json()["enabled"]) == (200, enabled)
        assert (await admin.delete("/api/admin/engines/embedded")).status_code == 404


async def test_an_operator_states_how_many_replies_an_engine_writes_at_once(house: House) -> None:
    async with upstream("big-one") as url, house.client() as admin:
        engine = {"name": "gpu-1", "base_url": url, "slots": 32}
        added = await admin.post("/api/admin/engines", json=engine)
        assert (added.status_code, added.json()["slots"]) == (201, 32)
        assert [offer.slots for offer in house.engines.catalog.pools()["big-one"]] == [32]
        for slots in (0, -1, 100_001, 2**53, "many", 1.5):
            refused = await admin.post(
                "/api/admin/engines", json={**engine, "name": "gpu-2", "slots": slots}
            )
            assert refused.status_code == 400
            assert refused.json()["error"]["param"] == "slots"

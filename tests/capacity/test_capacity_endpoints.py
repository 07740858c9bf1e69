"""The room's addresses, through the whole application: shapes, refusals, and what follows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from fireside.accounts.domain import Device, Scope, User, UserRole
from fireside.app import Services, asgi, build
from fireside.billing.domain import Feature, UsageEntry
from fireside.capacity.policy import default_policy
from fireside.conversation.message import Usage, UserId
from fireside.errors import BackendFailed
from fireside.kit.clock import FakeClock
from fireside.kit.ids import new_id
from fireside.settings import load

ORIGIN = {"origin": "http://fireside.test"}


class House:
    """The whole application over a fresh database, without its background work."""

    def __init__(self, services: Services, clock: FakeClock) -> None:
        self.services, self.clock = services, clock
        self.app = asgi(services)

    def client(self, **headers: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, raise_app_exceptions=False),  # type: ignore[arg-type]
            base_url="http://fireside.test",
            headers=ORIGIN | headers,
        )

    async def person(
        self, role: UserRole = UserRole.MEMBER, name: str = "Ann"
    ) -> tuple[User, httpx.AsyncClient]:
        accounts = self.services.accounts
        user = accounts.new_user(f"{new_id()}@example.org", name, role)
        async with self.services.db.write() as tx:
            await accounts.users.insert(tx, user, None)
            secret = await accounts.open_session(tx, user.id, Device("", ""))
        return user, self.client(cookie=f"fireside_session={secret}")


@pytest.fixture
async def house(database_url: str, tmp_path: Path, clock: FakeClock) -> AsyncIterator[House]:
    settings, _sources = load(
        {
            "data_dir": str(tmp_path / "data"),
            "db.url": database_url,
            "api.log_requests": False,
            "db.sqlite_synchronous": "NORMAL",
        },
        environ={},
    )
    services = build(settings, clock=clock)
    yield House(services, clock)
    await services.engines.aclose()
    await services.db.aclose()


@pytest.fixture
async def admin(house: House) -> AsyncIterator[httpx.AsyncClient]:
    _user, client = await house.person(UserRole.ADMIN, "The Boss")
    async with client:
        yield client


def error_of(answer: httpx.Response) -> tuple[int, str, str | None]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["param"]


async def policy_of(admin: httpx.AsyncClient) -> dict[str, Any]:
    answer = await admin.get("/api/admin/policy")
    assert answer.status_code == 200, answer.text
    policy: dict[str, Any] = answer.json()
    return policy


async def test_a_policy_is_read_changed_and_kept_with_its_history(
    house: House, admin: httpx.AsyncClient
) -> None:
    first = await policy_of(admin)
    assert (first["version"], first["author"], first["at"]) == (0, "", None)
    assert first["policy"]["plans"]["free"]["band"] == "free"
    first["policy"]["plans"]["plus"]["weight"] = 3.5
    change = {"policy": first["policy"], "reason": "More for Plus.", "based_on": 0}
    saved = await admin.put("/api/admin/policy", json=change)
    assert saved.status_code == 200, saved.text
    assert saved.json() == await policy_of(admin)
    assert saved.json()["version"] == 1
    assert saved.json()["author"] == "The Boss"
    assert saved.json()["policy"]["plans"]["plus"]["weight"] == 3.5
    assert house.services.records.policies.current().plans["plus"].weight == 3.5
    assert house.services.gate.policy.plans["plus"].weight == 3.5  # the gate was told
    versions = (await admin.get("/api/admin/policy/versions")).json()["versions"]
    assert [(each["version"], each["author"], each["reason"]) for each in versions] == [
        (1, "The Boss", "More for Plus.")
    ]
    stale = await admin.put("/api/admin/policy", json=change)
    assert error_of(stale) == (409, "policy_changed", "based_on")
    assert (await admin.get("/api/admin/policy/versions/1")).json() == saved.json()
    start = (await admin.get("/api/admin/policy/versions/0")).json()
    assert start["policy"]["plans"]["plus"]["weight"] == 1.0
    assert error_of(await admin.get("/api/admin/policy/versions/2")) == (
        404,
        "unknown_policy",
        None,
    )


@pytest.mark.parametrize(
    ("path", "value", "code", "param"),
    [
        ("policy.plans.free.weight", -1, "policy_refused", "plans.free.weight"),
        ("policy.bands.free.min_share", 0, "policy_refused", "bands.free.min_share"),
        ("policy.colour", "red", "policy_refused", "colour"),
        ("policy.plans.free.band", 7, "policy_refused", "plans.free.band"),
        ("policy", [], "invalid_type", "policy"),
        ("reason", "", "reason_needed", "reason"),
        ("reason", "x" * 1001, "invalid_value", "reason"),
        ("based_on", -1, "invalid_value", "based_on"),
        ("based_on", "three", "invalid_type", "based_on"),
        ("colour", "red", "unknown_parameter", "colour"),
    ],
)
async def test_a_policy_that_makes_no_sense_is_refused(
    admin: httpx.AsyncClient, path: str, value: Any, code: str, param: str
) -> None:
    sent: dict[str, Any] = {
        "policy": (await policy_of(admin))["policy"],
        "reason": "r",
        "based_on": 0,
    }
    *parents, leaf = path.split(".")
    holder = sent
    for name in parents:
        holder = holder[name]
    holder[leaf] = value
    answer = await admin.put("/api/admin/policy", json=sent)
    assert error_of(answer) == (400, code, param)
    assert (await policy_of(admin))["version"] == 0


async def test_a_plan_counts_from_the_next_request_on(
    house: House, admin: httpx.AsyncClient
) -> None:
    user, person = await house.person()
    async with person:
        own = (await person.get("/api/me/plan")).json()
        assert (own["plan"], own["band"], own["used_today"]) == ("free", "free", 0)
        assert own["limits"] == msgspec.to_builtins(default_policy().plans["free"])
        path = f"/api/admin/users/{user.id}/plan"
        answer = await admin.put(path, json={"plan": "plus", "reason": "Paid."})
        assert (answer.status_code, answer.json()["plan"]) == (200, "plus")
        assert (await person.get("/api/me/plan")).json()["plan"] == "plus"
        listed = (await admin.get("/api/admin/users")).json()["items"]
        assert {each["id"]: each["plan"] for each in listed}[user.id] == "plus"
        assert error_of(await admin.put(path, json={"plan": "gold"})) == (
            400,
            "unknown_plan",
            "plan",
        )
        assert (await admin.put(path, json={"plan": None})).json()["plan"] == ""
        assert (await person.get("/api/me/plan")).json()["plan"] == "free"
    nobody = f"/api/admin/users/{new_id()}/plan"
    assert (await admin.put(nobody, json={"plan": "plus"})).status_code == 404
    assert (await admin.get("/api/me/plan")).json()["plan"] == "team"


async def test_a_key_has_the_plan_of_its_owner(house: House, admin: httpx.AsyncClient) -> None:
    accounts = house.services.accounts
    user, _client = await house.person()
    async with house.services.db.write() as tx:
        _info, key = await accounts.create_key(tx, user, "k", frozenset({Scope.MODELS_RUN}))
    principal = await accounts.identities.by_key(key)
    assert principal is not None
    assert principal.plan == ""
    await admin.put(f"/api/admin/users/{user.id}/plan", json={"plan": "api"})
    principal = await accounts.identities.by_key(key)
    assert principal is not None
    assert principal.plan == "api"


async def test_the_live_view_has_the_agreed_shape(admin: httpx.AsyncClient) -> None:
    answer = (await admin.get("/api/admin/capacity")).json()
    assert set(answer) == {
        "bottleneck",
        "rung",
        "rung_name",
        "pools",
        "engines",
        "series",
        "plans",
    }
    assert answer["bottleneck"]


async def test_usage_is_split_up_for_administrators(house: House, admin: httpx.AsyncClient) -> None:
    user, _client = await house.person()
    entry = UsageEntry(
        user_id=user.id,
        model="m",
        release="m@1",
        engine="e",
        feature=Feature.CHAT,
        usage=Usage(completion_tokens=5),
        at=house.clock.now() - timedelta(hours=1),
        engine_s=2.5,
        plan="free",
    )
    gone = msgspec.structs.replace(entry, user_id=UserId(new_id()), engine_s=1.0, plan="plus")
    house.services.meter.record(entry)
    house.services.meter.record(gone)
    await house.services.meter.flush()
    path = "/api/admin/capacity/usage"
    expected = {"name": "free", "engine_s": 2.5, "completion_tokens": 5, "num_generations": 1}
    rows = (await admin.get(path)).json()["rows"]
    assert rows == [expected, {**expected, "name": "plus", "engine_s": 1.0}]
    by_user = (await admin.get(path, params={"by": "user", "days": 7})).json()["rows"]
    assert [each["name"] for each in by_user] == [user.email, gone.user_id]
    assert (await admin.get(path, params={"by": "hour"})).status_code == 400
    assert (await admin.get(path, params={"days": 0})).status_code == 400


async def test_the_status_page_is_for_everybody_and_shows_incidents(
    house: House, admin: httpx.AsyncClient
) -> None:
    async with house.client() as anybody:
        answer = await anybody.get("/api/status")
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "max-age=5, public"
        shown = answer.json()
        assert (shown["state"], shown["rung"], shown["rung_name"]) == ("down", 0, "normal")
        assert shown["waiting"] == {"paid": 0, "free": 0}
        assert len(shown["days"]) == 90
        opened = await admin.post("/api/admin/incidents", json={"title": "Slow", "text": "Why?"})
        assert opened.status_code == 201, opened.text
        assert opened.json()["state"] == "investigating"
        updates = f"/api/admin/incidents/{opened.json()['id']}/updates"
        said = await admin.post(updates, json={"text": "Mended.", "state": "resolved"})
        assert said.status_code == 201
        (incident,) = (await anybody.get("/api/status")).json()["incidents"]
        assert incident["state"] == "resolved"
        assert [each["text"] for each in incident["updates"]] == ["Why?", "Mended."]
        wrong = await admin.post(updates, json={"text": "x", "state": "fine"})
        assert error_of(wrong) == (400, "invalid_value", "state")
        made_up = f"/api/admin/incidents/{new_id()}/updates"
        missing = await admin.post(made_up, json={"text": "x", "state": "resolved"})
        assert error_of(missing) == (404, "incident_not_found", None)


async def test_the_status_page_answers_without_a_database(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_arguments: object) -> None:
        raise BackendFailed("database_unavailable", "away", retryable=True)

    monkeypatch.setattr(house.services.db, "read", away)
    monkeypatch.setattr(house.services.db, "write", away)
    async with house.client(cookie="fireside_session=somebody") as anybody:
        answer = await anybody.get("/api/status")
        assert (answer.status_code, answer.json()["state"]) == (200, "down")

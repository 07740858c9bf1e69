"""API keys: what they open, what they do not, and how soon they stop."""

from __future__ import annotations

import httpx
import pytest

from fireside.accounts.settings import AccountsSettings
from fireside.db.database import Database
from fireside.kit.clock import FakeClock
from fireside.kit.hashing import sha256_hex
from fireside.kit.ids import new_id
from tests.accounts.conftest import FAST, Instance, bearer, code_of

pytestmark = pytest.mark.anyio


async def test_a_key_is_shown_once_and_opens_what_its_scopes_say(
    instance: Instance, admin: httpx.AsyncClient
) -> None:
    made = await admin.post("/api/me/keys", json={"name": "laptop"})
    assert made.status_code == 201
    key, info = made.json()["key"], made.json()["info"]
    assert key.startswith("fs-")
    assert len(key) >= 46
    assert info["scopes"] == ["models:run"]
    assert key.startswith(info["prefix"])
    listed = (await admin.get("/api/me/keys")).json()
    assert listed == [info]
    assert key not in (await admin.get("/api/me/keys")).text
    async with instance.client() as program:
        answer = await program.get("/v1/probe", headers=bearer(key))
        assert answer.json() == {
            "user_id": (await admin.get("/api/me")).json()["id"],
            "via": "key",
        }
        assert code_of(await program.get("/metrics", headers=bearer(key))) == (
            403,
            "missing_scope",
        )
        assert code_of(await program.get("/api/me", headers=bearer(key))) == (
            403,
            "key_not_accepted",
        )


async def test_only_the_hash_of_a_key_is_stored(
    instance: Instance, admin: httpx.AsyncClient
) -> None:
    key, _ = await instance.key(admin)
    async with instance.db.read() as tx:
        holder = await instance.accounts.credentials.key_holder(tx, sha256_hex(key.encode()))
        assert holder is not None
        assert await instance.accounts.credentials.key_holder(tx, key) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"x-api-key": "KEY"},
        {"api-key": "KEY"},
        {"authorization": "KEY"},
        {"authorization": "Basic KEY"},
        {"authorization": "Token KEY"},
        {"cookie": "fireside_session=KEY"},
        {"cookie": "authorization=Bearer KEY"},
        {"proxy-authorization": "Bearer KEY"},
        {"authorization": "Bearer  "},
        {"authorization": "Bearer fs-"},
        {"authorization": "Bearer sk-KEY"},
        {"authorization": "Bearer fs-" + "A" * 10_000},
        {"authorization": "Bearer fs-\u00e9\u00ff"},
    ],
)
async def test_a_key_anywhere_else_identifies_nobody(
    instance: Instance, admin: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    key, _ = await instance.key(admin)
    sent = {name: value.replace("KEY", key).encode("latin-1") for name, value in headers.items()}
    async with instance.client() as program:
        answer = await program.get("/v1/probe", headers=sent)
        assert code_of(answer) == (401, "sign_in_needed")


async def test_a_key_in_the_query_string_identifies_nobody(
    instance: Instance, admin: httpx.AsyncClient
) -> None:
    key, _ = await instance.key(admin)
    async with instance.client() as program:
        for name in ("key", "api_key", "access_token", "authorization"):
            answer = await program.get("/v1/probe", params={name: key})
            assert answer.status_code == 401


async def test_a_bad_key_is_not_rescued_by_a_good_cookie(
    instance: Instance, admin: httpx.AsyncClient
) -> None:
    answer = await admin.get("/v1/probe", headers=bearer("fs-bad"))
    assert answer.status_code == 401


async def test_a_proxys_basic_header_does_not_hide_the_cookie(admin: httpx.AsyncClient) -> None:
    answer = await admin.get("/v1/probe", headers={"authorization": "Basic dXNlcjpwYXNz"})
    assert answer.json()["via"] == "session"


async def test_a_revoked_key_is_refused_at_once(
    instance: Instance, admin: httpx.AsyncClient
) -> None:
    key, key_id = await instance.key(admin)
    async with instance.client() as program:
        assert (await program.get("/v1/probe", headers=bearer(key))).status_code == 200
        assert (await admin.delete(f"/api/me/keys/{key_id}")).status_code == 204
        assert (await program.get("/v1/probe", headers=bearer(key))).status_code == 401
    assert (await admin.delete(f"/api/me/keys/{key_id}")).status_code == 404
    assert (await admin.get("/api/me/keys")).json() == []


async def test_another_process_refuses_a_revoked_key_within_its_memory(
    database: Database, clock: FakeClock
) -> None:
    here, there = Instance(database, clock), Instance(database, clock)
    async with here.person("a@example.org") as owner, there.client() as program:
        key, key_id = await here.key(owner)
        assert (await program.get("/v1/probe", headers=bearer(key))).status_code == 200
        await owner.delete(f"/api/me/keys/{key_id}")
        clock.advance(FAST.identity_ttl_s + 0.1)
        assert (await program.get("/v1/probe", headers=bearer(key))).status_code == 401


async def test_the_memory_of_keys_is_bounded_and_still_right(
    database: Database, clock: FakeClock
) -> None:
    settings = AccountsSettings(argon2_memory_kib=8, argon2_passes=1, identity_cache_size=3)
    instance = Instance(database, clock, settings)
    async with instance.person("a@example.org") as owner:
        keys = [(await instance.key(owner))[0] for _ in range(8)]
        for _ in range(2):
            for key in keys:
                answer = await owner.get("/v1/probe", headers=bearer(key))
                assert answer.status_code == 200


async def test_disabling_stops_sessions_and_keys_at_once_and_enabling_wakes_the_keys(
    instance: Instance, admin: httpx.AsyncClient, member: httpx.AsyncClient
) -> None:
    key, _ = await instance.key(member)
    user_id = (await member.get("/api/me")).json()["id"]
    assert (await member.get("/v1/probe", headers=bearer(key))).status_code == 200
    await admin.patch(f"/api/admin/users/{user_id}", json={"status": "disabled"})
    assert (await member.get("/api/me")).status_code == 401
    assert (await member.get("/v1/probe", headers=bearer(key))).status_code == 401
    refused = await member.post(
        "/api/auth/sign-in",
        json={"email": "member@example.org", "password": "correct horse battery"},
    )
    assert code_of(refused) == (403, "account_disabled")
    await admin.patch(f"/api/admin/users/{user_id}", json={"status": "active"})
    assert (await member.get("/v1/probe", headers=bearer(key))).status_code == 200
    assert (await member.get("/api/me")).status_code == 401


async def test_a_demoted_administrators_key_loses_the_administrators_doors(
    instance: Instance, admin: httpx.AsyncClient, member: httpx.AsyncClient
) -> None:
    user_id = (await member.get("/api/me")).json()["id"]
    refused = await member.post(
        "/api/me/keys", json={"name": "metrics", "scopes": ["metrics:read"]}
    )
    assert code_of(refused) == (403, "admin_only")
    await admin.patch(f"/api/admin/users/{user_id}", json={"role": "admin"})
    key, _ = await instance.key(member, scopes=["metrics:read"])
    async with instance.client() as program:
        assert (await program.get("/metrics", headers=bearer(key))).status_code == 200
        await admin.patch(f"/api/admin/users/{user_id}", json={"role": "member"})
        assert code_of(await program.get("/metrics", headers=bearer(key))) == (403, "admin_only")


async def test_last_use_is_written_in_batches(instance: Instance, admin: httpx.AsyncClient) -> None:
    key, _ = await instance.key(admin)
    async with instance.client() as program:
        for _ in range(5):
            instance.clock.advance(60)
            await program.get("/v1/probe", headers=bearer(key))
    assert (await admin.get("/api/me/keys")).json()[0]["last_used_at"] is None
    await instance.accounts.identities.flush()
    used = (await admin.get("/api/me/keys")).json()[0]["last_used_at"]
    assert used == instance.clock.now().isoformat().replace("+00:00", "Z")
    people = (await admin.get("/api/admin/users")).json()["items"]
    assert people[0]["last_seen_at"] == used


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["everything"]},
        {"name": "x", "scopes": "models:run"},
        {"name": "x", "user_id": "somebody"},
        {"name": "x" * 200},
    ],
)
async def test_bad_wishes_for_a_key_are_refused(
    admin: httpx.AsyncClient, fields: dict[str, object]
) -> None:
    assert (await admin.post("/api/me/keys", json=fields)).status_code == 400
    assert (await admin.get("/api/me/keys")).json() == []


async def test_one_person_holds_only_so_many_keys(database: Database, clock: FakeClock) -> None:
    settings = AccountsSettings(argon2_memory_kib=8, argon2_passes=1, max_keys=2)
    instance = Instance(database, clock, settings)
    async with instance.person("a@example.org") as owner:
        for _ in range(2):
            await instance.key(owner)
        third = await owner.post("/api/me/keys", json={"name": "third"})
        assert code_of(third) == (409, "too_many_keys")


async def test_somebody_elses_key_and_session_are_not_there(
    instance: Instance, admin: httpx.AsyncClient, member: httpx.AsyncClient
) -> None:
    _, key_id = await instance.key(admin)
    session_id = (await admin.get("/api/me/sessions")).json()[0]["id"]
    for target in (f"keys/{key_id}", f"sessions/{session_id}"):
        stolen = await member.delete(f"/api/me/{target}")
        kind, _, _ = target.partition("/")
        unknown = await member.delete(f"/api/me/{kind}/{new_id()}")
        odd = await member.delete(f"/api/me/{kind}/not-an-id")
        assert [a.status_code for a in (stolen, unknown, odd)] == [404, 404, 404]
        assert stolen.json() == unknown.json() == odd.json()
    assert (await admin.get("/api/me")).status_code == 200
    assert len((await admin.get("/api/me/keys")).json()) == 1

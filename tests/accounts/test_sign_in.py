"""Signing in and out, passwords, login sessions and leaving."""

from __future__ import annotations

import httpx
import pytest

from fireside.accounts.domain import UserRole
from fireside.accounts.settings import AccountsSettings
from fireside.db.database import Database
from fireside.kit.clock import FakeClock
from tests.accounts.conftest import FAST, PASSWORD, Instance, bearer, code_of

pytestmark = pytest.mark.anyio

DAY_S = 86_400.0


def credentials(email: str = "admin@example.org", password: str = PASSWORD) -> dict[str, str]:
    return {"email": email, "password": password}


async def test_signing_out_and_in_again(instance: Instance, admin: httpx.AsyncClient) -> None:
    assert (await admin.post("/api/auth/sign-out")).status_code == 204
    assert code_of(await admin.get("/api/me")) == (401, "sign_in_needed")
    answer = await admin.post("/api/auth/sign-in", json=credentials("ADMIN@Example.org "))
    assert answer.status_code == 200
    assert (await admin.get("/api/me")).json() == answer.json()


async def test_a_copied_cookie_is_worthless_after_signing_out(
    instance: Instance, admin: httpx.AsyncClient
) -> None:
    async with instance.client() as thief:
        thief.cookies = httpx.Cookies(admin.cookies)
        assert (await thief.get("/api/me")).status_code == 200
        await admin.post("/api/auth/sign-out")
        assert (await thief.get("/api/me")).status_code == 401


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(
    instance: Instance, admin: httpx.AsyncClient
) -> None:
    answer = await admin.post("/api/auth/sign-in", json=credentials())
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("fireside_session=")
    assert {"httponly", "samesite=lax", "path=/"} <= {part.strip() for part in cookie.split(";")}
    assert "secure" not in cookie
    safe = await admin.post("https://fireside.test/api/auth/sign-in", json=credentials())
    cookie = safe.headers["set-cookie"].lower()
    assert cookie.startswith("__host-fireside_session=")
    assert "secure" in {part.strip() for part in cookie.split(";")}
    assert "domain" not in cookie


async def test_signing_in_again_replaces_the_login_session(
    instance: Instance, admin: httpx.AsyncClient
) -> None:
    before = httpx.Cookies(admin.cookies)
    await admin.post("/api/auth/sign-in", json=credentials())
    assert len((await admin.get("/api/me/sessions")).json()) == 1
    async with instance.client() as planted:
        planted.cookies = before
        assert (await planted.get("/api/me")).status_code == 401


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("admin@example.org", "wrong password"),
        ("nobody@example.org", PASSWORD),
        ("not an address", PASSWORD),
    ],
)
async def test_a_wrong_password_and_an_unknown_account_look_the_same(
    instance: Instance, admin: httpx.AsyncClient, email: str, password: str
) -> None:
    async with instance.client() as client:
        answer = await client.post("/api/auth/sign-in", json=credentials(email, password))
        assert code_of(answer) == (401, "wrong_credentials")
        assert "set-cookie" not in answer.headers


async def test_an_unused_session_ends_and_a_used_one_goes_on(
    instance: Instance, admin: httpx.AsyncClient
) -> None:
    for _ in range(3):
        instance.clock.advance(20 * DAY_S)
        assert (await admin.get("/api/me")).status_code == 200
        await instance.accounts.identities.flush()
    instance.clock.advance(31 * DAY_S)
    assert (await admin.get("/api/me")).status_code == 401


async def test_no_session_outlives_its_maximum(
    instance: Instance, admin: httpx.AsyncClient
) -> None:
    for _ in range(18):
        instance.clock.advance(20 * DAY_S)
        assert (await admin.get("/api/me")).status_code == 200
        await instance.accounts.identities.flush()
    instance.clock.advance(20 * DAY_S)
    assert (await admin.get("/api/me")).status_code == 401


async def test_expired_sessions_are_swept_away(
    instance: Instance, admin: httpx.AsyncClient
) -> None:
    user_id = (await admin.get("/api/me")).json()["id"]
    await instance.accounts.identities.flush()
    long_before = instance.clock.now()
    instance.clock.advance(400 * DAY_S)
    await instance.accounts.identities.flush()
    async with instance.db.read() as tx:
        assert await instance.accounts.credentials.sessions(tx, user_id, long_before) == []


async def test_sessions_are_listed_and_ended_one_by_one(
    instance: Instance, admin: httpx.AsyncClient
) -> None:
    async with instance.client("192.0.2.7", **{"user-agent": "Phone/1.0"}) as phone:
        await phone.post("/api/auth/sign-in", json=credentials())
        listed = (await admin.get("/api/me/sessions")).json()
        assert [session["current"] for session in listed].count(True) == 1
        other = next(session for session in listed if not session["current"])
        assert (other["user_agent"], other["address"]) == ("Phone/1.0", "192.0.2.7")
        assert (await admin.delete(f"/api/me/sessions/{other['id']}")).status_code == 204
        assert (await phone.get("/api/me")).status_code == 401
        assert (await admin.delete(f"/api/me/sessions/{other['id']}")).status_code == 404


async def test_all_other_sessions_end_at_once(instance: Instance, admin: httpx.AsyncClient) -> None:
    async with instance.client() as one, instance.client() as two:
        for browser in (one, two):
            await browser.post("/api/auth/sign-in", json=credentials())
            assert (await browser.get("/api/me")).status_code == 200
        assert (await admin.delete("/api/me/sessions")).status_code == 204
        assert [(await b.get("/api/me")).status_code for b in (admin, one, two)] == [200, 401, 401]


async def test_changing_the_password_ends_the_other_sessions(
    instance: Instance, admin: httpx.AsyncClient
) -> None:
    async with instance.client() as other:
        await other.post("/api/auth/sign-in", json=credentials())
        wrong = await admin.post(
            "/api/me/password", json={"current": "nonsense", "new": "another password"}
        )
        assert code_of(wrong) == (403, "wrong_password")
        short = await admin.post("/api/me/password", json={"current": PASSWORD, "new": "x"})
        assert code_of(short) == (400, "bad_password")
        assert short.json()["error"]["param"] == "new"
        done = await admin.post(
            "/api/me/password", json={"current": PASSWORD, "new": "another password"}
        )
        assert done.status_code == 204
        assert (await admin.get("/api/me")).status_code == 200
        assert (await other.get("/api/me")).status_code == 401
        old = await other.post("/api/auth/sign-in", json=credentials())
        assert old.status_code == 401
        new = await other.post("/api/auth/sign-in", json=credentials(password="another password"))
        assert new.status_code == 200


async def test_the_same_password_typed_on_another_system_is_right(instance: Instance) -> None:
    async with instance.client() as client:
        await client.post(
            "/api/auth/sign-up",
            json={"email": "a@example.org", "password": "caf\u00e9 cr\u00e8me", "name": "A"},
        )
        decomposed = credentials("a@example.org", "cafe\u0301 cre\u0300me")
        assert (await client.post("/api/auth/sign-in", json=decomposed)).status_code == 200


async def test_an_outdated_hash_is_made_stronger_at_sign_in(
    database: Database, clock: FakeClock
) -> None:
    weak = Instance(database, clock, FAST)
    async with weak.person("a@example.org") as client:
        user_id = (await client.get("/api/me")).json()["id"]
    strong = Instance(database, clock, AccountsSettings(argon2_memory_kib=64, argon2_passes=2))
    async with strong.client() as client:
        for _ in range(2):
            answer = await client.post("/api/auth/sign-in", json=credentials("a@example.org"))
            assert answer.status_code == 200
    async with database.read() as tx:
        stored = await strong.accounts.users.password_hash(tx, user_id)
    assert stored is not None
    assert "m=64,t=2" in stored


async def test_an_administrators_link_sets_a_password_once(
    instance: Instance, admin: httpx.AsyncClient, member: httpx.AsyncClient
) -> None:
    user_id = (await member.get("/api/me")).json()["id"]
    links = [
        (await admin.post(f"/api/admin/users/{user_id}/reset-link")).json()["link"]
        for _ in range(2)
    ]
    replaced, token = (link.partition("#token=")[2] for link in links)
    async with instance.client() as client:
        for bad in (replaced, "guess", ""):
            answer = await client.post(
                "/api/auth/reset", json={"token": bad, "password": "brand new one"}
            )
            assert code_of(answer) == (403, "reset_link_not_valid")
        short = await client.post("/api/auth/reset", json={"token": token, "password": "x"})
        assert code_of(short) == (400, "bad_password")
        done = await client.post(
            "/api/auth/reset", json={"token": token, "password": "brand new one"}
        )
        assert done.status_code == 204
        again = await client.post(
            "/api/auth/reset", json={"token": token, "password": "brand new two"}
        )
        assert code_of(again) == (403, "reset_link_not_valid")
        assert (await member.get("/api/me")).status_code == 401
        fresh = credentials("member@example.org", "brand new one")
        assert (await client.post("/api/auth/sign-in", json=fresh)).status_code == 200


async def test_a_reset_link_runs_out(instance: Instance, admin: httpx.AsyncClient) -> None:
    user_id = (await admin.get("/api/me")).json()["id"]
    link = (await admin.post(f"/api/admin/users/{user_id}/reset-link")).json()
    instance.clock.advance(25 * 3600)
    answer = await admin.post(
        "/api/auth/reset",
        json={"token": link["link"].partition("#token=")[2], "password": "brand new one"},
    )
    assert code_of(answer) == (403, "reset_link_not_valid")


async def test_the_profile_and_preferences_are_kept(admin: httpx.AsyncClient) -> None:
    preferences = {
        "theme": "dark",
        "language": "de",
        "custom_instructions": {"about": "I teach.", "style": "Short.", "enabled": True},
        "improve_model": True,
        "default_model": "small",
    }
    changed = await admin.patch("/api/me", json={"name": "  Ada  L. ", "preferences": preferences})
    assert changed.status_code == 200
    me = (await admin.get("/api/me")).json()
    assert (me["name"], me["preferences"]) == ("Ada L.", preferences)
    only_name = await admin.patch("/api/me", json={"name": "Ada"})
    assert only_name.json()["preferences"] == preferences
    bad = await admin.patch("/api/me", json={"preferences": {"theme": "pink"}})
    assert bad.status_code == 400
    unknown = await admin.patch("/api/me", json={"preferences": {"colour": "pink"}})
    assert unknown.status_code == 400


async def test_improving_the_model_is_off_until_agreed(admin: httpx.AsyncClient) -> None:
    assert (await admin.get("/api/me")).json()["preferences"]["improve_model"] is False


async def test_leaving_erases_the_account_its_sessions_and_keys(
    instance: Instance, admin: httpx.AsyncClient, member: httpx.AsyncClient
) -> None:
    key, _ = await instance.key(member)
    user_id = (await member.get("/api/me")).json()["id"]
    wrong = await member.request("DELETE", "/api/me", json={"password": "not this one"})
    assert code_of(wrong) == (403, "wrong_password")
    gone = await member.request("DELETE", "/api/me", json={"password": PASSWORD})
    assert gone.status_code == 204
    assert (await member.get("/api/me")).status_code == 401
    assert (await member.get("/v1/probe", headers=bearer(key))).status_code == 401
    async with instance.db.read() as tx:
        assert await instance.accounts.users.user_by_email(tx, "member@example.org") is None
        assert await instance.accounts.credentials.keys(tx, user_id) == []
    async with instance.person("member@example.org") as again:
        assert (await again.get("/api/me")).json()["id"] != user_id


async def test_the_last_administrator_cannot_leave(
    instance: Instance, admin: httpx.AsyncClient, member: httpx.AsyncClient
) -> None:
    answer = await admin.request("DELETE", "/api/me", json={"password": PASSWORD})
    assert code_of(answer) == (409, "last_admin")
    assert (await admin.get("/api/me")).json()["role"] == UserRole.ADMIN

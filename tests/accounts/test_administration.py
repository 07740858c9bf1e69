"""What administrators do with people."""

from __future__ import annotations

import anyio
import httpx
import pytest

from fireside.accounts.administration import Administration
from fireside.accounts.domain import UserRole
from fireside.errors import Conflict
from tests.accounts.conftest import Instance, code_of

pytestmark = pytest.mark.anyio


async def id_of(person: httpx.AsyncClient) -> str:
    return str((await person.get("/api/me")).json()["id"])


async def test_an_administrator_makes_an_account_and_its_owner_sets_the_password(
    instance: Instance, admin: httpx.AsyncClient
) -> None:
    made = await admin.post(
        "/api/admin/users", json={"email": "New@example.org", "name": "New", "role": "member"}
    )
    assert made.status_code == 201
    assert made.json()["user"]["email"] == "new@example.org"
    link = made.json()["reset_link"]
    assert link.startswith("http://fireside.test/reset#token=")
    async with instance.client() as client:
        early = {"email": "new@example.org", "password": ""}
        assert (await client.post("/api/auth/sign-in", json=early)).status_code == 401
        token = link.partition("#token=")[2]
        await client.post("/api/auth/reset", json={"token": token, "password": "my own words"})
        mine = {"email": "new@example.org", "password": "my own words"}
        assert (await client.post("/api/auth/sign-in", json=mine)).status_code == 200
    twice = await admin.post(
        "/api/admin/users", json={"email": "new@example.org", "name": "New", "role": "member"}
    )
    assert code_of(twice) == (409, "email_taken")


async def test_people_are_listed_in_pages_and_found(
    instance: Instance, admin: httpx.AsyncClient
) -> None:
    for number in range(60):
        await admin.post(
            "/api/admin/users",
            json={"email": f"p{number:02}@example.org", "name": f"Person {number:02} 100%"},
        )
    first = (await admin.get("/api/admin/users")).json()
    assert len(first["items"]) == 50
    rest = (await admin.get("/api/admin/users", params={"cursor": first["next_cursor"]})).json()
    assert rest["next_cursor"] is None
    emails = [user["email"] for user in first["items"] + rest["items"]]
    assert len(set(emails)) == 61
    assert emails[0] == "p59@example.org"
    assert emails[-1] == "admin@example.org"
    for query, found in (("P07@", 1), ("person 1", 10), ("100%", 60), ("%", 60), ("\u0000", 61)):
        page = (await admin.get("/api/admin/users", params={"q": query})).json()
        assert len(page["items"]) == min(found, 50), query


@pytest.mark.parametrize("cursor", ["x", "bm90LWpzb24", "WyJub3QtYS11dWlkIl0", "W10"])
async def test_a_made_up_cursor_is_refused(admin: httpx.AsyncClient, cursor: str) -> None:
    answer = await admin.get("/api/admin/users", params={"cursor": cursor})
    assert code_of(answer) == (400, "bad_cursor")


@pytest.mark.parametrize("change", [{"role": "member"}, {"status": "disabled"}])
async def test_the_last_administrator_stays(
    admin: httpx.AsyncClient, member: httpx.AsyncClient, change: dict[str, str]
) -> None:
    me = await id_of(admin)
    answer = await admin.patch(f"/api/admin/users/{me}", json=change)
    assert code_of(answer) == (409, "last_admin")
    assert code_of(await admin.delete(f"/api/admin/users/{me}")) == (409, "last_admin")
    assert (await admin.get("/api/me")).json()["role"] == "admin"


async def test_a_disabled_administrator_does_not_count_as_one_who_remains(
    admin: httpx.AsyncClient, member: httpx.AsyncClient
) -> None:
    other, me = await id_of(member), await id_of(admin)
    await admin.patch(f"/api/admin/users/{other}", json={"role": "admin", "status": "disabled"})
    answer = await admin.patch(f"/api/admin/users/{me}", json={"role": "member"})
    assert code_of(answer) == (409, "last_admin")


async def test_two_administrators_who_demote_each_other_leave_one(
    instance: Instance, admin: httpx.AsyncClient, member: httpx.AsyncClient
) -> None:
    first, second = await id_of(admin), await id_of(member)
    await admin.patch(f"/api/admin/users/{second}", json={"role": "admin"})
    refused: list[str] = []

    async def demote(target: str) -> None:
        try:
            async with instance.db.write() as tx:
                await Administration(instance.accounts).change_standing(
                    tx, target, role=UserRole.MEMBER, status=None
                )
                await anyio.sleep(0.1)  # the other one begins before this one commits
        except Conflict as error:
            refused.append(error.code)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(demote, first)
        tasks.start_soon(demote, second)
    assert refused == ["last_admin"]
    async with instance.db.write() as tx:
        assert len(await instance.accounts.users.lock_active_admins(tx)) == 1


async def test_an_administrator_erases_somebody(
    instance: Instance, admin: httpx.AsyncClient, member: httpx.AsyncClient
) -> None:
    user_id = await id_of(member)
    assert (await admin.delete(f"/api/admin/users/{user_id}")).status_code == 204
    assert (await member.get("/api/me")).status_code == 401
    assert (await admin.delete(f"/api/admin/users/{user_id}")).status_code == 404
    assert len((await admin.get("/api/admin/users")).json()["items"]) == 1


@pytest.mark.parametrize(
    "user_id", ["not-an-id", "01a203da-4c35-77e7-a020-4b5e2fdcdcc0", "%00", "A" * 36]
)
async def test_people_who_are_not_there_are_404(admin: httpx.AsyncClient, user_id: str) -> None:
    path = f"/api/admin/users/{user_id}"
    assert (await admin.patch(path, json={"role": "admin"})).status_code == 404
    assert (await admin.delete(path)).status_code == 404
    assert (await admin.post(f"{path}/reset-link")).status_code == 404


async def test_a_promoted_member_is_administrator_with_the_next_request(
    admin: httpx.AsyncClient, member: httpx.AsyncClient
) -> None:
    assert code_of(await member.get("/api/admin/users")) == (403, "admin_only")
    user_id = await id_of(member)
    await admin.patch(f"/api/admin/users/{user_id}", json={"role": "admin"})
    assert (await member.get("/api/admin/users")).status_code == 200
    await admin.patch(f"/api/admin/users/{user_id}", json={"role": "member"})
    assert (await member.get("/api/admin/users")).status_code == 403

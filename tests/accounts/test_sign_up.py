"""Signing up: the first account, modes and invites."""

from __future__ import annotations

import anyio
import httpx
import pytest

from fireside.accounts.domain import UserRole, network_of
from fireside.accounts.service import SignUp
from fireside.accounts.settings import AccountsSettings
from fireside.db.database import Database, connect
from fireside.db.settings import DatabaseSettings
from fireside.kit.clock import FakeClock
from tests.accounts.conftest import PASSWORD, Instance, code_of

pytestmark = pytest.mark.anyio

NUM_PARALLEL = 100


def wish(email: str, **more: object) -> dict[str, object]:
    return {"email": email, "password": PASSWORD, "name": "Somebody"} | more


async def test_the_first_account_is_administrator_and_the_second_is_not(
    instance: Instance,
) -> None:
    async with instance.client() as client:
        before = (await client.get("/api/bootstrap")).json()
        assert before["setup_needed"] is True
        assert before["user"] is None
        first = await client.post("/api/auth/sign-up", json=wish("One@Example.org "))
        assert (first.status_code, first.json()["role"]) == (201, "admin")
        assert first.json()["email"] == "one@example.org"
        after = (await client.get("/api/bootstrap")).json()
        assert after["setup_needed"] is False
        assert after["user"]["id"] == first.json()["id"]
    async with instance.client() as client:
        second = await client.post("/api/auth/sign-up", json=wish("two@example.org"))
        assert (second.status_code, second.json()["role"]) == (201, "member")


async def test_parallel_first_sign_ups_make_exactly_one_administrator(
    instance: Instance,
) -> None:
    roles: list[str] = []

    async def sign_up(number: int) -> None:
        async with instance.client() as client:
            answer = await client.post(
                "/api/auth/sign-up", json=wish(f"person{number}@example.org")
            )
            assert answer.status_code == 201, answer.text
            roles.append(answer.json()["role"])

    async with anyio.create_task_group() as tasks:
        for number in range(NUM_PARALLEL):
            tasks.start_soon(sign_up, number)
    assert sorted(roles) == ["admin"] + ["member"] * (NUM_PARALLEL - 1)


async def test_two_processes_racing_make_exactly_one_administrator(
    database: Database, database_url: str, clock: FakeClock
) -> None:
    """Two servers over one database share no lock in memory."""
    other = connect(database_url, DatabaseSettings(sqlite_synchronous="NORMAL"))
    instances = [Instance(database, clock), Instance(other, clock)]
    roles: list[str] = []

    async def sign_up(instance: Instance, number: int) -> None:
        async with instance.client() as client:
            answer = await client.post("/api/auth/sign-up", json=wish(f"p{number}@example.org"))
            roles.append(answer.json()["role"])

    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(sign_up, instances[number % 2], number)
    await other.aclose()
    assert roles.count("admin") == 1


async def test_a_failed_first_sign_up_leaves_the_place_of_administrator_free(
    instance: Instance,
) -> None:
    async with instance.client() as client:
        bad = await client.post("/api/auth/sign-up", json=wish("nowhere", name="x"))
        assert code_of(bad) == (400, "bad_email")
        good = await client.post("/api/auth/sign-up", json=wish("one@example.org"))
        assert good.json()["role"] == "admin"


async def test_a_deleted_first_administrator_does_not_free_the_place(
    instance: Instance, admin: httpx.AsyncClient, member: httpx.AsyncClient
) -> None:
    me = (await member.get("/api/me")).json()
    assert (
        await admin.patch(f"/api/admin/users/{me['id']}", json={"role": "admin"})
    ).status_code == 200
    gone = await admin.request("DELETE", "/api/me", json={"password": PASSWORD})
    assert gone.status_code == 204
    async with instance.person("late@example.org") as late:
        assert (await late.get("/api/me")).json()["role"] == "member"


@pytest.mark.parametrize(
    "field", ["role", "status", "id", "user_id", "is_admin", "created_at", "preferences"]
)
async def test_mass_assignment_sets_nothing(instance: Instance, field: str) -> None:
    async with instance.person("first@example.org"), instance.client() as client:
        answer = await client.post(
            "/api/auth/sign-up", json=wish("sly@example.org", **{field: "admin"})
        )
        assert answer.status_code == 400
        clean = await client.post("/api/auth/sign-up", json=wish("sly@example.org"))
        assert clean.json()["role"] == "member"
        change = await client.patch("/api/me", json={"name": "Sly", field: "admin"})
        assert change.status_code == 400
        assert (await client.get("/api/me")).json()["role"] == "member"


async def test_an_address_has_one_account_however_it_is_written(
    instance: Instance, admin: httpx.AsyncClient
) -> None:
    async with instance.client() as client:
        again = await client.post("/api/auth/sign-up", json=wish("  ADMIN@example.ORG"))
        assert code_of(again) == (409, "email_taken")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"email": "no-at-sign"}, "bad_email"),
        ({"email": "a b@example.org"}, "bad_email"),
        ({"email": "a@b@example.org"}, "bad_email"),
        ({"email": "a\u0000@example.org"}, "bad_email"),
        ({"password": "short"}, "bad_password"),
        ({"name": " \u0000 "}, "bad_name"),
    ],
)
async def test_bad_fields_are_named(
    instance: Instance, fields: dict[str, object], code: str
) -> None:
    async with instance.client() as client:
        answer = await client.post("/api/auth/sign-up", json=wish("ok@example.org") | fields)
        assert code_of(answer) == (400, code)
        assert answer.json()["error"]["param"] in fields


async def test_nobody_signs_up_when_it_is_closed(
    instance: Instance, admin: httpx.AsyncClient
) -> None:
    mode = await admin.put(
        "/api/admin/sign-up-mode", json={"mode": "closed", "reason": "Term is over."}
    )
    assert mode.json()["mode"] == "closed"
    invite = (await admin.post("/api/admin/invites", json={})).json()
    async with instance.client() as client:
        assert (await client.get("/api/bootstrap")).json()["sign_up_mode"] == "closed"
        refused = await client.post("/api/auth/sign-up", json=wish("two@example.org"))
        assert code_of(refused) == (403, "sign_up_closed")
        token = invite["link"].partition("#invite=")[2]
        invited = await client.post("/api/auth/sign-up", json=wish("two@example.org", invite=token))
        assert code_of(invited) == (403, "sign_up_closed")


async def test_an_invite_lets_one_person_in_with_its_role(
    instance: Instance, admin: httpx.AsyncClient
) -> None:
    await admin.put("/api/admin/sign-up-mode", json={"mode": "invite"})
    made = (await admin.post("/api/admin/invites", json={"role": "admin"})).json()
    token = made["link"].partition("#invite=")[2]
    async with instance.client() as client:
        bare = await client.post("/api/auth/sign-up", json=wish("two@example.org"))
        assert code_of(bare) == (403, "invite_needed")
        wrong = await client.post("/api/auth/sign-up", json=wish("two@example.org", invite="guess"))
        assert code_of(wrong) == (403, "invite_not_valid")
        right = await client.post("/api/auth/sign-up", json=wish("two@example.org", invite=token))
        assert (right.status_code, right.json()["role"]) == (201, "admin")
    async with instance.client() as client:
        again = await client.post("/api/auth/sign-up", json=wish("three@example.org", invite=token))
        assert code_of(again) == (403, "invite_not_valid")
    listed = (await admin.get("/api/admin/invites")).json()
    assert [invite["used_at"] is not None for invite in listed] == [True]
    assert "link" not in listed[0]


async def test_one_invite_used_by_many_at_once_lets_one_in(
    instance: Instance, admin: httpx.AsyncClient
) -> None:
    await admin.put("/api/admin/sign-up-mode", json={"mode": "invite"})
    made = (await admin.post("/api/admin/invites", json={})).json()
    token = made["link"].partition("#invite=")[2]
    statuses: list[int] = []

    async def use(number: int) -> None:
        async with instance.client() as client:
            answer = await client.post(
                "/api/auth/sign-up", json=wish(f"p{number}@example.org", invite=token)
            )
            statuses.append(answer.status_code)

    async with anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(use, number)
    assert sorted(statuses) == [201] + [403] * 9


async def test_an_invite_for_an_address_is_for_nobody_else_and_stays_usable(
    instance: Instance, admin: httpx.AsyncClient
) -> None:
    await admin.put("/api/admin/sign-up-mode", json={"mode": "invite"})
    made = (await admin.post("/api/admin/invites", json={"email": "Eve@example.org"})).json()
    token = made["link"].partition("#invite=")[2]
    async with instance.client() as client:
        other = await client.post(
            "/api/auth/sign-up", json=wish("mallory@example.org", invite=token)
        )
        assert code_of(other) == (403, "invite_for_other_email")
        meant = await client.post("/api/auth/sign-up", json=wish("eve@example.org", invite=token))
        assert meant.status_code == 201


async def test_withdrawn_and_old_invites_let_nobody_in(
    instance: Instance, admin: httpx.AsyncClient
) -> None:
    await admin.put("/api/admin/sign-up-mode", json={"mode": "invite"})
    withdrawn = (await admin.post("/api/admin/invites", json={})).json()
    old = (await admin.post("/api/admin/invites", json={})).json()
    assert (await admin.delete(f"/api/admin/invites/{withdrawn['id']}")).status_code == 204
    assert (await admin.delete(f"/api/admin/invites/{withdrawn['id']}")).status_code == 404
    instance.clock.advance(8 * 86_400)
    async with instance.client() as client:
        for made in (withdrawn, old):
            token = made["link"].partition("#invite=")[2]
            answer = await client.post(
                "/api/auth/sign-up", json=wish("two@example.org", invite=token)
            )
            assert code_of(answer) == (403, "invite_not_valid")


async def test_the_sign_up_policy_keeps_every_version(
    instance: Instance, admin: httpx.AsyncClient
) -> None:
    me = (await admin.get("/api/me")).json()
    for mode, reason in (("closed", "Exams."), ("open", "Exams are over.")):
        await admin.put("/api/admin/sign-up-mode", json={"mode": mode, "reason": reason})
    now = (await admin.get("/api/admin/sign-up-mode")).json()
    assert (now["mode"], now["reason"], now["author_id"]) == ("open", "Exams are over.", me["id"])
    async with instance.db.read() as tx:
        versions = await instance.accounts.users.sign_up_policies(tx)
    assert [version.reason for version in versions] == ["Exams are over.", "Exams."]


async def test_a_flood_of_sign_ups_is_told_to_come_back(
    database: Database, clock: FakeClock
) -> None:
    settings = AccountsSettings(
        argon2_memory_kib=19_456, argon2_passes=2, hashing_threads=1, hashing_queue=2
    )
    instance = Instance(database, clock, settings)
    statuses: list[int] = []

    async def sign_up(number: int) -> None:
        async with instance.client() as client:
            answer = await client.post("/api/auth/sign-up", json=wish(f"p{number}@example.org"))
            statuses.append(answer.status_code)
            if answer.status_code != 201:
                assert code_of(answer) == (429, "sign_ins_busy")
                assert int(answer.headers["retry-after"]) > 0

    async with anyio.create_task_group() as tasks:
        for number in range(12):
            tasks.start_soon(sign_up, number)
    assert statuses.count(429) > 0
    assert statuses.count(201) >= 3


@pytest.mark.long
async def test_ten_thousand_parallel_first_sign_ups_make_exactly_one_administrator(
    instance: Instance,
) -> None:
    """Goal S13 at its full count, without the cost of ten thousand password hashes."""
    roles: list[UserRole] = []
    gate = anyio.CapacityLimiter(200)

    async def sign_up(number: int) -> None:
        wish = SignUp(email=f"p{number}@example.org", name="Somebody", password_hash="none")
        async with gate, instance.db.write() as tx:
            roles.append((await instance.accounts.sign_up(tx, wish)).role)

    async with anyio.create_task_group() as tasks:
        for number in range(10_000):
            tasks.start_soon(sign_up, number)
    assert len(roles) == 10_000
    assert roles.count(UserRole.ADMIN) == 1


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("8.8.4.77", "8.8.4.0/24"),
        ("::ffff:8.8.4.77", "8.8.4.0/24"),
        ("2606:4700:10:20::1", "2606:4700:10::/48"),
        ("127.0.0.1", ""),
        ("192.168.1.7", ""),
        ("fe80::1", ""),
        ("unix", ""),
        ("", ""),
    ],
)
def test_an_account_remembers_the_network_it_was_made_from(address: str, network: str) -> None:
    assert network_of(address) == network


async def test_the_network_of_a_sign_up_is_known_of_its_sessions(instance: Instance) -> None:
    async with instance.client("8.8.4.77") as client:
        made = await client.post("/api/auth/sign-up", json=wish("first@example.org"))
        assert made.status_code == 201
        secret = next(iter(client.cookies.values()))
    found = await instance.accounts.identities.by_session(secret)
    assert found is not None
    assert found.network == "8.8.4.0/24"

"""Secrets planted in every place they enter are found nowhere they should not be (goal S10)."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import httpx
import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from fireside.accounts.administration import Link
from fireside.accounts.auth_endpoints import ResetIn, SignInIn, SignUpIn
from fireside.accounts.domain import CustomInstructions, Device, Preferences
from fireside.accounts.endpoints import DeletionIn, PasswordIn
from fireside.accounts.proofs import Proof, StoredPassword
from fireside.accounts.service import SignUp
from fireside.accounts.views import KeyMade, KeyView
from fireside.conversation.message import UserId
from fireside.db.database import Database
from fireside.kit.clock import FakeClock
from tests.accounts.conftest import Instance, bearer

pytestmark = pytest.mark.anyio

CANARY = "canary-7f3a9c-do-not-print"


@dataclass
class Watch:
    """Collects what was answered, and the secrets that must not be in it."""

    secrets: set[str] = field(default_factory=set)
    bodies: list[str] = field(default_factory=list)

    def take(self, answer: httpx.Response, *, shows: str = "") -> httpx.Response:
        """Keep an answer; `shows` is the one secret that it is meant to hold."""
        self.bodies.append(answer.text.replace(shows, "") if shows else answer.text)
        return answer


async def journey(instance: Instance, client: httpx.AsyncClient, watch: Watch) -> None:
    """Every place where a secret comes in or goes out, well and badly used."""
    sign_up = {"email": "a@example.org", "password": f"{CANARY}-first", "name": "A"}
    for bad in (
        {"password": f"{CANARY}"},
        sign_up | {"password": [f"{CANARY}"]},
        sign_up | {"invite": {"secret": CANARY}},
        sign_up | {"surprise": CANARY},
        sign_up | {"password": CANARY * 100},
        sign_up | {"email": f"{CANARY} not an address"},
    ):
        assert watch.take(await client.post("/api/auth/sign-up", json=bad)).status_code == 400
    broken = ('{"email":"a@example.org","password":"' + CANARY).encode()
    watch.take(await client.post("/api/auth/sign-up", content=broken))
    watch.take(await client.post("/api/auth/sign-up", json=sign_up))
    watch.secrets.add(client.cookies["fireside_session"])
    wrong = {"email": "a@example.org", "password": f"{CANARY}-wrong"}
    watch.take(await client.post("/api/auth/sign-in", json=wrong))
    watch.take(
        await client.post(
            "/api/me/password", json={"current": f"{CANARY}-wrong", "new": f"{CANARY}-second"}
        )
    )
    made = await client.post("/api/me/keys", json={"name": "laptop"})
    key = made.json()["key"]
    watch.secrets.add(key)
    watch.take(made, shows=key)
    watch.take(await client.get("/api/me/keys"))
    watch.take(await client.get("/v1/probe", headers=bearer(key)))
    watch.take(await client.get("/api/me", headers=bearer(key)))
    watch.take(await client.get("/v1/probe", headers=bearer("fs-" + CANARY)))
    watch.take(await client.get(f"/v1/nothing/{CANARY}", headers=bearer(key)))
    for path, name in (
        ("/api/admin/invites", "link"),
        (f"/api/admin/users/{(await client.get('/api/me')).json()['id']}/reset-link", "link"),
    ):
        answer = await client.post(path, json={} if "invites" in path else None)
        secret = answer.json()[name].rpartition("=")[2]
        watch.secrets.add(secret)
        watch.take(answer, shows=secret)
    watch.take(await client.get("/api/admin/invites"))
    bad_reset = {"token": CANARY, "password": f"{CANARY}-third"}
    watch.take(await client.post("/api/auth/reset", json=bad_reset))
    watch.take(await client.get("/api/me/sessions"))
    watch.take(await client.get("/api/bootstrap"))


async def test_secrets_are_in_no_log_and_no_answer_but_their_own(
    instance: Instance, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    logging.getLogger("sqlalchemy.engine").setLevel(logging.DEBUG)
    caplog.set_level(logging.DEBUG)
    watch = Watch({CANARY})
    try:
        async with instance.client() as client:
            await journey(instance, client, watch)
    finally:
        logging.getLogger("sqlalchemy.engine").setLevel(logging.NOTSET)
    printed = capsys.readouterr()
    # The path of a request is the caller's own doing; httpx, the test's client, logs it.
    records = [record for record in caplog.records if record.name != "httpx"]
    assert len(records) > 50, "the database's own log was not captured"
    logged = "\n".join([record.getMessage() for record in records]) + printed.out + printed.err
    for secret in watch.secrets:
        assert secret not in logged
        for body in watch.bodies:
            if "Unknown request URL" not in body:
                assert secret not in body


async def test_a_crash_with_secrets_at_hand_names_none(
    database: Database, clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """The tables are gone, so that every statement fails with its parameters at hand."""
    instance = Instance(database, clock)
    async with database.write() as tx:
        cascade = " CASCADE" if database.dialect == "postgresql" else ""
        for table in ("login_sessions", "api_keys", "users"):
            await tx.execute(text(f"DROP TABLE {table}{cascade}"))
    async with instance.client() as client:
        sign_up = {"email": "a@example.org", "password": f"{CANARY}-first", "name": CANARY}
        answers = [
            await client.post("/api/auth/sign-up", json=sign_up),
            await client.post("/api/auth/sign-in", json=sign_up | {"email": f"{CANARY}@b.org"}),
            await client.get("/v1/probe", headers=bearer("fs-" + CANARY)),
        ]
    assert all(answer.status_code >= 400 for answer in answers)
    assert any(answer.status_code >= 500 for answer in answers)
    printed = capsys.readouterr()
    for answer in answers:
        assert CANARY not in answer.text
    assert CANARY not in printed.out + printed.err


async def test_a_failing_statement_does_not_quote_its_parameters(database: Database) -> None:
    with pytest.raises(DBAPIError) as failed:
        async with database.write() as tx:
            await tx.execute(text("INSERT INTO users (id) VALUES (:id)"), {"id": CANARY})
    assert "INSERT INTO users" in str(failed.value)
    assert f"'{CANARY}'" not in str(failed.value).replace(str(failed.value.orig), "")


async def test_only_digests_are_in_the_database(instance: Instance) -> None:
    watch = Watch({CANARY})
    async with instance.client() as client:
        await journey(instance, client, watch)
    await instance.accounts.identities.flush()
    stored = []
    async with instance.db.read() as tx:
        for table in ("users", "login_sessions", "api_keys", "invites", "reset_links"):
            rows = [tuple(row) for row in await tx.execute(text(f"SELECT * FROM {table}"))]
            assert rows, table
            stored.append(repr(rows))
    for secret in watch.secrets:
        assert secret not in "".join(stored)


def test_reprs_show_no_secret_and_no_persons_words(clock: FakeClock) -> None:
    info = KeyView(
        id="1", name="laptop", prefix="fs-x", scopes=[], created_at=clock.now(), last_used_at=None
    )
    values: list[msgspec.Struct] = [
        SignUpIn(email=CANARY, password=CANARY, name=CANARY, invite=CANARY),
        SignInIn(email=CANARY, password=CANARY),
        ResetIn(token=CANARY, password=CANARY),
        PasswordIn(current=CANARY, new=CANARY),
        DeletionIn(password=CANARY),
        KeyMade(key=CANARY, info=info),
        Link(CANARY, clock.now()),
        SignUp(email=CANARY, name=CANARY, password_hash=CANARY, invite=CANARY),
        StoredPassword(CANARY, UserId("1"), CANARY),
        Proof(UserId("1"), CANARY, CANARY),
        Device(CANARY, CANARY),
        Preferences(custom_instructions=CustomInstructions(about=CANARY, style=CANARY)),
    ]
    assert [type(value).__name__ for value in values if CANARY in repr(value)] == []

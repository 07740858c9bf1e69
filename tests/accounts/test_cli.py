"""`fireside user` and `fireside key`, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anyio
import msgspec
import pytest
from click.testing import CliRunner, Result

from fireside.accounts.service import build_accounts
from fireside.cli import main
from fireside.db.database import connect
from fireside.db.settings import DatabaseSettings
from fireside.kit.clock import SystemClock
from fireside.kit.ids import new_id
from tests.accounts.conftest import FAST

Run = Callable[..., Result]


@pytest.fixture
def run(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run one command line against a fresh database."""
    monkeypatch.setenv("FIRESIDE__DB__URL", database_url)
    monkeypatch.setenv("FIRESIDE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("FIRESIDE__ACCOUNTS__ARGON2_MEMORY_KIB", "8")

    def go(*arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(main, list(arguments), input=stdin)

    return go


def ada(run: Run, *more: str, stdin: str | None = None) -> Result:
    return run("user", "create", "--email", "Ada@example.org", "--name", "Ada", *more, stdin=stdin)


def test_the_first_account_made_here_is_administrator_too(run: Run) -> None:
    made = ada(run)
    assert made.exit_code == 0, made.output
    first, password = made.stdout.splitlines()
    assert first == "ada@example.org is admin"
    assert len(password.removeprefix("password: ")) == 20
    second = run("user", "create", "--email", "bob@example.org", "--name", "Bob", "--json")
    answer = msgspec.json.decode(second.stdout)
    assert answer["user"]["role"] == "member"
    assert answer["password"]
    third = run("user", "create", "--email", "eve@example.org", "--name", "Eve", "--admin")
    assert "is admin" in third.stdout
    listed = msgspec.json.decode(run("user", "list", "--json").stdout)
    assert [user["email"].partition("@")[0] for user in listed] == ["eve", "bob", "ada"]


def test_a_password_from_standard_input_is_not_printed(run: Run) -> None:
    made = ada(run, "--password-stdin", stdin="correct horse battery\n")
    assert made.exit_code == 0, made.output
    assert "correct horse" not in made.output
    short = run(
        *("user", "create", "--email", "b@example.org", "--name", "B", "--password-stdin"),
        stdin="x\n",
    )
    assert short.exit_code == 1
    assert "8 to 1024 characters" in short.stderr


def test_a_key_is_alone_on_standard_output_and_works(run: Run, database_url: str) -> None:
    ada(run)
    made = run("key", "create", "--user", "ada@example.org")
    assert made.exit_code == 0
    key = made.stdout.strip()
    assert made.stdout == f"{key}\n"
    assert made.stderr == ""

    async def holder() -> object:
        db = connect(database_url, DatabaseSettings())
        accounts = build_accounts(db, FAST, SystemClock(), new_id)
        try:
            return await accounts.identities.by_key(key)
        finally:
            await db.aclose()

    assert anyio.run(holder) is not None
    (listed,) = msgspec.json.decode(
        run("key", "list", "--user", "ada@example.org", "--json").stdout
    )
    assert key.startswith(listed["prefix"])
    revoked = run("key", "revoke", "--user", "ada@example.org", listed["prefix"])
    assert revoked.exit_code == 0
    assert anyio.run(holder) is None
    again = run("key", "revoke", "--user", "ada@example.org", listed["id"])
    assert again.exit_code == 1


def test_scopes_are_given_one_by_one(run: Run) -> None:
    ada(run)
    made = run(
        *("key", "create", "--user", "ada@example.org", "--name", "ci", "--json"),
        *("--scope", "models:run", "--scope", "metrics:read"),
    )
    assert msgspec.json.decode(made.stdout)["info"]["scopes"] == ["metrics:read", "models:run"]
    unknown = run("key", "create", "--user", "ada@example.org", "--scope", "everything")
    assert unknown.exit_code == 2
    assert "models:run" in unknown.stderr


def test_a_reset_link_is_printed_alone(run: Run) -> None:
    ada(run)
    made = run("user", "reset-link", "ada@example.org")
    assert made.exit_code == 0
    assert made.stdout.startswith("http://127.0.0.1:8321/reset#token=")
    assert made.stdout.count("\n") == 1


def test_changing_the_last_administrator_is_refused(run: Run) -> None:
    ada(run)
    refused = run("user", "change", "ada@example.org", "--role", "member")
    assert refused.exit_code == 1
    assert "last administrator" in refused.stderr
    run("user", "create", "--email", "eve@example.org", "--name", "Eve", "--admin")
    changed = run("user", "change", "ada@example.org", "--status", "disabled")
    assert changed.stdout == "ada@example.org is admin and disabled\n"


def test_unknown_people_and_taken_addresses_say_what_to_do(run: Run) -> None:
    ada(run)
    for command in (
        ("key", "create", "--user", "nobody@example.org"),
        ("key", "list", "--user", "nobody@example.org"),
        ("user", "reset-link", "nobody@example.org"),
    ):
        refused = run(*command)
        assert refused.exit_code == 1
        assert refused.stdout == ""
        assert "There is no account for nobody@example.org." in refused.stderr
    assert ada(run).exit_code == 1
    assert run("user", "create").exit_code == 2


def test_tables_are_for_people(run: Run) -> None:
    ada(run)
    run("key", "create", "--user", "ada@example.org", "--name", "laptop")
    users = run("user", "list").stdout.splitlines()
    assert users[0].split() == ["EMAIL", "NAME", "ROLE", "STATUS", "CREATED", "LAST", "SEEN"]
    assert users[1].split()[:4] == ["ada@example.org", "Ada", "admin", "active"]
    keys = run("key", "list", "--user", "ada@example.org").stdout.splitlines()
    assert keys[1].split()[1] == "laptop"

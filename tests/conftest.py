"""Fixtures for every room: a clock that stands still, and databases that are real.

`database` runs a test twice, on SQLite and on PostgreSQL; each test gets a database of its own,
copied from one that was migrated to head once in the run.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import count
from pathlib import Path

import anyio
import asyncpg
import hypothesis
import pytest
from sqlalchemy import insert

from fireside.accounts.tables import UserRow
from fireside.conversation.message import UserId
from fireside.db.database import Database, connect
from fireside.db.local_postgres import LocalPostgres
from fireside.db.migrate import upgrade
from fireside.db.settings import DatabaseSettings
from fireside.kit.clock import FakeClock
from fireside.kit.ids import new_id

# Timings belong in bench/: a busy machine must not turn a property into a failure.
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")

_numbers = count()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy from."""
    path = tmp_path_factory.mktemp("template") / "fireside.db"
    anyio.run(upgrade, f"sqlite+aiosqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres() -> Iterator[LocalPostgres]:
    """One PostgreSQL server for the whole run; its database `template` is migrated to head."""
    with LocalPostgres() as server:
        anyio.run(_command, server, "CREATE DATABASE template")
        anyio.run(upgrade, server.url("template"))
        yield server


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a fresh SQLite database at head."""
    path = tmp_path / "fireside.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite+aiosqlite:///{path}"


@pytest.fixture
def postgres_url(postgres: LocalPostgres) -> Iterator[str]:
    """The URL of a fresh PostgreSQL database at head."""
    name = f"test_{next(_numbers)}"
    anyio.run(_command, postgres, f"CREATE DATABASE {name} TEMPLATE template")
    yield postgres.url(name)
    anyio.run(_command, postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(
    params=[
        pytest.param("sqlite", id="sqlite"),
        pytest.param("postgresql", id="postgresql", marks=pytest.mark.postgres),
    ]
)
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a fresh database at head; the test runs once on each kind."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    url: str = request.getfixturevalue(name)
    return url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A fresh database at head; the test runs once on SQLite and once on PostgreSQL."""
    opened = connect(database_url, DatabaseSettings(sqlite_synchronous="NORMAL"))
    yield opened
    await opened.aclose()


@pytest.fixture
async def sqlite_database(sqlite_url: str) -> AsyncIterator[Database]:
    """A fresh SQLite database at head."""
    opened = connect(sqlite_url, DatabaseSettings(sqlite_synchronous="NORMAL"))
    yield opened
    await opened.aclose()


NewUser = Callable[[Database], Awaitable[UserId]]


@pytest.fixture
def new_user(clock: FakeClock) -> NewUser:
    """Adds a person to a database and returns their id."""

    async def add(database: Database) -> UserId:
        id = new_id()
        async with database.write() as tx:
            await tx.execute(
                insert(UserRow).values(
                    id=id,
                    email=f"{id}@example.org",
                    name="Somebody",
                    role="member",
                    status="active",
                    preferences=b"{}",
                    created_at=clock.now(),
                    updated_at=clock.now(),
                )
            )
        return UserId(id)

    return add


async def _command(server: LocalPostgres, statement: str) -> None:
    connection = await asyncpg.connect(
        host=str(server.socket_dir), user="fireside", database="postgres"
    )
    try:
        await connection.execute(statement)
    finally:
        await connection.close()

"""A database is brought to head: whole, once, and equal to what the code expects."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import anyio
import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

import fireside
from fireside.db.base import metadata
from fireside.db.local_postgres import LocalPostgres
from fireside.db.migrate import DIRECTORY, head, upgrade
from fireside.errors import BackendFailed

ROOMS = sorted(path.parent.name for path in Path(fireside.__path__[0]).glob("*/tables.py"))


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_urls(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Two empty databases of one kind."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path}/a.db", f"sqlite+aiosqlite:///{tmp_path}/b.db"
        return
    server: LocalPostgres = request.getfixturevalue("postgres")
    for name in ("empty_a", "empty_b"):
        anyio.run(_command, server, f"CREATE DATABASE {name}")
    yield server.url("empty_a"), server.url("empty_b")
    for name in ("empty_a", "empty_b"):
        anyio.run(_command, server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty_url(empty_urls: tuple[str, str]) -> str:
    return empty_urls[0]


async def test_migrations_make_what_the_tables_say(empty_urls: tuple[str, str]) -> None:
    migrated, created = empty_urls
    assert await upgrade(migrated) == head()
    for room in ROOMS:
        import_module(f"fireside.{room}.tables")
    engine = create_async_engine(created)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    await engine.dispose()
    left, right = await _schema(migrated), await _schema(created)
    assert left == right
    assert {table for table, *_ in left} == set(metadata.tables)


async def test_a_database_at_head_is_left_alone(empty_url: str) -> None:
    await upgrade(empty_url)
    before = await _schema(empty_url)
    assert await upgrade(empty_url) == head()
    assert await _schema(empty_url) == before


async def test_processes_that_start_together_migrate_once(empty_url: str) -> None:
    program = (
        "import anyio, sys; from fireside.db.migrate import upgrade; "
        "anyio.run(upgrade, sys.argv[1])"
    )
    answers: list[int] = []

    async def start() -> None:
        done = await anyio.run_process([sys.executable, "-c", program, empty_url], check=False)
        answers.append(done.returncode)

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(start)
    assert answers == [0, 0, 0]
    assert await upgrade(empty_url) == head()


async def test_a_database_of_a_later_release_is_served_as_it_is(
    empty_url: str, tmp_path: Path
) -> None:
    later = _directory(tmp_path, {"0001_a": "op.create_table('a', sa.Column('x', sa.Text))"})
    earlier = _directory(tmp_path, {})
    assert await upgrade(empty_url, later) == "0001"
    assert await upgrade(empty_url, earlier) == "0001"


async def test_a_migration_that_fails_leaves_nothing_half_done(
    empty_url: str, tmp_path: Path
) -> None:
    broken = _directory(
        tmp_path,
        {
            "0001_a": "op.create_table('a', sa.Column('x', sa.Text))",
            "0002_b": "op.create_table('b', sa.Column('x', sa.Text)); op.execute('nonsense')",
        },
    )
    with pytest.raises(BackendFailed):
        await upgrade(empty_url, broken)
    assert "b" not in {table for table, *_ in await _schema(empty_url)}
    mended = _directory(
        tmp_path,
        {
            "0001_a": "op.create_table('a', sa.Column('x', sa.Text))",
            "0002_b": "op.create_table('b', sa.Column('x', sa.Text))",
        },
    )
    assert await upgrade(empty_url, mended) == "0002"
    assert {"a", "b"} <= {table for table, *_ in await _schema(empty_url)}


async def test_a_migration_does_not_queue_everybody_behind_a_long_transaction(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fireside.db.migrate.LOCK_TIMEOUT", "100ms")
    first = {"0001_a": "op.create_table('a', sa.Column('x', sa.Text))"}
    second = first | {"0002_b": "op.add_column('a', sa.Column('y', sa.Text))"}
    name = "lock_test"
    base, _, query = postgres_url.partition("?")
    server_url = f"{base.rsplit('/', 1)[0]}/{name}?{query}"
    await _execute(postgres_url, f"CREATE DATABASE {name}")
    try:
        await upgrade(server_url, _directory(tmp_path, first))
        engine = create_async_engine(server_url)
        async with engine.connect() as reader:
            await reader.execute(text("SELECT * FROM a"))  # holds its lock until it ends
            with pytest.raises(BackendFailed):
                await upgrade(server_url, _directory(tmp_path, second))
        await engine.dispose()
        assert await upgrade(server_url, _directory(tmp_path, second)) == "0002"
    finally:
        await _execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


async def test_no_column_or_sequence_has_32_bits(empty_url: str) -> None:
    await upgrade(empty_url)
    kinds = {(each[0], each[3].lower()) for each in await _schema(empty_url) if each[1] == "column"}
    small = {(table, kind) for table, kind in kinds if kind in {"integer", "smallint", "int"}}
    if empty_url.startswith("sqlite"):
        # INTEGER has 64 bits there, and is what makes a key the row id itself.
        assert small == {("search_entries", "integer")}
    else:
        assert small == set()
        assert await _execute(empty_url, "SELECT count(*) FROM pg_sequences") == 0


def _directory(tmp_path: Path, migrations: dict[str, str]) -> Path:
    """A directory of migrations like ours, holding these."""
    directory = tmp_path / f"migrations-{len(list(tmp_path.glob('migrations-*')))}"
    (directory / "versions").mkdir(parents=True)
    shutil.copy(DIRECTORY / "env.py", directory)
    below = None
    for stem, body in migrations.items():
        (directory / "versions" / f"{stem}.py").write_text(
            f"import sqlalchemy as sa\nfrom alembic import op\n\n"
            f"revision = {stem[:4]!r}\ndown_revision = {below!r}\n\n\n"
            f"def upgrade():\n    {body}\n"
        )
        below = stem[:4]
    return directory


Schema = list[tuple[str, ...]]


async def _schema(url: str) -> Schema:
    """(table, what, name, ...) of everything but Alembic's own table and SQLite's shadow tables."""
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        read = _sqlite_schema if url.startswith("sqlite") else _postgresql_schema
        found = await read(connection)
    await engine.dispose()
    return sorted(each for each in found if each[0] != "alembic_version")


async def _sqlite_schema(connection: AsyncConnection) -> Schema:
    found: Schema = []
    tables = await connection.execute(
        text(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'search_index%'"
        )
    )
    for table in list(tables.scalars()):
        for row in await connection.execute(text(f"PRAGMA table_xinfo({table})")):
            _, name, kind, *rest = map(str, row)
            found.append((table, "column", name, kind, *rest))
        for row in await connection.execute(text(f"PRAGMA foreign_key_list({table})")):
            found.append((table, "foreign key", *map(str, row[2:])))
        for row in list(await connection.execute(text(f"PRAGMA index_list({table})"))):
            columns = await connection.execute(text(f"PRAGMA index_info({row.name})"))
            names = ",".join(str(column.name) for column in columns)
            made_by_hand = row.name if row.origin == "c" else row.origin
            found.append((table, "index", made_by_hand, names, str(row.unique), str(row.partial)))
    partial = await connection.execute(
        text("SELECT tbl_name, name, sql FROM sqlite_master WHERE type = 'index' AND sql NOTNULL")
    )
    found += [(table, "index sql", name, sql) for table, name, sql in partial]
    return found


async def _postgresql_schema(connection: AsyncConnection) -> Schema:
    found: Schema = []
    columns = await connection.execute(
        text(
            "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,"
            " pg_get_expr(d.adbin, d.adrelid) FROM pg_attribute a"
            " JOIN pg_class c ON c.oid = a.attrelid"
            " LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum"
            " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'"
            " AND a.attnum > 0 AND NOT a.attisdropped"
        )
    )
    found += [
        (table, "column", name, kind, *map(str, rest)) for table, name, kind, *rest in columns
    ]
    constraints = await connection.execute(
        text(
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)"
            " FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'"
        )
    )
    found += [(table, "constraint", *rest) for table, *rest in constraints]
    indexes = await connection.execute(
        text("SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'")
    )
    found += [(table, "index", *rest) for table, *rest in indexes]
    return found


async def _execute(url: str, statement: str) -> object:
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        result = await connection.execute(text(statement))
        value = result.scalar() if result.returns_rows else None
    await engine.dispose()
    return value


async def _command(server: LocalPostgres, statement: str) -> None:
    connection = await asyncpg.connect(
        host=str(server.socket_dir), user="fireside", database="postgres"
    )
    await connection.execute(statement)
    await connection.close()

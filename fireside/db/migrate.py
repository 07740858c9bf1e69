"""Brings a database to the newest schema.

Migrations are hand-written files in `migrations/versions`, numbered, in one line, forward only.
They are safe beside the release before them: they add, later releases remove. A database that is
already ahead of this code is left as it is, because older code runs on a newer schema.

On PostgreSQL every statement may wait 4 s for a lock and run 5 s; a migration that needs longer
says `op.execute("SET LOCAL statement_timeout = ...")` with its reason. Two processes that start
together do not migrate twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.script.base import Script
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from fireside.errors import BackendFailed

DIRECTORY = Path(__file__).parent / "migrations"
LOCK_TIMEOUT = "4s"
STATEMENT_TIMEOUT = "5s"
_UPGRADE_LOCK = 0x46697265  # "Fire": the advisory lock that one upgrading process holds


async def upgrade(url: str, directory: Path = DIRECTORY) -> str:
    """Bring the database at `url` to the head of `directory`; returns the revision it is at.

    Raises BackendFailed when a migration fails; what it had done is rolled back.
    """
    engine = create_async_engine(url)
    if url.startswith("sqlite"):
        _begin_immediately(engine.sync_engine)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_upgrade, directory)
    except (DBAPIError, OSError) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        raise BackendFailed(
            "migration_failed",
            "The database could not be brought to this version's schema.",
            hint=f"No migration was half done; fix the cause and start again: {cause}.",
        ) from error
    finally:
        await engine.dispose()


def head() -> str:
    """The newest revision this code knows."""
    return _scripts(DIRECTORY).get_current_head() or ""


def revisions() -> Sequence[Script]:
    """All migrations, oldest first."""
    return list(reversed(list(_scripts(DIRECTORY).walk_revisions())))


def _upgrade(connection: Connection, directory: Path) -> str:
    scripts = _scripts(directory)
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
        connection.execute(text(f"SET statement_timeout = '{STATEMENT_TIMEOUT}'"))
        _take_upgrade_lock(connection)
        connection.commit()
    newest = scripts.get_current_head() or ""
    present = MigrationContext.configure(connection).get_current_revision() or ""
    connection.rollback()
    if present >= newest:
        return present
    config = Config()
    config.attributes["connection"] = connection
    with EnvironmentContext(
        config, scripts, fn=lambda revision, _context: scripts._upgrade_revs("head", revision)
    ):
        scripts.run_env()
    connection.commit()
    return newest


def _take_upgrade_lock(connection: Connection) -> None:
    # Waits without the lock timeout: another process may be at work on a long migration.
    connection.execute(text("SET LOCAL lock_timeout = 0"))
    connection.execute(text("SET LOCAL statement_timeout = '10min'"))
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _UPGRADE_LOCK})


def _begin_immediately(engine: object) -> None:
    @event.listens_for(engine, "connect")
    def on_connect(connection: object, _record: object) -> None:
        connection.isolation_level = None  # type: ignore[attr-defined]
        cursor = connection.cursor()  # type: ignore[attr-defined]
        cursor.execute("PRAGMA busy_timeout=60000")  # first: changing the mode takes a lock too
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.close()

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _scripts(directory: Path) -> ScriptDirectory:
    return ScriptDirectory(str(directory))

"""Transactions over SQLite or PostgreSQL.

SQLite has one writer: `write()` takes a lock in this process and begins with BEGIN IMMEDIATE, so a
transaction never fails half-way because another one wrote first. Readers see a snapshot (WAL) and
are never blocked. PostgreSQL uses one pool for both, READ COMMITTED.

Failure policy: fail closed; a database that does not answer raises BackendFailed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NewType

import anyio
from sqlalchemy import event, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from fireside.db.settings import DatabaseSettings
from fireside.errors import BackendFailed, UserError

ReadTransaction = NewType("ReadTransaction", AsyncConnection)
"""A consistent view for reading."""

Transaction = NewType("Transaction", ReadTransaction)
"""May write; committed by the boundary that opened it, never by a service."""


class Database:
    """One database. Made by `connect`, closed by `aclose`."""

    def __init__(self, reader: AsyncEngine, writer: AsyncEngine, *, single_writer: bool) -> None:
        self._reader = reader
        self._writer = writer
        self._lock = anyio.Lock() if single_writer else None

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._writer.dialect.name

    @asynccontextmanager
    async def read(self) -> AsyncIterator[ReadTransaction]:
        """A transaction for reading."""
        with _outages_named():
            async with self._reader.connect() as connection:
                yield ReadTransaction(connection)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Transaction]:
        """A transaction for writing; commits when the block ends, rolls back when it raises."""
        with _outages_named():
            if self._lock is None:
                async with self._writer.begin() as connection:
                    yield Transaction(ReadTransaction(connection))
                return
            async with self._lock, self._writer.begin() as connection:
                yield Transaction(ReadTransaction(connection))

    async def aclose(self) -> None:
        """Close every connection."""
        await self._reader.dispose()
        if self._writer is not self._reader:
            await self._writer.dispose()


class _outages_named:
    """Turns a lost or overloaded database into BackendFailed; other errors pass."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(
            error, OperationalError | InterfaceError | ConnectionError | TimeoutError
        ) or (isinstance(error, DBAPIError) and error.connection_invalidated):
            raise BackendFailed(
                "database_unavailable",
                "The database did not answer.",
                hint="Try again in a moment; the operator finds the cause in the log.",
                retryable=True,
                retry_after_s=2.0,
            ) from error


def url_for(settings: DatabaseSettings, data_dir: Path) -> str:
    """The SQLAlchemy URL, with SQLite in the data directory as the default."""
    if not settings.url:
        return f"sqlite+aiosqlite:///{data_dir / 'fireside.db'}"
    url = make_url(settings.url)
    if url.drivername in {"postgresql", "postgres"}:
        url = url.set(drivername="postgresql+asyncpg")
    if url.get_backend_name() not in {"sqlite", "postgresql"}:
        raise UserError(
            "unsupported_database",
            f"Fireside does not run on {url.get_backend_name()}.",
            hint="Use sqlite+aiosqlite:///PATH or postgresql+asyncpg://USER@HOST/NAME.",
        )
    return url.render_as_string(hide_password=False)


def connect(url: str, settings: DatabaseSettings) -> Database:
    """A database at `url`; no connection is made until the first transaction."""
    if url.startswith("sqlite"):
        reader = create_async_engine(
            url, pool_size=settings.pool_size, max_overflow=0, hide_parameters=True
        )
        writer = create_async_engine(url, pool_size=1, max_overflow=0, hide_parameters=True)
        _tune_sqlite(reader, settings, begin="BEGIN")
        _tune_sqlite(writer, settings, begin="BEGIN IMMEDIATE")
        return Database(reader, writer, single_writer=True)
    engine = create_async_engine(
        url,
        hide_parameters=True,  # they are what people wrote; errors and logs must not quote them
        pool_size=settings.pool_size,
        max_overflow=settings.pool_size,
        pool_pre_ping=True,
        connect_args={"command_timeout": settings.statement_timeout_s, "timeout": 10},
    )
    return Database(engine, engine, single_writer=False)


def _tune_sqlite(engine: AsyncEngine, settings: DatabaseSettings, *, begin: str) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, in on_begin
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA synchronous={settings.sqlite_synchronous}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA busy_timeout={int(settings.statement_timeout_s * 1000)}")
        cursor.execute("PRAGMA temp_store=MEMORY")
        cursor.execute("PRAGMA cache_size=-8000")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)

"""Transactions over SQLite or PostgreSQL.

SQLite has one writer: `write()` takes a lock in this process and begins with BEGIN IMMEDIATE, so a
transaction never fails half-way because another one wrote first. Readers see a snapshot (WAL) and
are never blocked. PostgreSQL uses one pool for both: READ COMMITTED for writing, REPEATABLE READ
for reading, so that a reader sees one moment there too. A read transaction cannot write.

Failure policy: fail closed; a database that does not answer raises BackendFailed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any, NewType

import anyio
import anyio.lowlevel
from sqlalchemy import event, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from fireside.db.settings import DatabaseSettings
from fireside.db.sqlite_driver import Driver
from fireside.errors import BackendFailed, UserError

POOL_TIMEOUT_S = 10.0
"""How long to wait for a free connection before saying that there is none."""

OUTAGES = ("08", "53", "57P", "25P03")
"""What PostgreSQL's error codes begin with where it, and not the statement, is at fault: lost
connections, too little of something, starting or stopping, a transaction that was left open."""

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
            async with _transaction(self._reader) as connection:
                yield ReadTransaction(connection)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Transaction]:
        """A transaction for writing; commits when the block ends, rolls back when it raises."""
        async with self._lock or nullcontext():
            with _outages_named():
                async with _transaction(self._writer) as connection:
                    yield Transaction(ReadTransaction(connection))

    async def aclose(self) -> None:
        """Close every connection."""
        await self._reader.dispose()
        await self._writer.dispose()  # PostgreSQL: the same pool, which is empty by now
        await anyio.lowlevel.checkpoint()  # asyncpg's sockets close in the loop's next turn


@asynccontextmanager
async def _transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection inside a transaction, shielded from cancellation until it has ended.

    Transactions are short and every statement has a time limit, so nobody waits long; a statement
    torn off in the middle would cost the connection, and sometimes the next caller's too.
    """
    with anyio.CancelScope(shield=True):
        async with _connected(engine) as connection, connection.begin():
            yield connection


@asynccontextmanager
async def _connected(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    connection = engine.connect()
    try:
        await connection.start()
    except OSError as error:  # no such host, no such socket, nobody listening
        raise _unavailable() from error
    try:
        yield connection
    finally:
        await connection.close()


class _outages_named:
    """Turns a lost or overloaded database into BackendFailed; other errors pass."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(
            error,
            OperationalError | InterfaceError | PoolTimeout | ConnectionError | TimeoutError,
        ) or (isinstance(error, DBAPIError) and _is_outage(error)):
            raise _unavailable() from error


def _is_outage(error: DBAPIError) -> bool:
    """Whether the connection was lost, or the server says that it cannot serve now."""
    state = getattr(error.orig, "sqlstate", None) or ""
    return error.connection_invalidated or state.startswith(OUTAGES)


def _unavailable() -> BackendFailed:
    return BackendFailed(
        "database_unavailable",
        "The database did not answer.",
        hint="Try again in a moment; the operator finds the cause in the log.",
        retryable=True,
        retry_after_s=2.0,
    )


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
            url,
            module=Driver(),
            pool_size=settings.pool_size,
            max_overflow=0,
            hide_parameters=True,
        )
        writer = create_async_engine(
            url, module=Driver(), pool_size=1, max_overflow=0, hide_parameters=True
        )
        _tune_sqlite(reader, settings, begin="BEGIN", query_only=True)
        _tune_sqlite(writer, settings, begin="BEGIN IMMEDIATE", query_only=False)
        return Database(reader, writer, single_writer=True)
    engine = create_async_engine(
        url,
        hide_parameters=True,  # they are what people wrote; errors and logs must not quote them
        pool_size=settings.pool_size,
        max_overflow=settings.pool_size,
        pool_timeout=POOL_TIMEOUT_S,
        pool_pre_ping=True,
        connect_args={
            "command_timeout": settings.statement_timeout_s,
            "timeout": 10,
            # A plan made for the values at hand: one made for any values reads whole threads where
            # 50 messages are wanted. Compiling a plan takes longer than any query here runs.
            "server_settings": {
                "plan_cache_mode": "force_custom_plan",
                "jit": "off",
                # A process that is paused in the middle must not hold its locks for ever.
                "idle_in_transaction_session_timeout": "15s",
            },
        },
    )
    reader = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return Database(reader, engine, single_writer=False)


def _tune_sqlite(
    engine: AsyncEngine, settings: DatabaseSettings, *, begin: str, query_only: bool
) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, in on_begin
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={int(settings.statement_timeout_s * 1000)}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA synchronous={settings.sqlite_synchronous}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA temp_store=MEMORY")
        cursor.execute("PRAGMA cache_size=-8000")
        cursor.execute(f"PRAGMA query_only={int(query_only)}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: Any) -> None:
        connection.connection.dbapi_connection.begin_with = begin

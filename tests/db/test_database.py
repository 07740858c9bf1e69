"""Transactions: whole or not at all, one moment for readers, outages in our words."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from fireside.db.database import Database, connect
from fireside.db.settings import DatabaseSettings
from fireside.errors import BackendFailed


async def test_a_transaction_that_raises_leaves_nothing_behind(database: Database) -> None:
    async with database.write() as tx:
        await tx.execute(text("CREATE TABLE t (a BIGINT)"))
    try:
        async with database.write() as tx:
            await tx.execute(text("INSERT INTO t VALUES (1)"))
            raise ValueError
    except ValueError:
        pass
    async with database.read() as tx:
        assert (await tx.execute(text("SELECT count(*) FROM t"))).scalar_one() == 0


async def test_each_test_has_a_database_of_its_own(database: Database) -> None:
    async with database.write() as tx:
        await tx.execute(text("CREATE TABLE t (a BIGINT)"))


async def test_a_reader_sees_one_moment(database: Database) -> None:
    async with database.write() as tx:
        await tx.execute(text("CREATE TABLE t (a BIGINT)"))
    count = text("SELECT count(*) FROM t")
    async with database.read() as reader:
        assert (await reader.execute(count)).scalar_one() == 0
        async with database.write() as tx:
            await tx.execute(text("INSERT INTO t VALUES (1)"))
        assert (await reader.execute(count)).scalar_one() == 0
    async with database.read() as reader:
        assert (await reader.execute(count)).scalar_one() == 1


async def test_a_reader_cannot_write_and_a_writer_can_afterwards(database: Database) -> None:
    async with database.write() as tx:
        await tx.execute(text("CREATE TABLE t (a BIGINT)"))
    insert = text("INSERT INTO t VALUES (1)")
    with pytest.raises((DBAPIError, BackendFailed)):
        async with database.read() as reader:
            await reader.execute(insert)
    for _ in range(20):  # whichever pooled connection it gets
        async with database.read() as reader:
            await reader.execute(text("SELECT 1"))
        async with database.write() as tx:
            await tx.execute(insert)


async def test_hundreds_of_writers_at_once_lose_nothing(database: Database) -> None:
    async with database.write() as tx:
        await tx.execute(text("CREATE TABLE t (a BIGINT)"))
        await tx.execute(text("INSERT INTO t VALUES (0)"))

    async def add_one() -> None:
        async with database.write() as tx:
            await tx.execute(text("UPDATE t SET a = a + 1"))

    async with anyio.create_task_group() as tasks:
        for _ in range(100):
            tasks.start_soon(add_one)
    async with database.read() as tx:
        assert (await tx.execute(text("SELECT a FROM t"))).scalar_one() == 100


async def test_a_database_that_is_not_there_says_so(tmp_path: Path) -> None:
    away = f"postgresql+asyncpg://nobody@/x?host={tmp_path}"
    database = connect(away, DatabaseSettings())
    with pytest.raises(BackendFailed) as refused:
        async with database.read() as tx:
            await tx.execute(text("SELECT 1"))
    assert refused.value.code == "database_unavailable"
    assert refused.value.retryable
    await database.aclose()

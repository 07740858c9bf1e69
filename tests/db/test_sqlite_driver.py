"""SQLite's driver: statements behave as with the stock one, and a transaction begins late."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from fireside.db.database import Database, connect
from fireside.db.settings import DatabaseSettings

pytestmark = pytest.mark.anyio


@pytest.fixture
async def notes(tmp_path: Path) -> AsyncIterator[Database]:
    path = tmp_path / "notes.db"
    with sqlite3.connect(path) as made:
        made.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, said TEXT UNIQUE)")
    made.close()
    database = connect(f"sqlite+aiosqlite:///{path}", DatabaseSettings())
    try:
        yield database
    finally:
        await database.aclose()


async def said(notes: Database) -> list[str]:
    async with notes.read() as tx:
        return list((await tx.execute(text("SELECT said FROM notes ORDER BY id"))).scalars())


async def test_rows_counts_and_returned_values_come_back(notes: Database) -> None:
    async with notes.write() as tx:
        many = [{"said": "a"}, {"said": "b"}, {"said": "c"}]
        await tx.execute(text("INSERT INTO notes (said) VALUES (:said)"), many)
        returned = await tx.execute(
            text("INSERT INTO notes (said) VALUES ('d') RETURNING id, said")
        )
        changed = await tx.execute(text("UPDATE notes SET said = said || '!' WHERE id > 2"))

        assert returned.one() == (4, "d")
        assert changed.rowcount == 2

    assert await said(notes) == ["a", "b", "c!", "d!"]


async def test_a_refused_statement_names_the_rule_and_leaves_nothing(notes: Database) -> None:
    with pytest.raises(IntegrityError):
        async with notes.write() as tx:
            await tx.execute(text("INSERT INTO notes (said) VALUES ('a')"))
            await tx.execute(text("INSERT INTO notes (said) VALUES ('a')"))

    assert await said(notes) == []


async def test_a_transaction_that_says_nothing_holds_no_lock(
    notes: Database, tmp_path: Path
) -> None:
    async with notes.write():
        other = sqlite3.connect(tmp_path / "notes.db", timeout=0, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        other.execute("INSERT INTO notes (said) VALUES ('from elsewhere')")
        other.execute("COMMIT")
        other.close()

    assert await said(notes) == ["from elsewhere"]


async def test_a_transaction_keeps_others_out_from_its_first_statement_on(
    notes: Database, tmp_path: Path
) -> None:
    async with notes.write() as tx:
        await tx.execute(text("SELECT count(*) FROM notes"))
        other = sqlite3.connect(tmp_path / "notes.db", timeout=0, isolation_level=None)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()

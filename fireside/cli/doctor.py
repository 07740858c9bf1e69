"""`fireside doctor`: what a server needs, looked at, and what to do about what is missing."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from collections.abc import Callable
from enum import StrEnum

import anyio
import click
import msgspec
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from fireside.api.page import find_page_root
from fireside.cli.serve import prepare_data_dir
from fireside.db.database import connect, url_for
from fireside.db.migrate import head
from fireside.engine.service import open_library
from fireside.errors import BackendFailed, FiresideError
from fireside.settings import Settings, load

LOW_DISK_BYTES = 2 << 30


class Verdict(StrEnum):
    """`warning`: it runs, but something people would miss is not there."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    what: str
    verdict: Verdict
    detail: str


@click.command()
@click.option("--data-dir", help="Where Fireside keeps its files (default ./data).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(data_dir: str | None, as_json: bool) -> None:
    """Check this installation. Exits with 1 when something is broken."""
    settings, _sources = load({"data_dir": data_dir})
    findings = [
        _check("python", lambda: _python()),
        _check("data directory", lambda: _data_dir(settings)),
        _check("disk", lambda: _disk(settings)),
        _check("full-text search", lambda: _full_text()),
        _check("database", lambda: anyio.run(_database, settings)),
        _check("page", lambda: _page()),
        _check("model", lambda: _model(settings)),
    ]
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(findings)).decode())
    else:
        for finding in findings:
            click.echo(f"{finding.verdict:<8} {finding.what}: {finding.detail}")
    if any(finding.verdict is Verdict.FAILED for finding in findings):
        sys.exit(1)


def _check(what: str, look: Callable[[], tuple[Verdict, str]]) -> Finding:
    try:
        verdict, detail = look()
    except FiresideError as error:
        verdict, detail = Verdict.FAILED, str(error)
    return Finding(what, verdict, detail)


def _python() -> tuple[Verdict, str]:
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 11)
    return (Verdict.OK if good else Verdict.FAILED), f"{version} (3.11 or newer is needed)"


def _data_dir(settings: Settings) -> tuple[Verdict, str]:
    prepare_data_dir(settings.data_dir)
    return Verdict.OK, str(settings.data_dir)


def _disk(settings: Settings) -> tuple[Verdict, str]:
    free = shutil.disk_usage(settings.data_dir).free
    verdict = Verdict.OK if free >= LOW_DISK_BYTES else Verdict.WARNING
    return verdict, f"{free / (1 << 30):.1f} GiB free"


def _full_text() -> tuple[Verdict, str]:
    with sqlite3.connect(":memory:") as connection:
        try:
            connection.execute("CREATE VIRTUAL TABLE probe USING fts5(words)")
        except sqlite3.OperationalError:
            return Verdict.FAILED, "this Python's SQLite lacks FTS5; use another Python build"
    return Verdict.OK, f"SQLite {sqlite3.sqlite_version} with FTS5"


async def _database(settings: Settings) -> tuple[Verdict, str]:
    database = connect(url_for(settings.db, settings.data_dir), settings.db)
    try:
        async with database.read() as tx:
            found = await tx.execute(text("SELECT version_num FROM alembic_version"))
            revision = found.scalar_one_or_none()
    except (BackendFailed, SQLAlchemyError) as error:
        if "alembic_version" in f"{error} {error.__cause__}":
            return Verdict.OK, f"{database.dialect}, empty; the server will set it up"
        return Verdict.FAILED, f"{database.dialect} does not answer ({type(error).__name__})"
    finally:
        await database.aclose()
    return Verdict.OK, f"{database.dialect}, schema {revision} (this version knows {head()})"


def _page() -> tuple[Verdict, str]:
    root = find_page_root()
    if root is None:
        return Verdict.WARNING, "not built; `make run` builds it. The API works without"
    return Verdict.OK, str(root)


def _model(settings: Settings) -> tuple[Verdict, str]:
    if not settings.engine.embedded:
        return Verdict.OK, "no embedded engine; engines are added under Administration"
    library = open_library(settings.engine, settings.data_dir)
    best = library.best_present()
    if best is None:
        return (
            Verdict.WARNING,
            f"none in {library.folder}; run `fireside model pull smollm2-135m`",
        )
    return Verdict.OK, f"{best} in {library.folder}"

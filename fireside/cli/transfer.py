"""`fireside export` and `fireside import`: a person's conversations out of here, and into here."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio
import click

from fireside.api.account_archive import AccountSection, FeedbackSection
from fireside.cli.user import Room, data_dir_option, in_room, json_option, print_json
from fireside.feedback.repository import FeedbackRepository
from fireside.feedback.service import FeedbackService
from fireside.history.exporting import Exporter
from fireside.history.importing import Importer, ImportReport
from fireside.history.repository import HistoryRepository
from fireside.kit.clock import SystemClock
from fireside.kit.ids import new_id


@click.command("export")
@click.option("--user", "email", required=True, help="Whose conversations.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The zip to write.")
@data_dir_option
def export(email: str, out: Path, data_dir: str | None) -> None:
    """Write everything a person has here into a zip file."""

    async def work(room: Room) -> int:
        async with room.db.read() as tx:
            owner = await room.person(tx, email)
        clock, history, accounts = SystemClock(), HistoryRepository(), room.people.accounts
        feedback = FeedbackService(FeedbackRepository(), history, accounts, clock, new_id)
        sections = (AccountSection(room.db, accounts), FeedbackSection(room.db, feedback))
        exporter = Exporter(room.db, history, clock, sections)
        unfinished = out.with_name(f".{out.name}.unfinished")
        async with await anyio.open_file(unfinished, "wb") as file:
            async for piece in exporter.archive(owner.id):
                await file.write(piece)
        await anyio.Path(unfinished).replace(out)
        return (await anyio.Path(out).stat()).st_size

    num_bytes = in_room(data_dir, work)
    click.echo(f"Wrote {out} ({num_bytes / 1e6:.1f} MB).")


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--user", "email", required=True, help="Who is to own the conversations.")
@data_dir_option
@json_option
def import_(file: Path, email: str, data_dir: str | None, as_json: bool) -> None:
    """Take over conversations from FILE: an export of ChatGPT, Open WebUI or Fireside.

    Exits with 1 when a conversation could not be taken over.
    """

    async def work(room: Room) -> ImportReport:
        async with room.db.read() as tx:
            owner = await room.person(tx, email)
        importer = Importer(room.db, HistoryRepository(), SystemClock(), new_id)
        return await importer.run(owner.id, file)

    report = in_room(data_dir, work)
    if as_json:
        print_json(report)
    else:
        click.echo(f"Imported {report.num_imported}, skipped {report.num_skipped} already here.")
        for problem in report.problems:
            click.echo(f"  Not imported: {problem.title or '(untitled)'}: {problem.reason}")
    if report.problems:
        sys.exit(1)

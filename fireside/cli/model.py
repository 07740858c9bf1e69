"""`fireside model`: the model files kept here, and which of them answers."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import anyio
import click
import msgspec

from fireside.cli.engine import AUTHOR, Room, in_room
from fireside.cli.user import data_dir_option, json_option, print_json, print_table
from fireside.engine.domain import Choices
from fireside.engine.library import LibraryModel, LibraryState
from fireside.engine.repository import EngineRepository
from fireside.engine.service import open_library
from fireside.settings import load

MB = 1_000_000


class Pulled(msgspec.Struct, frozen=True):
    """What `model pull --json` prints."""

    name: str
    path: str


class Used(msgspec.Struct, frozen=True):
    """What `model use --json` prints."""

    model: str


@click.group()
def model() -> None:
    """Fetch model files and choose which one answers here."""


@model.command("list")
@data_dir_option
@json_option
def list_models(data_dir: str | None, as_json: bool) -> None:
    """Show the models that are here or can be fetched."""

    async def work(room: Room) -> Choices:
        async with room.db.read() as tx:
            return await EngineRepository().choices(tx)

    settings, _sources = load({"data_dir": data_dir})
    models = open_library(settings.engine, settings.data_dir).models()
    if as_json:
        print_json(models)
        return
    chosen = settings.engine.embedded_model or in_room(data_dir, work).model
    rows = [
        (
            "*" if each.name == chosen else "",
            each.name,
            _state(each),
            f"{each.size_bytes / MB:,.0f} MB",
            each.licence,
            each.description,
        )
        for each in models
    ]
    print_table(("", "NAME", "STATE", "SIZE", "LICENCE", "WHAT IT IS"), rows)
    if chosen and not any(mark for mark, *_rest in rows):
        click.echo(f"* {chosen}")


@model.command()
@click.argument("name")
@data_dir_option
@json_option
def pull(name: str, data_dir: str | None, as_json: bool) -> None:
    """Fetch a model and check it against its SHA-256. Goes on where it was broken off."""
    settings, _sources = load({"data_dir": data_dir})
    library = open_library(settings.engine, settings.data_dir)
    shown = _Bar(name) if sys.stderr.isatty() and not as_json else None
    path = anyio.run(partial(library.pull, name, shown.show if shown is not None else None))
    if shown is not None:
        shown.end()
    if as_json:
        print_json(Pulled(name, str(path)))
    else:
        click.echo(f"{name} is in {path}.")


@model.command()
@click.argument("name_or_path")
@data_dir_option
@json_option
def use(name_or_path: str, data_dir: str | None, as_json: bool) -> None:
    """Choose the model that answers here: a name of the list, or the path of a GGUF file.

    A running server changes over within seconds and fails no request.
    """
    path = Path(name_or_path).expanduser()
    # A path is kept as an absolute one: the server may run in another directory.
    chosen = str(path.resolve()) if path.is_file() else name_or_path

    async def work(room: Room) -> None:
        await room.engines.check_usable(chosen)
        async with room.db.write() as tx:
            await room.engines.use(tx, chosen, AUTHOR)

    in_room(data_dir, work)
    if as_json:
        print_json(Used(chosen))
    else:
        click.echo(f"{chosen} answers from now on.")


def _state(each: LibraryModel) -> str:
    if each.state is LibraryState.DOWNLOADING:
        return f"{each.progress:.0%}"
    return each.state.value


class _Bar:
    """A line on the terminal that fills up."""

    WIDTH = 30

    def __init__(self, name: str) -> None:
        self._name = name

    def show(self, num_bytes: int, of_bytes: int) -> None:
        """Draw the line anew."""
        filled = round(self.WIDTH * num_bytes / of_bytes)
        bar = "#" * filled + "-" * (self.WIDTH - filled)
        text = f"\r{self._name} [{bar}] {num_bytes / MB:,.0f} / {of_bytes / MB:,.0f} MB"
        click.echo(text, nl=False, err=True)

    def end(self) -> None:
        """Leave the line."""
        click.echo("", err=True)

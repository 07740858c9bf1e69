"""`fireside engine`: add, look at and remove engines from the machine that runs the server."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio
import click
import msgspec

from fireside.cli.user import data_dir_option, json_option, print_json, print_table
from fireside.db.database import Database, connect, url_for
from fireside.db.migrate import upgrade
from fireside.engine.domain import FIRST_PRIORITY, MAX_SLOTS, EngineView
from fireside.engine.service import EngineService, NewEngine, build_engines
from fireside.errors import NotFound, UserError
from fireside.kit.clock import SystemClock
from fireside.kit.ids import new_id
from fireside.kit.pubsub import Broker
from fireside.settings import Settings, load

AUTHOR = "command line"

T = TypeVar("T")


class Room(msgspec.Struct, frozen=True):
    """The engine room, opened for one command; nothing of it is running."""

    settings: Settings
    db: Database
    engines: EngineService


def in_room(data_dir: str | None, work: Callable[[Room], Awaitable[T]]) -> T:
    """Open the database (bringing it to the newest schema first), do `work`, close it."""
    settings, _sources = load({"data_dir": data_dir})

    async def run() -> T:
        async with _opened(settings) as room:
            return await work(room)

    return anyio.run(run)


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Room]:
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise UserError(
            "data_dir_not_writable",
            f"The data directory {settings.data_dir} cannot be made: {error.strerror}.",
            hint="Choose another with --data-dir.",
        ) from error
    url = url_for(settings.db, settings.data_dir)
    await upgrade(url)
    db = connect(url, settings.db)
    engines = build_engines(db, settings.engine, settings.data_dir, SystemClock(), new_id, Broker())
    try:
        yield Room(settings, db, engines)
    finally:
        await engines.aclose()
        await db.aclose()


@click.group()
def engine() -> None:
    """Add, look at and remove engines: servers that speak OpenAI's API."""


@engine.command()
@click.argument("name")
@click.argument("base_url")
@click.option("--api-key-stdin", is_flag=True, help="Read the engine's key from standard input.")
@click.option("--model", "models", multiple=True, help="Offer only this model (repeatable).")
@click.option(
    "--priority",
    type=click.IntRange(0, 1_000_000),
    default=FIRST_PRIORITY,
    show_default=True,
    help="Of two engines that serve one name, the lower number gets it.",
)
@click.option(
    "--slots",
    type=click.IntRange(1, MAX_SLOTS),
    default=None,
    help="How many replies it writes at once; without it the gate finds out.",
)
@data_dir_option
@json_option
def add(  # noqa: PLR0913  one parameter for each option
    name: str,
    base_url: str,
    api_key_stdin: bool,
    models: tuple[str, ...],
    priority: int,
    slots: int | None,
    data_dir: str | None,
    as_json: bool,
) -> None:
    """Add an engine. A running server takes it up within seconds.

    BASE_URL is as OpenAI's clients want it, for example http://127.0.0.1:8000/v1.
    """
    api_key = sys.stdin.readline().strip() if api_key_stdin else None
    new = NewEngine(name, base_url, api_key or None, models, priority=priority, slots=slots)

    async def work(room: Room) -> EngineView:
        async with room.db.write() as tx:
            await room.engines.add(tx, new)
        return await _found(room, name)

    added = in_room(data_dir, work)
    if as_json:
        print_json(added)
    elif added.ok:
        click.echo(f"Added {name}; it serves {', '.join(added.models) or 'no model'}.")
    else:
        click.echo(f"Added {name}. {added.detail}")


@engine.command("list")
@data_dir_option
@json_option
def list_engines(data_dir: str | None, as_json: bool) -> None:
    """Show the engines that were added, and ask each how it is."""

    async def work(room: Room) -> list[EngineView]:
        await room.engines.refresh()
        return room.engines.remote.views()

    views = in_room(data_dir, work)
    if as_json:
        print_json(views)
        return
    rows = [
        (view.name, view.base_url or "", _state(view), ", ".join(view.models) or view.detail)
        for view in views
    ]
    print_table(("NAME", "ADDRESS", "STATE", "MODELS"), rows)


@engine.command()
@click.argument("name")
@data_dir_option
@json_option
def remove(name: str, data_dir: str | None, as_json: bool) -> None:
    """Forget an engine. A running server stops using it within seconds."""

    async def work(room: Room) -> EngineView:
        view = await _found(room, name)
        async with room.db.write() as tx:
            await room.engines.remove(tx, view.id)
        return view

    removed = in_room(data_dir, work)
    if as_json:
        print_json(removed)
    else:
        click.echo(f"Removed {name}.")


async def _found(room: Room, name: str) -> EngineView:
    await room.engines.refresh()
    for view in room.engines.remote.views():
        if view.name == name:
            return view
    raise NotFound(
        "engine_not_found",
        f"There is no engine named {name!r}.",
        hint="`fireside engine list` shows them.",
    )


def _state(view: EngineView) -> str:
    if not view.enabled:
        return "off"
    return "ok" if view.ok else "down"

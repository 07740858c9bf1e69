"""`fireside key`: API keys from the machine that runs the server."""

from __future__ import annotations

import click

from fireside.accounts.domain import ApiKey, Scope
from fireside.accounts.views import KeyMade, key_view
from fireside.cli.user import Room, data_dir_option, in_room, json_option, print_json, print_table
from fireside.errors import NotFound


@click.group()
def key() -> None:
    """Make, list and revoke API keys."""


@key.command()
@click.option("--user", "email", required=True, help="Whose key it is: an e-mail address.")
@click.option("--name", default="command line", show_default=True, help="What it is for.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="What it may be used for; repeat for more (default models:run).",
)
@data_dir_option
@json_option
def create(
    email: str, name: str, scopes: tuple[str, ...], data_dir: str | None, as_json: bool
) -> None:
    """Make an API key and print it. It is shown this once."""
    wanted = frozenset(Scope(scope) for scope in scopes) or None

    async def work(room: Room) -> tuple[ApiKey, str]:
        async with room.db.write() as tx:
            person = await room.person(tx, email)
            return await room.people.accounts.create_key(tx, person, name, wanted)

    made, text = in_room(data_dir, work)
    if as_json:
        print_json(KeyMade(key=text, info=key_view(made)))
    else:
        click.echo(text)


@key.command("list")
@click.option("--user", "email", required=True, help="Whose keys: an e-mail address.")
@data_dir_option
@json_option
def list_(email: str, data_dir: str | None, as_json: bool) -> None:
    """List somebody's API keys, newest first."""
    keys = in_room(data_dir, lambda room: _keys(room, email))
    if as_json:
        print_json([key_view(each) for each in keys])
        return
    print_table(
        ("ID", "NAME", "PREFIX", "SCOPES", "CREATED", "LAST USED"),
        [
            (
                each.id,
                each.name,
                each.prefix,
                ",".join(sorted(each.scopes)),
                f"{each.created_at:%Y-%m-%d}",
                f"{each.last_used_at:%Y-%m-%d}" if each.last_used_at else "never",
            )
            for each in keys
        ],
    )


@key.command()
@click.argument("id_or_prefix")
@click.option("--user", "email", required=True, help="Whose key it is: an e-mail address.")
@data_dir_option
@json_option
def revoke(id_or_prefix: str, email: str, data_dir: str | None, as_json: bool) -> None:
    """Revoke an API key by its id or its prefix.

    A running server refuses it within a few seconds (the setting accounts.identity_ttl_s).
    """

    async def work(room: Room) -> ApiKey:
        found = [
            each for each in await _keys(room, email) if id_or_prefix in {each.id, each.prefix}
        ]
        if len(found) != 1:
            raise NotFound(
                "key_not_found",
                f"No one API key of {email} has the id or prefix {id_or_prefix[:10]}.",
                hint=f"`fireside key list --user {email}` shows them all.",
            )
        async with room.db.write() as tx:
            person = await room.person(tx, email)
            await room.people.accounts.revoke_key(tx, person.id, found[0].id)
        return found[0]

    gone = in_room(data_dir, work)
    if as_json:
        print_json(key_view(gone))
    else:
        click.echo(f"{gone.name} ({gone.prefix}) is revoked")


async def _keys(room: Room, email: str) -> list[ApiKey]:
    async with room.db.read() as tx:
        person = await room.person(tx, email)
        return await room.people.accounts.credentials.keys(tx, person.id)

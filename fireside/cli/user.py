"""`fireside user`: make and find accounts from the machine that runs them."""

from __future__ import annotations

import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio
import click
import msgspec

from fireside.accounts.admin_endpoints import reset_url
from fireside.accounts.administration import Administration
from fireside.accounts.domain import User, UserRole, UserStatus, normal_email
from fireside.accounts.service import build_accounts
from fireside.accounts.views import UserView, user_view
from fireside.db.database import Database, ReadTransaction, connect, url_for
from fireside.db.migrate import upgrade
from fireside.errors import NotFound, UserError
from fireside.kit.clock import SystemClock
from fireside.kit.ids import new_id
from fireside.settings import Settings, load

GENERATED_PASSWORD_BYTES = 15  # 120 bits, 20 characters

T = TypeVar("T")


class Room(msgspec.Struct, frozen=True):
    """The accounts room, opened for one command."""

    settings: Settings
    db: Database
    people: Administration

    async def person(self, tx: ReadTransaction, email: str) -> User:
        """The person with that address. Raises NotFound."""
        user = await self.people.accounts.users.user_by_email(tx, normal_email(email))
        if user is None:
            raise NotFound(
                "user_not_found",
                f"There is no account for {email}.",
                hint="`fireside user list` shows all accounts.",
            )
        return user


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
    try:
        accounts = build_accounts(db, settings.accounts, SystemClock(), new_id)
        yield Room(settings, db, Administration(accounts))
    finally:
        await db.aclose()


def data_dir_option(command: Callable[..., None]) -> Callable[..., None]:
    """`--data-dir`, as every command has it."""
    return click.option("--data-dir", help="Where Fireside keeps its files (default ./data).")(
        command
    )


def json_option(command: Callable[..., None]) -> Callable[..., None]:
    """`--json`, as every command has it."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def print_json(value: object) -> None:
    """Print a value as JSON on standard output."""
    click.echo(msgspec.json.format(msgspec.json.encode(value)).decode())


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns, each as wide as its widest cell."""
    widths = [max(len(cell) for cell in column) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


class UserCreated(msgspec.Struct, frozen=True):
    """What `user create --json` prints; `password` only when it was generated."""

    user: UserView
    password: str | None


class ResetLink(msgspec.Struct, frozen=True):
    """What `user reset-link --json` prints."""

    link: str
    expires_at: str


@click.group()
def user() -> None:
    """Make, list and change accounts."""


@user.command()
@click.option("--email", required=True, help="The address to sign in with.")
@click.option("--name", required=True, help="The name that is shown.")
@click.option("--admin", is_flag=True, help="Make an administrator (the first account always is).")
@click.option(
    "--password-stdin",
    is_flag=True,
    help="Read the password from standard input; otherwise one is made up and printed.",
)
@data_dir_option
@json_option
def create(
    email: str, name: str, admin: bool, password_stdin: bool, data_dir: str | None, as_json: bool
) -> None:
    """Make an account."""
    given = sys.stdin.readline().rstrip("\r\n") if password_stdin else None
    password = given if given is not None else secrets.token_urlsafe(GENERATED_PASSWORD_BYTES)
    role = UserRole.ADMIN if admin else UserRole.MEMBER

    async def work(room: Room) -> User:
        password_hash = await room.people.accounts.gate.hash(password)
        async with room.db.write() as tx:
            return await room.people.create_user(tx, email, name, role, password_hash=password_hash)

    made = in_room(data_dir, work)
    if as_json:
        print_json(UserCreated(user_view(made), None if given is not None else password))
        return
    click.echo(f"{made.email} is {made.role.value}")
    if given is None:
        click.echo(f"password: {password}")


@user.command("list")
@data_dir_option
@json_option
def list_(data_dir: str | None, as_json: bool) -> None:
    """List all accounts, newest first."""

    async def work(room: Room) -> list[User]:
        found: list[User] = []
        cursor: str | None = None
        while True:
            async with room.db.read() as tx:
                page = await room.people.page(tx, "", cursor)
            found += page.items
            cursor = page.next_cursor
            if cursor is None:
                return found

    users = in_room(data_dir, work)
    if as_json:
        print_json([user_view(each) for each in users])
        return
    print_table(
        ("EMAIL", "NAME", "ROLE", "STATUS", "CREATED", "LAST SEEN"),
        [
            (
                each.email,
                each.name,
                each.role.value,
                each.status.value,
                f"{each.created_at:%Y-%m-%d}",
                f"{each.last_seen_at:%Y-%m-%d}" if each.last_seen_at else "never",
            )
            for each in users
        ],
    )


@user.command("reset-link")
@click.argument("email")
@data_dir_option
@json_option
def reset_link(email: str, data_dir: str | None, as_json: bool) -> None:
    """Print a link with which the account EMAIL sets a new password, once."""

    async def work(room: Room) -> ResetLink:
        async with room.db.write() as tx:
            person = await room.person(tx, email)
            link = await room.people.make_reset_link(tx, person.id, None)
        base = _page_address(room.settings)
        return ResetLink(reset_url(base, link.secret), link.expires_at.isoformat())

    made = in_room(data_dir, work)
    if as_json:
        print_json(made)
    else:
        click.echo(made.link)


@user.command()
@click.argument("email")
@click.option("--role", type=click.Choice([role.value for role in UserRole]))
@click.option("--status", type=click.Choice([status.value for status in UserStatus]))
@data_dir_option
@json_option
def change(
    email: str, role: str | None, status: str | None, data_dir: str | None, as_json: bool
) -> None:
    """Promote, demote, disable or enable the account EMAIL.

    A running server notices within a few seconds (the setting accounts.identity_ttl_s).
    """

    async def work(room: Room) -> User:
        async with room.db.write() as tx:
            person = await room.person(tx, email)
            return await room.people.change_standing(
                tx,
                person.id,
                role=UserRole(role) if role else None,
                status=UserStatus(status) if status else None,
            )

    changed = in_room(data_dir, work)
    if as_json:
        print_json(user_view(changed))
    else:
        click.echo(f"{changed.email} is {changed.role.value} and {changed.status.value}")


def _page_address(settings: Settings) -> str:
    if settings.accounts.public_url:
        return settings.accounts.public_url.rstrip("/")
    return f"http://{settings.server.host}:{settings.server.port}"

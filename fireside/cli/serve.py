"""`fireside serve`: the server in the foreground."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import anyio
import click
import uvloop

from fireside.api import schema
from fireside.app import asgi, build
from fireside.cli.http_server import connect_shared, serve_until_stopped
from fireside.db.database import url_for
from fireside.db.migrate import upgrade
from fireside.errors import Conflict, UserError
from fireside.settings import Settings, load


@click.command()
@click.option("--host", help="Address to listen on (default 127.0.0.1).")
@click.option("--port", type=int, help="Port to listen on; 0 takes a free one (default 8321).")
@click.option("--data-dir", help="Where Fireside keeps its files (default ./data).")
@click.option("--workers", type=int, help="Server processes; several need PostgreSQL (default 1).")
def serve(host: str | None, port: int | None, data_dir: str | None, workers: int | None) -> None:
    """Start the server and print its address.

    With several workers SIGHUP replaces them one after another, without a failed request.
    """
    flags = {"server.host": host, "server.port": port, "server.workers": workers}
    settings, _sources = load({**flags, "data_dir": data_dir})
    prepare_data_dir(settings.data_dir)
    with only_server(settings.data_dir), _listening(settings) as listener:
        anyio.run(upgrade, url_for(settings.db, settings.data_dir))
        if settings.server.workers > 1:
            from fireside.cli.supervisor import supervise

            supervise(settings, listener, lambda: _say_where(listener))
            return
        shared = connect_shared(settings)
        # uvicorn has stopped in order by then, and sends itself the signal once more.
        with suppress(KeyboardInterrupt):
            uvloop.run(
                serve_until_stopped(settings, listener, shared, lambda: _say_where(listener))
            )


@click.command()
@click.option("--out", type=click.Path(path_type=Path), help="Write to a file instead.")
def openapi(out: Path | None) -> None:
    """Print the OpenAPI document of this version."""
    settings, _sources = load({}, environ={})
    document = build_openapi(settings)
    if out is None:
        click.echo(document)
    else:
        out.write_text(document + "\n", encoding="utf-8")


def build_openapi(settings: Settings) -> str:
    """The OpenAPI document as JSON text, with its keys in a stable order."""
    return schema.document(asgi(build(settings)).litestar).decode()


def prepare_data_dir(path: Path) -> None:
    """Create the data directory, readable for its owner alone. Raises UserError when it cannot."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = path / f".write-test-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(
            "data_dir_not_writable",
            f"The data directory {path} cannot be written: {error.strerror}.",
            hint="Choose another with --data-dir, or give this user the right to write there.",
        ) from error


@contextmanager
def only_server(data_dir: Path) -> Iterator[None]:
    """Hold the data directory for this process; the lock goes with the process however it ends."""
    with (data_dir / "server.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise Conflict(
                "data_dir_in_use",
                f"Another Fireside (process {file.read().strip() or '?'}) is using {data_dir}.",
                hint="Stop it first, or start this one with another --data-dir.",
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


@contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    host, port = settings.server.host, settings.server.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise Conflict(
                "port_in_use",
                f"Fireside cannot listen on {host} port {port}: {error.strerror}.",
                hint="Stop what listens there, or choose another port with --port (0: any).",
            ) from error
        yield listener


def _say_where(listener: socket.socket) -> None:
    host, port, *_rest = listener.getsockname()
    shown = f"[{host}]" if ":" in host else host
    click.echo(f"Fireside is ready at http://{shown}:{port}", err=False)

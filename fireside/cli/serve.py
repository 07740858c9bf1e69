"""`fireside serve`: the server in the foreground."""

from __future__ import annotations

import fcntl
import gc
import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import anyio
import click
import uvicorn
import uvloop

from fireside.api import schema
from fireside.api.logs import LogWriter, configure_logging
from fireside.app import asgi, build
from fireside.db.database import url_for
from fireside.db.migrate import upgrade
from fireside.errors import BackendFailed, Conflict, UserError
from fireside.settings import Settings, load


@click.command()
@click.option("--host", help="Address to listen on (default 127.0.0.1).")
@click.option("--port", type=int, help="Port to listen on; 0 takes a free one (default 8321).")
@click.option("--data-dir", help="Where Fireside keeps its files (default ./data).")
def serve(host: str | None, port: int | None, data_dir: str | None) -> None:
    """Start the server and print its address."""
    settings, _sources = load({"server.host": host, "server.port": port, "data_dir": data_dir})
    prepare_data_dir(settings.data_dir)
    with only_server(settings.data_dir), _listening(settings) as listener:
        # uvicorn has stopped in order by then, and sends itself the signal once more.
        with suppress(KeyboardInterrupt):
            uvloop.run(_serve(settings, listener))


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


async def _serve(settings: Settings, listener: socket.socket) -> None:
    writer = LogWriter()
    # Somebody who watches the terminal wants the address and what goes wrong, not every request.
    configure_logging(writer, level=logging.WARNING if sys.stderr.isatty() else logging.INFO)
    writer.start()
    try:
        await upgrade(url_for(settings.db, settings.data_dir))
        services = build(settings, log_writer=writer)
        config = uvicorn.Config(
            asgi(services),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=max(1, int(settings.server.shutdown_grace_s)),
            timeout_keep_alive=75,
            lifespan="on",
            loop="none",
        )
        server = _Server(config, listener)
        await server.serve(sockets=[listener])
        if not server.started:
            raise BackendFailed(
                "startup_failed",
                "Fireside could not start.",
                hint="The log above names the cause; `fireside doctor` looks for more.",
            )
    finally:
        await anyio.to_thread.run_sync(writer.close)


class _Server(uvicorn.Server):
    """Says where it listens once it does."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket) -> None:
        super().__init__(config)
        self._listener = listener

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            # What is loaded by now stays; looking through it again took 15 % of a request's time.
            gc.freeze()
            host, port, *_rest = self._listener.getsockname()
            shown = f"[{host}]" if ":" in host else host
            click.echo(f"Fireside is ready at http://{shown}:{port}", err=False)

"""One of several server processes, started by `fireside serve --workers N` on its socket.

`python -m fireside.cli.worker` reads what it serves from one line of JSON on its standard input,
writes a line on its standard output once it serves, and ends when its supervisor does.
"""

from __future__ import annotations

import socket
import sys
from contextlib import suppress
from pathlib import Path

import click
import msgspec
import uvloop

from fireside.cli.http_server import connect_shared, serve_until_stopped
from fireside.engine.kept import KEPT_ENGINE
from fireside.errors import FiresideError
from fireside.settings import Settings, load

READY = b"ready\n"


class WorkerOrders(msgspec.Struct, frozen=True):
    """What a worker is to do. `is_first`: no other worker of this data directory lives."""

    fd: int
    data_dir: str
    valkey_url: str
    keeps_engine: bool
    is_first: bool


def main() -> None:
    """Serve until a signal ends it."""
    orders = msgspec.json.decode(sys.stdin.buffer.readline(), type=WorkerOrders)
    try:
        settings = settings_of(orders)
        shared = connect_shared(settings, is_alone_on_host=orders.is_first)
        with (
            socket.socket(fileno=orders.fd) as listener,
            suppress(KeyboardInterrupt),  # uvicorn has stopped by then, and sends it once more
        ):
            uvloop.run(serve_until_stopped(settings, listener, shared, _say_ready))
    except FiresideError as error:
        click.echo(f"fireside: {error}", err=True)
        sys.exit(1)


def settings_of(orders: WorkerOrders) -> Settings:
    """The settings of this installation, as its workers use them."""
    flags: dict[str, object] = {"data_dir": orders.data_dir, "valkey.url": orders.valkey_url}
    if orders.keeps_engine:
        flags["engine.embedded_kept_in"] = str(Path(orders.data_dir) / KEPT_ENGINE)
    settings, _sources = load(flags)
    return settings


def _say_ready() -> None:
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()

"""The embedded engine of several workers, in a process of its own: workers come and go, it stays.

`python -m fireside.cli.engine_keeper DATA_DIR` runs the model that the operator chose and writes
where it answers into a file that the workers read; see `fireside/engine/kept.py`.
"""

from __future__ import annotations

import logging
import signal
import sys
from contextlib import suppress

import anyio

from fireside.api.logs import LogWriter, configure_logging
from fireside.db.database import connect, url_for
from fireside.engine.kept import KEPT_ENGINE, EngineKeeper
from fireside.engine.service import open_library
from fireside.settings import Settings, load


def main() -> None:
    """Run until a signal ends it."""
    settings, _sources = load({"data_dir": sys.argv[1]})
    with suppress(KeyboardInterrupt):
        anyio.run(_keep, settings)


async def _keep(settings: Settings) -> None:
    writer = LogWriter()
    configure_logging(writer, level=logging.WARNING if sys.stderr.isatty() else logging.INFO)
    writer.start()
    db = connect(url_for(settings.db, settings.data_dir), settings.db)
    library = open_library(settings.engine, settings.data_dir)
    keeper = EngineKeeper(db, library, settings.engine, settings.data_dir / KEPT_ENGINE)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(keeper.run)
            with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                async for _number in signals:
                    break
            tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await keeper.aclose()
            await db.aclose()
            await anyio.to_thread.run_sync(writer.close)


if __name__ == "__main__":
    main()

"""The meter: counts what engines did without making anybody wait for the database.

Failure policy: fail open. While the database is away people go on being served; the newest entries
are kept and written when it is back, and what had to be dropped is counted in `num_dropped`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import anyio
import structlog

from fireside.billing.domain import UsageEntry
from fireside.billing.repository import UsageRepository
from fireside.billing.settings import BillingSettings
from fireside.db.database import Database
from fireside.errors import BackendFailed, Bug
from fireside.kit.ids import NewId

log = structlog.get_logger("fireside.billing")

SHUTDOWN_FLUSH_S = 5.0


class Meter:
    """Buffers entries and writes them in groups. Run `run` in a task group of the application.

    Each of `listeners` is told of every entry as it is recorded: figures for the operator come
    from the same numbers that are billed.
    """

    def __init__(
        self,
        db: Database,
        repository: UsageRepository,
        settings: BillingSettings,
        new_id: NewId,
        listeners: Sequence[Callable[[UsageEntry], None]] = (),
    ) -> None:
        self._db = db
        self._repository = repository
        self._settings = settings
        self._new_id = new_id
        self._listeners = tuple(listeners)
        self._pending: deque[UsageEntry] = deque()
        self._batch: list[tuple[str, UsageEntry]] = []  # being written; keeps its ids on a retry
        self._wake = anyio.Event()
        self._away = False
        self.num_dropped = 0
        self.num_written = 0

    def record(self, entry: UsageEntry) -> None:
        """Count one entry. Never waits and never fails."""
        pending = self._pending
        pending.append(entry)
        if len(pending) >= self._settings.flush_rows:
            if len(pending) + len(self._batch) > self._settings.buffer_rows:
                pending.popleft()
                self.num_dropped += 1
            if not self._away:
                self._wake.set()
        for listener in self._listeners:
            listener(entry)

    @property
    def num_waiting(self) -> int:
        """Entries that are not in the database yet."""
        return len(self._pending) + len(self._batch)

    async def run(self) -> None:
        """Write what is recorded until cancelled, then write the rest."""
        try:
            while True:
                with anyio.move_on_after(self._settings.flush_interval_s):
                    await self._wake.wait()
                self._wake = anyio.Event()
                await self.flush()
        finally:
            with anyio.move_on_after(SHUTDOWN_FLUSH_S, shield=True):
                await self.flush()

    async def flush(self) -> None:
        """Write everything that waits now; on a database outage, keep it for the next time."""
        while self._batch or self._pending:
            if not self._batch:
                num_rows = min(len(self._pending), self._settings.flush_rows)
                self._batch = [(self._new_id(), self._pending.popleft()) for _ in range(num_rows)]
            try:
                async with self._db.write() as tx:
                    await self._repository.append(tx, self._batch)
            except BackendFailed as error:
                if not self._away:
                    log.warning("usage_not_written", code=error.code, waiting=self.num_waiting)
                self._away = True
                return
            except Bug as error:  # it would be refused for ever, and what follows must not wait
                log.warning("usage_dropped", code=error.code, dropped=len(self._batch))
                self.num_dropped += len(self._batch)
            else:
                self.num_written += len(self._batch)
            self._away = False
            self._batch = []

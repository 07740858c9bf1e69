"""Which turns this process owns, settled with the other processes in the database.

Every worker has a row and counts its `beat` up. The others look at the beats and time them with
their own monotonic clock, so that no two clocks are ever compared: a worker whose beat stands still
for `owner_lease_s` is declared dead, its row removed, and its turns need another owner. A worker
that was only paused finds its row gone in the very transaction that would have written something
(`fence`), gives up all its turns and begins again under another name.

Failure policy: while the database is away nobody can be declared dead and nobody writes; once it is
back everybody's time counts from then.
"""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path

import structlog

from fireside.chat.errors import DeclaredDead
from fireside.chat.owner_repository import OwnerRepository
from fireside.chat.repository import StoredTurn
from fireside.db.database import Database, Transaction
from fireside.errors import BackendFailed
from fireside.kit.clock import Clock
from fireside.kit.ids import NewId

MOST_AT_ONCE = 50
"""Orphans looked at in one beat; the rest comes with the next, or goes to others."""

logger = structlog.get_logger(__name__)


class Sole:
    """Ownership where there is one process only: everything is its own, from the start."""

    worker_id: str | None = None
    is_shared = False

    async def join(self) -> None:
        """Count as alive from now on."""

    async def leave(self) -> None:
        """Count as alive no longer."""

    async def beat(self) -> bool:
        """Show that this worker lives, and bury those that do not; False when it was buried."""
        return True

    async def fence(self, tx: Transaction) -> None:
        """Make sure that this worker owns its turns until the transaction ends.

        Raises DeclaredDead.
        """

    async def orphans(self) -> list[StoredTurn]:
        """Turns that need an owner."""
        return []

    async def stops(self) -> list[str]:
        """Ids of turns owned here that another process was asked to stop."""
        return []


class Ownership(Sole):
    """Ownership among several processes. `id_file` keeps the name of this host."""

    is_shared = True

    def __init__(
        self,
        database: Database,
        clock: Clock,
        new_id: NewId,
        id_file: Path,
        *,
        lease_s: float,
        is_alone_on_host: bool = True,
    ) -> None:
        self._database = database
        self._repository = OwnerRepository()
        self._clock = clock
        self._new_id = new_id
        self._id_file = id_file
        self._lease_s = lease_s
        self._is_alone = is_alone_on_host
        self._seen: dict[str, tuple[int, float]] = {}  # worker -> its beat, and since when
        self._looked_s = -math.inf

    async def join(self) -> None:
        """Count as alive from now on. What an earlier process of this host owned is free."""
        worker_id, host = self._new_id(), self._host()
        async with self._database.write() as tx:
            if self._is_alone and self.worker_id is None:
                await self._repository.clear_host(tx, host)
            await self._repository.join(tx, worker_id, host, self._clock.now())
        self.worker_id = worker_id
        self._seen.clear()

    async def leave(self) -> None:
        """Count as alive no longer; others take up at once what is left."""
        if self.worker_id is not None:
            async with self._database.write() as tx:
                await self._repository.leave(tx, self.worker_id)

    async def beat(self) -> bool:
        """Show that this worker lives, and bury those that do not; False when it was buried."""
        if self.worker_id is None:
            return False
        try:
            async with self._database.write() as tx:
                if not await self._repository.beat(tx, self.worker_id):
                    return False
                silent = self._silent(await self._repository.beats(tx))
                buried = await self._repository.bury(tx, silent) if silent else []
        except BackendFailed:
            self._seen.clear()
            raise
        for id in buried:
            logger.warning("worker_declared_dead", worker_id=id)
        return True

    async def fence(self, tx: Transaction) -> None:
        """Make sure that this worker owns its turns until the transaction ends."""
        if self.worker_id is None or not await self._repository.hold(tx, self.worker_id):
            raise DeclaredDead

    async def orphans(self) -> list[StoredTurn]:
        """Turns that need an owner."""
        async with self._database.read() as tx:
            return await self._repository.orphans(tx, MOST_AT_ONCE)

    async def stops(self) -> list[str]:
        """Ids of turns owned here that another process was asked to stop."""
        if self.worker_id is None:
            return []
        async with self._database.read() as tx:
            return await self._repository.stops(tx, self.worker_id)

    def _silent(self, beats: dict[str, int]) -> list[tuple[str, int]]:
        """Who has not moved for too long. Sorted, so that two observers lock in one order."""
        now = self._clock.monotonic_s()
        if now - self._looked_s > self._lease_s:
            self._seen = {}  # who did not look, as one that was paused itself, knows nothing
        self._looked_s = now
        self._seen = {
            id: before if (before := self._seen.get(id)) and before[0] == beat else (beat, now)
            for id, beat in beats.items()
        }
        return sorted(
            (id, beat)
            for id, (beat, since) in self._seen.items()
            if now - since > self._lease_s and id != self.worker_id
        )

    def _host(self) -> str:
        try:
            return self._id_file.read_text("ascii").strip()
        except FileNotFoundError:
            self._id_file.parent.mkdir(parents=True, exist_ok=True)
            # Two workers that start together must agree: the file appears whole or not at all.
            draft = self._id_file.with_suffix(f".{self._new_id()}")
            draft.write_text(self._new_id(), "ascii")
            with suppress(FileExistsError):
                self._id_file.hardlink_to(draft)
            draft.unlink()
            return self._id_file.read_text("ascii").strip()

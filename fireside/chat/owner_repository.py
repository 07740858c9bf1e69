"""Which processes live, and the turns that need one: statements for `chat/ownership.py`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import msgspec
from sqlalchemy import bindparam, delete, insert, select, update

from fireside.chat.repository import StoredTurn
from fireside.chat.tables import TurnRow, WorkerRow
from fireside.chat.turn import TurnState
from fireside.db.database import ReadTransaction, Transaction

_TURN = tuple(getattr(TurnRow, name) for name in StoredTurn.__struct_fields__)
_BEAT = update(WorkerRow).where(WorkerRow.id == bindparam("worker")).values(beat=WorkerRow.beat + 1)
# Nobody can remove the row until the transaction ends; counting its beat up goes on.
_HOLD = (
    select(WorkerRow.id)
    .where(WorkerRow.id == bindparam("worker"))
    .with_for_update(read=True, key_share=True)
)
_BEATS = select(WorkerRow.id, WorkerRow.beat)
_ORPHANS = (
    select(*_TURN)
    .where(
        TurnRow.state == TurnState.RUNNING,
        TurnRow.worker_id.is_(None) | TurnRow.worker_id.not_in(select(WorkerRow.id)),
    )
    .order_by(TurnRow.id)
    .limit(bindparam("most"))
)
_STOPS = select(TurnRow.id).where(
    TurnRow.state == TurnState.RUNNING,
    TurnRow.worker_id == bindparam("worker"),
    TurnRow.stop_asked_at.is_not(None),
)


class OwnerRepository:
    """Statements only; decides nothing and commits nothing."""

    async def join(self, tx: Transaction, worker_id: str, host: str, now: datetime) -> None:
        """Add a worker."""
        values = {"id": worker_id, "host": host, "beat": 0, "started_at": now}
        await tx.execute(insert(WorkerRow), values)

    async def leave(self, tx: Transaction, worker_id: str) -> None:
        """Remove a worker; what it still owned needs another."""
        await tx.execute(delete(WorkerRow).where(WorkerRow.id == worker_id))

    async def clear_host(self, tx: Transaction, host: str) -> None:
        """Remove all workers of a host, of which the caller knows that none lives."""
        await tx.execute(delete(WorkerRow).where(WorkerRow.host == host))

    async def beat(self, tx: Transaction, worker_id: str) -> bool:
        """Show that the worker lives; False when it was declared dead."""
        return (await tx.execute(_BEAT, {"worker": worker_id})).rowcount == 1

    async def hold(self, tx: Transaction, worker_id: str) -> bool:
        """Whether the worker counts as alive, and does so until this transaction ends."""
        return (await tx.execute(_HOLD, {"worker": worker_id})).scalar() is not None

    async def beats(self, tx: ReadTransaction) -> dict[str, int]:
        """All workers that count as alive, with their beats."""
        return {id: beat for id, beat in await tx.execute(_BEATS)}

    async def bury(self, tx: Transaction, silent: Collection[tuple[str, int]]) -> list[str]:
        """Declare workers dead whose beat has not moved on from what it was; says which.

        One that is just writing is left for the next time.
        """
        gone = []
        for id, beat in silent:
            row = select(WorkerRow.id).where(WorkerRow.id == id, WorkerRow.beat == beat)
            found = (await tx.execute(row.with_for_update(skip_locked=True))).scalar()
            if found is not None:
                await self.leave(tx, id)
                gone.append(id)
        return gone

    async def orphans(self, tx: ReadTransaction, most: int) -> list[StoredTurn]:
        """Unfinished turns that no living worker writes, oldest first, at most so many."""
        rows = await tx.execute(_ORPHANS, {"most": most})
        return [msgspec.convert(row._asdict(), StoredTurn) for row in rows]

    async def stops(self, tx: ReadTransaction, worker_id: str) -> list[str]:
        """The worker's turns that somebody asked to stop."""
        return list((await tx.execute(_STOPS, {"worker": worker_id})).scalars())

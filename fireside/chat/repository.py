"""Turns and their journal in the database."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from fireside.chat.tables import TurnJournalRow, TurnRow
from fireside.chat.turn import TurnState
from fireside.conversation.message import ConversationId, MessageId, UserId
from fireside.db.database import ReadTransaction, Transaction
from fireside.errors import Conflict


class StoredTurn(msgspec.Struct, frozen=True):
    """A row of `turns`."""

    id: str
    request_id: str
    owner_id: UserId
    conversation_id: ConversationId
    message_id: MessageId
    user_message_id: MessageId | None
    anchor_id: MessageId | None
    state: TurnState
    attempts: int
    created_at: datetime
    worker_id: str | None = None
    stop_asked_at: datetime | None = None
    handovers: int = 0


class JournalEntry(msgspec.Struct, frozen=True):
    """Consecutive events of one turn, the first of them number `first_event`."""

    turn_id: str
    first_event: int
    frames: tuple[bytes, ...]


_COLUMNS = tuple(getattr(TurnRow, name) for name in StoredTurn.__struct_fields__)

# Statements that are run in every turn are built once: building and compiling one again costs four
# times as much CPU as running it.
_INSERT_TURN = insert(TurnRow)
_BY_REQUEST = select(*_COLUMNS).where(
    TurnRow.owner_id == bindparam("owner"), TurnRow.request_id == bindparam("request")
)
_ANCHOR = (
    select(TurnRow.anchor_id)
    .where(
        TurnRow.message_id.in_(bindparam("messages", expanding=True)),
        TurnRow.anchor_id.is_not(None),
    )
    .order_by(TurnRow.id.desc())
    .limit(1)
)
_CHANGE_TURN = update(TurnRow).where(TurnRow.id == bindparam("turn"))
_INSERT_EVENTS = insert(TurnJournalRow)


class TurnRepository:
    """Statements only; decides nothing and commits nothing."""

    async def insert(self, tx: Transaction, turn: StoredTurn) -> None:
        """Add a turn. Raises Conflict when the owner's `request_id` has started one already."""
        try:
            await tx.execute(_INSERT_TURN, msgspec.structs.asdict(turn))
        except IntegrityError as error:
            raise Conflict(
                "request_repeated",
                "This request is being handled already.",
                hint="Send it again to get the turn it started.",
                param="request_id",
            ) from error

    async def by_request(
        self, tx: ReadTransaction, owner_id: UserId, request_id: str
    ) -> StoredTurn | None:
        """The turn that this request already started, if it did."""
        found = await tx.execute(_BY_REQUEST, {"owner": owner_id, "request": request_id})
        row = found.one_or_none()
        return msgspec.convert(row._asdict(), StoredTurn) if row is not None else None

    async def by_id(self, tx: ReadTransaction, turn_id: str) -> StoredTurn | None:
        """One turn."""
        found = await self._select(tx, TurnRow.id == turn_id)
        return found[0] if found else None

    async def running(
        self, tx: ReadTransaction, conversation_id: ConversationId | None = None
    ) -> list[StoredTurn]:
        """All unfinished turns, or those of one conversation, oldest first."""
        where = [TurnRow.state == TurnState.RUNNING]
        if conversation_id is not None:
            where.append(TurnRow.conversation_id == conversation_id)
        return await self._select(tx, *where)

    async def anchor(
        self, tx: ReadTransaction, message_ids: Sequence[MessageId]
    ) -> MessageId | None:
        """Where the prompt of the newest turn began that wrote one of these messages."""
        if not message_ids:
            return None
        found = await tx.execute(_ANCHOR, {"messages": list(message_ids)})
        return found.scalar_one_or_none()  # type: ignore[return-value]

    async def running_in(
        self, tx: ReadTransaction, owner_id: UserId, conversation_ids: Collection[ConversationId]
    ) -> list[StoredTurn]:
        """The owner's unfinished turns in these conversations, oldest first."""
        return await self._select(
            tx,
            TurnRow.conversation_id.in_(conversation_ids),
            TurnRow.state == TurnState.RUNNING,
            TurnRow.owner_id == owner_id,
        )

    async def take_up(self, tx: Transaction, turn: StoredTurn, worker_id: str | None) -> bool:
        """Count one more run, by `worker_id`; False when somebody else was quicker."""
        changed = await tx.execute(
            update(TurnRow)
            .where(
                TurnRow.id == turn.id,
                TurnRow.state == TurnState.RUNNING,
                TurnRow.attempts == turn.attempts,
                TurnRow.worker_id.is_not_distinct_from(turn.worker_id),
            )
            .values(attempts=TurnRow.attempts + 1, worker_id=worker_id)
        )
        return changed.rowcount == 1

    async def own(self, tx: Transaction, turn_id: str, worker_id: str) -> None:
        """A turn that was just added is written by this worker."""
        await tx.execute(_CHANGE_TURN, {"turn": turn_id, "worker_id": worker_id})

    async def let_go(self, tx: Transaction, turn_id: str, worker_id: str) -> None:
        """The worker writes this turn no longer; another may take it up."""
        await tx.execute(
            update(TurnRow)
            .where(
                TurnRow.id == turn_id,
                TurnRow.worker_id == worker_id,
                TurnRow.state == TurnState.RUNNING,
            )
            .values(worker_id=None, handovers=TurnRow.handovers + 1)
        )

    async def ask_to_stop(self, tx: Transaction, turn_id: str, now: datetime) -> None:
        """Whoever writes this turn is to stop; stays so when it is taken over."""
        await tx.execute(_CHANGE_TURN, {"turn": turn_id, "stop_asked_at": now})

    async def end(
        self, tx: Transaction, turn_id: str, now: datetime, anchor: MessageId | None
    ) -> None:
        """The turn's reply is closed; `anchor` is where its prompt began."""
        ended = {"state": TurnState.ENDED, "ended_at": now, "anchor_id": anchor}
        await tx.execute(_CHANGE_TURN, {"turn": turn_id, **ended})

    async def add_events(self, tx: Transaction, entries: Sequence[JournalEntry]) -> None:
        """Append to the journal, all in one statement."""
        if not entries:
            return
        await tx.execute(
            _INSERT_EVENTS,
            [
                {
                    "turn_id": entry.turn_id,
                    "first_event": entry.first_event,
                    "num_events": len(entry.frames),
                    "events": b"\n".join(entry.frames),
                }
                for entry in entries
            ],
        )

    async def events(
        self, tx: ReadTransaction, turn_id: str, after: int = 0
    ) -> list[tuple[int, bytes]]:
        """The journaled events with numbers above `after`, as (number, JSON), in order."""
        query = (
            select(TurnJournalRow.first_event, TurnJournalRow.events)
            .where(
                TurnJournalRow.turn_id == turn_id,
                TurnJournalRow.first_event + TurnJournalRow.num_events > after + 1,
            )
            .order_by(TurnJournalRow.first_event)
        )
        return [
            (number, frame)
            for first_event, events in await tx.execute(query)
            for number, frame in enumerate(events.split(b"\n"), first_event)
            if number > after
        ]

    async def sweep(self, tx: Transaction, ended_before: datetime) -> None:
        """Drop the journals of replies that ended before then, and of turns that are gone."""
        kept = select(TurnRow.id).where(
            (TurnRow.state == TurnState.RUNNING) | (TurnRow.ended_at >= ended_before)
        )
        await tx.execute(delete(TurnJournalRow).where(TurnJournalRow.turn_id.not_in(kept)))

    async def _select(self, tx: ReadTransaction, *where: object) -> list[StoredTurn]:
        rows = await tx.execute(
            select(*_COLUMNS).where(*where).order_by(TurnRow.id)  # type: ignore[arg-type]
        )
        return [msgspec.convert(row._asdict(), StoredTurn) for row in rows]

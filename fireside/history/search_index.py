"""The full-text index: what is found by which words, kept in the caller's transaction.

Entries go when their conversation goes; SQLite's FTS5 follows by triggers, PostgreSQL's GIN index
by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import bindparam, delete, text
from sqlalchemy.dialects import postgresql, sqlite

from fireside.conversation.message import ConversationId, Message, MessageId, UserId
from fireside.db.database import ReadTransaction, Transaction
from fireside.errors import Bug
from fireside.history.search_statements import (
    NEWEST,
    TIE_BITS,
    TOP_HITS,
    EntryWindow,
    Search,
    entry_windows,
    newest_entries,
    period_term,
    postgresql_search,
    postgresql_values,
    sqlite_search,
    sqlite_values,
)
from fireside.history.tables import SearchEntryRow
from fireside.history.words import (
    Kind,
    SearchQuery,
    owner_tag,
    searchable_text,
    tagged_words,
    tsvector,
)

_MAX_MS = 1 << 42
_ATTEMPTS = 8
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Entry(msgspec.Struct, frozen=True):
    """What a message, or (`message_id` None) a title, is found by."""

    key: int
    owner_id: UserId
    conversation_id: ConversationId
    message_id: MessageId | None
    terms: list[str]


class Found(msgspec.Struct, frozen=True):
    """An entry that matches; `key` orders hits from the newest on."""

    key: int
    conversation_id: ConversationId
    message_id: MessageId | None
    title: str

    @property
    def at(self) -> datetime:
        """When it was said, to the millisecond."""
        return _EPOCH + timedelta(milliseconds=self.key >> TIE_BITS)


def message_entry(
    owner_id: UserId, conversation_id: ConversationId, message: Message
) -> Entry | None:
    """The entry of a message; None when there is nothing to find in it."""
    terms = tagged_words(owner_tag(owner_id, Kind.MESSAGE), searchable_text(message))
    if not terms:
        return None
    key = _key(message.created_at or message.updated_at, message.id)
    return Entry(key, owner_id, conversation_id, message.id, terms)


def title_entry(
    owner_id: UserId, conversation_id: ConversationId, title: str, created_at: datetime
) -> Entry | None:
    """The entry of a title; None when it has no words."""
    terms = tagged_words(owner_tag(owner_id, Kind.TITLE), title)
    if not terms:
        return None
    return Entry(_key(created_at, conversation_id), owner_id, conversation_id, None, terms)


# As in message_repository: what every turn runs is built once.
_REMOVE_MESSAGE = delete(SearchEntryRow).where(
    SearchEntryRow.conversation_id == bindparam("conversation"),
    SearchEntryRow.message_id == bindparam("message"),
)
_INSERT_IN_SQLITE = (
    sqlite.insert(SearchEntryRow).on_conflict_do_nothing().returning(SearchEntryRow.key)
)
_INSERT_IN_POSTGRESQL = (
    postgresql.insert(SearchEntryRow).on_conflict_do_nothing().returning(SearchEntryRow.key)
)


class SearchIndex:
    """Statements only; decides nothing and commits nothing."""

    async def add(self, tx: Transaction, entries: Iterable[Entry | None]) -> None:
        """Make what `entries` stand for findable."""
        waiting = {entry.key: entry for entry in _spread(entries)}
        for attempt in range(_ATTEMPTS):
            if not waiting:
                return
            taken = await self._insert(tx, list(waiting.values()))
            left = [entry for key, entry in waiting.items() if key not in taken]
            # Somebody else's entry has this very key: step aside, further each time.
            moved = [msgspec.structs.replace(entry, key=entry.key + 7**attempt) for entry in left]
            waiting = {entry.key: entry for entry in _spread(moved)}
        raise Bug("search_keys_exhausted", "No key is free for a search entry.")

    async def remove_message(
        self, tx: Transaction, conversation_id: ConversationId, message_id: MessageId
    ) -> None:
        """Nothing finds this message any more."""
        which = {"conversation": conversation_id, "message": message_id}
        await tx.execute(_REMOVE_MESSAGE, which)

    async def remove_title(self, tx: Transaction, conversation_id: ConversationId) -> None:
        """Nothing finds the conversation by its title any more."""
        await tx.execute(
            delete(SearchEntryRow).where(
                SearchEntryRow.conversation_id == conversation_id,
                SearchEntryRow.message_id.is_(None),
            )
        )

    async def find(
        self,
        tx: ReadTransaction,
        owner_id: UserId,
        query: SearchQuery,
        kind: Kind,
        *,
        before_key: int | None,
        archived: bool,
        limit: int,
    ) -> list[Found]:
        """The newest entries that match, older than `before_key`; none of deleted conversations."""
        below = NEWEST if before_key is None else before_key
        search = Search(owner_id, query, kind, archived, below, limit)
        if tx.dialect.name == "sqlite":
            rows = list(await tx.execute(sqlite_search(), sqlite_values(search)))
        else:
            rows = await self._find_in_postgresql(tx, search)
        return [
            Found(key, ConversationId(conversation_id), message_id, title)
            for key, conversation_id, message_id, title, *_ in rows
        ]

    async def _find_in_postgresql(self, tx: ReadTransaction, search: Search) -> list[Any]:
        windows: list[EntryWindow] = []
        if search.kind is Kind.MESSAGE:
            place = {"owner": search.owner_id, "before": search.before_key}
            windows = entry_windows(*(await tx.execute(newest_entries(), place)).one())
        values = postgresql_values(search, windows)
        rows = list(await tx.execute(postgresql_search(len(windows)), values))
        *_, num_found, is_all = rows[0]
        hits = [row for row in rows if row[0] is not None]
        if len(hits) >= search.limit or (is_all and num_found < TOP_HITS):
            return hits
        # Most of the newest hits are in conversations that are deleted or archived.
        values = postgresql_values(search, [], top_hits=NEWEST)
        rows = list(await tx.execute(postgresql_search(0), values))
        return [row for row in rows if row[0] is not None]

    async def tidy(self, tx: Transaction) -> None:
        """Merge what deletions left behind, a bounded amount of work a call."""
        if tx.dialect.name == "sqlite":
            await tx.execute(
                text("INSERT INTO search_index(search_index, rank) VALUES ('merge', 500)")
            )

    async def _insert(self, tx: Transaction, entries: Sequence[Entry]) -> set[int]:
        """Insert entries whose key is free; returns the keys that were."""
        is_sqlite = tx.dialect.name == "sqlite"
        rows = await tx.execute(
            _INSERT_IN_SQLITE if is_sqlite else _INSERT_IN_POSTGRESQL,
            [
                {
                    "key": entry.key,
                    "owner_id": entry.owner_id,
                    "conversation_id": entry.conversation_id,
                    "message_id": entry.message_id,
                    "terms": " ".join(entry.terms) if is_sqlite else _timed_tsvector(entry),
                }
                for entry in entries
            ],
        )
        return set(rows.scalars())


def _timed_tsvector(entry: Entry) -> str:
    return f"{tsvector(entry.terms)} '{period_term(entry.owner_id, entry.key)}'"


def _key(at: datetime | None, id: str) -> int:
    """Milliseconds and, below them, what the id says about the order within one."""
    value = UUID(id).int
    # A UUIDv7 counts within its millisecond in the 12 bits behind the version.
    tie = (value >> 64 & 0xFFF) << 9 | value & 0x1FF
    ms = value >> 80 if at is None else int((at - _EPOCH) / timedelta(milliseconds=1))
    return min(max(ms, 0), _MAX_MS - 1) << TIE_BITS | tie


def _spread(entries: Iterable[Entry | None]) -> list[Entry]:
    """The entries, no two with one key; the later one steps aside."""
    by_key: dict[int, Entry] = {}
    for entry in entries:
        if entry is None:
            continue
        key = entry.key
        while key in by_key:
            key += 1
        by_key[key] = entry if key == entry.key else msgspec.structs.replace(entry, key=key)
    return list(by_key.values())

"""How each database is asked for the newest hits of a search."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Select, column, select, table, text
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.sql import cast

from fireside.conversation.message import UserId
from fireside.history.tables import ConversationRow, SearchEntryRow
from fireside.history.words import Kind, SearchQuery, fts5_query, owner_tag, tsquery

TIE_BITS = 21
"""Below the milliseconds of an entry's key: what tells apart entries of one millisecond."""

WINDOW_ENTRIES = 3_000
MAX_PERIODS = 64
_PERIOD_BITS = TIE_BITS + 30  # 2^30 ms: 12.4 days

Rows = Select[*tuple[Any, ...]]

_FTS = table("search_index", column("rowid"))
_FOUND = (
    SearchEntryRow.key,
    SearchEntryRow.conversation_id,
    SearchEntryRow.message_id,
    ConversationRow.title,
)


class Search(msgspec.Struct, frozen=True):
    """What is looked for."""

    owner_id: UserId
    query: SearchQuery
    kind: Kind
    archived: bool
    limit: int


class EntryWindow(msgspec.Struct, frozen=True):
    """Entries from `oldest_key` on, and the periods that hold them."""

    oldest_key: int
    periods: range


def sqlite_search(search: Search, before_key: int | None) -> Rows:
    """From the index, which gives hits newest first, as far as needed and no further."""
    match = fts5_query(search.query, owner_tag(search.owner_id, search.kind))
    statement: Rows = (
        select(*_FOUND)
        .select_from(_FTS)
        .join(SearchEntryRow, SearchEntryRow.key == _FTS.c.rowid)
        .join(ConversationRow, ConversationRow.id == SearchEntryRow.conversation_id)
        .where(text("search_index MATCH :match").bindparams(match=match), *_visible(search))
        .order_by(_FTS.c.rowid.desc())
        .limit(search.limit)
    )
    if before_key is not None:
        statement = statement.where(_FTS.c.rowid < before_key)
    return statement


def postgresql_search(
    search: Search, before_key: int | None, window: EntryWindow | None = None
) -> Rows:
    """By the GIN index, then sorted. With `window` only among those entries."""
    match = tsquery(search.query, owner_tag(search.owner_id, search.kind))
    if window is not None:
        periods = " | ".join(f"'{_period(search.owner_id, n)}'" for n in window.periods)
        match = f"({periods}) & {match}"
    hits = select(
        SearchEntryRow.key, SearchEntryRow.conversation_id, SearchEntryRow.message_id
    ).where(
        SearchEntryRow.terms.op("@@")(cast(match, TSQUERY)),
        SearchEntryRow.owner_id == search.owner_id,
    )
    if before_key is not None:
        hits = hits.where(SearchEntryRow.key < before_key)
    if window is not None:
        hits = hits.where(SearchEntryRow.key >= window.oldest_key)
    # MATERIALIZED keeps the planner from walking through everybody's entries by their key.
    found = hits.cte("hits").prefix_with("MATERIALIZED")
    return (
        select(found.c.key, found.c.conversation_id, found.c.message_id, ConversationRow.title)
        .join(ConversationRow, ConversationRow.id == found.c.conversation_id)
        .where(ConversationRow.deleted_at.is_(None), ConversationRow.archived == search.archived)
        .order_by(found.c.key.desc())
        .limit(search.limit)
    )


def newest_entries(owner_id: UserId, before_key: int | None) -> Select[int | None, int | None]:
    """The keys of an owner's newest entry and of the last one of a window's worth."""
    keys = select(SearchEntryRow.key).where(SearchEntryRow.owner_id == owner_id)
    if before_key is not None:
        keys = keys.where(SearchEntryRow.key < before_key)
    keys = keys.order_by(SearchEntryRow.key.desc()).limit(1)
    return select(
        keys.scalar_subquery(), keys.offset(WINDOW_ENTRIES).correlate(None).scalar_subquery()
    )


def entry_window(newest_key: int | None, oldest_key: int | None) -> EntryWindow | None:
    """The window between two keys; None where looking at all entries costs no more."""
    if newest_key is None or oldest_key is None:
        return None
    periods = range(oldest_key >> _PERIOD_BITS, (newest_key >> _PERIOD_BITS) + 1)
    return EntryWindow(oldest_key, periods) if len(periods) <= MAX_PERIODS else None


def period_term(owner_id: UserId, key: int) -> str:
    """The term that says in which period an entry was made; no word looks like it."""
    return _period(owner_id, key >> _PERIOD_BITS)


def _period(owner_id: UserId, number: int) -> str:
    return f"{owner_tag(owner_id, Kind.MESSAGE)}#{number}"


def _visible(search: Search) -> tuple[Any, ...]:
    return (
        SearchEntryRow.owner_id == search.owner_id,
        ConversationRow.deleted_at.is_(None),
        ConversationRow.archived == search.archived,
    )

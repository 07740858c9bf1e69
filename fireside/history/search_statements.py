"""How each database is asked for the newest hits of a search.

Written as SQL, because each uses what only it has; assembled once, for building statements anew
would cost more than finding.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import Boolean, Select, Text, TextClause, bindparam, select, text
from sqlalchemy.sql.selectable import TextualSelect

from fireside.conversation.message import UserId
from fireside.db.base import BigInt, Id
from fireside.history.tables import SearchEntryRow
from fireside.history.words import Kind, SearchQuery, fts5_query, owner_tag, tsquery

TIE_BITS = 21
"""Below the milliseconds of an entry's key: what tells apart entries of one millisecond."""

NEWEST = (1 << 63) - 1
"""Above every key."""

WINDOWS = (1_000, 8_000)
"""How many of an owner's newest entries are looked at before all are."""

MAX_PERIODS = 64
TOP_HITS = 200
"""How many hits are looked up further, so that a common word does not read every conversation."""

_PERIOD_BITS = TIE_BITS + 30  # 2^30 ms: 12.4 days

Values = dict[str, str | int | bool]
"""What a statement is given, by the names in it."""

_SQLITE = """
SELECT entry.key, entry.conversation_id, entry.message_id, conversation.title
FROM search_index
-- CROSS JOIN keeps this order: from the index, newest first, as far as needed and no further
CROSS JOIN search_entries AS entry ON entry.key = search_index.rowid
CROSS JOIN conversations AS conversation ON conversation.id = entry.conversation_id
WHERE search_index MATCH :match AND search_index.rowid < :before AND entry.owner_id = :owner
  AND conversation.deleted_at IS NULL AND conversation.archived = :archived
ORDER BY search_index.rowid DESC
LIMIT :limit
"""

# MATERIALIZED keeps the planner from walking through everybody's entries by their key.
_POSTGRESQL_STAGE = """
{name} AS MATERIALIZED (
  SELECT key, conversation_id, message_id FROM search_entries
  WHERE terms @@ CAST(:match_{number} AS tsquery) AND owner_id = :owner
    AND key < :before AND key >= :oldest_{number}
    {where_still_needed}
)"""

_POSTGRESQL = """
WITH {stages},
found AS MATERIALIZED (
  {found}
  ORDER BY key DESC LIMIT :top_hits
)
SELECT hit.key, hit.conversation_id, hit.message_id, hit.title, about.num_found, about.is_all
FROM (SELECT count(*) AS num_found, coalesce(bool_and(is_all), true) AS is_all FROM found) AS about
LEFT JOIN (
  SELECT found.key, found.conversation_id, found.message_id, conversation.title
  FROM found JOIN conversations AS conversation ON conversation.id = found.conversation_id
  WHERE conversation.deleted_at IS NULL AND conversation.archived = :archived
  ORDER BY found.key DESC LIMIT :limit
) AS hit ON true
ORDER BY hit.key DESC
"""


class Search(msgspec.Struct, frozen=True):
    """What is looked for, below which key."""

    owner_id: UserId
    query: SearchQuery
    kind: Kind
    archived: bool
    before_key: int
    limit: int


class EntryWindow(msgspec.Struct, frozen=True):
    """Entries from `oldest_key` on, and the periods that hold them."""

    oldest_key: int
    periods: range


@lru_cache(maxsize=1)
def sqlite_search() -> TextualSelect:
    """The newest hits."""
    return _typed(text(_SQLITE)).columns(key=BigInt, conversation_id=Id, message_id=Id, title=Text)


def sqlite_values(search: Search) -> Values:
    """What `sqlite_search` is given."""
    return {
        "match": fts5_query(search.query, owner_tag(search.owner_id, search.kind)),
        **_values(search),
    }


@lru_cache(maxsize=len(WINDOWS) + 1)
def postgresql_search(num_windows: int) -> TextualSelect:
    """The newest hits: among the entries of the first window; where these are too few, among those
    of the next; at last among all.

    A GIN index gives hits in no order, so a common word would have all of its hits read and
    sorted. There is always a row, if only to say how many hits were found and whether that was
    all of them.
    """
    stages, found = [], []
    earlier: list[str] = []
    for number in range(num_windows + 1):
        name = f"hits_{number}"
        is_last = number == num_windows
        # Conditions on other stages are answered once, before the index is touched.
        needed = "".join(f"AND (SELECT count(*) FROM {each}) < :limit " for each in earlier)
        stages.append(_POSTGRESQL_STAGE.format(name=name, number=number, where_still_needed=needed))
        enough = "" if is_last else f" WHERE (SELECT count(*) FROM {name}) >= :limit"
        found.append(f"SELECT *, {str(is_last).lower()} AS is_all FROM {name}{enough}")
        earlier.append(name)
    sql = _POSTGRESQL.format(stages=",".join(stages), found="\n  UNION ALL ".join(found))
    return _typed(text(sql)).columns(
        key=BigInt, conversation_id=Id, message_id=Id, title=Text, num_found=BigInt, is_all=Boolean
    )


def postgresql_values(
    search: Search, windows: list[EntryWindow], top_hits: int = TOP_HITS
) -> Values:
    """What `postgresql_search(len(windows))` is given."""
    match = tsquery(search.query, owner_tag(search.owner_id, search.kind))
    values: Values = {**_values(search), "top_hits": top_hits}
    for number, window in enumerate(windows):
        periods = " | ".join(f"'{_period(search.owner_id, each)}'" for each in window.periods)
        values[f"match_{number}"] = f"({periods}) & {match}"
        values[f"oldest_{number}"] = window.oldest_key
    values[f"match_{len(windows)}"] = match
    values[f"oldest_{len(windows)}"] = 0
    return values


@lru_cache(maxsize=1)
def newest_entries() -> Select[*tuple[Any, ...]]:
    """The keys of an owner's newest entry and of the last one of each window, below a key."""
    keys = (
        select(SearchEntryRow.key)
        .where(
            SearchEntryRow.owner_id == bindparam("owner", type_=Id),
            SearchEntryRow.key < bindparam("before", type_=BigInt()),
        )
        .order_by(SearchEntryRow.key.desc())
        .limit(1)
    )
    return select(*(keys.offset(num).scalar_subquery() for num in (0, *WINDOWS)))


def entry_windows(newest_key: int | None, *oldest_keys: int | None) -> list[EntryWindow]:
    """The windows that are worth looking at before looking at everything."""
    windows: list[EntryWindow] = []
    for oldest_key in oldest_keys:
        if newest_key is None or oldest_key is None:
            break
        periods = range(oldest_key >> _PERIOD_BITS, (newest_key >> _PERIOD_BITS) + 1)
        if len(periods) <= MAX_PERIODS:
            windows.append(EntryWindow(oldest_key, periods))
    return windows


def period_term(owner_id: UserId, key: int) -> str:
    """The term that says in which period an entry was made; no word looks like it."""
    return _period(owner_id, key >> _PERIOD_BITS)


def _period(owner_id: UserId, number: int) -> str:
    return f"{owner_tag(owner_id, Kind.MESSAGE)}#{number}"


def _values(search: Search) -> Values:
    return {
        "owner": search.owner_id,
        "archived": search.archived,
        "before": search.before_key,
        "limit": search.limit,
    }


def _typed(sql: TextClause) -> TextClause:
    return sql.bindparams(*(bindparam(name, type_=_type_of(name)) for name in sql._bindparams))


def _type_of(name: str) -> Any:
    match name.partition("_")[0]:
        case "owner":
            return Id
        case "archived":
            return Boolean()
        case "match":
            return Text()
        case _:
            return BigInt()

"""Full-text search over one's own titles and messages."""

from __future__ import annotations

from dataclasses import dataclass

from fireside.conversation.message import UserId
from fireside.db.database import ReadTransaction
from fireside.history.domain import SEARCH_PAGE_SIZE, SearchHit
from fireside.history.repository import HistoryRepository
from fireside.history.search_index import Found
from fireside.history.snippets import snippet
from fireside.history.words import Kind, SearchQuery, parse_query, searchable_text
from fireside.kit.pagination import Page, bad_cursor, decode_cursor, encode_cursor


@dataclass(frozen=True)
class Finder:
    """Titles come first, then messages; each from the newest on."""

    repository: HistoryRepository

    async def search(
        self,
        tx: ReadTransaction,
        owner_id: UserId,
        text: str,
        cursor: str | None = None,
        *,
        archived: bool = False,
    ) -> Page[SearchHit]:
        """A page of hits; none when `text` holds no word. Raises UserError for a bad cursor."""
        kind, before_key = _place(cursor)
        query = parse_query(text)
        if query is None:
            return Page([])
        found: list[tuple[Kind, Found]] = []
        for each in (Kind.TITLE, Kind.MESSAGE) if kind is Kind.TITLE else (Kind.MESSAGE,):
            entries = await self.repository.index.find(
                tx,
                owner_id,
                query,
                each,
                before_key=before_key,
                archived=archived,
                limit=SEARCH_PAGE_SIZE + 1 - len(found),
            )
            found += [(each, entry) for entry in entries]
            before_key = None
            if len(found) > SEARCH_PAGE_SIZE:
                break
        shown = found[:SEARCH_PAGE_SIZE]
        next_cursor = None
        if len(found) > SEARCH_PAGE_SIZE:
            last_kind, last = shown[-1]
            next_cursor = encode_cursor(last_kind.value, str(last.key))
        hits = await self._hits(tx, owner_id, query, [entry for _, entry in shown])
        return Page(hits, next_cursor)

    async def _hits(
        self, tx: ReadTransaction, owner_id: UserId, query: SearchQuery, found: list[Found]
    ) -> list[SearchHit]:
        ids = [entry.message_id for entry in found if entry.message_id is not None]
        messages = await self.repository.owned_messages(tx, owner_id, ids)
        hits: list[SearchHit] = []
        for entry in found:
            message = messages.get(entry.message_id) if entry.message_id is not None else None
            text = entry.title if message is None else searchable_text(message)
            hits.append(
                SearchHit(
                    conversation_id=entry.conversation_id,
                    title=entry.title,
                    message_id=entry.message_id,
                    snippet=snippet(text, query),
                    at=entry.at,
                )
            )
        return hits


def _place(cursor: str | None) -> tuple[Kind, int | None]:
    """Where a page begins: among titles or messages, and below which key."""
    if cursor is None:
        return Kind.TITLE, None
    kind, key = decode_cursor(cursor, 2)
    try:
        before_key = int(key)
        if not 0 <= before_key < 1 << 63:
            raise ValueError
        return Kind(kind), before_key
    except ValueError as error:
        raise bad_cursor() from error

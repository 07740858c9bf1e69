"""What one database takes for what a person does, with a large account in it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from statistics import quantiles

import msgspec
from sqlalchemy import insert, text

from bench.history.corpus import START, Corpus
from fireside.accounts.tables import UserRow
from fireside.conversation.message import ConversationId, UserId
from fireside.db.database import Database
from fireside.history.domain import Listing
from fireside.history.repository import HistoryRepository
from fireside.history.service import HistoryService
from fireside.kit.clock import SystemClock
from fireside.kit.ids import new_id

PER_TRANSACTION = 100
HOUR = timedelta(hours=1)


class Size(msgspec.Struct, frozen=True):
    """How much there is."""

    num_conversations: int = 10_000
    long_conversation: int = 10_000
    num_others: int = 4
    conversations_of_others: int = 1_000


class Account(msgspec.Struct, frozen=True):
    """What was filled in."""

    owner_id: UserId
    ids: list[ConversationId]
    long_id: ConversationId
    num_messages: int
    fill_s: float


class Timing(msgspec.Struct, frozen=True):
    """Milliseconds."""

    num: int
    p50_ms: float
    p99_ms: float
    max_ms: float


async def fill(database: Database, corpus: Corpus, size: Size) -> Account:
    """One large account among others."""
    history = HistoryRepository()
    owners = [UserId(new_id()) for _ in range(1 + size.num_others)]
    async with database.write() as tx:
        for owner_id in owners:
            await tx.execute(insert(UserRow).values(**_user(owner_id)))
    begun = time.perf_counter()
    spread = max(1, size.num_conversations // max(1, size.conversations_of_others))
    everybodys = [
        (owner_id, number)
        for number in range(size.num_conversations)
        for owner_id in (owners if number % spread == 0 else owners[:1])
    ]
    num_messages = 0
    ids: list[ConversationId] = []
    for start in range(0, len(everybodys), PER_TRANSACTION):
        async with database.write() as tx:
            for owner_id, number in everybodys[start : start + PER_TRANSACTION]:
                length = corpus.random.choice([2, 4, 6, 8, 12])
                conversation, line = corpus.conversation(owner_id, number, length, HOUR)
                await history.insert_conversation(tx, conversation)
                await history.insert_messages(tx, conversation.id, owner_id, line)
                await history.update_conversation(tx, owner_id, conversation.id, head=line[-1].id)
                num_messages += length
                if owner_id == owners[0]:
                    ids.append(conversation.id)
    long, line = corpus.conversation(
        owners[0], size.num_conversations, size.long_conversation, HOUR
    )
    async with database.write() as tx:
        await history.insert_conversation(tx, long)
    for start in range(0, len(line), PER_TRANSACTION):
        async with database.write() as tx:
            piece = line[start : start + PER_TRANSACTION]
            await history.insert_messages(tx, long.id, owners[0], piece)
            await history.update_conversation(tx, owners[0], long.id, head=piece[-1].id)
    if database.dialect == "postgresql":
        async with database.write() as tx:
            await tx.execute(text("ANALYZE"))  # as autovacuum does within a minute
    return Account(owners[0], ids, long.id, num_messages + len(line), time.perf_counter() - begun)


async def measure(
    database: Database, corpus: Corpus, account: Account, rounds: int
) -> dict[str, Timing]:
    """Timings of the service with its transaction and the JSON of its answer."""
    history = HistoryService(HistoryRepository(), SystemClock(), new_id)
    owner_id = account.owner_id
    timings: dict[str, Timing] = {}

    async def pages() -> None:
        cursor: str | None = None
        for _ in range(3):
            async with database.read() as tx:
                page = await history.page(tx, owner_id, Listing(), cursor)
            msgspec.json.encode(page)
            cursor = page.next_cursor

    async def first_page() -> None:
        async with database.read() as tx:
            msgspec.json.encode(await history.page(tx, owner_id, Listing()))

    async def open_one(id: ConversationId) -> None:
        async with database.read() as tx:
            msgspec.json.encode(await history.open_window(tx, owner_id, id, limit=50))

    async def look_for(query: str) -> None:
        async with database.read() as tx:
            msgspec.json.encode(await history.search(tx, owner_id, query))

    timings["list"] = await _timed([first_page] * rounds)
    timings["list, three pages"] = await _timed([pages] * rounds)
    picked = [corpus.random.choice(account.ids) for _ in range(rounds)]
    timings["open"] = await _timed([_bound(open_one, id) for id in picked])
    timings["open the long one"] = await _timed([_bound(open_one, account.long_id)] * rounds)
    queries = list(corpus.queries(max(1, rounds // 4)))
    for kind in dict.fromkeys(kind for kind, _ in queries):
        asked = [query for each, query in queries if each == kind]
        timings[f"search: {kind}"] = await _timed([_bound(look_for, query) for query in asked])
    timings["search"] = await _timed([_bound(look_for, query) for _, query in queries])
    return timings


def _bound(work: Callable[..., Awaitable[None]], *given: object) -> Callable[[], Awaitable[None]]:
    return lambda: work(*given)


async def _timed(works: list[Callable[[], Awaitable[None]]]) -> Timing:
    await works[0]()
    taken_ms: list[float] = []
    for work in works:
        begun = time.perf_counter()
        await work()
        taken_ms.append((time.perf_counter() - begun) * 1000)
    cuts = quantiles(taken_ms, n=100, method="inclusive")
    return Timing(len(taken_ms), round(cuts[49], 2), round(cuts[98], 2), round(max(taken_ms), 2))


def _user(owner_id: UserId) -> dict[str, object]:
    return {
        "id": owner_id,
        "email": f"{owner_id}@example.org",
        "name": "Somebody",
        "role": "member",
        "status": "active",
        "preferences": b"{}",
        "created_at": START,
        "updated_at": START,
    }

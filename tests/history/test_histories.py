"""R10: whatever three clients do at once, nothing they were told is stored gets lost, and no
message loses its parent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import msgspec
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import func, select

from fireside.conversation import tree
from fireside.conversation.message import (
    ConversationId,
    Message,
    MessageId,
    Role,
    Status,
    Text,
    UserId,
    text_message,
)
from fireside.conversation.tree import Conversation
from fireside.db.database import Database, connect
from fireside.db.settings import DatabaseSettings
from fireside.history.repository import HistoryRepository
from fireside.history.tables import SearchEntryRow
from fireside.history.words import Kind, parse_query
from fireside.kit.clock import FakeClock
from fireside.kit.ids import new_id

NUM_CLIENTS = 3
clients = st.integers(0, NUM_CLIENTS - 1)
picks = st.integers(0, 1_000)


@dataclass
class World:
    """A database, somebody in it, and the loop to reach it through."""

    portal: BlockingPortal
    database: Database
    owner: UserId
    history: HistoryRepository = field(default_factory=HistoryRepository)

    def do(self, work: Callable[..., Awaitable[Any]], *given: Any) -> Any:
        return self.portal.call(work, *given)


class Histories(RuleBasedStateMachine):
    """What was acknowledged, beside what is stored. Each client knows only what it has seen."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.clock = FakeClock()
        self.acknowledged: dict[MessageId, Message] = {}
        self.heads: set[MessageId | None] = {None}  # after parallel steps any of them may stand
        self.seen: list[list[MessageId]] = [[] for _ in range(NUM_CLIENTS)]
        self.title = "begun"
        self.conversation = Conversation(
            ConversationId(new_id()),
            world.owner,
            title=self.title,
            created_at=self.clock.now(),
            updated_at=self.clock.now(),
        )
        world.do(self._write, "insert_conversation", self.conversation)

    def teardown(self) -> None:
        self.world.do(self._write, "erase", self.world.owner, self.conversation.id)

    # What clients do

    @rule(client=clients)
    def reload(self, client: int) -> None:
        """A client reads the whole tree; until then it works on what it saw last."""
        self.seen[client] = sorted(self.acknowledged)

    @rule(client=clients, pick=picks)
    def send(self, client: int, pick: int) -> None:
        self._together([(client, "send", pick)])

    @rule(client=clients, pick=picks)
    def edit(self, client: int, pick: int) -> None:
        self._together([(client, "edit", pick)])

    @rule(client=clients, pick=picks)
    def regenerate(self, client: int, pick: int) -> None:
        self._together([(client, "regenerate", pick)])

    @rule(client=clients, pick=picks)
    def go_on_writing(self, client: int, pick: int) -> None:
        self._together([(client, "go_on", pick)])

    @rule(client=clients, pick=picks)
    def branch(self, client: int, pick: int) -> None:
        self._together([(client, "branch", pick)])

    @rule(client=clients, pick=picks)
    def delete(self, client: int, pick: int) -> None:
        self._together([(client, "delete", pick)])

    @rule(
        steps=st.lists(
            st.tuples(clients, st.sampled_from(["send", "edit", "regenerate", "branch"]), picks),
            min_size=2,
            max_size=NUM_CLIENTS,
            unique_by=lambda step: step[0],
        )
    )
    def at_once(self, steps: list[tuple[int, str, int]]) -> None:
        self._together(steps)

    @rule(name=st.text("abc", min_size=1, max_size=3))
    def rename(self, name: str) -> None:
        self.title = name
        self.world.do(self._change, {"title": name})

    @rule()
    def delete_and_restore(self) -> None:
        self.world.do(
            self._write, "soft_delete", self.world.owner, self.conversation.id, self.clock.now()
        )
        self.world.do(self._write, "restore", self.world.owner, self.conversation.id)

    # What must hold

    @invariant()
    def nothing_is_lost_and_no_message_is_an_orphan(self) -> None:
        stored: Conversation = self.world.do(self._load)
        assert stored.messages == self.acknowledged
        assert stored.head in self.heads
        assert stored.title == self.title
        for id in stored.messages:
            tree.path(stored, id)  # raises when a parent is missing

    @invariant()
    def windows_and_siblings_are_those_of_the_tree(self) -> None:
        stored, window, siblings = self.world.do(self._view)
        if stored.head is None:
            return
        assert tuple(window) == tree.path(stored)
        assert siblings == {m.id: tree.siblings(stored, m.id) for m in window}

    @invariant()
    def each_message_is_found_exactly_once_while_it_is_shown(self) -> None:
        shown = {
            m.id
            for m in self.acknowledged.values()
            if not m.deleted and m.status is not Status.STREAMING and m.text()
        }
        found, num_entries = self.world.do(self._found)
        assert sorted(found) == sorted(shown)
        assert num_entries == len(shown) + 1  # and the title

    # How it is done

    def _together(self, steps: list[tuple[int, str, int]]) -> None:
        """Do the steps at the same time; each client learns what it did itself."""
        works: list[tuple[Callable[[], Awaitable[Any]], MessageId | None]] = []
        for client, what, pick in steps:
            planned = getattr(self, f"_plan_{what}")(client, pick)
            if planned is not None:
                works.append(planned)

        async def all_at_once() -> None:
            async with anyio.create_task_group() as tasks:
                for work, _ in works:
                    tasks.start_soon(work)

        self.world.do(all_at_once)
        heads = {head for _, head in works if head is not None}
        if heads:
            self.heads = heads  # type: ignore[assignment]

    def _plan_send(self, client: int, pick: int) -> Any:
        parent = self._picked(client, pick)
        return self._add(client, Role.USER, parent.id if parent else None)

    def _plan_edit(self, client: int, pick: int) -> Any:
        old = self._picked(client, pick)
        return None if old is None else self._add(client, Role.USER, old.parent_id)

    def _plan_regenerate(self, client: int, pick: int) -> Any:
        old = self._picked(client, pick)
        if old is None:
            return None
        return self._add(client, Role.ASSISTANT, old.parent_id, Status.STREAMING)

    def _plan_go_on(self, client: int, pick: int) -> Any:
        """The server writes on; only one of its turns writes to a message."""
        open_ones = [m for m in self.acknowledged.values() if m.status is Status.STREAMING]
        if not open_ones:
            return None
        old = open_ones[pick % len(open_ones)]
        done = msgspec.structs.replace(
            old,
            parts=(Text(old.text() + " apple more"),),
            status=Status.COMPLETE if pick % 2 else Status.STREAMING,
            updated_at=self.clock.now(),
        )
        self.acknowledged[done.id] = done
        return lambda: self._write(
            "update_message", self.conversation.id, self.world.owner, done
        ), None

    def _plan_branch(self, client: int, pick: int) -> Any:
        chosen = self._picked(client, pick)
        if chosen is None:
            return None
        return lambda: self._change({"head": chosen.id}), chosen.id

    def _plan_delete(self, client: int, pick: int) -> Any:
        old = self._picked(client, pick)
        if old is None or old.status is Status.STREAMING:
            return None
        gone = msgspec.structs.replace(old, parts=(), deleted=True)
        self.acknowledged[gone.id] = gone
        return lambda: self._write(
            "update_message", self.conversation.id, self.world.owner, gone
        ), None

    def _picked(self, client: int, pick: int) -> Message | None:
        seen = self.seen[client]
        return self.acknowledged[seen[pick % len(seen)]] if seen else None

    def _add(
        self, client: int, role: Role, parent_id: MessageId | None, status: Status = Status.COMPLETE
    ) -> Any:
        self.clock.advance(1)
        message = text_message(
            new_id(),
            role,
            "apple",
            parent_id=parent_id,
            status=status,
            created_at=self.clock.now(),
            updated_at=self.clock.now(),
        )
        self.acknowledged[message.id] = message
        self.seen[client].append(message.id)
        return lambda: self._append(message), message.id

    async def _append(self, message: Message) -> None:
        world = self.world
        async with world.database.write() as tx:
            await world.history.insert_message(tx, self.conversation.id, world.owner, message)
            await world.history.update_conversation(
                tx, world.owner, self.conversation.id, head=message.id
            )

    async def _change(self, changes: Any) -> None:
        async with self.world.database.write() as tx:
            await self.world.history.update_conversation(
                tx, self.world.owner, self.conversation.id, **changes
            )

    async def _write(self, method: str, *given: Any) -> None:
        async with self.world.database.write() as tx:
            await getattr(self.world.history, method)(tx, *given)

    async def _load(self) -> Conversation:
        async with self.world.database.read() as tx:
            return await self.world.history.load(tx, self.world.owner, self.conversation.id)

    async def _view(self) -> tuple[Conversation, list[Message], dict[MessageId, list[MessageId]]]:
        history, id = self.world.history, self.conversation.id
        async with self.world.database.read() as tx:
            stored = await history.load(tx, self.world.owner, id)
            if stored.head is None:
                return stored, [], {}
            window = await history.path_window(tx, id, stored.head, 1_000)
            return stored, window, await history.siblings(tx, id, window)

    async def _found(self) -> tuple[list[str], int]:
        query = parse_query("apple")
        assert query is not None
        async with self.world.database.read() as tx:
            hits = await self.world.history.index.find(
                tx,
                self.world.owner,
                query,
                Kind.MESSAGE,
                before_key=None,
                archived=False,
                limit=100_000,
            )
            entries = select(func.count()).where(
                SearchEntryRow.conversation_id == self.conversation.id
            )
            num_entries = (await tx.execute(entries)).scalar_one()
        mine = [hit.message_id for hit in hits if hit.conversation_id == self.conversation.id]
        return [id for id in mine if id is not None], num_entries


@contextmanager
def world_at(url: str, new_user: Any) -> Iterator[World]:
    with start_blocking_portal() as portal:
        database = connect(url, DatabaseSettings(sqlite_synchronous="NORMAL"))
        yield World(portal, database, portal.call(new_user, database))
        portal.call(database.aclose)


def check(url: str, new_user: Any, num_histories: int, num_steps: int) -> None:
    with world_at(url, new_user) as world:
        run_state_machine_as_test(
            lambda: Histories(world),
            settings=settings(
                max_examples=num_histories,
                stateful_step_count=num_steps,
                deadline=None,
                phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
                suppress_health_check=list(HealthCheck),
            ),
        )


def test_three_clients_lose_nothing(database_url: str, new_user: Any) -> None:
    check(database_url, new_user, num_histories=15, num_steps=20)


@pytest.mark.long
@pytest.mark.timeout(0)
def test_three_clients_lose_nothing_in_fifty_thousand_histories(
    database_url: str, new_user: Any
) -> None:
    check(database_url, new_user, num_histories=25_000, num_steps=20)

"""A turn service over a real database, with an engine that is led by the hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
import pytest

from fireside.accounts.service import AccountService, SignUp, build_accounts
from fireside.accounts.settings import AccountsSettings
from fireside.billing.repository import UsageRepository
from fireside.billing.service import Meter
from fireside.billing.settings import BillingSettings
from fireside.capacity.service import Gate
from fireside.capacity.settings import CapacitySettings
from fireside.chat.feed import Feed
from fireside.chat.journal import Journal
from fireside.chat.opening import TurnOpener
from fireside.chat.ownership import Sole
from fireside.chat.repository import TurnRepository
from fireside.chat.runner import ReplyRunner
from fireside.chat.service import TurnService
from fireside.chat.settings import ChatSettings
from fireside.chat.titling import TitleWriter
from fireside.conversation.message import ConversationId, Message, MessageId, UserId
from fireside.db.database import Database
from fireside.history.repository import HistoryRepository
from fireside.kit.clock import SystemClock
from fireside.kit.ids import new_id
from fireside.kit.pubsub import Broker
from tests.fakes.allowances import no_limits
from tests.fakes.engines import SteppedEngine, catalog_of


@dataclass
class House:
    """The parts a test of turns talks to."""

    database: Database
    turns: TurnService
    history: HistoryRepository
    broker: Broker
    accounts: AccountService
    gate: Gate

    async def person(self, name: str = "ada") -> UserId:
        """A new account."""
        async with self.database.write() as tx:
            user = await self.accounts.sign_up(
                tx, SignUp(email=f"{name}@example.org", name=name, password_hash="x")
            )
        return user.id

    async def message(self, conversation_id: str, message_id: str) -> Message:
        """A message as it is stored."""
        async with self.database.read() as tx:
            return await self.history.message(
                tx, ConversationId(conversation_id), MessageId(message_id)
            )


def build_house(
    database: Database,
    engines: list[SteppedEngine],
    settings: ChatSettings,
    owners: Sole | None = None,
    broker: Broker | None = None,
) -> House:
    """A house that is not running yet; with `owners` it shares the database with others."""
    owners = owners or Sole()
    clock = SystemClock()
    accounts = build_accounts(database, AccountsSettings(), clock, new_id)
    history, turns, catalog = HistoryRepository(), TurnRepository(), catalog_of(*engines)
    meter = Meter(database, UsageRepository(), BillingSettings(), new_id)
    gate = Gate(catalog, CapacitySettings(tick_s=0.02), clock, new_id)
    broker = broker or Broker()
    feed = Feed(broker)
    journal = Journal(database, turns, clock, settings.journal_interval_s, owners)
    service = TurnService(
        database=database,
        history=history,
        turns=turns,
        opener=TurnOpener(history, turns, accounts, gate, settings, clock, new_id),
        runner=ReplyRunner(gate, no_limits(database), journal, meter, clock, settings),
        journal=journal,
        titles=TitleWriter(database, history, gate, meter, feed, clock),
        catalog=catalog,
        feed=feed,
        clock=clock,
        new_id=new_id,
        settings=settings,
        owners=owners,
        broker=broker,
    )
    return House(database, service, history, broker, accounts, gate)


@asynccontextmanager
async def living(house: House) -> AsyncIterator[House]:
    """The house while it runs; afterwards it is stopped in the middle of whatever it does."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(house.gate.run)
        await tasks.start(house.turns.run)
        yield house
        tasks.cancel_scope.cancel()


@pytest.fixture
def settings() -> ChatSettings:
    return ChatSettings(titles=False, journal_interval_s=0.01)

"""The status page: from memory, true to the queue and the engines, and never failing."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest

from fireside.capacity.incident_repository import Incident, IncidentState
from fireside.capacity.incidents import IncidentService
from fireside.capacity.minute_repository import DaySums
from fireside.capacity.minutes import MinuteRecorder
from fireside.capacity.policy import Band
from fireside.capacity.ports import CapacityView, PoolFigures
from fireside.capacity.status import (
    HouseState,
    ModelStatus,
    StatusPage,
    StatusView,
    day_status,
    judge,
)
from fireside.db.database import Database
from fireside.engine.backends.scripted import ScriptedEngine
from fireside.engine.catalog import ModelCatalog, Offer
from fireside.engine.ports import Capability, EngineModel
from fireside.errors import NotFound, UserError
from fireside.kit.clock import FakeClock
from fireside.kit.ids import new_id
from tests.capacity.conftest import Away
from tests.fakes.gates import OpenGate

LIVE = CapacityView(bottleneck="Slots.")
OPENED = Incident(
    id="i",
    title="Slow answers",
    state=IncidentState.IDENTIFIED,
    opened_at=datetime(2026, 1, 1, tzinfo=UTC),
)


def model(*, ready: bool = True) -> ModelStatus:
    return ModelStatus(name="m", title="M", ready=ready, wait_s=None)


@pytest.mark.parametrize(
    ("rung", "models", "num_waiting", "incidents", "state", "word"),
    [
        (0, [model()], 0, [], HouseState.OK, "working"),
        (0, [], 0, [], HouseState.DOWN, "No model"),
        (5, [model(ready=False)], 9, [OPENED], HouseState.DOWN, "No model"),
        (0, [model()], 1200, [], HouseState.BUSY, "1,200 wait"),
        (1, [model()], 3, [], HouseState.BUSY, "titles"),
        (1, [model(), model(ready=False)], 0, [], HouseState.DEGRADED, "does not answer"),
        (2, [model()], 0, [], HouseState.DEGRADED, "short"),
        (5, [model()], 0, [], HouseState.DEGRADED, "new accounts wait"),
        (99, [model()], 0, [], HouseState.DEGRADED, "new accounts wait"),
        (0, [model()], 0, [OPENED], HouseState.DEGRADED, "Slow answers"),
    ],
)
def test_the_state_of_the_house(
    rung: int,
    models: list[ModelStatus],
    num_waiting: int,
    incidents: list[Incident],
    state: HouseState,
    word: str,
) -> None:
    live = msgspec.structs.replace(LIVE, rung=rung)
    found, headline = judge(live, models, num_waiting, incidents)
    assert found is state
    assert word in headline


def test_a_resolved_incident_does_not_degrade_the_house() -> None:
    over = msgspec.structs.replace(OPENED, resolved_at=OPENED.opened_at)
    assert judge(LIVE, [model()], 0, [over])[0] is HouseState.OK


def test_minutes_without_any_server_count_as_down() -> None:
    sums = DaySums(served=10, refused=2, num_minutes=1400, down_s=120.0, degraded_s=300.0)
    day = day_status(date(2026, 1, 1), sums, 1440)
    assert (day.minutes_down, day.minutes_degraded) == (42, 5)
    assert day_status(date(2026, 1, 1), sums, 0).minutes_down == 2


class Page:
    """A status page over a catalogue with one model."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.db, self.clock = database, clock
        self.catalog = ModelCatalog()
        self.catalog.replace([_offer()])
        self.page = StatusPage(database, clock, self.catalog)
        self.incidents = IncidentService(clock, new_id)
        self.gate = TellingGate()

    def view(self) -> StatusView:
        return self.page.view(self.gate)

    async def open(self, title: str = "Slow", text: str = "We look into it.") -> Incident:
        async with self.db.write() as tx:
            return await self.incidents.open(tx, title, text, None)

    async def say(self, incident_id: str, text: str, state: IncidentState) -> None:
        async with self.db.write() as tx:
            await self.incidents.add(tx, incident_id, text, state, None)


class TellingGate(OpenGate):
    """A gate with a line."""

    def __init__(self) -> None:
        self.num_asked = 0

    def live(self) -> CapacityView:
        self.num_asked += 1
        pool = PoolFigures(pool="m", slots=1, waiting={Band.FREE: 3, Band.LATER: 9})
        return CapacityView(bottleneck="Slots.", pools=[pool])

    def expected_wait(self, model: str) -> float | None:
        return 7.04


def _offer() -> Offer:
    served = EngineModel("m", 1000, frozenset({Capability.CHAT}))
    return Offer(ScriptedEngine(), served, "m", "m@1", title="Model M")


async def test_incidents_are_told_to_everybody(database: Database, clock: FakeClock) -> None:
    house = Page(database, clock)
    first = await house.open()
    await house.say(first.id, "A cable.", IncidentState.IDENTIFIED)
    await house.page.refresh()
    shown = house.view()
    assert shown.state is HouseState.DEGRADED
    assert [(each.text, each.state) for each in shown.incidents[0].updates] == [
        ("We look into it.", IncidentState.INVESTIGATING),
        ("A cable.", IncidentState.IDENTIFIED),
    ]
    clock.advance(60)
    await house.say(first.id, "Mended.", IncidentState.RESOLVED)
    await house.page.refresh()
    assert house.view().incidents[0].resolved_at == clock.now()
    assert house.view().state is HouseState.BUSY
    await house.say(first.id, "Not quite.", IncidentState.MONITORING)
    await house.page.refresh()
    assert house.view().incidents[0].resolved_at is None
    await house.say(first.id, "Mended.", IncidentState.RESOLVED)
    clock.advance(91 * 86_400)
    await house.page.refresh()
    assert house.view().incidents == []


@pytest.mark.parametrize(
    ("title", "text", "param"),
    [("", "x", "title"), ("x" * 201, "x", "title"), ("x", " \x00", "text")],
)
async def test_an_incident_says_something(
    sqlite_database: Database, clock: FakeClock, title: str, text: str, param: str
) -> None:
    house = Page(sqlite_database, clock)
    with pytest.raises(UserError) as refusal:
        await house.open(title, text)
    assert refusal.value.param == param


@pytest.mark.parametrize("incident_id", ["nonsense", "01a20468-12ac-7523-bbf1-ee6b22d99d70"])
async def test_an_unknown_incident_is_not_found(
    database: Database, clock: FakeClock, incident_id: str
) -> None:
    with pytest.raises(NotFound):
        await Page(database, clock).say(incident_id, "x", IncidentState.RESOLVED)


async def test_the_page_answers_from_memory_while_the_database_is_away(
    sqlite_database: Database, clock: FakeClock
) -> None:
    away = Away(sqlite_database)
    house = Page(away, clock)
    await house.open()
    await house.page.refresh()
    away.away = True
    clock.advance(60)
    await house.page.refresh()
    shown = house.view()
    assert [each.title for each in shown.incidents] == ["Slow"]
    assert shown.waiting == {"paid": 0, "free": 3}
    assert shown.models == [ModelStatus(name="m", title="Model M", ready=True, wait_s=7.0)]
    fresh = Page(away, clock)
    await fresh.page.refresh()
    assert fresh.view().state is HouseState.BUSY


async def test_many_looks_cost_one(sqlite_database: Database, clock: FakeClock) -> None:
    house = Page(sqlite_database, clock)
    for _ in range(100):
        house.view()
    assert house.gate.num_asked == 1
    clock.advance(5)
    house.view()
    assert house.gate.num_asked == 2


async def test_ninety_days_of_history(database: Database, clock: FakeClock) -> None:
    house = Page(database, clock)
    await house.page.refresh()
    assert len(house.view().days) == 90
    assert {day.minutes_down for day in house.view().days} == {0}
    recorder = MinuteRecorder(database, clock, new_id, 100)
    recorder.note("m", Band.PAID, granted=5, refused=1)
    recorder.sample(LIVE)
    await recorder.write()
    clock.advance(2 * 86_400)  # the server was off
    recorder.note("m", Band.PAID, granted=3)
    recorder.sample(LIVE)
    await recorder.write()
    await house.page.refresh()
    days = house.view().days
    assert [day.date for day in days[-3:]] == [
        clock.now().date() - timedelta(days=back) for back in (2, 1, 0)
    ]
    assert [(day.served, day.refused) for day in days[-3:]] == [(5, 1), (0, 0), (3, 0)]
    # The last two minutes may not have been written yet.
    assert [day.minutes_down for day in days[-3:]] == [1439, 1438, 0]
    assert days[-4].minutes_down == 0  # nobody had started it yet

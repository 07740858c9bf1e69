"""The gate on a real clock: asking, waiting, giving back, going on elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import msgspec
import pytest

from fireside.accounts.domain import UserRole
from fireside.capacity.customers import Degradation, cluster_of, customer, degradation
from fireside.capacity.generation import GatedGeneration
from fireside.capacity.ladder import Rung
from fireside.capacity.leases import Interruption, Lease, Ticket, Wanted
from fireside.capacity.policy import Band, default_policy
from fireside.capacity.service import Gate
from fireside.capacity.settings import CapacitySettings
from fireside.conversation.event import Finish, StreamEvent, TextDelta, UsageReport
from fireside.conversation.message import Message, UserId
from fireside.engine.catalog import ModelCatalog, Offer
from fireside.engine.errors import GarbledReply, ModelNotFound, NoEngine
from fireside.engine.ports import Capability, ChatPrompt, GenerationRequest, JsonObject
from fireside.errors import BackendFailed, CapacityExhausted
from fireside.kit.clock import SystemClock
from fireside.kit.ids import new_id
from tests.fakes.reciting import CAN, WORDS, RecitingEngine, one_pool

ALL = "".join(WORDS)


def wanted(band: Band = Band.FREE, flow: str = "ada", **other: object) -> Wanted:
    return Wanted(model="m", band=band, flow=flow, **other)


@asynccontextmanager
async def gate_of(catalog: ModelCatalog, policy=None, **settings: object) -> AsyncIterator[Gate]:
    gate = Gate(catalog, CapacitySettings(tick_s=0.01, **settings), SystemClock(), new_id, policy)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(gate.run)
        yield gate
        tasks.cancel_scope.cancel()


def plain(lease: Lease, begun: Message | None) -> GenerationRequest:
    prompt = ChatPrompt(()) if begun is None else ChatPrompt((begun,), continue_final=True)
    return GenerationRequest(lease.route.model.name, prompt)


async def text_of(run: GatedGeneration) -> str:
    return "".join([e.text async for e in run.events() if isinstance(e, TextDelta)])


def engines_and_leases_are_free(gate: Gate) -> bool:
    running = sum(sum(pool.running.values()) for pool in gate.scheduler.pools.values())
    return not (gate.leases or gate.tickets or gate.scheduler.runs or running)


async def test_a_slot_is_granted_used_and_given_back() -> None:
    engine = RecitingEngine("a")
    async with gate_of(one_pool(engine)) as gate:
        run = GatedGeneration(gate, wanted(), plain, salt="s")
        assert await text_of(run) == ALL
        assert engines_and_leases_are_free(gate)
        assert (run.route is not None, run.num_runs, run.engine_s > 0) == (True, 1, True)
        assert (engine.requests[0].priority, engine.requests[0].cache_salt) == (10, "s")


async def test_whoever_finds_no_slot_waits_and_is_told_the_place() -> None:
    async with gate_of(one_pool(RecitingEngine("a"), slots=1)) as gate:
        first = await gate.ask(wanted()).lease()
        gate.scheduler.pools["m"].service_s = 0.1  # as if many had been served
        places: list[int] = []
        second, third = gate.ask(wanted(flow="bob")), gate.ask(wanted(flow="eve"))
        for ticket in (second, third):
            assert ticket.place is not None
            places.append(ticket.place.place)
        assert places == [1, 2]
        first.close()
        lease = await second.lease()
        assert lease.waited_s >= 0
        lease.close()
        (await third.lease()).close()
        assert engines_and_leases_are_free(gate)


async def test_a_waiter_that_is_cancelled_gives_up_its_place() -> None:
    async with gate_of(one_pool(RecitingEngine("a"), slots=1)) as gate:
        first = await gate.ask(wanted()).lease()
        ticket = gate.ask(wanted(flow="bob"))
        with anyio.move_on_after(0.02):
            await ticket.lease()
        assert not gate.tickets and not gate.scheduler.waits
        first.close()
        first.close()
        assert engines_and_leases_are_free(gate)


async def test_a_lease_that_was_granted_to_nobody_is_given_back() -> None:
    async with gate_of(one_pool(RecitingEngine("a"), slots=1)) as gate:
        ticket = gate.ask(wanted())
        ticket.cancel()
        assert engines_and_leases_are_free(gate)


async def test_an_unknown_model_and_no_engine_for_good_are_said_at_once() -> None:
    async with gate_of(one_pool(RecitingEngine("a"))) as gate:
        with pytest.raises(ModelNotFound):
            gate.ask(msgspec.structs.replace(wanted(), model="nope"))
    catalog = ModelCatalog()
    catalog.replace([], excuse=NoEngine("None is set up.", retryable=False))
    async with gate_of(catalog) as gate:
        with pytest.raises(NoEngine):
            gate.ask(msgspec.structs.replace(wanted(), model=None))


async def test_an_engine_that_comes_back_serves_those_who_waited_for_it() -> None:
    catalog, engine = ModelCatalog(), RecitingEngine("a")
    async with gate_of(catalog) as gate:
        ticket = gate.ask(msgspec.structs.replace(wanted(), model=None))
        assert ticket.place is not None and ticket.place.wait is None
        catalog.replace([Offer(engine, engine.model, "m", "m@1", slots=1)])
        with anyio.fail_after(2):
            lease = await ticket.lease()
        assert lease.route.engine is engine
        lease.close()


async def test_who_waits_for_an_engine_in_vain_is_told_so_and_when_to_come_back() -> None:
    policy = default_policy()
    bands = dict(policy.bands)
    bands[Band.FREE] = msgspec.structs.replace(bands[Band.FREE], patience_s=0.05)
    policy = msgspec.structs.replace(policy, bands=bands)
    async with gate_of(ModelCatalog(), policy) as gate:
        with pytest.raises(BackendFailed) as e, anyio.fail_after(2):
            await gate.ask(msgspec.structs.replace(wanted(), model=None)).lease()
        assert (e.value.code, e.value.retryable) == ("no_engine", True)
        assert (e.value.retry_after_s or 0) >= 1


async def test_too_long_a_line_is_refused_at_once() -> None:
    async with gate_of(one_pool(RecitingEngine("a"), slots=1)) as gate:
        first = await gate.ask(wanted()).lease()
        tickets = [gate.ask(wanted(flow=str(n))) for n in range(30)]
        refused = [each for each in tickets if each.refused is not None]
        assert refused and len(refused) < 30
        with pytest.raises(CapacityExhausted) as e:
            await refused[0].lease()
        assert e.value.code.startswith("capacity_")
        assert (e.value.retry_after_s or 0) >= 1
        first.close()


async def test_a_durable_turn_waits_for_later_instead_of_being_refused() -> None:
    policy = default_policy()
    bands = dict(policy.bands)
    bands[Band.FREE] = msgspec.structs.replace(bands[Band.FREE], patience_s=0.05)
    async with gate_of(
        one_pool(RecitingEngine("a"), slots=1), msgspec.structs.replace(policy, bands=bands)
    ) as gate:
        first = await gate.ask(wanted()).lease()
        ticket = gate.ask(wanted(flow="bob", durable=True))
        await anyio.sleep(0.15)
        assert ticket.ask.band is Band.LATER
        assert ticket.later_since is not None
        first.close()
        with anyio.fail_after(2):
            (await ticket.lease()).close()


async def test_background_work_gives_way_at_once() -> None:
    engine = RecitingEngine("a", pause_s=0.01)
    async with gate_of(one_pool(engine, slots=1)) as gate, anyio.create_task_group() as tasks:
        given_way = []

        async def title() -> None:
            try:
                await text_of(GatedGeneration(gate, wanted(Band.BACKGROUND), plain))
            except CapacityExhausted as error:
                given_way.append(error.code)

        tasks.start_soon(title)
        await anyio.sleep(0.05)
        with anyio.fail_after(2):
            assert await text_of(GatedGeneration(gate, wanted(Band.PAID), plain)) == ALL
        assert given_way == ["preempted"]
        assert engine.num_running == 0


@pytest.mark.parametrize("breaks_at", [0, 1, 13, 29])
@pytest.mark.parametrize(
    "error",
    [
        BackendFailed("engine_unreachable", "Gone.", retryable=True),
        GarbledReply("a", "sent nonsense"),
    ],
)
async def test_a_reply_goes_on_elsewhere_word_for_word(breaks_at: int, error: Exception) -> None:
    first, second = RecitingEngine("a"), RecitingEngine("b")
    first.breaks_at, first.error = breaks_at, error
    async with gate_of(one_pool(first, second)) as gate:
        run = GatedGeneration(gate, wanted(), plain)
        events: list[StreamEvent] = [event async for event in run.events()]
        assert "".join(e.text for e in events if isinstance(e, TextDelta)) == ALL
        usage = [e.usage for e in events if isinstance(e, UsageReport)][-1]
        assert (usage.prompt_tokens, usage.completion_tokens) == (10, len(WORDS))
        assert isinstance(events[-1], Finish)
        assert run.route is not None and run.route.engine is second
        assert engines_and_leases_are_free(gate)


async def test_a_stalled_engine_is_left_and_the_reply_goes_on() -> None:
    first, second = RecitingEngine("a"), RecitingEngine("b")
    first.breaks_at = 20
    async with gate_of(one_pool(first, second)) as gate, anyio.create_task_group() as tasks:
        run, said = GatedGeneration(gate, wanted(), plain), []

        async def read() -> None:
            said.append(await text_of(run))

        tasks.start_soon(read)
        await anyio.sleep(0.1)
        [lease] = gate.leases.values()
        assert lease.num_tokens == 20
        lease.interrupt(Interruption.STALLED)
        with anyio.fail_after(2):
            while not said:
                await anyio.sleep(0.01)
        assert said == [ALL]
        assert first.num_running == 0
        assert engines_and_leases_are_free(gate)


async def test_a_single_engine_that_was_restarted_goes_on_with_its_own_words() -> None:
    engine = RecitingEngine("a")
    engine.breaks_at, engine.error = 12, BackendFailed("engine_died", "Gone.", retryable=True)
    async with gate_of(one_pool(engine)) as gate:
        assert await text_of(GatedGeneration(gate, wanted(), plain)) == ALL


@pytest.mark.parametrize("code", ["engine_unreachable", "engine_garbled"])
@pytest.mark.parametrize("durable", [True, False])
async def test_an_engine_that_fails_before_its_first_word_is_waited_for(
    durable: bool, code: str
) -> None:
    engine = RecitingEngine("a")
    engine.breaks_at, engine.error = 0, BackendFailed(code, "x", retryable=True)
    failed = []
    async with gate_of(one_pool(engine)) as gate:
        gate.on_engine_failed = failed.append
        run = GatedGeneration(gate, wanted(durable=durable), plain)
        if durable or code == "engine_unreachable":
            assert await text_of(run) == ALL
        else:
            with pytest.raises(BackendFailed):
                await text_of(run)
        assert failed == ["a"]
        assert engines_and_leases_are_free(gate)


async def test_a_paid_turn_stands_in_line_where_a_free_one_is_served_later() -> None:
    async with gate_of(one_pool(RecitingEngine("a"), slots=1)) as gate:
        first = await gate.ask(wanted()).lease()
        gate.scheduler.pools["m"].offered_s[Band.FREE] = 50.0  # far above what there is
        paid = gate.ask(wanted(Band.PAID, "ann", durable=True, is_paid=True))
        free = gate.ask(wanted(Band.FREE, "ben", durable=True))
        assert (paid.ask.band, free.ask.band) == (Band.PAID, Band.LATER)
        first.close()
        (await paid.lease()).close()
        (await free.lease()).close()
        assert engines_and_leases_are_free(gate)


@pytest.mark.parametrize("why", ["cannot_continue", "schema", "not_retryable"])
async def test_what_cannot_be_continued_rightly_is_not(why: str) -> None:
    can = CAN - {Capability.CONTINUE} if why == "cannot_continue" else CAN
    first, second = RecitingEngine("a", can=can), RecitingEngine("b", can=can)
    first.breaks_at = 5
    first.error = BackendFailed("engine_died", "Gone.", retryable=why != "not_retryable")

    def build(lease: Lease, _begun: Message | None) -> GenerationRequest:
        return GenerationRequest(
            lease.route.model.name, ChatPrompt((), response_format=JsonObject())
        )

    async with gate_of(one_pool(first, second)) as gate:
        run = GatedGeneration(
            gate,
            wanted(),
            build if why == "schema" else plain,
            may_continue=why != "schema",
        )
        with pytest.raises(BackendFailed):
            await text_of(run)
        assert not second.requests
        assert engines_and_leases_are_free(gate)


async def test_a_reader_that_leaves_frees_its_slot_at_once() -> None:
    engine = RecitingEngine("a", pause_s=0.01)
    async with gate_of(one_pool(engine, slots=1)) as gate:
        with anyio.move_on_after(0.05):
            await text_of(GatedGeneration(gate, wanted(), plain))
        assert engines_and_leases_are_free(gate)
        assert engine.num_running == 0


async def test_with_the_gate_off_everything_goes_to_the_engine() -> None:
    engine = RecitingEngine("a")
    async with gate_of(one_pool(engine, slots=1), enabled=False) as gate:
        leases = [await gate.ask(wanted(flow=str(n))).lease() for n in range(10)]
        assert len(leases) == 10
        assert await text_of(GatedGeneration(gate, wanted(), plain)) == ALL


async def test_another_model_can_be_chosen_while_waiting() -> None:
    big, small = RecitingEngine("a"), RecitingEngine("b")
    catalog = ModelCatalog()
    catalog.replace([
        Offer(big, big.model, "big", "big@1", rank=0, slots=1),
        Offer(small, small.model, "small", "small@1", rank=1, slots=1),
    ])
    async with gate_of(catalog) as gate:
        first = await gate.ask(Wanted(model="big", band=Band.FREE, flow="x")).lease()
        ticket: Ticket = gate.ask(Wanted(model="big", band=Band.FREE, flow="y"))
        [(model, wait)] = gate.choices(ticket)
        assert (model.name, wait.likely_s) == ("small", 0.0)
        gate.elsewhere(ticket, "small")
        lease = await ticket.lease()
        assert lease.route.engine is small
        with pytest.raises(ModelNotFound):
            gate.elsewhere(ticket, "nope")
        lease.close()
        first.close()
        assert engines_and_leases_are_free(gate)


def test_who_is_asking_decides_the_band_and_what_is_given_up_first() -> None:
    policy = msgspec.structs.replace(default_policy(), small_model="small")
    free = customer(policy, UserId("u"), "", UserRole.MEMBER)
    admin = customer(policy, UserId("u"), "", UserRole.ADMIN)
    gone = customer(policy, UserId("u"), "a-plan-that-is-no-more", UserRole.MEMBER)
    plus = customer(policy, UserId("u"), "plus", UserRole.MEMBER)
    assert [each.plan for each in (free, admin, gone, plus)] == ["free", "team", "free", "plus"]
    assert [each.rules.band for each in (free, plus)] == [Band.FREE, Band.PAID]
    assert degradation(policy, free, Rung.NO_EXTRAS, small_ready=True) is None
    assert degradation(policy, plus, Rung.SIGN_UPS_WAIT, small_ready=True) is None
    shorter = degradation(policy, free, Rung.SHORTER, small_ready=True)
    assert isinstance(shorter, Degradation) and shorter.max_tokens == 400
    smaller = degradation(policy, free, Rung.SMALL_MODEL, small_ready=True)
    assert smaller is not None and smaller.model == "small"
    assert free.salt == plus.salt != customer(policy, UserId("v"), "", UserRole.MEMBER).salt


def test_fresh_accounts_of_one_network_share_like_one_person() -> None:
    policy = default_policy()
    clock = SystemClock()
    now_s = clock.now().timestamp()
    ann, ben = UserId(new_id()), UserId(new_id())
    shared = cluster_of(policy, ann, "203.0.113.0/24", now_s)
    assert shared == cluster_of(policy, ben, "203.0.113.0/24", now_s) != ""
    assert cluster_of(policy, ann, "", now_s) == ""
    assert cluster_of(policy, ann, "203.0.113.0/24", now_s + 4 * 86_400) == ""
    fresh = customer(policy, ann, "", UserRole.MEMBER, shared)
    assert fresh.wants("m", prompt_tokens=1).flow == shared
    paying = customer(policy, ann, "plus", UserRole.MEMBER, shared)
    assert paying.wants("m", prompt_tokens=1).flow == ann

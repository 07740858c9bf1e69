"""Our client in front of a real vLLM: `make test-vllm`.

Two servers run the bundled 135 M model on the processor: the first as a fleet should be run (by
priority, two sequences at once, adapters), the second as vLLM starts by default.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from itertools import takewhile

import anyio
import msgspec
import pytest

from fireside.capacity.generation import GatedGeneration
from fireside.capacity.leases import Lease, Wanted
from fireside.capacity.policy import Band
from fireside.capacity.service import Gate
from fireside.capacity.settings import CapacitySettings
from fireside.conversation.event import Finish, StreamEvent, TextDelta, UsageReport
from fireside.conversation.message import (
    Message,
    Role,
    Usage,
    text_message,
)
from fireside.engine.backends.openai_compatible import OpenAICompatibleEngine
from fireside.engine.catalog import ModelCatalog, Offer
from fireside.engine.ports import ChatPrompt, GenerationRequest, Sampling, TextPrompt
from fireside.engine.settings import EngineSettings
from fireside.errors import CapacityExhausted
from fireside.kit.clock import SystemClock
from fireside.kit.ids import new_id
from tests.engine.vllm_server import ADAPTER, MODEL, NAME, PYTHON, ROOT, VllmServer, servers

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not (PYTHON.exists() and MODEL.exists()),
        reason="vLLM is not built here: `make test-vllm` does it (3.7 GB)",
    ),
]

FLEET = (
    "--scheduling-policy=priority",
    "--max-num-seqs=2",
    "--max-num-queued-reqs=4",  # those that are written are counted too
    "--enable-lora",
    "--max-lora-rank=8",
)
RESULTS = ROOT / "bench" / "results" / "vllm_cpu.json"
STORY = " ".join(f"{number} bottles stand on the wall." for number in range(60))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[VllmServer]]:
    with servers(tmp_path_factory.mktemp("vllm"), FLEET, ()) as started:
        yield started


Figures = dict[str, float]


@pytest.fixture(scope="module")
def figures(both: list[VllmServer]) -> Iterator[Figures]:
    """What was measured; kept in bench/results when every test of this file was run."""
    found: Figures = {"start_s": round(max(each.ready_after_s for each in both), 1)}
    yield found
    if "failover_s" in found and "tokens_per_s_alone" in found:
        RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")


@pytest.fixture
async def fleet(both: list[VllmServer]) -> AsyncIterator[OpenAICompatibleEngine]:
    engine = OpenAICompatibleEngine("fleet", both[0].url, EngineSettings())
    await engine.models()
    yield engine
    await engine.aclose()


@pytest.fixture
async def plain(both: list[VllmServer]) -> AsyncIterator[OpenAICompatibleEngine]:
    engine = OpenAICompatibleEngine("plain", both[1].url, EngineSettings(max_attempts=1))
    await engine.models()
    yield engine
    await engine.aclose()


def ask(
    prompt: str, max_tokens: int, *, model: str = NAME, priority: int = 0, salt: str = ""
) -> GenerationRequest:
    # vLLM would stop at the end of a text; a prompt that goes on for ever keeps it busy.
    return GenerationRequest(
        model,
        TextPrompt(prompt),
        Sampling(max_tokens=max_tokens, temperature=0.0, logit_bias={"2": -100.0, "0": -100.0}),
        priority=priority,
        cache_salt=salt,
    )


async def collect(engine: OpenAICompatibleEngine, request: GenerationRequest) -> list[StreamEvent]:
    async with aclosing(engine.generate(request)) as events:
        return [event async for event in events]


def text_of(events: list[StreamEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def usage_of(events: list[StreamEvent]) -> Usage:
    return next(event.usage for event in events if isinstance(event, UsageReport))


async def until(condition: Callable[[], bool], seconds: float = 30.0) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds
        await anyio.sleep(0.1)
    return time.monotonic() - began


async def test_a_reply_streams_and_is_counted(
    fleet: OpenAICompatibleEngine, figures: Figures
) -> None:
    request = GenerationRequest(
        NAME,
        ChatPrompt((text_message("1", Role.USER, "Name three colours."),)),
        Sampling(max_tokens=24, temperature=0.0),
    )
    began = time.monotonic()
    events = await collect(fleet, request)
    took_s = time.monotonic() - began
    num_deltas = sum(isinstance(event, TextDelta) for event in events)
    assert isinstance(events[-1], Finish)
    assert 3 <= num_deltas <= 24
    usage = usage_of(events)
    assert usage.completion_tokens >= num_deltas
    figures["tokens_per_s_alone"] = round(usage.completion_tokens / took_s, 1)


async def test_the_context_window_is_that_of_the_server(fleet: OpenAICompatibleEngine) -> None:
    (model,) = await fleet.models()
    assert (model.name, model.context_tokens, model.base) == (NAME, 2048, "")


async def test_the_more_urgent_request_starts_first(fleet: OpenAICompatibleEngine) -> None:
    """Both slots are taken; of the two that wait, the one that came last is the more urgent."""
    started: list[str] = []

    async def run(name: str, max_tokens: int, priority: int) -> None:
        request = ask(f"{name}: 1 2 3", max_tokens, priority=priority)
        async with aclosing(fleet.generate(request)) as events:
            async for event in events:
                if isinstance(event, TextDelta) and name not in started:
                    started.append(name)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, "first", 120, 0)
        tasks.start_soon(run, "second", 120, 0)
        while len(started) < 2:
            await anyio.sleep(0.02)
        tasks.start_soon(run, "background", 2, 10)
        with anyio.fail_after(10):
            while (load := await fleet.load()) is None or not load.waiting:
                await anyio.sleep(0.05)
        assert (load.running, load.waiting) == (2, 1)
        tasks.start_soon(run, "urgent", 2, 1)
    assert started[2:] == ["urgent", "background"]


async def test_by_default_vllm_takes_a_priority_and_ignores_it(
    plain: OpenAICompatibleEngine,
) -> None:
    assert text_of(await collect(plain, ask("1 2 3", 3, priority=7)))


async def test_tenants_share_nothing_in_the_prefix_cache(
    fleet: OpenAICompatibleEngine, figures: Figures
) -> None:
    async def rate(salt: str) -> tuple[float | None, int]:
        await fleet.load()
        usage = usage_of(await collect(fleet, ask(STORY, 2, salt=salt)))
        load = await fleet.load()
        assert load is not None
        return load.prefix_hit_rate, usage.cached_tokens

    assert await rate("tenant-a") == (0.0, 0)
    again, cached = await rate("tenant-a")
    assert again is not None
    assert again > 0.5
    assert cached > 100
    assert await rate("tenant-b") == (0.0, 0)
    assert (await rate(""))[0] == 0.0
    figures["prefix_hit_rate_same_salt"] = round(again, 3)
    figures["prefix_hit_rate_other_salt"] = 0.0


async def test_leaving_frees_the_sequence(
    fleet: OpenAICompatibleEngine, both: list[VllmServer], figures: Figures
) -> None:
    async with aclosing(fleet.generate(ask("1 2 3 4", 1500))) as events:
        num_deltas = 0
        async for event in events:
            num_deltas += isinstance(event, TextDelta)
            if num_deltas == 5:
                await until(lambda: both[0].metric("vllm:num_requests_running{") == 1)
                break
    took_s = await until(lambda: both[0].metric("vllm:num_requests_running{") == 0, 10.0)
    written = both[0].metric("vllm:generation_tokens_total{")
    await anyio.sleep(1.0)
    # Its own count of aborted requests stays at 0: those that leave are not counted at all.
    assert both[0].metric("vllm:generation_tokens_total{") == written < 1500
    figures["freed_after_leaving_s"] = round(took_s, 2)


async def test_leaving_while_waiting_frees_the_place(
    fleet: OpenAICompatibleEngine, both: list[VllmServer]
) -> None:
    async with anyio.create_task_group() as tasks:
        for number in range(3):
            tasks.start_soon(collect, fleet, ask(f"{number} 1 2 3 4", 1500))
        await until(lambda: both[0].metric("vllm:num_requests_waiting{") == 1)
        tasks.cancel_scope.cancel()
    await until(lambda: both[0].metric("vllm:num_requests_waiting{") == 0, 10.0)
    await until(lambda: both[0].metric("vllm:num_requests_running{") == 0, 10.0)


async def test_a_full_queue_is_told_at_once(
    fleet: OpenAICompatibleEngine, both: list[VllmServer]
) -> None:
    async with anyio.create_task_group() as tasks:
        for number in range(4):
            tasks.start_soon(collect, fleet, ask(f"{number} 1 2 3 4", 1500))
        await until(lambda: both[0].metric("vllm:num_requests_waiting{") == 2)
        with anyio.fail_after(2), pytest.raises(CapacityExhausted):
            await collect(fleet, ask("1 2 3", 1))
        tasks.cancel_scope.cancel()
    await until(lambda: both[0].metric("vllm:num_requests_running{") == 0, 10.0)


async def test_an_adapter_comes_answers_and_goes(
    fleet: OpenAICompatibleEngine, both: list[VllmServer]
) -> None:
    server = both[0]
    adapter = {"lora_name": "tuned", "lora_path": str(ADAPTER)}
    assert await anyio.to_thread.run_sync(server.post, "load_lora_adapter", adapter) == 200
    models = {each.name: each for each in await fleet.models()}
    assert (models["tuned"].base, models["tuned"].context_tokens) == (NAME, 2048)
    prompt = "The capital of France is"
    tuned = text_of(await collect(fleet, ask(prompt, 16, model="tuned")))
    base = text_of(await collect(fleet, ask(prompt, 16)))
    assert tuned != base
    assert await anyio.to_thread.run_sync(server.post, "unload_lora_adapter", adapter) == 200
    assert [each.name for each in await fleet.models()] == [NAME]


async def test_the_gate_goes_on_elsewhere_when_an_engine_dies(
    fleet: OpenAICompatibleEngine,
    plain: OpenAICompatibleEngine,
    both: list[VllmServer],
    figures: Figures,
) -> None:
    """Last in this file: it kills one of the servers."""
    question = text_message("1", Role.USER, "Count from one to thirty in words.")
    asked = GenerationRequest(
        NAME, ChatPrompt((question,)), Sampling(max_tokens=60, temperature=0.0)
    )
    undisturbed = text_of(await collect(fleet, asked))

    def build(lease: Lease, begun: Message | None) -> GenerationRequest:
        path = (question,) if begun is None else (question, begun)
        prompt = ChatPrompt(path, continue_final=begun is not None)
        return msgspec.structs.replace(asked, prompt=prompt)

    catalog = ModelCatalog()
    offered = [(engine, (await engine.models())[0]) for engine in (plain, fleet)]
    catalog.replace(
        Offer(engine, model, NAME, f"{NAME}@{engine.name}", rank=rank, slots=2)
        for rank, (engine, model) in enumerate(offered)
    )
    gate = Gate(catalog, CapacitySettings(tick_s=0.05), SystemClock(), new_id)
    run = GatedGeneration(gate, Wanted(model=NAME, band=Band.PAID, flow="ada"), build, salt="ada")
    events: list[StreamEvent] = []
    died_s, survivor, left = 0.0, fleet, both[0]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(gate.run)
        async for event in run.events():
            if run.num_runs == 2 and "failover_s" not in figures and isinstance(event, TextDelta):
                figures["failover_s"] = round(time.monotonic() - died_s, 2)
            events.append(event)
            if not died_s and sum(isinstance(each, TextDelta) for each in events) == 8:
                assert run.route is not None
                if run.route.engine is fleet:
                    survivor, left = plain, both[1]
                next(each for each in both if each is not left).kill()
                died_s = time.monotonic()
        tasks.cancel_scope.cancel()
    assert run.num_runs == 2
    assert run.route.engine is survivor
    assert isinstance(events[-1], Finish)
    assert sum(isinstance(event, UsageReport) for event in events) == 1, "billed once"
    # Near ties may fall either way on another engine; what was said before it died stands.
    assert text_of(events)[:20] == undisturbed[:20]
    pairs = zip(text_of(events), undisturbed, strict=False)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    figures["failover_same_as_undisturbed"] = round(same / len(undisturbed), 2)
    assert left.metric("vllm:num_requests_running{") == 0

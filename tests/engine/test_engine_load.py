"""What servers state about their load: read in part, never believed blindly."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import msgspec
import pytest

from fireside.conversation.message import Role, text_message
from fireside.db.database import Database
from fireside.engine.backends.openai_compatible import OpenAICompatibleEngine
from fireside.engine.backends.openai_listing import decode_listing, models_of
from fireside.engine.backends.openai_load import Figures, hit_rate, slots_load
from fireside.engine.backends.openai_request import Flavour, call_for
from fireside.engine.backends.scripted import Garble, Refuse, Say, ScriptedEngine, Step
from fireside.engine.backends.scripted_server import ScriptedServer
from fireside.engine.ports import (
    ChatPrompt,
    EngineLoad,
    GenerationRequest,
    TextPrompt,
)
from fireside.engine.service import NewEngine, build_engines
from fireside.engine.settings import EngineSettings
from fireside.errors import CapacityExhausted
from fireside.kit.clock import SystemClock
from fireside.kit.ids import new_id
from fireside.kit.pubsub import Broker

VLLM = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="a } b"} 3.0
vllm:num_requests_running{engine="1",model_name="a } b"} 2.0
vllm:num_requests_waiting{engine="0",model_name="a"} 7.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="a",reason="capacity"} 7.0
vllm:kv_cache_usage_perc{engine="0",model_name="a"} 0.25
vllm:kv_cache_usage_perc{engine="1",model_name="a"} 0.75
vllm:prefix_cache_queries_total{engine="0",model_name="a"} 2686.0
vllm:prefix_cache_hits_total{engine="0",model_name="a"} 768.0
"""
SGLANG = """\
sglang:num_running_reqs{model_name="m"} 8
sglang:num_queue_reqs{model_name="m"} 4
sglang:token_usage{model_name="m"} 0.52
"""
ASK = GenerationRequest(
    "scripted",
    ChatPrompt((text_message("1", Role.USER, "one two"),)),
    priority=5,
    cache_salt="tenant",
)
OLLAMA_BUSY = "server busy, please try again.  maximum pending requests exceeded"
REFUSED = "Got priority 5 but Priority scheduling is not enabled."


@asynccontextmanager
async def engine_at(
    owner: str, *steps: Step
) -> AsyncIterator[tuple[OpenAICompatibleEngine, ScriptedServer]]:
    server = ScriptedServer(ScriptedEngine(), owner=owner)
    if steps:
        server.engine.queue(*steps)
    async with server.serving() as url:
        engine = OpenAICompatibleEngine("gpu-1", url, EngineSettings())
        yield engine, server
        await engine.aclose()


def bodies(server: ScriptedServer) -> list[dict[str, object]]:
    return [msgspec.json.decode(each.body) for each in server.received if each.body]


async def said(engine: OpenAICompatibleEngine, request: GenerationRequest = ASK) -> None:
    async for _ in engine.generate(request):
        pass


async def test_vllm_states_its_load_and_the_hit_rate_is_that_of_the_last_while() -> None:
    async with engine_at("vllm") as (engine, server):
        assert await engine.load() == EngineLoad(), "nothing is asked before its kind is known"
        await engine.models()
        server.pages["/metrics"] = VLLM
        first = await engine.load()
        assert first == EngineLoad(running=5, waiting=7, kv_used=0.75, prefix_hit_rate=768 / 2686)
        assert await engine.load() == msgspec.structs.replace(first, prefix_hit_rate=None)
        server.pages["/metrics"] = VLLM.replace("2686", "2786").replace("768.0", "818.0")
        third = await engine.load()
        assert third is not None
        assert third.prefix_hit_rate == pytest.approx(0.5)


async def test_sglang_and_a_server_without_metrics() -> None:
    async with engine_at("sglang") as (engine, server):
        await engine.models()
        assert await engine.load() == EngineLoad()
        server.pages["/metrics"] = SGLANG
        assert await engine.load() == EngineLoad(running=8, waiting=4, kv_used=0.52)


async def test_llama_cpp_states_its_slots() -> None:
    async with engine_at("llamacpp") as (engine, server):
        await engine.models()
        server.pages["/slots"] = '[{"id":0,"is_processing":true,"prompt":"x"},{"id":1}]'
        assert await engine.load() == EngineLoad(slots=2, running=1)


async def test_nobody_asks_a_hosted_provider() -> None:
    async with engine_at("openai") as (engine, server):
        await engine.models()
        assert await engine.load() == EngineLoad()
        assert [each.path for each in server.received] == ["/v1/models"]


async def test_a_server_that_is_gone_states_nothing() -> None:
    async with engine_at("vllm") as (engine, _):
        await engine.models()
    assert await engine.load() is None


@pytest.mark.parametrize(
    "lie",
    [
        "",
        "vllm:num_requests_running",
        "vllm:num_requests_running{",
        "vllm:num_requests_running} {",
        'vllm:num_requests_running{a="b"} NaN',
        'vllm:num_requests_running{a="b"} -4',
        'vllm:num_requests_running{a="b"} +Inf',
        "vllm:num_requests_running many",
        "\udcff" * 9,
        "<html>" * 1000,
    ],
)
async def test_nonsense_is_not_a_figure(lie: str) -> None:
    async with engine_at("vllm") as (engine, server):
        await engine.models()
        server.pages["/metrics"] = lie.encode("utf-8", "replace").decode() or " "
        assert await engine.load() == EngineLoad()


async def test_figures_are_capped() -> None:
    async with engine_at("vllm") as (engine, server):
        await engine.models()
        server.pages["/metrics"] = (
            "vllm:num_requests_running 1e308\nvllm:num_requests_running 1e308\n"
            "vllm:kv_cache_usage_perc 99\n"
            "vllm:prefix_cache_queries_total 10\nvllm:prefix_cache_hits_total 70\n"
        )
        assert await engine.load() == EngineLoad(
            running=1_000_000, kv_used=1.0, prefix_hit_rate=1.0
        )


async def test_metrics_without_end_are_not_read_to_the_end() -> None:
    async with engine_at("vllm") as (engine, server):
        await engine.models()
        server.pages["/metrics"] = "x" * (5 * 1024 * 1024)
        assert await engine.load() is None


def test_a_restarted_server_counts_from_nothing() -> None:
    before, now = Figures(asked=1000.0, found=900.0), Figures(asked=10.0, found=5.0)
    assert hit_rate(before, now) == 0.5
    assert hit_rate(before, Figures()) is None


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"[1]", b"[" * 5000, b'{"error":{}}'])
def test_slots_that_are_none(body: bytes) -> None:
    assert slots_load(body) == EngineLoad()


def test_priority_and_salt_go_to_those_who_know_them() -> None:
    text = msgspec.structs.replace(ASK, prompt=TextPrompt("a"))
    for request in (ASK, text):
        sent = {
            flavour: msgspec.json.decode(call_for(request, flavour).body) for flavour in Flavour
        }
        assert {name for name, body in sent.items() if "priority" in body} == {Flavour.VLLM}
        salted = {name for name, body in sent.items() if body.get("cache_salt") == "tenant"}
        assert salted == {Flavour.VLLM, Flavour.SGLANG}
        assert not any("cache_salt" in sent[name] for name in set(Flavour) - salted)
        assert sent[Flavour.VLLM]["priority"] == 5
    plain = msgspec.json.decode(call_for(GenerationRequest("m", text.prompt), Flavour.VLLM).body)
    assert not {"priority", "cache_salt"} & set(plain), "vLLM refuses an empty salt"


@pytest.mark.parametrize(
    "refusal",
    [
        Refuse(400, "BadRequestError", REFUSED),
        Garble(f'data: {{"error": {{"message": "{REFUSED}", "code": 400}}}}\n\ndata: [DONE]\n\n'),
    ],
)
async def test_a_server_that_will_have_no_priority_is_asked_again_without(refusal: Step) -> None:
    async with engine_at("vllm", refusal) as (engine, server):
        server.engine.queue(Say("Hello"))
        await said(engine)
        await said(engine)
        first, second, third = bodies(server)
        assert first["priority"] == 5
        assert "priority" not in second
        assert "priority" not in third, "it is not tried again at once"
        assert second["cache_salt"] == "tenant"


@pytest.mark.parametrize(
    "words", ["The engine is currently busy and", "The request queue is full.", OLLAMA_BUSY]
)
async def test_a_full_queue_is_no_dead_engine_and_is_not_asked_again(words: str) -> None:
    async with engine_at("vllm", Refuse(503, "ServiceUnavailable", words)) as (engine, server):
        with pytest.raises(CapacityExhausted):
            await said(engine)
        assert len(bodies(server)) == 1


async def test_other_refusals_are_passed_on() -> None:
    async with engine_at("vllm", Refuse(400, "BadRequestError", "No such thing.")) as (engine, _):
        with pytest.raises(Exception, match="No such thing"):
            await said(engine)


def test_an_adapter_names_its_base_and_has_its_window() -> None:
    listing = decode_listing(
        msgspec.json.encode({
            "data": [
                {"id": "base", "owned_by": "vllm", "max_model_len": 2048, "parent": None},
                {"id": "tuned", "owned_by": "vllm", "max_model_len": None, "parent": "base"},
                {"id": "stray", "owned_by": "vllm", "parent": "gone"},
                {"id": "self", "owned_by": "vllm", "parent": "self"},
            ]
        })
    )
    models = {each.name: each for each in models_of(listing, Flavour.VLLM, 999)}
    assert (models["tuned"].base, models["tuned"].context_tokens) == ("base", 2048)
    assert (models["base"].base, models["stray"].base, models["self"].base) == ("", "", "")
    assert models["stray"].context_tokens == 999


async def test_the_house_knows_how_busy_each_engine_is(
    sqlite_database: Database, tmp_path: Path
) -> None:
    settings = EngineSettings(
        embedded=False, hub_url="", refresh_interval_s=0.05, load_interval_s=0.02
    )
    service = build_engines(sqlite_database, settings, tmp_path, SystemClock(), new_id, Broker())
    server = ScriptedServer(ScriptedEngine(), owner="sglang")
    server.pages["/metrics"] = SGLANG
    async with server.serving() as url, anyio.create_task_group() as tasks:
        tasks.start_soon(service.run)
        async with sqlite_database.write() as tx:
            record = await service.add(tx, NewEngine("gpu-1", url))
        await service.refresh()
        with anyio.fail_after(20):
            while not service.remote.loads():
                await anyio.sleep(0.01)
        assert service.remote.loads() == {"gpu-1": EngineLoad(None, 8, 4, 0.52)}
        async with sqlite_database.write() as tx:
            await service.set_enabled(tx, record.id, False, "somebody")
        await service.refresh()
        assert service.remote.loads() == {}
        tasks.cancel_scope.cancel()
    await service.aclose()


async def test_slots_that_an_engine_states_reach_the_catalogue(
    sqlite_database: Database, tmp_path: Path
) -> None:
    settings = EngineSettings(
        embedded=False, hub_url="", refresh_interval_s=0.05, load_interval_s=0.02
    )
    service = build_engines(sqlite_database, settings, tmp_path, SystemClock(), new_id, Broker())
    server = ScriptedServer(ScriptedEngine(), owner="llamacpp")
    server.pages["/slots"] = '[{"is_processing":false},{"is_processing":true}]'
    async with server.serving() as url, anyio.create_task_group() as tasks:
        tasks.start_soon(service.run)
        async with sqlite_database.write() as tx:
            await service.add(tx, NewEngine("box", url))
        await service.refresh()
        with anyio.fail_after(20):
            while {o.slots for each in service.catalog.pools().values() for o in each} != {2}:
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    await service.aclose()

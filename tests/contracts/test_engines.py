"""Every engine backend keeps the same contract: the port's docstrings, as tests.

The OpenAI-compatible one is held to it twice: in front of the scripted server, and in front of the
real llama.cpp child; the embedded engine with the real 135M model.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path

import anyio
import pytest

from fireside.conversation.event import (
    Finish,
    MessageStart,
    PartStart,
    StreamEvent,
    TextDelta,
    UsageReport,
)
from fireside.conversation.fold import fold
from fireside.conversation.message import (
    FinishReason,
    Message,
    Role,
    Status,
    text_message,
)
from fireside.engine.backends.llama_child import ChildSettings, child_running
from fireside.engine.backends.llama_cpp import LlamaCppEngine, ModelFile
from fireside.engine.backends.openai_compatible import OpenAICompatibleEngine
from fireside.engine.backends.scripted import ScriptedEngine
from fireside.engine.backends.scripted_server import ScriptedServer
from fireside.engine.errors import ContextTooLong
from fireside.engine.ports import (
    Capability,
    ChatPrompt,
    Engine,
    GenerationRequest,
    Sampling,
    TextPrompt,
)
from fireside.engine.settings import EngineSettings
from fireside.errors import UserError

MODEL_FILE = Path(__file__).resolve().parents[2] / ".models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
SETTINGS = EngineSettings(context_tokens=512, parallel_slots=2)
SKELETON = text_message("reply", Role.ASSISTANT, "", status=Status.STREAMING)


@asynccontextmanager
async def scripted() -> AsyncIterator[Engine]:
    yield ScriptedEngine(context_tokens=512, token_delay_s=0.002)


@asynccontextmanager
async def openai_before_scripted() -> AsyncIterator[Engine]:
    server = ScriptedServer(ScriptedEngine(context_tokens=512, token_delay_s=0.002))
    async with server.serving() as url:
        engine = OpenAICompatibleEngine("remote", url, SETTINGS)
        yield engine
        await engine.aclose()


@asynccontextmanager
async def openai_before_llama() -> AsyncIterator[Engine]:
    settings = ChildSettings(
        name="smollm2-135m",
        path=str(MODEL_FILE),
        context_tokens=512,
        parallel_slots=2,
        threads=0,
        batch_tokens=0,
        prompt_cache_mib=16,
    )
    async with child_running() as child, anyio.create_task_group() as tasks:
        tasks.start_soon(child.listen)
        await child.start_serving(settings, timeout_s=120)
        engine = OpenAICompatibleEngine("remote", child.address, SETTINGS, api_key=child.api_key)
        yield engine
        await engine.aclose()
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def embedded() -> AsyncIterator[Engine]:
    file = ModelFile("smollm2-135m", str(MODEL_FILE), "smollm2-135m@test")
    engine = LlamaCppEngine("embedded", file, SETTINGS)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(engine.run)
        await engine.wait_until_settled()
        yield engine
        await engine.aclose()


@pytest.fixture(
    params=[
        scripted,
        openai_before_scripted,
        pytest.param(openai_before_llama, marks=pytest.mark.model),
        pytest.param(embedded, marks=pytest.mark.model),
    ],
    ids=lambda make: make.__name__,
    scope="module",
)
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[Engine]:
    if request.param in {openai_before_llama, embedded} and not MODEL_FILE.exists():
        pytest.skip("the bundled model has not been fetched")
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(request.param())


QUESTION = "Please say something about the sea, the wind and the old lighthouse at the harbour."


async def chat_request(engine: Engine, text: str = QUESTION, **fields: object) -> GenerationRequest:
    (model, *_) = await engine.models()
    sampling = fields.pop("sampling", Sampling(max_tokens=6, temperature=0.0, seed=7))
    prompt = ChatPrompt((text_message("1", Role.USER, text),))
    return GenerationRequest(model.name, prompt, sampling, **fields)  # type: ignore[arg-type]


async def collect(engine: Engine, request: GenerationRequest) -> list[StreamEvent]:
    async with aclosing(engine.generate(request)) as events:  # type: ignore[type-var]
        return [event async for event in events]


def folded(events: list[StreamEvent]) -> Message:
    return fold(Message(id=SKELETON.id, author=SKELETON.author, status=Status.STREAMING), events)


class TestEveryEngine:
    async def test_it_names_its_models_with_their_window_and_abilities(
        self, engine: Engine
    ) -> None:
        (model, *_) = await engine.models()
        assert model.name
        assert model.context_tokens == 512
        assert Capability.CHAT in model.capabilities
        assert (await engine.health()).ok

    async def test_a_reply_folds_into_a_complete_message(self, engine: Engine) -> None:
        events = await collect(engine, await chat_request(engine))
        message = folded(events)
        assert message.status is Status.COMPLETE
        assert message.text()
        assert not any(isinstance(event, MessageStart) for event in events)

    async def test_usage_comes_before_the_finish_and_counts_tokens(self, engine: Engine) -> None:
        *_, report, end = await collect(engine, await chat_request(engine))
        assert isinstance(report, UsageReport)
        assert report.usage.prompt_tokens >= 10
        assert report.usage.completion_tokens == 6
        assert end == Finish(FinishReason.LENGTH)

    async def test_max_tokens_bounds_the_reply(self, engine: Engine) -> None:
        sampling = Sampling(max_tokens=2, temperature=0.0)
        events = await collect(engine, await chat_request(engine, sampling=sampling))
        assert sum(isinstance(event, TextDelta) for event in events) <= 2
        assert events[-1] == Finish(FinishReason.LENGTH)

    async def test_the_same_seed_gives_the_same_text(self, engine: Engine) -> None:
        request = await chat_request(engine)
        first = folded(await collect(engine, request)).text()
        assert folded(await collect(engine, request)).text() == first

    async def test_text_completion_continues_a_raw_prefix(self, engine: Engine) -> None:
        (model, *_) = await engine.models()
        prompt = TextPrompt("The old lighthouse keeper said", echo=True)
        request = GenerationRequest(model.name, prompt, Sampling(max_tokens=4, temperature=0.0))
        text = folded(await collect(engine, request)).text()
        assert text.startswith("The old lighthouse keeper said")
        assert len(text) > len("The old lighthouse keeper said")

    async def test_a_begun_reply_is_gone_on_with(self, engine: Engine) -> None:
        (model, *_) = await engine.models()
        line = (
            text_message("1", Role.USER, "one two three four five six seven eight"),
            text_message("2", Role.ASSISTANT, "one two three"),
        )
        request = GenerationRequest(
            model.name,
            ChatPrompt(line, continue_final=True),
            Sampling(max_tokens=2, temperature=0.0),
        )
        events = await collect(engine, request)
        assert isinstance(events[0], PartStart) and events[0].index == 0
        text = folded(events).text()
        assert text and "one two three" not in text

    async def test_too_long_a_prompt_is_refused_before_the_first_event(
        self, engine: Engine
    ) -> None:
        request = await chat_request(engine, "word " * 3000)
        with pytest.raises(ContextTooLong) as caught:
            await collect(engine, request)
        assert caught.value.code == "context_length_exceeded"
        assert caught.value.max_tokens == 512
        assert caught.value.num_tokens is not None and caught.value.num_tokens >= 3000

    async def test_closing_a_stream_leaves_the_engine_usable(self, engine: Engine) -> None:
        request = await chat_request(engine, sampling=Sampling(max_tokens=200, temperature=0.0))
        for _ in range(5):  # more often than there are slots
            async with aclosing(engine.generate(request)) as events:  # type: ignore[type-var]
                async for event in events:
                    if isinstance(event, TextDelta):
                        break
        with anyio.fail_after(60):
            assert folded(await collect(engine, await chat_request(engine))).text()

    async def test_cancelling_the_reader_ends_the_stream(self, engine: Engine) -> None:
        request = await chat_request(engine, sampling=Sampling(max_tokens=400, temperature=0.0))
        with anyio.CancelScope() as scope:
            async with aclosing(engine.generate(request)) as events:  # type: ignore[type-var]
                async for event in events:
                    if isinstance(event, TextDelta):
                        scope.cancel()
        assert scope.cancelled_caught
        assert folded(await collect(engine, await chat_request(engine))).text()

    async def test_parallel_replies_do_not_mix(self, engine: Engine) -> None:
        replies: dict[str, Message] = {}

        async def ask(word: str) -> None:
            request = await chat_request(engine, f"{word} " * 12)
            replies[word] = folded(await collect(engine, request))

        async with anyio.create_task_group() as tasks:
            for word in ("sea", "wind", "sun"):
                tasks.start_soon(ask, word)
        assert {reply.status for reply in replies.values()} == {Status.COMPLETE}
        if not isinstance(engine, LlamaCppEngine) and "smol" not in (await engine.models())[0].name:
            assert {word: reply.text().split()[0] for word, reply in replies.items()} == {
                word: word for word in replies
            }

    async def test_the_whole_message_at_once_is_the_same_message(self, engine: Engine) -> None:
        streamed = folded(await collect(engine, await chat_request(engine)))
        whole = folded(await collect(engine, await chat_request(engine, whole=True)))
        assert (whole.text(), whole.finish_reason) == (streamed.text(), streamed.finish_reason)

    async def test_embeddings_are_given_or_refused_in_words(self, engine: Engine) -> None:
        (model, *_) = await engine.models()
        if isinstance(engine, ScriptedEngine) or engine.name == "remote":
            try:
                vectors = (await engine.embed(model.name, ["sea", "wind"])).vectors
            except UserError as refusal:
                assert refusal.message
            else:
                assert len(vectors) == 2 and vectors[0] != vectors[1]
        else:
            with pytest.raises(UserError, match="embeddings"):
                await engine.embed(model.name, ["sea"])

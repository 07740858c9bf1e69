"""What the client does when the server behind it misbehaves; the server is real, on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import anyio
import msgspec
import pytest

from fireside.conversation.event import Finish, StreamEvent, TextDelta, UsageReport
from fireside.conversation.fold import fold
from fireside.conversation.message import (
    Author,
    FinishReason,
    Message,
    MessageId,
    Reasoning,
    Role,
    Status,
    Text,
    ToolCall,
    text_message,
)
from fireside.engine.backends.openai_compatible import OpenAICompatibleEngine
from fireside.engine.backends.openai_request import Flavour
from fireside.engine.backends.scripted import (
    Call,
    Garble,
    HangUp,
    Refuse,
    Say,
    ScriptedEngine,
    Stall,
    Step,
    Think,
    Wait,
)
from fireside.engine.backends.scripted_server import ScriptedServer
from fireside.engine.errors import (
    ContextTooLong,
    EngineStalled,
    EngineUnreachable,
    GarbledReply,
    ModelNotFound,
)
from fireside.engine.ports import (
    Capability,
    ChatPrompt,
    GenerationRequest,
    JsonSchema,
    Sampling,
    TextPrompt,
    ToolSpec,
)
from fireside.engine.settings import EngineSettings
from fireside.errors import BackendFailed, CapacityExhausted, TooLarge, UserError

QUICK = EngineSettings(
    connect_timeout_s=2.0, first_token_timeout_s=0.6, stall_timeout_s=0.4, max_attempts=3
)
PATIENT = EngineSettings()
ASK = GenerationRequest("scripted", ChatPrompt((text_message("1", Role.USER, "one two three"),)))


class Site:
    """A server and a client before it."""

    def __init__(self, server: ScriptedServer, engine: OpenAICompatibleEngine) -> None:
        self.server = server
        self.engine = engine

    def plays(self, *steps: Step) -> None:
        self.server.engine.queue(*steps)

    def asked(self) -> dict[str, object]:
        """The body of the last generation as it was on the wire."""
        last = [each for each in self.server.received if each.body][-1]
        return msgspec.json.decode(last.body)  # type: ignore[no-any-return]

    def num_asked(self) -> int:
        return sum(1 for each in self.server.received if each.path.endswith("completions"))


@asynccontextmanager
async def site(
    settings: EngineSettings = PATIENT, *, owner: str = "vllm", key: str = "", sent_key: str = ""
) -> AsyncIterator[Site]:
    server = ScriptedServer(ScriptedEngine(), owner=owner, api_key=key)
    async with server.serving() as url:
        engine = OpenAICompatibleEngine("gpu-1", url, settings, api_key=sent_key or None)
        yield Site(server, engine)
        await engine.aclose()


async def collect(
    engine: OpenAICompatibleEngine, request: GenerationRequest = ASK
) -> list[StreamEvent]:
    async with aclosing(engine.generate(request)) as events:
        return [event async for event in events]


async def until_broken(
    engine: OpenAICompatibleEngine, request: GenerationRequest = ASK
) -> tuple[list[str], BackendFailed]:
    said: list[str] = []
    with pytest.raises(BackendFailed) as caught:
        async with aclosing(engine.generate(request)) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    said.append(event.text)
    return said, caught.value


async def until_free(server: ScriptedServer) -> None:
    with anyio.fail_after(5):
        while server.num_streams:
            await anyio.sleep(0.005)


def folded(events: list[StreamEvent]) -> Message:
    skeleton = Message(MessageId("r"), Author(Role.ASSISTANT), status=Status.STREAMING)
    return fold(skeleton, events)


# what is understood


async def test_reasoning_text_and_tool_calls_become_parts_in_order() -> None:
    async with site() as it:
        it.plays(Think("hm, "), Say("Let me look. "), Call("search", '{"q":"sea"}', id="c1"))
        events = await collect(it.engine)
    assert folded(events).parts == (
        Reasoning("hm, "),
        Text("Let me look. "),
        ToolCall("c1", "search", '{"q":"sea"}'),
    )
    assert events[-1] == Finish(FinishReason.TOOL_CALLS)


async def test_a_whole_reply_of_bounded_length_is_asked_for_without_a_stream() -> None:
    request = msgspec.structs.replace(ASK, whole=True, sampling=Sampling(max_tokens=50))
    async with site() as it:
        it.plays(Think("hm "), Say("Yes. "), Call("a", "{}", id="c1"), Call("b", "{}", id="c2"))
        message = folded(await collect(it.engine, request))
        assert it.asked()["stream"] is False
    assert message.parts == (
        Reasoning("hm "),
        Text("Yes. "),
        ToolCall("c1", "a", "{}"),
        ToolCall("c2", "b", "{}"),
    )
    assert message.usage is not None and message.usage.prompt_tokens == 3


@pytest.mark.parametrize(
    ("owner", "max_tokens"), [("vllm", None), ("vllm", 100_000), ("llamacpp", 50)]
)
async def test_a_whole_reply_is_streamed_where_its_tokens_must_be_watched(
    owner: str, max_tokens: int | None
) -> None:
    request = msgspec.structs.replace(ASK, whole=True, sampling=Sampling(max_tokens=max_tokens))
    async with site(owner=owner) as it:
        assert folded(await collect(it.engine, request)).text() == "one two three"
        assert it.asked()["stream"] is True


async def test_times_are_measured_here_and_counts_taken_from_the_engine() -> None:
    async with site() as it:
        it.plays(Say("a b c d", delay_s=0.01))
        *_, report, _end = await collect(it.engine)
    assert isinstance(report, UsageReport)
    usage = report.usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (3, 4)
    assert usage.ttft_ms is not None and usage.inter_token_ms is not None


async def test_the_listing_tells_window_and_whose_server_it_is() -> None:
    async with site(owner="vllm") as it:
        (model,) = await it.engine.models()
    assert (model.name, model.context_tokens) == ("scripted", 4096)
    assert {Capability.TOOLS, Capability.CONTINUE} <= model.capabilities


async def test_embeddings_come_in_the_order_of_their_inputs() -> None:
    async with site() as it:
        there = await it.engine.embed("scripted", ["sea", "wind"])
        back = await it.engine.embed("scripted", ["wind", "sea"])
    assert there.vectors == back.vectors[::-1]
    assert there.prompt_tokens == 2


async def test_a_bare_origin_means_its_v1() -> None:
    async with site() as it:
        engine = OpenAICompatibleEngine("bare", it.server.url.removesuffix("/v1"), PATIENT)
        assert folded(await collect(engine)).text() == "one two three"
        await engine.aclose()


# what is sent


async def test_the_key_and_the_request_id_go_along() -> None:
    async with site(key="k-123", sent_key="k-123") as it:
        await collect(it.engine, msgspec.structs.replace(ASK, request_id="0198-turn"))
        headers = it.server.received[-1].headers
    assert headers["authorization"] == "Bearer k-123"
    assert headers["x-request-id"] == "0198-turn"


async def test_a_request_id_cannot_smuggle_headers() -> None:
    async with site() as it:
        await collect(it.engine, msgspec.structs.replace(ASK, request_id="a\r\nx-evil: 1"))
        assert "x-evil" not in it.server.received[-1].headers


async def test_tools_schema_and_sampling_are_in_the_body() -> None:
    request = GenerationRequest(
        "scripted",
        ChatPrompt(
            (text_message("1", Role.USER, "hi"),),
            tools=(ToolSpec("find", "Find it", {"type": "object"}),),
            tool_choice="find",
            response_format=JsonSchema("answer", {"type": "object"}, strict=True),
        ),
        Sampling(temperature=0.5, top_k=7, max_tokens=9, stop=("x",), seed=3),
    )
    async with site() as it:
        await collect(it.engine, request)
        body = it.asked()
    assert body["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "find",
                "description": "Find it",
                "parameters": {"type": "object"},
            },
        }
    ]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "find"}}
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": True},
    }
    sampling = {name: body[name] for name in ("temperature", "top_k", "max_tokens", "stop", "seed")}
    assert sampling == {"temperature": 0.5, "top_k": 7, "max_tokens": 9, "stop": ["x"], "seed": 3}
    assert "top_p" not in body


async def test_the_original_is_sent_no_field_it_does_not_know() -> None:
    request = msgspec.structs.replace(ASK, sampling=Sampling(max_tokens=5, top_k=3, min_p=0.1))
    async with site(owner="openai") as it:
        await collect(it.engine, request)
        body = it.asked()
    assert body["max_completion_tokens"] == 5
    assert not {"max_tokens", "top_k", "min_p", "add_generation_prompt"} & set(body)


def begun(*parts: Text | Reasoning | ToolCall) -> GenerationRequest:
    reply = Message(MessageId("2"), Author(Role.ASSISTANT), parts)
    line = (text_message("1", Role.USER, "one two three"), reply)
    return GenerationRequest("scripted", ChatPrompt(line, continue_final=True))


async def test_going_on_is_a_flag_for_vllm_and_a_plain_prefix_for_llama_cpp() -> None:
    async with site(owner="vllm") as it:
        assert folded(await collect(it.engine, begun(Text("one ")))).text() == "two three"
        assert it.asked()["continue_final_message"] is True
        assert it.asked()["add_generation_prompt"] is False
    async with site(owner="llamacpp") as it:
        await collect(it.engine, begun(Text("one ")))
        body = it.asked()
        assert "continue_final_message" not in body
        assert body["messages"][-1] == {"role": "assistant", "content": "one "}  # type: ignore[index]


@pytest.mark.parametrize(
    ("owner", "request_"),
    [("openai", begun(Text("one "))), ("vllm", begun(Text("x"), ToolCall("c", "find", "{")))],
    ids=["the original", "a begun tool call"],
)
async def test_what_cannot_be_gone_on_with_is_refused(
    owner: str, request_: GenerationRequest
) -> None:
    async with site(owner=owner) as it:
        with pytest.raises(UserError) as caught:
            await collect(it.engine, request_)
    assert caught.value.code == "cannot_continue"


async def test_text_with_a_suffix_is_sent_where_it_can_be() -> None:
    request = GenerationRequest("scripted", TextPrompt("def f(", suffix="return 1"))
    async with site() as it:
        await collect(it.engine, request)
        assert it.asked()["suffix"] == "return 1"


# what breaks


async def test_a_refused_connection_is_tried_again_and_then_named() -> None:
    engine = OpenAICompatibleEngine("gone", "http://127.0.0.1:1/v1", QUICK, flavour=Flavour.VLLM)
    _, failure = await until_broken(engine)
    assert isinstance(failure, EngineUnreachable)
    assert failure.retryable and "gone" in failure.message


async def test_an_unavailable_server_is_asked_again_before_the_first_token() -> None:
    async with site(QUICK) as it:
        it.plays(Refuse(503))
        it.plays(Refuse(502))
        assert folded(await collect(it.engine)).text() == "one two three"
        assert it.num_asked() == 3


async def test_patience_ends_after_the_allowed_attempts() -> None:
    async with site(QUICK) as it:
        for _ in range(5):
            it.plays(Refuse(503))
        _, failure = await until_broken(it.engine)
        assert it.num_asked() == 3
    assert isinstance(failure, EngineUnreachable)


async def test_a_connection_lost_before_the_first_token_is_tried_again() -> None:
    async with site(QUICK) as it:
        it.plays(HangUp())
        assert folded(await collect(it.engine)).text() == "one two three"


async def test_nothing_is_sent_again_once_it_has_begun() -> None:
    async with site(QUICK) as it:
        it.plays(Say("one two "), HangUp())
        said, failure = await until_broken(it.engine)
        assert it.num_asked() == 1
    assert "".join(said) == "one two "
    assert failure.retryable


@pytest.mark.parametrize(
    "step",
    [
        Garble(),
        Garble("data: [1, 2]\n\n"),
        Garble('data: {"choices": [{"delta": {"content": 5}}]}\n\n'),
        Garble("data: " + "[" * 5000 + "\n\n"),
        Garble('data: {"choices": [{"delta": {"tool_calls": [{"index": 3}]}}]}\n\n'),
        Refuse(500, "boom", "Out of memory"),
        HangUp(),
    ],
    ids=["half", "list", "type", "deep", "call", "error", "hang up"],
)
async def test_what_was_said_before_a_fault_stands(step: Step) -> None:
    async with site(QUICK) as it:
        it.plays(Say("one two "), step)
        said, failure = await until_broken(it.engine)
    assert "".join(said) == "one two "
    assert isinstance(failure, GarbledReply | EngineUnreachable)
    assert failure.retryable


async def test_silence_before_the_first_token_is_a_stall_whatever_is_kept_alive() -> None:
    async with site(QUICK) as it:
        it.plays(Stall())
        _, failure = await until_broken(it.engine)
        assert isinstance(failure, EngineStalled)
        assert not (await it.engine.health()).ok
        await until_free(it.server)


async def test_silence_between_tokens_is_a_stall_and_a_new_token_clears_the_name() -> None:
    async with site(QUICK) as it:
        it.plays(Say("one "), Stall())
        said, failure = await until_broken(it.engine)
        assert said == ["one "] and isinstance(failure, EngineStalled)
        await collect(it.engine)
        assert (await it.engine.health()).ok


async def test_a_slow_reader_is_no_stall() -> None:
    async with site(QUICK) as it:
        it.plays(Say("one two three four"), Wait(0.05), Say("five"))
        said = []
        async with aclosing(it.engine.generate(ASK)) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    said.append(event.text)
                    await anyio.sleep(0.15)
    assert len(said) == 5


async def test_leaving_stops_the_engine() -> None:
    async with site() as it:
        it.plays(Say("word " * 2000, delay_s=0.01))
        async with aclosing(it.engine.generate(ASK)) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    break
        await until_free(it.server)
        assert it.server.num_left == 1


async def test_connections_are_used_again_also_by_readers_that_leave_at_the_finish() -> None:
    async with site() as it:
        for _ in range(5):
            await read_until_finish(it.engine)
            await anyio.sleep(0.02)
        assert it.server.num_connections <= 2


async def read_until_finish(engine: OpenAICompatibleEngine) -> None:
    async with aclosing(engine.generate(ASK)) as events:
        async for event in events:
            if isinstance(event, Finish):
                return


@pytest.mark.parametrize(
    ("step", "kind", "code"),
    [
        (Refuse(401), BackendFailed, "engine_key_refused"),
        (Refuse(403), BackendFailed, "engine_key_refused"),
        (Refuse(404), ModelNotFound, "model_not_found"),
        (Refuse(413), TooLarge, "request_too_large"),
        (Refuse(400, message="temperature must be a number"), UserError, "refused_by_engine"),
        (Refuse(422), UserError, "refused_by_engine"),
        (Refuse(429), CapacityExhausted, "engine_busy"),
        (Refuse(500), BackendFailed, "engine_failed"),
        (Refuse(302), BackendFailed, "engine_misconfigured"),
    ],
)
async def test_a_refusal_says_whose_fault_it_is(
    step: Refuse, kind: type[Exception], code: str
) -> None:
    async with site(QUICK) as it:
        it.plays(step)
        with pytest.raises(kind) as caught:
            await collect(it.engine)
        assert it.num_asked() == 1
    assert caught.value.code == code  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("message", "num", "most"),
    [
        (
            "This model's maximum context length is 4096 tokens. However, you requested 5000 "
            "tokens (4900 in the messages, 100 in the completion).",
            5000,
            4096,
        ),
        (
            "You passed 5001 input tokens and requested 100 output tokens. However, the model's "
            "context length is only 4096 tokens.",
            5001,
            4096,
        ),
        ("The input (5002 tokens) is longer than the model's context length (4096 tokens).", 5002,
         4096),
        ("Your messages resulted in 5003 tokens; the maximum context length is 4096 tokens.", 5003,
         4096),
    ],
)  # fmt: skip
async def test_too_long_is_understood_in_every_dialect(message: str, num: int, most: int) -> None:
    async with site() as it:
        it.plays(Refuse(400, "bad_request", message))
        with pytest.raises(ContextTooLong) as caught:
            await collect(it.engine)
    assert (caught.value.num_tokens, caught.value.max_tokens) == (num, most)


async def test_a_wrong_key_is_the_operators_matter() -> None:
    async with site(key="right", sent_key="wrong") as it:
        with pytest.raises(BackendFailed) as caught:
            await it.engine.models()
        assert "wrong" not in str(caught.value)
        health = await it.engine.health()
    assert not health.ok and "key" in health.detail


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x",
        "http://",
        "nonsense",
        "http://a b",
        "http://u:p@host",
        "http://h/v1?x=1",
        "http://h:99999",
    ],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(UserError) as caught:
        OpenAICompatibleEngine("x", url, PATIENT)
    assert caught.value.param == "base_url"

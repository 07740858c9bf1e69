"""The official Python client against a real server."""

from __future__ import annotations

import math

import httpx
import openai
import pydantic
import pytest

from fireside.billing.domain import Feature, UsageStatus
from fireside.conversation.event import (
    Failure,
    Finish,
    PartStart,
    StreamEvent,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
    UsageReport,
)
from fireside.conversation.message import (
    FinishReason,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolResult,
    Usage,
)
from fireside.engine.ports import (
    ChatPrompt,
    JsonObject,
    JsonSchema,
    Sampling,
    ToolChoice,
    ToolSpec,
)
from fireside.errors import BackendFailed
from tests.api.conftest import KEY, USER, Server, says, scripted

ASK = [{"role": "user", "content": "Hi"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells the weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
CALLS: list[StreamEvent] = [
    PartStart(0, Text()),
    TextDelta(0, "Let me see. "),
    PartStart(1, ToolCall("call_1", "weather")),
    ToolCallDelta(1, '{"city":'),
    ToolCallDelta(1, '"Oslo"}'),
    PartStart(2, ToolCall("call_2", "weather", '{"city":"Rome"}')),
    Finish(FinishReason.TOOL_CALLS),
]


def prompt(server: Server) -> ChatPrompt:
    """The prompt of the last request the engine got."""
    asked = server.engine.asked[-1].prompt
    assert isinstance(asked, ChatPrompt)
    return asked


def test_a_chat_is_answered_whole(server: Server) -> None:
    with server.client() as client:
        answer = client.chat.completions.create(model="able", messages=ASK)
    assert answer.choices[0].message.content == "Hello, you!"
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.id.startswith("chatcmpl-")
    assert answer.object == "chat.completion"
    assert answer.model == "able"
    assert answer.system_fingerprint == "able@abc"
    assert answer.usage
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (7, 4)
    assert answer.usage.total_tokens == 11
    assert answer.usage.prompt_tokens_details
    assert answer.usage.prompt_tokens_details.cached_tokens == 2
    assert server.engine.asked[0].whole


def test_a_whole_answer_has_the_keys_of_the_original(server: Server) -> None:
    reply = httpx.post(
        f"{server.url}/v1/chat/completions",
        json={"model": "able", "messages": ASK},
        headers={"authorization": f"Bearer {KEY}"},
    )
    body = reply.json()
    assert set(body) == {
        "id", "object", "created", "model", "choices", "usage", "system_fingerprint"
    }  # fmt: skip
    assert body["choices"] == [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Hello, you!",
                "refusal": None,
                "annotations": [],
            },
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]


def test_a_stream_has_the_frames_of_the_original(server: Server) -> None:
    reply = httpx.post(
        f"{server.url}/v1/chat/completions",
        json={"model": "able", "messages": ASK, "stream": True},
        headers={"authorization": f"Bearer {KEY}"},
    )
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    frames = [frame for frame in reply.text.split("\n\n") if not frame.startswith(":")]
    assert frames[-2:] == ["data: [DONE]", ""]
    choices = [httpx.Response(200, text=frame[6:]).json()["choices"][0] for frame in frames[:-2]]
    empty = {"index": 0, "logprobs": None, "finish_reason": None}
    assert choices == [
        {"delta": {"role": "assistant", "content": "", "refusal": None}, **empty},
        *({"delta": {"content": word}, **empty} for word in ("Hello", ",", " you", "!")),
        {"delta": {}, **empty, "finish_reason": "stop"},
    ]


def test_a_streamed_chat_ends_with_its_usage_when_asked_to(server: Server) -> None:
    with server.client() as client:
        chunks = list(
            client.chat.completions.create(
                model="able", messages=ASK, stream=True, stream_options={"include_usage": True}
            )
        )
    assert "".join(c.choices[0].delta.content or "" for c in chunks[:-1]) == "Hello, you!"
    assert {chunk.id for chunk in chunks} == {chunks[0].id}
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].choices == []
    assert chunks[-1].usage
    assert chunks[-1].usage.total_tokens == 11
    assert not server.engine.asked[0].whole


async def test_the_asynchronous_client_streams_too(server: Server) -> None:
    async with server.async_client() as client:
        stream = await client.chat.completions.create(model="able", messages=ASK, stream=True)
        words = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert "".join(words) == "Hello, you!"


def test_every_sampling_field_reaches_the_engine(server: Server) -> None:
    with server.client() as client:
        client.chat.completions.create(
            model="able",
            messages=ASK,
            temperature=0.3,
            top_p=0.9,
            presence_penalty=-1,
            frequency_penalty=1.5,
            logit_bias={"42": -100},
            max_completion_tokens=9,
            stop=["\n", "END"],
            seed=7,
            extra_body={"top_k": 40, "min_p": 0.05},
        )
    assert server.engine.asked[0].sampling == Sampling(
        temperature=0.3,
        top_p=0.9,
        top_k=40,
        min_p=0.05,
        presence_penalty=-1,
        frequency_penalty=1.5,
        logit_bias={"42": -100},
        max_tokens=9,
        stop=("\n", "END"),
        seed=7,
    )


def test_fields_that_change_nothing_here_are_accepted(server: Server) -> None:
    with server.client() as client:
        client.chat.completions.create(
            model="able",
            messages=ASK,
            user="u",
            metadata={"a": "b"},
            store=True,
            service_tier="auto",
            reasoning_effort="low",
            verbosity="low",
            modalities=["text"],
            safety_identifier="s",
            prompt_cache_key="k",
            prediction={"type": "content", "content": "x"},
        )
    assert server.engine.asked[0].sampling == Sampling()


def test_roles_names_and_tool_results_reach_the_engine(server: Server) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    with server.client() as client:
        client.chat.completions.create(
            model="able",
            messages=[
                {"role": "developer", "content": "Be brief."},
                {"role": "user", "name": "ann", "content": [{"type": "text", "text": "Hi"}]},
                {"role": "assistant", "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "c1", "content": "fine"},
            ],
        )
    messages = prompt(server).messages
    assert [message.author.role for message in messages] == [
        Role.DEVELOPER, Role.USER, Role.ASSISTANT, Role.TOOL
    ]  # fmt: skip
    assert messages[1].author.name == "ann"
    assert messages[2].parts == (ToolCall("c1", "f", "{}"),)
    assert messages[3].parts == (ToolResult("c1", text="fine"),)


def test_tool_calls_come_back_whole(server: Server) -> None:
    server.engine.script = scripted(*CALLS)
    with server.client() as client:
        answer = client.chat.completions.create(
            model="able", messages=ASK, tools=[WEATHER], parallel_tool_calls=True
        )
    choice = answer.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content == "Let me see. "
    calls = choice.message.tool_calls or []
    assert [(c.id, c.type, c.function.name, c.function.arguments) for c in calls] == [
        ("call_1", "function", "weather", '{"city":"Oslo"}'),
        ("call_2", "function", "weather", '{"city":"Rome"}'),
    ]
    asked = prompt(server)
    spec = WEATHER["function"]
    assert asked.tools == (ToolSpec("weather", "Tells the weather.", spec["parameters"]),)
    assert (asked.tool_choice, asked.parallel_tool_calls) == (ToolChoice.AUTO, True)


def test_tool_calls_come_back_streamed(server: Server) -> None:
    server.engine.script = scripted(*CALLS)
    with (
        server.client() as client,
        client.chat.completions.stream(model="able", messages=ASK, tools=[WEATHER]) as stream,
    ):
        answer = stream.get_final_completion()
    choice = answer.choices[0]
    assert choice.finish_reason == "tool_calls"
    calls = choice.message.tool_calls or []
    assert [(c.id, c.function.name, c.function.arguments) for c in calls] == [
        ("call_1", "weather", '{"city":"Oslo"}'),
        ("call_2", "weather", '{"city":"Rome"}'),
    ]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("none", ToolChoice.NONE),
        ("required", ToolChoice.REQUIRED),
        ({"type": "function", "function": {"name": "weather"}}, "weather"),
    ],
)
def test_the_tool_choice_reaches_the_engine(
    server: Server, choice: object, expected: object
) -> None:
    with server.client() as client:
        client.chat.completions.create(
            model="able", messages=ASK, tools=[WEATHER], tool_choice=choice
        )
    assert prompt(server).tool_choice == expected


TOKENS: list[StreamEvent] = [
    PartStart(0, Text()),
    TextDelta(0, "Hi", (TokenLogprob("Hi", -0.1, [72, 105], (TokenLogprob("Ho", -2.5, None),)),)),
    TextDelta(0, "!", (TokenLogprob("!", -0.5),)),
    Finish(FinishReason.STOP),
]


def test_log_probabilities_come_back_whole_and_streamed(server: Server) -> None:
    server.engine.script = scripted(*TOKENS)
    with server.client() as client:
        options = {"model": "able", "messages": ASK, "logprobs": True, "top_logprobs": 1}
        whole = client.chat.completions.create(**options)
        chunks = list(client.chat.completions.create(**options, stream=True))
    content = whole.choices[0].logprobs
    assert content
    assert content.content
    assert [(t.token, t.logprob, t.bytes) for t in content.content] == [
        ("Hi", -0.1, [72, 105]),
        ("!", -0.5, None),
    ]
    assert content.content[0].top_logprobs[0].token == "Ho"
    streamed = [
        token
        for chunk in chunks
        if chunk.choices[0].logprobs
        for token in chunk.choices[0].logprobs.content or []
    ]
    assert streamed == content.content
    sampling = server.engine.asked[0].sampling
    assert (sampling.logprobs, sampling.top_logprobs) == (True, 1)


class Place(pydantic.BaseModel):
    """What the model is to fill in."""

    city: str


def test_a_json_schema_reaches_the_engine_and_the_answer_is_parsed(server: Server) -> None:
    server.engine.script = scripted(*says('{"city":', '"Oslo"}'))
    with server.client() as client:
        answer = client.chat.completions.parse(model="able", messages=ASK, response_format=Place)
    assert answer.choices[0].message.parsed == Place(city="Oslo")
    asked = prompt(server).response_format
    assert isinstance(asked, JsonSchema)
    assert (asked.name, asked.strict) == ("Place", True)
    assert asked.schema["required"] == ["city"]


def test_a_json_object_may_be_asked_for(server: Server) -> None:
    with server.client() as client:
        client.chat.completions.create(
            model="able", messages=ASK, response_format={"type": "json_object"}
        )
        client.chat.completions.create(
            model="plain", messages=ASK, response_format={"type": "text"}
        )
    first, second = (asked.prompt for asked in server.engine.asked)
    assert isinstance(first, ChatPrompt)
    assert isinstance(second, ChatPrompt)
    assert (first.response_format, second.response_format) == (JsonObject(), None)


def test_several_answers_are_generated_each_with_its_own_seed(server: Server) -> None:
    with server.client() as client:
        answer = client.chat.completions.create(model="able", messages=ASK, n=3, seed=5)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert sorted(asked.sampling.seed or 0 for asked in server.engine.asked) == [5, 6, 7]
    assert answer.usage
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (7, 12)


def test_several_answers_are_streamed_side_by_side(server: Server) -> None:
    server.engine.script = scripted(*says("a", "b", "c"), delay_s=0.005)
    with server.client() as client:
        chunks = list(client.chat.completions.create(model="able", messages=ASK, n=3, stream=True))
    texts: dict[int, str] = {}
    for chunk in chunks:
        choice = chunk.choices[0]
        texts[choice.index] = texts.get(choice.index, "") + (choice.delta.content or "")
    assert texts == {0: "abc", 1: "abc", 2: "abc"}
    first_finish = next(i for i, chunk in enumerate(chunks) if chunk.choices[0].finish_reason)
    assert {chunk.choices[0].index for chunk in chunks[:first_finish]} == {0, 1, 2}


def test_reasoning_comes_in_a_field_of_its_own(server: Server) -> None:
    server.engine.script = scripted(
        PartStart(0, Reasoning()),
        TextDelta(0, "Hmm"),
        PartStart(1, Text()),
        TextDelta(1, "Yes"),
        Finish(FinishReason.STOP),
    )
    with server.client() as client:
        whole = client.chat.completions.create(model="able", messages=ASK)
        chunks = list(client.chat.completions.create(model="able", messages=ASK, stream=True))
    message = whole.choices[0].message.model_dump()
    assert (message["content"], message["reasoning_content"]) == ("Yes", "Hmm")
    deltas = [chunk.choices[0].delta.model_dump() for chunk in chunks]
    assert "".join(delta.get("reasoning_content") or "" for delta in deltas) == "Hmm"
    assert "".join(delta["content"] or "" for delta in deltas) == "Yes"


def test_text_that_json_must_escape_survives_the_stream(server: Server) -> None:
    odd = [
        'quote " backslash \\ ',
        "\n\r\t\x00\x1f",
        "\u2028\u2029",
        "grüß 你好 🙂",
        "data: [DONE]\n\n",
    ]
    server.engine.script = scripted(*says(*odd))
    with server.client() as client:
        chunks = list(client.chat.completions.create(model="able", messages=ASK, stream=True))
        whole = client.chat.completions.create(model="able", messages=ASK)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "".join(odd)
    assert whole.choices[0].message.content == "".join(odd)


def test_an_empty_answer_is_an_answer(server: Server) -> None:
    server.engine.script = scripted(Finish(FinishReason.LENGTH))
    with server.client() as client:
        whole = client.chat.completions.create(model="able", messages=ASK)
        chunks = list(client.chat.completions.create(model="able", messages=ASK, stream=True))
    assert (whole.choices[0].message.content, whole.choices[0].finish_reason) == ("", "length")
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None, "length"]
    assert chunks[0].choices[0].delta.role == "assistant"


def test_what_was_used_is_metered_for_the_person_and_the_key(server: Server) -> None:
    with server.client() as client:
        client.chat.completions.create(model="able", messages=ASK)
        list(client.chat.completions.create(model="able", messages=ASK, stream=True, n=2))
    whole, streamed = server.entries
    assert (whole.user_id, whole.model, whole.release) == (USER, "able", "able@abc")
    assert (whole.engine, whole.feature, whole.status) == (
        "told", Feature.API_CHAT, UsageStatus.COMPLETE
    )  # fmt: skip
    assert whole.api_key_id
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (7, 4)
    assert whole.usage.ttft_ms is not None
    assert whole.usage.inter_token_ms is not None
    assert math.isfinite(whole.usage.inter_token_ms)
    assert (streamed.usage.prompt_tokens, streamed.usage.completion_tokens) == (7, 8)


def test_usage_is_estimated_where_the_engine_does_not_report_it(server: Server) -> None:
    server.engine.script = scripted(
        PartStart(0, Text()), TextDelta(0, "a"), TextDelta(0, "b"), Finish(FinishReason.STOP)
    )
    with server.client() as client:
        answer = client.chat.completions.create(
            model="able", messages=[{"role": "user", "content": "x" * 41}]
        )
    assert answer.usage
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (11, 2)


def test_an_engine_that_reports_a_failure_ends_the_stream_with_an_error(server: Server) -> None:
    server.engine.script = scripted(
        PartStart(0, Text()),
        TextDelta(0, "Hel"),
        UsageReport(Usage(prompt_tokens=3, completion_tokens=1)),
        Failure("engine_lost", "The engine is gone.", "Try again."),
    )
    seen = []
    with server.client() as client, pytest.raises(openai.APIError) as caught:
        for chunk in client.chat.completions.create(model="able", messages=ASK, stream=True):
            seen.append(chunk.choices[0].delta.content)
    assert seen == ["", "Hel"]
    assert caught.value.code == "engine_lost"
    assert caught.value.message == "The engine is gone."
    assert [entry.status for entry in server.entries] == [UsageStatus.FAILED]


def test_a_stream_that_waits_for_its_engine_is_kept_alive(server: Server) -> None:
    server.engine.script = scripted(TextDelta(0, "Hello"), Finish(FinishReason.STOP), delay_s=0.7)
    reply = httpx.post(
        f"{server.url}/v1/chat/completions",
        json={"model": "able", "messages": ASK, "stream": True},
        headers={"authorization": f"Bearer {KEY}"},
    )
    frames = reply.text.split("\n\n")
    assert frames[0] == ": keep-alive"
    assert frames[-2:] == ["data: [DONE]", ""]


def test_an_error_after_the_first_keep_alive_is_told_in_the_stream(server: Server) -> None:
    server.engine.script = scripted(BackendFailed("engine_down", "Gone."), delay_s=0.8)
    with server.client() as client, pytest.raises(openai.APIError) as e:
        list(client.chat.completions.create(model="able", messages=ASK, stream=True))
    assert e.value.code == "engine_down"

"""Text completions, embeddings and the model list through the official client."""

from __future__ import annotations

import base64
import struct

import openai
import pytest

from fireside.billing.domain import Feature
from fireside.conversation.event import (
    Finish,
    PartStart,
    StreamEvent,
    TextDelta,
    TokenLogprob,
)
from fireside.conversation.message import FinishReason, Text
from fireside.engine.catalog import Offer
from fireside.engine.ports import Capability, EngineModel, TextPrompt
from tests.api.conftest import Server, says, scripted


def prompts(server: Server) -> list[TextPrompt]:
    """What the engine was asked to continue, in the order of the text."""
    asked = [each.prompt for each in server.engine.asked]
    return sorted(
        (each for each in asked if isinstance(each, TextPrompt)), key=lambda each: each.text
    )


def test_text_is_completed_whole(server: Server) -> None:
    with server.client() as client:
        answer = client.completions.create(model="able", prompt="Once")
    assert answer.choices[0].text == "Hello, you!"
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.object, answer.id[:5], answer.system_fingerprint) == (
        "text_completion", "cmpl-", "able@abc"
    )  # fmt: skip
    assert answer.usage
    assert answer.usage.total_tokens == 11
    assert prompts(server) == [TextPrompt("Once")]
    assert server.engine.asked[0].sampling.max_tokens == 16
    assert server.entries[0].feature is Feature.API_COMPLETION


def test_text_is_completed_as_a_stream(server: Server) -> None:
    with server.client() as client:
        chunks = list(
            client.completions.create(
                model="able", prompt="Once", stream=True, stream_options={"include_usage": True}
            )
        )
    assert [chunk.choices[0].text for chunk in chunks[:-1]] == ["Hello", ",", " you", "!", ""]
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage
    assert chunks[-1].usage.completion_tokens == 4


def test_several_prompts_and_choices_are_numbered_like_the_originals(server: Server) -> None:
    async def echo_prompt(request):  # type: ignore[no-untyped-def]
        for event in says(f"{request.prompt.text}/{request.sampling.seed}"):
            yield event

    server.engine.script = echo_prompt
    with server.client() as client:
        answer = client.completions.create(model="able", prompt=["a", "b"], n=2, seed=1)
    assert [(choice.index, choice.text) for choice in answer.choices] == [
        (0, "a/1"), (1, "a/2"), (2, "b/1"), (3, "b/2")
    ]  # fmt: skip
    assert answer.usage
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (14, 4)


def test_a_suffix_asks_to_fill_in_the_middle(server: Server) -> None:
    with server.client() as client:
        client.completions.create(model="able", prompt="def f(", suffix="return x", max_tokens=5)
    assert prompts(server) == [TextPrompt("def f(", suffix="return x")]
    assert server.engine.asked[0].sampling.max_tokens == 5


def test_echo_is_asked_of_the_engine_and_what_it_says_first_is_shown(server: Server) -> None:
    server.engine.script = scripted(
        PartStart(0, Text("Once")), TextDelta(0, " upon"), Finish(FinishReason.LENGTH)
    )
    with server.client() as client:
        whole = client.completions.create(model="able", prompt="Once", echo=True)
        chunks = list(
            client.completions.create(model="able", prompt="Once", echo=True, stream=True)
        )
    assert prompts(server)[0].echo
    assert whole.choices[0].text == "Once upon"
    assert "".join(chunk.choices[0].text for chunk in chunks) == "Once upon"


def test_log_probabilities_have_their_old_shape(server: Server) -> None:
    tokens: list[StreamEvent] = [
        PartStart(0, Text()),
        TextDelta(0, "Hi", (TokenLogprob("Hi", -0.1, None, (TokenLogprob("Ho", -2.0),)),)),
        TextDelta(0, " you", (TokenLogprob(" you", -0.2),)),
        Finish(FinishReason.STOP),
    ]
    server.engine.script = scripted(*tokens)
    with server.client() as client:
        whole = client.completions.create(model="able", prompt="x", logprobs=1)
        chunks = list(client.completions.create(model="able", prompt="x", logprobs=1, stream=True))
    told = whole.choices[0].logprobs
    assert told
    assert (told.tokens, told.token_logprobs, told.text_offset) == (
        ["Hi", " you"], [-0.1, -0.2], [0, 2]
    )  # fmt: skip
    assert told.top_logprobs == [{"Ho": -2.0}, {}]
    streamed = [chunk.choices[0].logprobs for chunk in chunks if chunk.choices[0].logprobs]
    assert [each.text_offset for each in streamed] == [[0], [2]]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": []}, "prompt"),
        ({"prompt": [1, 2, 3]}, "prompt"),
        ({"prompt": [[1, 2], [3]]}, "prompt"),
        ({"prompt": ["a"] * 65}, "prompt"),
        ({"prompt": "a", "echo": True, "logprobs": 1}, "echo"),
        ({"prompt": "a", "echo": True, "suffix": "b"}, "echo"),
        ({"prompt": "a", "best_of": 3}, "best_of"),
        ({"prompt": "a", "logprobs": 99}, "logprobs"),
    ],
)
def test_completions_that_cannot_be_served_are_refused(
    server: Server, fields: dict[str, object], param: str
) -> None:
    with server.client() as client, pytest.raises(openai.BadRequestError) as e:
        client.completions.create(model="able", **fields)  # type: ignore[call-overload]
    assert e.value.param == param
    assert server.engine.asked == []


@pytest.mark.parametrize("fields", [{}, {"suffix": "b"}, {"logprobs": 1}])
def test_a_model_that_only_chats_refuses_to_complete(
    server: Server, fields: dict[str, object]
) -> None:
    with server.client() as client, pytest.raises(openai.BadRequestError) as e:
        client.completions.create(model="plain", prompt="a", **fields)  # type: ignore[call-overload]
    assert e.value.code == "unsupported_by_model"


def test_embeddings_come_as_numbers_and_as_base64(server: Server) -> None:
    with server.client() as client:
        decoded = client.embeddings.create(model="able", input=["ab", "abc"])  # asks for base64
        plain = client.embeddings.create(model="able", input="ab", encoding_format="float")
        packed = client.embeddings.create(model="able", input="ab", encoding_format="base64")
    assert [each.embedding for each in decoded.data] == [[2.0, 0.5, -1.0], [3.0, 0.5, -1.0]]
    assert [each.index for each in decoded.data] == [0, 1]
    assert plain.data[0].embedding == [2.0, 0.5, -1.0]
    raw = base64.b64decode(str(packed.data[0].embedding))
    assert struct.unpack("<3f", raw) == (2.0, 0.5, -1.0)
    assert decoded.usage.prompt_tokens == decoded.usage.total_tokens == 6
    assert server.entries[0].feature is Feature.API_EMBEDDINGS
    assert server.entries[0].usage.prompt_tokens == 6


@pytest.mark.parametrize(
    "fields",
    [{"input": []}, {"input": ""}, {"input": [1, 2]}, {"input": [[1]]}, {"input": ["a"] * 2049},
     {"input": "a", "dimensions": 2}],
)  # fmt: skip
def test_embeddings_that_cannot_be_made_are_refused(
    server: Server, fields: dict[str, object]
) -> None:
    with server.client() as client, pytest.raises(openai.BadRequestError) as e:
        client.embeddings.create(model="able", **fields)  # type: ignore[arg-type]
    assert e.value.param in {"input", "dimensions"}


def test_a_model_that_does_not_embed_says_so(server: Server) -> None:
    with server.client() as client, pytest.raises(openai.BadRequestError) as e:
        client.embeddings.create(model="plain", input="a")
    assert e.value.code == "unsupported_by_model"


def test_models_are_listed_and_looked_up_whatever_their_name(server: Server) -> None:
    odd = EngineModel("org/model:7b q4", 10, frozenset({Capability.CHAT}))
    server.catalog.replace([Offer(server.engine, odd, odd.name, "r")])
    with server.client() as client:
        listed = list(client.models.list())
        found = client.models.retrieve("org/model:7b q4")
        with pytest.raises(openai.NotFoundError) as e:
            client.models.retrieve("able")
    assert [(model.id, model.object, model.owned_by) for model in listed] == [
        ("org/model:7b q4", "model", "told")
    ]
    assert found == listed[0]
    assert e.value.code == "model_not_found"

"""Whatever JSON arrives: it is served, or refused with a 4xx. Never a 500."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fireside.api.errors import explain
from fireside.api.openai.chat_request import ChatCompletionIn
from fireside.api.openai.chat_request import decoder as decode_chat
from fireside.api.openai.completion_request import TextCompletionIn
from fireside.api.openai.completion_request import decoder as decode_text
from fireside.api.openai.embeddings import EmbeddingsIn
from fireside.api.openai.embeddings import decoder as decode_embeddings
from fireside.api.openai.lengths import num_chars
from fireside.api.openai.sampling import for_choice
from fireside.engine.catalog import ModelCatalog
from tests.api.conftest import ToldEngine, offers

NOW = datetime(2026, 5, 1, tzinfo=UTC)

scalars = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8)
)
anything = st.recursive(
    scalars | st.sampled_from(["user", "assistant", "tool", "function", "text", "json_schema"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from("role content type text function name id tool_calls url x".split()),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
message = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant", "tool", "developer"])},
    optional={
        "content": anything,
        "name": anything,
        "tool_call_id": anything,
        "tool_calls": anything,
        "refusal": anything,
        "annotations": anything,
    },
)


def body_of(kind: type[msgspec.Struct], **likely: st.SearchStrategy[object]) -> object:
    """Bodies of a request: its required fields often as they should be, the others anything."""
    required = {name: anything | strategy for name, strategy in likely.items()}
    others = [name for name in kind.__struct_fields__ if name not in likely]
    extra = st.dictionaries(st.sampled_from([*others, "unknown"]), anything, max_size=5)
    return st.tuples(st.fixed_dictionaries(required), extra).map(lambda two: {**two[0], **two[1]})


def is_refused_or_served(serve: object, body: object) -> bool:
    """Whether `serve` takes `body` or raises something that becomes a 4xx."""
    try:
        serve(msgspec.json.encode(body))  # type: ignore[operator]
    except Exception as error:  # noqa: BLE001
        return 400 <= explain(error, NOW).status < 500
    return True


@pytest.fixture(scope="module")
def catalog() -> ModelCatalog:
    made = ModelCatalog()
    made.replace(offers(ToldEngine()))
    return made


many = settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
models = st.sampled_from(["able", "plain", "nope"])


@many
@given(body=body_of(ChatCompletionIn, model=models, messages=st.lists(message, max_size=4)))
def test_any_chat_is_served_or_refused(catalog: ModelCatalog, body: object) -> None:
    def serve(data: bytes) -> None:
        asked = decode_chat.decode(data)
        assert asked.include_usage in {True, False}
        request = asked.to_generation(catalog.resolve(asked.model), "id")
        assert num_chars(request) >= 0
        for_choice(request.sampling, 7)

    assert is_refused_or_served(serve, body)


@many
@given(body=body_of(TextCompletionIn, model=models, prompt=st.text() | st.lists(st.text())))
def test_any_completion_is_served_or_refused(catalog: ModelCatalog, body: object) -> None:
    def serve(data: bytes) -> None:
        asked = decode_text.decode(data)
        for request in asked.to_generations(catalog.resolve(asked.model), "id"):
            assert num_chars(request) >= 0

    assert is_refused_or_served(serve, body)


@many
@given(body=body_of(EmbeddingsIn, model=models, input=st.text() | st.lists(st.text())))
def test_any_embedding_is_served_or_refused(body: object) -> None:
    assert is_refused_or_served(lambda data: decode_embeddings.decode(data).texts(), body)


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_refused(data: bytes) -> None:
    for decode in (decode_chat.decode, decode_text.decode, decode_embeddings.decode):
        try:
            decode(data)
        except Exception as error:  # noqa: BLE001
            assert explain(error, NOW).status == 400
        else:
            raise AssertionError(data)

"""The bundled model behind the product, by the official clients."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator

import msgspec
import openai
import pytest

from tests.api.bundled_server import MODEL, NEEDS_MODEL, ROOT, bundled_server
from tests.api.node_runtime import HERE as NODE_HERE
from tests.api.node_runtime import Node

ASK = [{"role": "user", "content": "Name three colours."}]

pytestmark = NEEDS_MODEL


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openai.OpenAI]:
    """The official client of a server that runs the bundled model."""
    with bundled_server(tmp_path_factory.mktemp("data")) as server:
        yield server.client


def test_the_bundled_model_is_listed_with_what_it_can_do(client: openai.OpenAI) -> None:
    model = client.models.retrieve(MODEL)
    assert model.owned_by == "embedded"
    assert {"chat", "completion", "logprobs"} <= set(model.model_dump()["capabilities"])


def test_the_bundled_model_answers_the_same_whole_and_streamed(client: openai.OpenAI) -> None:
    asked = {"model": MODEL, "messages": ASK, "max_tokens": 16, "temperature": 0, "seed": 1}
    whole = client.chat.completions.create(**asked)
    options = {"stream": True, "stream_options": {"include_usage": True}}
    chunks = list(client.chat.completions.create(**asked, **options))
    text = whole.choices[0].message.content or ""
    assert len(text) > 10
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == text
    assert whole.choices[0].finish_reason == "length"
    assert whole.usage
    assert chunks[-1].usage
    assert (whole.usage.completion_tokens, chunks[-1].usage.completion_tokens) == (16, 16)
    assert whole.usage.prompt_tokens == chunks[-1].usage.prompt_tokens > 5
    assert (whole.system_fingerprint or "").startswith(f"{MODEL}@")


def test_the_bundled_model_stops_where_it_is_told(client: openai.OpenAI) -> None:
    asked = {"model": MODEL, "messages": ASK, "max_tokens": 40, "temperature": 0}
    free = client.chat.completions.create(**asked).choices[0].message.content or ""
    word = free.split()[3]
    held = client.chat.completions.create(**asked, stop=word).choices[0]
    assert held.message.content == free.partition(word)[0]
    assert held.finish_reason == "stop"


def test_the_bundled_model_tells_probabilities_and_keeps_to_a_schema(
    client: openai.OpenAI,
) -> None:
    told = client.chat.completions.create(
        model=MODEL, messages=ASK, max_tokens=3, logprobs=True, top_logprobs=2
    )
    assert told.choices[0].logprobs
    tokens = told.choices[0].logprobs.content or []
    assert len(tokens) == 3
    assert all(token.logprob <= 0 and len(token.top_logprobs) == 2 for token in tokens)
    schema = {
        "type": "object",
        "properties": {"colour": {"enum": ["red", "blue"]}},
        "required": ["colour"],
        "additionalProperties": False,
    }
    shaped = client.chat.completions.create(
        model=MODEL,
        messages=ASK,
        max_tokens=40,
        response_format={"type": "json_schema", "json_schema": {"name": "c", "schema": schema}},
    )
    answer = msgspec.json.decode(shaped.choices[0].message.content or "")
    assert answer["colour"] in {"red", "blue"}


def test_the_bundled_model_completes_raw_text_several_times(client: openai.OpenAI) -> None:
    made = client.completions.create(
        model=MODEL, prompt=["Once upon", "The sky"], n=2, max_tokens=4, seed=3, echo=True
    )
    assert [choice.index for choice in made.choices] == [0, 1, 2, 3]
    begins = [choice.text[:7] for choice in made.choices]
    assert begins == ["Once up", "Once up", "The sky", "The sky"]
    assert made.usage
    assert made.usage.completion_tokens == 16


def test_the_bundled_model_says_what_it_cannot_do(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as e:
        client.embeddings.create(model=MODEL, input="a")
    assert e.value.code == "unsupported_by_model"
    with pytest.raises(openai.BadRequestError) as long:
        create = client.chat.completions.create
        create(model=MODEL, messages=[{"role": "user", "content": "word " * 9000}])
    assert long.value.code == "context_length_exceeded"
    assert "8192" in long.value.message


GUIDE = (ROOT / "docs" / "guide" / "api.md").read_text()
SHELL = [
    textwrap.dedent(block)
    for block in re.findall(r"(?:^    .*\n)+", GUIDE, re.MULTILINE)
    if "curl " in block
]


def run_example(client: openai.OpenAI, command: list[str], text: str = "") -> str:
    """What an example of the guide prints, with our address and key in place of its own."""
    env = {**os.environ, "BASE": str(client.base_url).rstrip("/"), "KEY": client.api_key}
    text = text.replace("http://127.0.0.1:8321/v1", env["BASE"]).replace("fs-...", env["KEY"])
    done = subprocess.run(
        command, input=text, env=env, text=True, capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("example", SHELL)
def test_the_guide_s_shell_examples_work(client: openai.OpenAI, example: str) -> None:
    answer = msgspec.json.decode(run_example(client, ["bash"], example))
    assert answer["choices"][0]["finish_reason"] in {"stop", "length"}


def test_the_guide_s_python_example_works(client: openai.OpenAI) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    assert len(run_example(client, [sys.executable, "-"], example)) > 20


def test_the_guide_s_javascript_example_works(client: openai.OpenAI, node: Node) -> None:
    (example,) = re.findall(r"```js\n(.*?)```", GUIDE, re.DOTALL)
    command = [str(node.folder / "node"), "--input-type=module", "-"]
    script = example.replace('"openai"', f'"{NODE_HERE}/node_modules/openai/index.mjs"')
    assert len(run_example(client, command, script)) > 10


def test_a_client_that_leaves_frees_the_engine(client: openai.OpenAI) -> None:
    for _ in range(6):  # more than the engine has slots
        stream = client.chat.completions.create(
            model=MODEL, messages=ASK, max_tokens=4000, stream=True, logit_bias={"2": -100}
        )
        next(stream)
        stream.close()
    answer = client.chat.completions.create(model=MODEL, messages=ASK, max_tokens=2, timeout=60)
    assert answer.choices[0].finish_reason == "length"

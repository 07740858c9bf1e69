"""The whole product as an operator runs it: `fireside serve`, the bundled model, one real key."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import openai
import pytest

from tests.api.node_runtime import HERE as NODE_HERE
from tests.api.node_runtime import Node

ROOT = Path(__file__).resolve().parents[2]
MODELS = Path(os.environ.get("FIRESIDE__ENGINE__MODELS_DIR", ROOT / ".models"))
MODEL = "smollm2-135m"
READY = re.compile(r"Fireside is ready at (http://\S+)")
ASK = [{"role": "user", "content": "Name three colours."}]

pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif(
        not any(MODELS.glob("*135*.gguf")) and not any(MODELS.glob("*135M*.gguf")),
        reason=f"The bundled model is not in {MODELS}: run `make model`.",
    ),
]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openai.OpenAI]:
    """The official client of a server that runs the bundled model."""
    data_dir = tmp_path_factory.mktemp("data")
    env = {
        **os.environ,
        "FIRESIDE_DATA_DIR": str(data_dir),
        "FIRESIDE__ENGINE__MODELS_DIR": str(MODELS),
        "FIRESIDE__ENGINE__EMBEDDED_MODEL": MODEL,
        "FIRESIDE__ENGINE__FETCH_DEFAULT_MODEL": "false",
    }
    house = [sys.executable, "-m", "fireside"]

    def run(*words: str) -> str:
        done = subprocess.run(
            [*house, *words],
            env=env,
            input="a long password 1",
            text=True,
            capture_output=True,
            check=True,
        )
        return done.stdout

    run("user", "create", "--email", "ann@example.com", "--name", "Ann", "--password-stdin")
    key = run("key", "create", "--user", "ann@example.com", "--name", "test").split()[-1]
    log = data_dir / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*house, "serve", "--port", "0"], env=env, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        url = _wait_until_ready(log, process)
        with openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as made:
            yield made
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_ready(log: Path, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline and process.poll() is None:
        if found := READY.search(log.read_text(errors="replace")):
            if httpx.get(f"{found[1]}/readyz").status_code == 200:
                return found[1]
        time.sleep(0.1)
    raise AssertionError(log.read_text(errors="replace")[-3000:])


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

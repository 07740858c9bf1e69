"""Law 3 against the real engine: its own template and tokenizer say the same as ours."""

from __future__ import annotations

import json
import random
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import xllamacpp
from hypothesis import given, settings
from hypothesis import strategies as st

from fireside.conversation.message import (
    Author,
    Code,
    File,
    Message,
    MessageId,
    Part,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from fireside.conversation.render import Renderer
from fireside.conversation.wire.chat_template import ChatTemplate
from fireside.conversation.wire.openai_chat import emit
from fireside.engine.gguf_tokenizer import GgufTokenizer
from tests.conversation.strategies import BLOB, new_ids

pytestmark = pytest.mark.model

MODELS = Path(__file__).parents[2] / ".models"
SMOLLM2 = "SmolLM2-135M-Instruct.Q4_1.gguf"
QWEN = "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"  # fetched in the background, so it may be absent

TOOL = {
    "type": "function",
    "function": {
        "name": "clock",
        "description": "Tells the time",
        "parameters": {"type": "object", "properties": {"tz": {"type": "string"}}},
    },
}


class Model:
    """One model file, in the engine and outside it."""

    def __init__(self, path: Path) -> None:
        self.tokenizer = GgufTokenizer.load(path)
        special = self.tokenizer.special
        assert self.tokenizer.chat_template is not None
        template = ChatTemplate(
            self.tokenizer.chat_template,
            datetime(2026, 1, 1, tzinfo=UTC),
            bos_token=special.bos,
            eos_token=special.eos,
        )
        self.render = Renderer(
            template, self.tokenizer.encode, ends=special.ends, adds_bos=special.adds_bos
        )
        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_ctx = 512
        params.n_parallel = 1
        params.port = 0
        params.warmup = False
        params.cpuparams.n_threads = 1
        self._server = xllamacpp.Server(params)

    def ask(self, path: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(
            self._server.listening_address + path,
            json.dumps(body).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request) as response:
            return json.load(response)

    def tokenize(self, text: str) -> list[int]:
        """The engine's ids, as its chat endpoint makes them."""
        body = {"content": text, "add_special": True, "parse_special": True}
        tokens: list[int] = self.ask("/tokenize", body)["tokens"]
        return tokens

    def prompt_text(self, line: list[Message], tools: list[dict[str, Any]]) -> str:
        """The engine's own rendering of the request that Fireside sends it."""
        body: dict[str, Any] = {"messages": emit(line)}
        text: str = self.ask("/apply-template", body | ({"tools": tools} if tools else {}))[
            "prompt"
        ]
        return text


@pytest.fixture(scope="module", params=[SMOLLM2, QWEN])
def model(request: pytest.FixtureRequest) -> Iterator[Model]:
    path = MODELS / request.param
    if not path.exists():
        if request.param == QWEN:
            pytest.skip("the larger model has not been fetched")
        pytest.fail("The bundled model is not here: run `make test`, which fetches it.")
    yield Model(path)


def said(role: Role, *parts: Part, weight: float = 1.0) -> Message:
    return Message(MessageId(new_ids()()), Author(role), parts, weight=weight)


TALK = [
    said(Role.SYSTEM, Text("Answer in one word.")),
    said(Role.USER, Text("Is 1234567 prime? Ünïcödé, 日本語, שלום, 👩‍👩‍👧")),
    said(Role.ASSISTANT, Reasoning("127 divides it."), Text("No."), weight=0.0),
    said(Role.USER, Text("Why?\n\n  Explain:\n\ttabs"), Code("python", "127 * 9721")),
    said(Role.ASSISTANT, Text("127 * 9721 = 1234567.\n")),
    said(Role.USER, File(BLOB, "a.txt", "some text"), Text("")),
    said(Role.ASSISTANT, Text(" Thanks. <|not special|> </s")),
]
WITH_TOOLS = [
    said(Role.DEVELOPER, Text("Use tools.")),
    said(Role.USER, Text("What time is it in Bamako?")),
    said(Role.ASSISTANT, ToolCall("c1", "clock", '{"tz": "Africa/Bamako", "n": [1, 2.5, null]}')),
    said(Role.TOOL, ToolResult("c1", "clock", '{"time": "10:00 — é"}')),
    said(Role.ASSISTANT, Text("It is ten.")),
    said(Role.USER, Text("Thanks")),
]


@pytest.mark.parametrize(
    ("line", "tools"),
    [
        (TALK[:2], []),
        (TALK[1:2], []),
        (TALK[:4], []),
        (TALK[:6], []),
        (WITH_TOOLS[:2], [TOOL]),
        (WITH_TOOLS[:4], [TOOL]),
        (WITH_TOOLS[:4], []),
        (WITH_TOOLS, [TOOL]),
    ],
)
def test_the_engine_is_prompted_with_exactly_the_ids_that_training_begins_with(
    model: Model, line: list[Message], tools: list[dict[str, Any]]
) -> None:
    rendered = model.prompt_text(line, tools)
    assert model.render.prompt_text(line, tools) == rendered
    prompt = model.render.prompt(line, tools)
    assert prompt == model.tokenize(rendered)
    row = model.render.training_row([*line, said(Role.ASSISTANT, Text("Done."))], tools)
    assert row.exact
    assert row.ids[: len(prompt)] == prompt
    learned = [id for id, bit in zip(row.ids, row.mask, strict=True) if bit]
    assert model.tokenizer.decode(learned).endswith("Done.<|im_end|>")


def test_what_is_learned_is_what_the_assistant_wrote_and_its_end_of_turn(model: Model) -> None:
    row = model.render.training_row(TALK)
    learned = [id for id, bit in zip(row.ids, row.mask, strict=True) if bit]
    assert model.tokenizer.decode(learned) == (
        "127 * 9721 = 1234567.\n<|im_end|> Thanks. <|not special|> </s<|im_end|>"
    )
    assert row.exact
    assert row.ids == model.tokenize(model.tokenizer.decode(row.ids))


def test_a_reply_that_melts_into_its_header_is_told_apart(model: Model) -> None:
    line = [*TALK[:2], said(Role.ASSISTANT, Text("\n\nNo."))]
    row = model.render.training_row(line)
    prompt = model.render.prompt(line[:2])
    assert row.ids[: len(prompt)] == prompt
    assert row.exact == (row.ids == model.tokenize(model.tokenizer.decode(row.ids)))
    assert not row.exact


@settings(deadline=None, max_examples=60)
@given(
    texts=st.lists(
        st.text("ab1 \n.é日👍", max_size=12) | st.text(max_size=12), min_size=5, max_size=5
    )
)
def test_whatever_is_said_prompts_are_prefixes_of_their_rows(
    model: Model, texts: list[str]
) -> None:
    roles = [Role.SYSTEM, Role.USER, Role.ASSISTANT, Role.USER, Role.ASSISTANT]
    line = [said(role, Text(text)) for role, text in zip(roles, texts, strict=True)]
    row = model.render.training_row(line)
    for index in (2, 4):
        prompt = model.render.prompt(line[:index])
        assert row.ids[: len(prompt)] == prompt
        text = model.prompt_text(line[:index], [])
        assert model.render.prompt_text(line[:index]) == text
        if row.exact:
            assert prompt == model.tokenize(text)


def test_the_tokenizer_agrees_with_the_engine_on_three_hundred_odd_texts(model: Model) -> None:
    chance = random.Random(20260101)
    odd = " \n\t\r\x00ab'sdLL1290éß日本🎉\u200d₁²½①٣.,;<>|_-\u00a0\u2003\u3000\ufeff"
    texts = ["".join(chance.choices(odd, k=chance.randrange(60))) for _ in range(300)]
    texts += [path.read_text() for path in Path(__file__).parent.glob("*.py")]
    texts += ["<|im_start|>user\n<|endoftext|>x<|im_end|>", "don't I'LL 'S 1234567 ١٢٣"]
    for text in texts:
        assert model.tokenizer.encode(text) == model.tokenize(text)

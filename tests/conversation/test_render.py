"""Law 3: a prompt is a prefix of its training row, and the mask is 1 on what the model wrote."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.conversation.message import (
    Author,
    BlobRef,
    Image,
    Message,
    MessageId,
    Part,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from fireside.conversation.render import TemplateNotAdditive
from fireside.conversation.wire.chat_template import ChatTemplate, TemplateRefused
from fireside.conversation.wire.errors import InexpressiblePart
from tests.conversation.templates import (
    CHATML,
    GEMMA,
    LLAMA3,
    MISTRAL,
    MOVING,
    NOW,
    TOOLS,
    ToyTokenizer,
    renderer,
)

TEMPLATES = {"chatml": CHATML, "llama3": LLAMA3, "mistral": MISTRAL, "gemma": GEMMA, "tools": TOOLS}
SHAPES = [
    ("chatml", True, "", "<|im_end|>"),
    ("llama3", True, "", "<|eot_id|>"),
    ("mistral", True, " ", "</s>"),
    ("gemma", False, "", "<end_of_turn>"),
    ("tools", True, "", "<|im_end|>"),
]
TRIMMED = {"llama3", "gemma"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}

texts = st.text("ab1.<] \n", max_size=8) | st.text(max_size=8)
weights = st.sampled_from([0.0, 0.5, 1.0])


def message(role: Role, *parts: Part, weight: float = 1.0) -> Message:
    return Message(MessageId("m"), Author(role), parts, weight=weight)


@st.composite
def dialogues(draw: st.DrawFn, *, system: bool) -> list[Message]:
    """An optional system message, then questions and replies of any weight."""
    line = []
    if system and draw(st.booleans()):
        line.append(message(Role.SYSTEM, Text(draw(texts))))
    for _ in range(draw(st.integers(1, 4))):
        line.append(message(Role.USER, Text(draw(texts)), weight=draw(weights)))
        line.append(message(Role.ASSISTANT, Text(draw(texts)), weight=draw(weights)))
    return line


def replies(line: Sequence[Message]) -> list[int]:
    return [index for index, each in enumerate(line) if each.author.role is Role.ASSISTANT]


@pytest.mark.parametrize(("name", "system", "before", "end"), SHAPES)
@given(data=st.data())
def test_law_3_holds_for_every_path_of_every_shape_of_template(
    name: str, system: bool, before: str, end: str, data: st.DataObject
) -> None:
    line = data.draw(dialogues(system=system))
    toy = ToyTokenizer()
    render = renderer(TEMPLATES[name], toy)
    whole = render.training_row(line)
    for index in replies(line):
        prompt = render.prompt(line[:index])
        row = render.training_row(line[: index + 1])
        assert row.ids[: len(prompt)] == prompt
        assert whole.ids[: len(prompt)] == prompt
        assert toy.text(prompt) == render.prompt_text(line[:index])
        assert set(row.mask[len(prompt) :]) <= {0, 1}
    learned = [
        before + (line[index].text().strip() if name in TRIMMED else line[index].text()) + end
        for index in replies(line)
        if line[index].weight > 0
    ]
    assert len(whole.mask) == len(whole.ids)
    masked = [id for id, bit in zip(whole.ids, whole.mask, strict=True) if bit]
    assert toy.text(masked) == "".join(learned)


@given(st.lists(st.tuples(texts, texts, texts, weights), max_size=3), st.booleans())
def test_law_3_holds_with_tools_whose_calls_are_learned_and_results_are_not(
    rounds: list[tuple[str, str, str, float]], listed: bool
) -> None:
    line: list[Message] = []
    learned = ""
    for asked, argument, answer, weight in rounds:
        call = ToolCall("c", "f", json.dumps({"x": argument}))
        line += [
            message(Role.USER, Text(asked)),
            message(Role.ASSISTANT, Reasoning("Hm."), call, weight=weight),
            message(Role.TOOL, ToolResult("c", "f", answer)),
            message(Role.ASSISTANT, Text("Done."), weight=weight),
        ]
        written = json.dumps({"x": argument}, ensure_ascii=False)
        shown = f'\n<tool_call>\n{{"name": "f", "arguments": {written}}}\n</tool_call><|im_end|>'
        learned += (shown + "Done.<|im_end|>") if weight > 0 else ""
    toy = ToyTokenizer()
    render = renderer(TOOLS, toy)
    tools = [TOOL] if listed else []
    row = render.training_row(line, tools)
    for index in replies(line):
        prompt = render.prompt(line[:index], tools)
        assert row.ids[: len(prompt)] == prompt
    assert ("Tools:" in toy.text(row.ids)) == listed
    masked = [id for id, bit in zip(row.ids, row.mask, strict=True) if bit]
    assert toy.text(masked) == learned


def test_a_reply_that_would_melt_into_its_header_is_told_apart() -> None:
    render = renderer(CHATML, ToyTokenizer())
    asked = message(Role.USER, Text("Q"))
    assert render.training_row([asked, message(Role.ASSISTANT, Text("A"))]).exact
    melting = render.training_row([asked, message(Role.ASSISTANT, Text("\nA"))])
    assert not melting.exact
    prompt = render.prompt([asked])
    assert melting.ids[: len(prompt)] == prompt


def test_a_begin_token_is_put_first_once() -> None:
    toy = ToyTokenizer()
    line = [message(Role.USER, Text("a")), message(Role.ASSISTANT, Text("b"))]
    missing = renderer(CHATML, toy, adds_bos=True)
    present = renderer(MISTRAL, toy, adds_bos=True)
    for render in (missing, present):
        assert toy.text(render.prompt(line[:1])).count("<s>") == 1
        row = render.training_row(line)
        assert toy.text(row.ids).startswith("<s>")
        assert row.mask[0] == 0


def test_a_template_that_moves_words_as_turns_are_added_is_refused() -> None:
    line = [
        message(Role.USER, Text("a")),
        message(Role.ASSISTANT, Text("b")),
        message(Role.USER, Text("c")),
        message(Role.ASSISTANT, Text("d")),
    ]
    render = renderer(MOVING, ToyTokenizer())
    with pytest.raises(TemplateNotAdditive) as caught:
        render.training_row(line)
    assert caught.value.hint
    line[1] = message(Role.ASSISTANT, Text("b"), weight=0.0)
    row = render.training_row(line)
    prompt = render.prompt(line[:3])
    assert row.ids[: len(prompt)] == prompt
    assert sum(row.mask) == 2  # the last reply and its end


def test_a_template_refuses_a_path_in_its_own_words() -> None:
    with pytest.raises(TemplateRefused, match="roles must alternate"):
        renderer(MISTRAL, ToyTokenizer()).prompt([message(Role.ASSISTANT, Text("a"))])
    with pytest.raises(TemplateRefused, match="System role"):
        renderer(GEMMA, ToyTokenizer()).prompt([message(Role.SYSTEM, Text("a"))])


@pytest.mark.parametrize(
    "source",
    [
        "{{",
        "{% for %}",
        "{{ messages.__class__.__mro__ }}{{ messages.append(1) }}",
        "{{ 1 / 0 }}",
        "{{ messages[0] + 1 }}",
        "{{ cycler.__init__.__globals__.os.system('true') }}",
        "{% for a in range(10 ** 9) %}x{% endfor %}",
        "x" * 300_000,
    ],
)
def test_a_broken_or_hostile_template_is_refused(source: str) -> None:
    with pytest.raises(TemplateRefused):
        renderer(source, ToyTokenizer()).prompt([message(Role.USER, Text("a"))])


def test_the_helpers_that_hugging_face_gives_are_there() -> None:
    source = (
        "{% generation %}{{ strftime_now('%d %B %Y') }}{% endgeneration %}"
        "{% for x in [1, 2, 3] %}{% if x == 2 %}{% break %}{% endif %}{{ x }}{% endfor %}"
        "{{ {'b': '<é>', 'a': 1} | tojson }}{{ [1] | tojson(indent=1) }}"
    )
    template = ChatTemplate(source, NOW)
    assert template.render([], add_generation_prompt=True) == (
        '04 March 20261{"b": "<é>", "a": 1}[\n 1\n]'
    )


def test_a_developer_speaks_as_the_system_where_the_template_knows_none() -> None:
    line = [message(Role.DEVELOPER, Text("a"))]
    assert "<|im_start|>system\na<" in renderer(CHATML, ToyTokenizer()).prompt_text(line)
    knows = "{# developer #}{{ messages[0].role }}"
    assert renderer(knows, ToyTokenizer()).prompt_text(line) == "developer"


def test_a_picture_cannot_become_tokens() -> None:
    picture = message(Role.USER, Image(url="https://example.org/a.png"), Text("What is it?"))
    with pytest.raises(InexpressiblePart) as caught:
        renderer(CHATML, ToyTokenizer()).prompt([picture])
    assert caught.value.part == "image"
    with pytest.raises(InexpressiblePart):
        stored = Image(BlobRef("0" * 64, "image/png", 1))
        renderer(CHATML, ToyTokenizer()).prompt([message(Role.USER, stored)])

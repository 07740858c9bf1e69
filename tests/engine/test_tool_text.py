"""Tool calls that a small model wrote as text are calls; text that looks like one stays text."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.conversation.event import Finish, PartEnd, PartStart, StreamEvent, TextDelta
from fireside.conversation.fold import fold
from fireside.conversation.message import (
    Author,
    FinishReason,
    Message,
    MessageId,
    Part,
    Role,
    Status,
    Text,
    ToolCall,
)
from fireside.engine.backends.tool_text import ToolTextReader
from fireside.engine.ports import ChatPrompt, ToolChoice, ToolSpec

CALL = '{"name": "find", "arguments": {"q": "sea } \\" {"}}'
AS_CALL = ToolCall("c1", "find", '{"q":"sea } \\" {"}')


def read(
    text: str, choice: ToolChoice | str = ToolChoice.AUTO, size: int = 3
) -> tuple[tuple[Part, ...], FinishReason | None, list[StreamEvent]]:
    numbers = count(1)
    prompt = ChatPrompt((), tools=(ToolSpec("find"), ToolSpec("look")), tool_choice=choice)
    reader = ToolTextReader(prompt, lambda: f"c{next(numbers)}")
    said: list[StreamEvent] = [PartStart(0, Text())]
    said += [TextDelta(0, text[at : at + size]) for at in range(0, len(text), size)]
    said += [PartEnd(0), Finish(FinishReason.STOP)]
    events = [out for event in said for out in reader.read(event)]
    skeleton = Message(MessageId("r"), Author(Role.ASSISTANT), status=Status.STREAMING)
    message = fold(skeleton, events)
    return message.parts, message.finish_reason, events


@pytest.mark.parametrize(
    "text",
    [
        CALL,
        f"\n{CALL}\n",
        f"```json\n{CALL}\n```",
        f"<tool_call>\n{CALL}\n</tool_call>",
        f"```\n{CALL}```",
    ],
)
def test_a_bare_call_is_a_call(text: str) -> None:
    parts, reason, _ = read(text)
    assert parts == (AS_CALL,)
    assert reason is FinishReason.TOOL_CALLS


def test_several_calls_are_several_parts() -> None:
    parts, _, _ = read(f'{CALL}\n{{"name": "look", "arguments": {{}}}}')
    assert parts == (AS_CALL, ToolCall("c2", "look", "{}"))


@pytest.mark.parametrize(
    "text",
    [
        "It is warm in Paris.",
        '{"name": "delete_all", "arguments": {}}',
        '{"name": "find"}',
        '{"name": "find", "arguments": "sea"}',
        '{"temperature": 21}',
        f"{CALL} is how you would call it.",
        f"Here: {CALL}",
        '{"name": "find", "arguments": {"q": ',
        "{",
        "```python\nprint(1)\n```",
        "",
    ],
)
def test_what_is_no_call_of_an_offered_tool_stays_text(text: str) -> None:
    parts, reason, _ = read(text)
    assert "".join(part.text for part in parts if isinstance(part, Text)) == text
    assert reason is FinishReason.STOP


@pytest.mark.parametrize("choice", [ToolChoice.REQUIRED, "find"])
def test_babble_after_a_call_that_had_to_be_made_is_dropped(choice: ToolChoice | str) -> None:
    parts, reason, _ = read(f"{CALL}.json\n```json\n{CALL}", choice)
    assert parts == (AS_CALL,)
    assert reason is FinishReason.TOOL_CALLS


def test_plain_text_is_not_held_back() -> None:
    prompt = ChatPrompt((), tools=(ToolSpec("find"),))
    reader = ToolTextReader(prompt, lambda: "c")
    assert reader.read(PartStart(0, Text())) == ()
    assert len(reader.read(TextDelta(0, "It "))) == 2
    assert len(reader.read(TextDelta(0, "is "))) == 1


def test_it_concerns_only_replies_that_may_call() -> None:
    tools = (ToolSpec("find"),)
    assert ToolTextReader.concerns(ChatPrompt((), tools=tools))
    assert not ToolTextReader.concerns(ChatPrompt((), tools=tools, tool_choice=ToolChoice.NONE))
    assert not ToolTextReader.concerns(ChatPrompt(()))


@given(st.text(alphabet='{}[]"\\`<>jsontol_ca \n', max_size=60), st.integers(1, 7))
def test_no_text_is_ever_lost(text: str, size: int) -> None:
    parts, _, _ = read(text, size=size)
    assert "".join(part.text for part in parts if isinstance(part, Text)) == text

"""ShareGPT rows: `{"conversations": [{"from": "human", "value": "..."}]}`, one path each.

`parse(emit(line)) == line` holds up to ids and call ids for messages of one text part by system,
user and assistant, reasoning before an assistant's text, tool calls after it whose arguments are a
compact JSON object, and tool messages of one result of plain text. Weights 0 and 1 are kept, as
axolotl reads them.

Lossy by design: a developer speaks as the system; Code becomes a fenced block, a File its extracted
text, Audio its transcript, a result's streams and displays one text; calls without a word before
them join an assistant's message above. Pictures, citations and text that would read as reasoning
raise InexpressiblePart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

import msgspec

from fireside.conversation.message import (
    Audio,
    Author,
    Citation,
    Code,
    File,
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
from fireside.conversation.wire.errors import InexpressiblePart
from fireside.conversation.wire.plain import told, tool_output
from fireside.errors import UserError
from fireside.kit.ids import NewId, new_id

FORMAT = "sharegpt"
_THOUGHT = "<think>\n"
_THOUGHT_END = "\n</think>\n\n"
_FROM = {
    Role.SYSTEM: "system",
    Role.DEVELOPER: "system",
    Role.USER: "human",
    Role.ASSISTANT: "gpt",
    Role.TOOL: "observation",
}
_ROLE = {
    "system": Role.SYSTEM,
    "human": Role.USER,
    "user": Role.USER,
    "gpt": Role.ASSISTANT,
    "assistant": Role.ASSISTANT,
    "chatgpt": Role.ASSISTANT,
    "model": Role.ASSISTANT,
    "function_call": Role.ASSISTANT,
    "observation": Role.TOOL,
    "tool": Role.TOOL,
    "function_response": Role.TOOL,
}


class Turn(msgspec.Struct, rename={"speaker": "from"}, omit_defaults=True):
    """One line of a row."""

    speaker: str
    value: str
    weight: float | None = None


class Row(msgspec.Struct, omit_defaults=True):
    """One conversation; `system` is where some files put the system message."""

    conversations: list[Turn]
    id: str | int | None = None
    system: str | None = None


class _Function(msgspec.Struct):
    name: str
    arguments: msgspec.Raw = msgspec.Raw(b"{}")


def emit(line: Sequence[Message], row_id: str | None = None) -> Row:
    """The row of one path. Raises InexpressiblePart."""
    turns: list[Turn] = []
    for message in line:
        turns += _turns(message)
    return Row(turns, row_id)


def parse(row: Row, new_id: NewId = new_id) -> tuple[Message, ...]:
    """The path of one row. Raises UserError for a speaker nobody knows or a call that is none."""
    turns = row.conversations
    if row.system:
        turns = [Turn("system", row.system), *turns]
    line: list[Message] = []
    calls: list[ToolCall] = []
    for index, turn in enumerate(turns):
        role = _ROLE.get(turn.speaker)
        if role is None:
            raise UserError(
                "invalid_row",
                f"Line {index} is by a speaker this format does not know.",
                hint=f"Use one of: {', '.join(sorted(_ROLE))}.",
            )
        parts = _parse_parts(turn, role, calls, new_id)
        weight = 1.0 if turn.weight in {None, 1.0} else turn.weight
        if turn.speaker == "function_call":
            calls = [part for part in parts if isinstance(part, ToolCall)]
            last = line[-1] if line else None
            if last is not None and last.author.role is role and last.weight == weight:
                line[-1] = msgspec.structs.replace(last, parts=last.parts + parts)
                continue
        parent = line[-1].id if line else None
        id = MessageId(new_id())
        line.append(Message(id, Author(role), parts, parent_id=parent, weight=weight))
    return tuple(line)


def _parse_parts(turn: Turn, role: Role, calls: list[ToolCall], new_id: NewId) -> tuple[Part, ...]:
    text = turn.value
    if turn.speaker == "function_call":
        return _parse_calls(text, new_id)
    if role is Role.TOOL:
        call = calls.pop(0) if calls else ToolCall("", "")
        return (ToolResult(call.id, call.name, text),)
    if role is Role.ASSISTANT and _thinks(text):
        thought, said = _thought_and_said(text)
        return (Reasoning(thought), Text(said)) if said else (Reasoning(thought),)
    return (Text(text),)


def _thinks(text: str) -> bool:
    return text.startswith(_THOUGHT) and _THOUGHT_END in text


def _thought_and_said(text: str) -> tuple[str, str]:
    thought, _, said = text.removeprefix(_THOUGHT).partition(_THOUGHT_END)
    return thought, said


def _parse_calls(value: str, new_id: NewId) -> tuple[Part, ...]:
    try:
        found = msgspec.json.decode(value, type=_Function | list[_Function])
    except msgspec.DecodeError as error:
        raise UserError(
            "invalid_row",
            "A function_call is not a JSON object with name and arguments.",
            hint='Write {"name": "...", "arguments": {...}}.',
        ) from error
    functions = found if isinstance(found, list) else [found]
    return tuple(
        ToolCall(new_id(), each.name, bytes(each.arguments).decode()) for each in functions
    )


def _turns(message: Message) -> list[Turn]:
    speaker = _FROM[message.author.role]
    weight = None if message.weight == 1.0 else message.weight
    thoughts: list[str] = []
    texts: list[str] = []
    calls: list[bytes] = []
    results: list[Turn] = []
    for part in message.parts:
        match part:
            case Reasoning(text=text):
                if texts or calls or thoughts or speaker != "gpt":
                    raise InexpressiblePart(FORMAT, "reasoning", "it stands after what was said")
                thoughts.append(text)
            case Text() | Code() | Audio() | File():
                if calls:
                    raise InexpressiblePart(FORMAT, "text", "it stands after a tool call")
                texts.append(told(part, FORMAT))
            case ToolCall():
                calls.append(_function(part))
            case ToolResult():
                results.append(Turn("observation", tool_output(part), weight))
            case Image() | Citation():
                kind = "image" if isinstance(part, Image) else "citation"
                raise InexpressiblePart(FORMAT, kind, "rows hold text only")
            case _:
                assert_never(part)
    turns = []
    if texts or thoughts or not (calls or results):
        turns.append(Turn(speaker, _value(speaker, thoughts, texts), weight))
    if calls:
        value = calls[0] if len(calls) == 1 else b"[" + b",".join(calls) + b"]"
        turns.append(Turn("function_call", value.decode(), weight))
    return turns + results


def _value(speaker: str, thoughts: list[str], texts: list[str]) -> str:
    """What somebody thought and said in one text, which must read the same way back."""
    said = "\n\n".join(texts)
    value = "".join(_THOUGHT + thought + _THOUGHT_END for thought in thoughts) + said
    if speaker == "gpt" and _thinks(value) and _thought_and_said(value) != (*thoughts, said):
        raise InexpressiblePart(FORMAT, "text", "it would read as reasoning")
    return value


def _function(call: ToolCall) -> bytes:
    try:
        arguments = msgspec.json.decode(call.arguments or "{}", type=dict[str, msgspec.Raw])
    except msgspec.DecodeError as error:
        raise InexpressiblePart(
            FORMAT, "tool_call", "its arguments are not a JSON object"
        ) from error
    return msgspec.json.encode({"name": call.name, "arguments": arguments})

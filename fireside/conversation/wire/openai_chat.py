"""OpenAI chat-completions messages, both ways.

`parse(emit(line)) == line` holds up to ids for: a system, developer, user or assistant message
with at most one text part, pictures by address, citations and tool calls (in that order), and a
tool message with one result of plain text.

By design, and nothing else, is lossy: Reasoning is not sent back to a model; Code becomes a fenced
block; a File is told by its extracted text, Audio by its transcript; the streams, displays and
error of a tool's result become one text; several text parts of one message are joined by a blank
line. What has no such form raises InexpressiblePart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, assert_never

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
from fireside.conversation.wire.plain import has_address, told, tool_output
from fireside.errors import UserError
from fireside.kit.ids import NewId, new_id

FORMAT = "OpenAI chat"


class TextIn(msgspec.Struct, frozen=True, tag="text"):
    """Text content."""

    text: str


class RefusalIn(msgspec.Struct, frozen=True, tag="refusal"):
    """An assistant's refusal; it becomes text."""

    refusal: str


class ImageUrl(msgspec.Struct, frozen=True):
    """An https or data URL."""

    url: str
    detail: str | None = None


class ImageIn(msgspec.Struct, frozen=True, tag="image_url"):
    """A picture by its address."""

    image_url: ImageUrl


class AudioIn(msgspec.Struct, frozen=True, tag="input_audio"):
    """Sound inside the request; refused, for it has no stored bytes to point at."""

    input_audio: msgspec.Raw


class FileIn(msgspec.Struct, frozen=True, tag="file"):
    """A file inside the request or by its id; refused like sound."""

    file: msgspec.Raw


ContentIn = TextIn | RefusalIn | ImageIn | AudioIn | FileIn


class FunctionIn(msgspec.Struct, frozen=True):
    """The called function; `arguments` is JSON text."""

    name: str
    arguments: str = ""


class ToolCallIn(msgspec.Struct, frozen=True):
    """One call by the assistant."""

    id: str
    function: FunctionIn
    type: str = "function"


class UrlCitation(msgspec.Struct, frozen=True, omit_defaults=True):
    """A cited page; `quote` and `source_id` are Fireside's and ignored elsewhere."""

    url: str = ""
    title: str = ""
    start_index: int | None = None
    end_index: int | None = None
    quote: str = ""
    source_id: str = ""


class AnnotationIn(msgspec.Struct, frozen=True):
    """A note on an assistant's text; only URL citations are understood."""

    type: str
    url_citation: UrlCitation | None = None


class ChatMessageIn(msgspec.Struct, frozen=True):
    """One message of a request as clients send it; unknown fields are ignored."""

    role: Role
    content: str | list[ContentIn] | None = None
    name: str | None = None
    tool_calls: list[ToolCallIn] | None = None
    tool_call_id: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    annotations: list[AnnotationIn] | None = None


def parse(messages: Sequence[ChatMessageIn], new_id: NewId = new_id) -> tuple[Message, ...]:
    """The messages as a chain, each the parent of the next.

    Raises UserError naming the field when content is missing or a tool message names no call,
    InexpressiblePart for sound and files inside the request.
    """
    line: list[Message] = []
    parent: MessageId | None = None
    for index, message in enumerate(messages):
        parts = _parse_parts(message, index)
        author = Author(message.role, message.name)
        parsed = Message(id=MessageId(new_id()), author=author, parts=parts, parent_id=parent)
        line.append(parsed)
        parent = parsed.id
    return tuple(line)


def _parse_parts(message: ChatMessageIn, index: int) -> tuple[Part, ...]:
    if message.role is Role.TOOL:
        return (_parse_result(message, index),)
    parts: list[Part] = []
    if message.reasoning_content:
        parts.append(Reasoning(message.reasoning_content))
    content = message.content
    if isinstance(content, str):
        if content or not message.tool_calls:
            parts.append(Text(content))
    elif content is not None:
        parts += [_parse_content(each, index) for each in content]
    elif message.refusal:
        parts.append(Text(message.refusal))
    elif not message.tool_calls or message.role is not Role.ASSISTANT:
        raise _missing(f"messages[{index}].content", "A message needs content.")
    for note in message.annotations or ():
        if (cited := note.url_citation) is not None:
            parts.append(
                Citation(
                    source_id=cited.source_id or cited.url,
                    quote=cited.quote,
                    url=cited.url,
                    title=cited.title,
                    start=cited.start_index,
                    end=cited.end_index,
                )
            )
    if message.role is Role.ASSISTANT:
        for call in message.tool_calls or ():
            parts.append(ToolCall(call.id, call.function.name, call.function.arguments))
    return tuple(parts)


def _parse_content(content: ContentIn, index: int) -> Part:
    match content:
        case TextIn(text=text) | RefusalIn(refusal=text):
            return Text(text)
        case ImageIn(image_url=image):
            return Image(url=image.url, detail=image.detail)
        case AudioIn() | FileIn():
            kind = "input_audio" if isinstance(content, AudioIn) else "file"
            raise InexpressiblePart(
                FORMAT,
                kind,
                "its bytes are not stored here",
                hint="Send its text instead.",
                param=f"messages[{index}].content",
            )
        case _:
            assert_never(content)


def _parse_result(message: ChatMessageIn, index: int) -> ToolResult:
    if not message.tool_call_id:
        raise _missing(f"messages[{index}].tool_call_id", "A tool message must name its call.")
    content = message.content
    if content is None:
        raise _missing(f"messages[{index}].content", "A message needs content.")
    if not isinstance(content, str):
        texts = [each.text for each in content if isinstance(each, TextIn)]
        if len(texts) != len(content):
            raise _missing(f"messages[{index}].content", "A tool message may hold only text.")
        content = "".join(texts)
    return ToolResult(call_id=message.tool_call_id, name=message.name or "", text=content)


def _missing(param: str, message: str) -> UserError:
    return UserError("invalid_message", message, hint=f"Correct {param}.", param=param)


def emit(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The messages as the JSON objects of a request, in order.

    A message with tool results in it becomes several. Raises InexpressiblePart for stored pictures
    without an address, files without extracted text, sound without a transcript and calls by
    anyone but the assistant.
    """
    out: list[dict[str, Any]] = []
    for message in messages:
        parts = message.parts
        if len(parts) == 1 and isinstance(first := parts[0], Text) and message.recipient == "all":
            out.append(_envelope(message, first.text))
        else:
            _emit_parts(message, out)
    return out


def _envelope(message: Message, content: str | list[dict[str, Any]] | None) -> dict[str, Any]:
    author = message.author
    out: dict[str, Any] = {"role": author.role.value, "content": content}
    if author.role is Role.TOOL:
        out["tool_call_id"] = message.id
    if author.name is not None:
        out["name"] = author.name
    return out


class _Draft:
    """The object being filled from a message's parts until a tool result closes it."""

    def __init__(self) -> None:
        self.content: list[dict[str, Any]] = []
        self.calls: list[dict[str, Any]] = []
        self.notes: list[dict[str, Any]] = []

    def close(self, message: Message, out: list[dict[str, Any]]) -> None:
        """Append what was gathered as one object, if anything was."""
        if not (self.content or self.calls or self.notes):
            return
        content: str | list[dict[str, Any]] | None = self.content
        if all(each["type"] == "text" for each in self.content):
            content = "\n\n".join(each["text"] for each in self.content)
            if not self.content and self.calls:
                content = None
        made = _envelope(message, content)
        if self.calls:
            made["tool_calls"] = self.calls
        if self.notes:
            made["annotations"] = self.notes
        out.append(made)
        self.__init__()  # type: ignore[misc]


def _emit_parts(message: Message, out: list[dict[str, Any]]) -> None:
    draft = _Draft()
    num_before = len(out)
    addressed = message.recipient != "all" and message.author.role is Role.ASSISTANT
    for part in message.parts:
        match part:
            case Text() | Code() if addressed:
                draft.calls.append(_call(message.id, message.recipient, _arguments(part)))
            case ToolCall(id=call_id, name=name, arguments=arguments):
                if message.author.role is not Role.ASSISTANT:
                    raise InexpressiblePart(FORMAT, "tool_call", "only an assistant calls tools")
                draft.calls.append(_call(call_id, name, arguments))
            case ToolResult():
                draft.close(message, out)
                out.append(_result(message, part))
            case Citation():
                draft.notes.append(_note(part))
            case Reasoning():
                pass
            case Text() | Code() | Image() | Audio() | File():
                draft.content.append(_content(part))
            case _:
                assert_never(part)
    draft.close(message, out)
    if len(out) == num_before:
        out.append(_envelope(message, ""))


def _content(part: Text | Code | Image | Audio | File) -> dict[str, Any]:
    match part:
        case Image(url=str(url), detail=detail) if has_address(part):
            image = {"url": url} if detail is None else {"url": url, "detail": detail}
            return {"type": "image_url", "image_url": image}
        case Image():
            raise InexpressiblePart(
                FORMAT, "image", "it has no address", hint="Give it as a data URL."
            )
        case Text() | Code() | Audio() | File():
            return {"type": "text", "text": told(part, FORMAT)}
        case _:
            assert_never(part)


def _call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"id": call_id, "type": "function", "function": function}


def _arguments(part: Text | Code) -> str:
    """What a message addressed to a tool asks of it, as the JSON object that calls need."""
    asked = part.source if isinstance(part, Code) else part.text
    try:
        if isinstance(msgspec.json.decode(asked), dict):
            return asked
    except msgspec.DecodeError:
        pass
    key = "code" if isinstance(part, Code) else "input"
    return msgspec.json.encode({key: asked}).decode()


def _result(message: Message, result: ToolResult) -> dict[str, Any]:
    out: dict[str, Any] = {
        "role": "tool",
        "content": tool_output(result),
        "tool_call_id": result.call_id or message.id,
    }
    if name := result.name or message.author.name:
        out["name"] = name
    return out


def _note(part: Citation) -> dict[str, Any]:
    cited = UrlCitation(
        url=part.url,
        title=part.title,
        start_index=part.start,
        end_index=part.end,
        quote=part.quote,
        source_id=part.source_id if part.source_id != part.url else "",
    )
    return {"type": "url_citation", "url_citation": msgspec.to_builtins(cited)}

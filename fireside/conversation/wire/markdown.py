"""Markdown for people to read (out only).

Lossy on purpose: only the thread on screen is written, ids, usage, weights and branches are left
out, and nothing can be read back. No part is left out silently: what Markdown cannot show is named
in its place.
"""

from __future__ import annotations

from typing import assert_never

import msgspec

from fireside.conversation.message import (
    Audio,
    Citation,
    Code,
    File,
    Image,
    Message,
    MessageId,
    Part,
    Reasoning,
    Role,
    Status,
    Text,
    ToolCall,
    ToolResult,
)
from fireside.conversation.tree import Conversation, path
from fireside.conversation.wire.plain import fenced, file_name, tool_output

_SPEAKER = {
    Role.SYSTEM: "System",
    Role.DEVELOPER: "Developer",
    Role.USER: "User",
    Role.ASSISTANT: "Assistant",
    Role.TOOL: "Tool",
}
_NOT_WHOLE = {
    Status.QUEUED: "This message was still waiting.",
    Status.STREAMING: "This message was still being written.",
    Status.INTERRUPTED: "This message was stopped before its end.",
    Status.FAILED: "This message failed",
}


def emit(conversation: Conversation, head: MessageId | None = None) -> str:
    """The path to `head` (default: the conversation's own) as a document."""
    blocks = [f"# {' '.join(conversation.title.split()) or 'Conversation'}"]
    if conversation.settings.instructions:
        blocks += ["## Instructions", conversation.settings.instructions]
    for message in path(conversation, head):
        blocks.append(_heading(message))
        if message.deleted:
            blocks.append("*This message was deleted.*")
        blocks += [part_text(part) for part in message.parts]
        if (note := _NOT_WHOLE.get(message.status)) is not None:
            why = f": {message.error.message}" if message.error is not None else ""
            blocks.append(f"*{note}{why}*")
    return "\n\n".join(block for block in blocks if block) + "\n"


def _heading(message: Message) -> str:
    speaker = _SPEAKER[message.author.role]
    details = [detail for detail in (message.author.name, message.model) if detail]
    if message.recipient != "all":
        details.append(f"to {message.recipient}")
    return f"## {speaker} ({', '.join(details)})" if details else f"## {speaker}"


def part_text(part: Part) -> str:
    """One part as Markdown."""
    match part:
        case Text(text=text):
            shown = text
        case Code(language=language, source=source):
            shown = fenced(source, language)
        case Reasoning(text=text):
            shown = f"<details><summary>Reasoning</summary>\n\n{text}\n\n</details>"
        case Image():
            shown = _picture(part)
        case Audio(blob=blob, transcript=transcript):
            shown = f"*[Sound, stored as {blob.sha256}]*\n\n{transcript}".strip()
        case File(blob=blob, extracted_text=extracted):
            label = f"*[File: {file_name(part)}, stored as {blob.sha256}]*"
            shown = label if extracted is None else f"{label}\n\n{fenced(extracted)}"
        case ToolCall(name=name, arguments=arguments):
            called = python_source(part)
            block = fenced(arguments, "json") if called is None else fenced(called, "python")
            shown = f"*Call of `{name}`*\n\n{block}"
        case ToolResult(name=name):
            what = f"Result of `{name}`" if name else "Result"
            shown = f"*{what}*\n\n{fenced(tool_output(part))}"
        case Citation():
            shown = _source(part)
        case _:
            assert_never(part)
    return shown


def _picture(image: Image) -> str:
    url = image.url or ""
    if url.startswith(("https://", "http://")):
        return f"![{image.alt}]({url})"
    where = f"stored as {image.blob.sha256}" if image.blob is not None else url[:80]
    return f"*[Picture: {image.alt or 'untitled'}, {where or 'without an address'}]*"


def _source(citation: Citation) -> str:
    name = citation.title or citation.url or citation.source_id
    link = f"[{name}]({citation.url})" if citation.url else name
    quoted = "".join(f"\n> {line}" for line in citation.quote.splitlines())
    return f"*Source: {link}*{quoted}"


def python_source(call: ToolCall) -> str | None:
    """The source in a call of the tool `python` whose one argument is `code`; None otherwise."""
    if call.name != "python":
        return None
    try:
        arguments = msgspec.json.decode(call.arguments, type=dict[str, str])
    except msgspec.DecodeError:
        return None
    return arguments.get("code") if len(arguments) == 1 else None

"""One conversation as a file in the format a person asks for."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import assert_never

import msgspec

from fireside.conversation.message import MessageId
from fireside.conversation.tree import Conversation, path, prompt_messages
from fireside.conversation.wire import markdown, native, notebook, openai_chat, sharegpt


class ExportFormat(StrEnum):
    """What a conversation can be written as. Only `fireside` holds the branches."""

    FIRESIDE = "fireside"
    MARKDOWN = "markdown"
    OPENAI = "openai"
    SHAREGPT = "sharegpt"
    IPYNB = "ipynb"


class ExportedFile(msgspec.Struct, frozen=True):
    """A file to download. The name is safe for any file system and holds no quotes."""

    name: str
    media_type: str
    content: bytes


def export(
    conversation: Conversation, format: ExportFormat, head: MessageId | None = None
) -> ExportedFile:
    """The conversation in `format`: the path to `head` (default: its own), or all of it.

    Raises InexpressiblePart where the format has no words for a part.
    """
    match format:
        case ExportFormat.FIRESIDE:
            return _file(conversation, "json", "application/json", native.encode(conversation))
        case ExportFormat.MARKDOWN:
            text = markdown.emit(conversation, head).encode()
            return _file(conversation, "md", "text/markdown; charset=utf-8", text)
        case ExportFormat.OPENAI:
            line = prompt_messages(path(conversation, head))
            row = {"messages": openai_chat.emit(line)}
            return _file(conversation, "openai.json", "application/json", _pretty(row))
        case ExportFormat.SHAREGPT:
            line = prompt_messages(path(conversation, head))
            row_of_path = sharegpt.emit(line, conversation.id)
            return _file(conversation, "sharegpt.json", "application/json", _pretty(row_of_path))
        case ExportFormat.IPYNB:
            content = notebook.emit(conversation, head)
            return _file(conversation, "ipynb", "application/x-ipynb+json", content)
        case _:
            assert_never(format)


def _pretty(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def _file(conversation: Conversation, suffix: str, media_type: str, content: bytes) -> ExportedFile:
    stem = re.sub(r"[^A-Za-z0-9]+", "-", conversation.title)[:60].strip("-").lower()
    return ExportedFile(f"{stem or 'conversation'}.{suffix}", media_type, content)

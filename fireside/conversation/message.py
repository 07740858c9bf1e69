"""Messages and their parts: the nouns everything else is made of.

Roles, recipients, channels, `weight` and `end_turn` mean what they mean in the published ChatGPT
export and in the Harmony format. Every value here is frozen; reprs never show user text.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, NewType

import msgspec

ConversationId = NewType("ConversationId", str)
MessageId = NewType("MessageId", str)
UserId = NewType("UserId", str)


class Role(StrEnum):
    """Who speaks."""

    SYSTEM = "system"
    DEVELOPER = "developer"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class Channel(StrEnum):
    """Whom an assistant's message is for: the person, its own reasoning, or a preamble to tools."""

    FINAL = "final"
    ANALYSIS = "analysis"
    COMMENTARY = "commentary"


class Status(StrEnum):
    """Where a message is in its life. Only `streaming` and `queued` ever change."""

    QUEUED = "queued"
    STREAMING = "streaming"
    COMPLETE = "complete"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


class FinishReason(StrEnum):
    """Why the model stopped. `abort`: a person or a lost engine stopped it in mid-reply."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"
    ABORT = "abort"


class _Value(msgspec.Struct, frozen=True, omit_defaults=True):
    """Base of the frozen values: a repr that names the type and sizes, never the text."""

    def __repr__(self) -> str:
        shown = []
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, str) and name not in _PLAIN_FIELDS:
                shown.append(f"{name}=<{len(value)} chars>")
            elif isinstance(value, tuple):
                shown.append(f"{name}=<{len(value)} items>")
            elif isinstance(value, dict):
                shown.append(f"{name}=<{len(value)} keys>")
            elif value is not None:
                shown.append(f"{name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"


_PLAIN_FIELDS = frozenset(
    "id parent_id role recipient channel status finish_reason model release adapter language "
    "sha256 media_type call_id source_id code owner_id head created_at updated_at".split()
)


class BlobRef(_Value, frozen=True):
    """Bytes kept elsewhere, addressed by their SHA-256 (lower-case hex)."""

    sha256: str
    media_type: str
    size_bytes: int


class Text(_Value, frozen=True, tag="text"):
    """Markdown as a person or a model wrote it."""

    text: str = ""


class Code(_Value, frozen=True, tag="code"):
    """A cell of source code, to be shown or run."""

    language: str = ""
    source: str = ""


class Reasoning(_Value, frozen=True, tag="reasoning"):
    """A model's thinking, shown folded away and never sent back to it."""

    text: str = ""


class Image(_Value, frozen=True, tag="image"):
    """A picture: stored bytes, or an address the sender gave (never fetched by the page)."""

    blob: BlobRef | None = None
    url: str | None = None
    alt: str = ""
    detail: str | None = None


class Audio(_Value, frozen=True, tag="audio"):
    """Sound with what was said in it."""

    blob: BlobRef
    transcript: str = ""


class File(_Value, frozen=True, tag="file"):
    """An attached file and the text extracted from it, if any."""

    blob: BlobRef
    name: str = ""
    extracted_text: str | None = None


class ToolCall(_Value, frozen=True, tag="tool_call"):
    """A model's call of a tool. `arguments` is the JSON text exactly as the model wrote it."""

    id: str
    name: str
    arguments: str = ""


class DisplayData(_Value, frozen=True, tag="display"):
    """One rich output as Jupyter has them: MIME type to text, base64 or JSON.

    `kind` is the notebook's output type: display_data, or execute_result with its count.
    """

    data: dict[str, Any]
    kind: str = "display_data"
    execution_count: int | None = None


class ToolError(_Value, frozen=True):
    """A failure the model may read: a class of error, a message, a traceback if there is one."""

    name: str
    message: str
    traceback: tuple[str, ...] = ()


class ToolResult(_Value, frozen=True, tag="tool_result"):
    """What a tool gave back for the call `call_id`."""

    call_id: str
    name: str = ""
    text: str = ""
    stdout: str = ""
    stderr: str = ""
    display: tuple[DisplayData, ...] = ()
    error: ToolError | None = None


class Citation(_Value, frozen=True, tag="citation"):
    """A quoted span of a source that supports what the message says.

    `start` and `end` are character offsets into the message's text; None cites it as a whole.
    """

    source_id: str
    quote: str = ""
    url: str = ""
    title: str = ""
    start: int | None = None
    end: int | None = None


Part = Text | Code | Reasoning | Image | Audio | File | ToolCall | ToolResult | Citation


class Author(_Value, frozen=True):
    """Who wrote a message; `name` is the tool's name, or a speaker's where there are several."""

    role: Role
    name: str | None = None


class Usage(_Value, frozen=True):
    """What one generation used. Times are in milliseconds as seen by the gateway."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    ttft_ms: float | None = None
    inter_token_ms: float | None = None


class MessageError(_Value, frozen=True):
    """Why a message failed, in words a person can act on."""

    code: str
    message: str
    hint: str = ""


class Message(_Value, frozen=True):
    """One node of the tree.

    `weight` 0 keeps a message out of every training loss. `model` is the public name asked for,
    `release` what it pointed to when the message was written, `adapter` a LoRA adapter if one was
    used. `provider_data` keeps what an outside format said and Fireside has no field for.
    """

    id: MessageId
    author: Author
    parts: tuple[Part, ...] = ()
    parent_id: MessageId | None = None
    recipient: str = "all"
    channel: Channel = Channel.FINAL
    status: Status = Status.COMPLETE
    end_turn: bool | None = None
    weight: float = 1.0
    model: str | None = None
    release: str | None = None
    adapter: str | None = None
    usage: Usage | None = None
    finish_reason: FinishReason | None = None
    error: MessageError | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    deleted: bool = False
    provider_data: dict[str, Any] = {}

    def text(self) -> str:
        """What a person would read aloud: the text parts, in order, joined by blank lines."""
        return "\n\n".join(part.text for part in self.parts if isinstance(part, Text))


def text_message(
    id: str, role: Role, text: str, *, parent_id: str | None = None, **fields: Any
) -> Message:
    """A message of one text part; `fields` are further fields of `Message`."""
    return Message(
        id=MessageId(id),
        author=Author(role),
        parts=(Text(text),),
        parent_id=MessageId(parent_id) if parent_id is not None else None,
        **fields,
    )

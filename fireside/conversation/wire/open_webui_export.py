"""Read the Open WebUI export: a list of chats, each a tree under `chat.history.messages`.

Open WebUI writes reasoning and tool calls into the text as HTML `<details>`; they become parts
again. Chats from before the tree (a plain `messages` list) are read as a chain. Pictures keep their
address; attached files are named in the text, for their bytes are not in the export.
"""

from __future__ import annotations

import html
import re
from typing import Any

import msgspec

from fireside.conversation.message import (
    Author,
    Citation,
    ConversationId,
    FinishReason,
    Image,
    Message,
    MessageError,
    MessageId,
    Part,
    Reasoning,
    Role,
    Status,
    Text,
    ToolCall,
    ToolResult,
    Usage,
    UserId,
)
from fireside.conversation.tree import AssistantSettings, Conversation
from fireside.conversation.wire.graft import Cutting, graft, when
from fireside.kit.ids import NewId

FORMAT = "open_webui"
_DETAILS = re.compile(
    r'<details\s+type="(?P<kind>reasoning|tool_calls)"(?P<attributes>[^>]*)>\s*'
    r"(?:<summary>[^<]*</summary>)?(?P<body>.*?)</details>\s*",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(r'([a-z_]+)="([^"]*)"')
_ROLES = {role.value: role for role in Role}


class _File(msgspec.Struct):
    type: str = ""
    url: str | None = None
    name: str | None = None


class _Source(msgspec.Struct):
    source: dict[str, Any] = {}
    document: list[str] | None = None


class _Message(msgspec.Struct):
    role: str
    content: str | None = ""
    id: str | None = None
    parent_id: str | None = msgspec.field(default=None, name="parentId")
    children_ids: list[str] = msgspec.field(default_factory=list, name="childrenIds")
    model: str | None = None
    timestamp: float | None = None
    done: bool | None = None
    files: list[_File] | None = None
    sources: list[_Source] | None = None
    error: Any = None
    usage: dict[str, Any] | None = None


class _History(msgspec.Struct):
    messages: dict[str, _Message] = {}
    current_id: str | None = msgspec.field(default=None, name="currentId")


class _Params(msgspec.Struct):
    system: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None


class _Chat(msgspec.Struct):
    title: str | None = None
    history: _History | None = None
    messages: list[_Message] | None = None
    models: list[str | None] | None = None
    params: _Params = msgspec.field(default_factory=_Params)
    system: str | None = None


class _Entry(msgspec.Struct):
    chat: _Chat
    id: str | None = None
    title: str | None = None
    created_at: float | None = None
    updated_at: float | None = None
    archived: bool | None = None
    pinned: bool | None = None
    meta: dict[str, Any] | None = None


_decode = msgspec.json.Decoder(_Entry).decode


def read(data: bytes, owner_id: UserId, new_id: NewId) -> Conversation:
    """One element of the export under new ids.

    Raises msgspec.DecodeError when it is not one, BrokenExport when its tree is broken.
    """
    entry = _decode(data)
    chat = entry.chat
    tree = chat.history or _History()
    said = tree.messages or _chain(chat.messages or [])
    cuttings = {
        key: Cutting(key, message.parent_id, _message(key, message), message.children_ids)
        for key, message in said.items()
    }
    conversation_id = ConversationId(new_id())
    grafted = graft(cuttings, new_id)
    head = grafted.new_ids.get(tree.current_id or "")
    provider_data: dict[str, object] = {"source": FORMAT}
    if entry.id is not None:
        provider_data["source_id"] = entry.id
    if entry.meta:
        provider_data["meta"] = entry.meta
    return Conversation(
        id=conversation_id,
        owner_id=owner_id,
        title=chat.title or entry.title or "",
        model=next(filter(None, chat.models or ()), None),
        settings=_settings(chat),
        messages=grafted.messages,
        head=head if head is not None else next(reversed(grafted.messages), None),
        created_at=when(entry.created_at),
        updated_at=when(entry.updated_at),
        archived=bool(entry.archived),
        pinned=bool(entry.pinned),
        provider_data=provider_data,
    )


def _settings(chat: _Chat) -> AssistantSettings:
    params = chat.params
    return AssistantSettings(
        instructions=chat.system or params.system or "",
        temperature=params.temperature,
        top_p=params.top_p,
        max_tokens=params.max_tokens,
    )


def _chain(messages: list[_Message]) -> dict[str, _Message]:
    chain: dict[str, _Message] = {}
    above: str | None = None
    for index, message in enumerate(messages):
        key = message.id or str(index)
        chain[key] = msgspec.structs.replace(message, parent_id=above, children_ids=[])
        above = key
    return chain


def _message(key: str, said: _Message) -> Message:
    role = _ROLES.get(said.role)
    kept: dict[str, Any] = {"source_id": said.id or key}
    if role is None:
        kept["role"] = said.role
    parts = _parts(said.content or "") if role is Role.ASSISTANT else _text(said.content or "")
    for file in said.files or ():
        if file.type == "image" and file.url:
            parts.append(Image(url=file.url, alt=file.name or ""))
        else:
            parts.append(Text(f"[File: {file.name or file.url or file.type}]"))
    parts += _citations(said.sources or [])
    if said.sources:
        kept["sources"] = msgspec.to_builtins(said.sources)
    error = _error(said.error)
    unfinished = role is Role.ASSISTANT and said.done is False
    return Message(
        id=MessageId(key),
        author=Author(role or Role.TOOL),
        parts=tuple(parts),
        status=Status.FAILED if error else Status.INTERRUPTED if unfinished else Status.COMPLETE,
        model=said.model,
        usage=_usage(said.usage),
        finish_reason=FinishReason.ABORT if unfinished and not error else None,
        error=error,
        created_at=when(said.timestamp),
        provider_data=kept,
    )


def _parts(content: str) -> list[Part]:
    parts: list[Part] = []
    at = 0
    for match in _DETAILS.finditer(content):
        parts += _text(content[at : match.start()])
        at = match.end()
        if match["kind"] == "reasoning":
            lines = html.unescape(match["body"]).strip().splitlines()
            parts.append(Reasoning("\n".join(re.sub(r"^>\s?", "", line) for line in lines)))
            continue
        fields = {name: html.unescape(value) for name, value in _ATTRIBUTE.findall(match[2])}
        call_id, name = fields.get("id", ""), fields.get("name", "")
        parts.append(ToolCall(call_id, name, _plain(fields.get("arguments", ""))))
        if fields.get("done") == "true":
            result = fields.get("result") or html.unescape(match["body"]).strip()
            parts.append(ToolResult(call_id, name, _plain(result)))
    return parts + _text(content[at:])


def _plain(text: str) -> str:
    """A JSON string's text; anything else as it stands."""
    try:
        inside = msgspec.json.decode(text, type=str)
    except msgspec.DecodeError:
        return text
    return inside


def _text(text: str) -> list[Part]:
    return [Text(text.strip("\n"))] if text.strip() else []


def _citations(sources: list[_Source]) -> list[Part]:
    cited: list[Part] = []
    for each in sources:
        fields = {key: value for key, value in each.source.items() if isinstance(value, str)}
        if source_id := fields.get("id") or fields.get("url") or fields.get("name"):
            quote = (each.document or [""])[0] if each.document else ""
            url, name = fields.get("url", ""), fields.get("name", "")
            cited.append(Citation(source_id, quote=quote, url=url, title=name))
    return cited


def _error(error: Any) -> MessageError | None:
    if not error:
        return None
    words = error.get("content") if isinstance(error, dict) else error
    return MessageError("imported", words if isinstance(words, str) else "The reply failed.")


def _usage(usage: dict[str, Any] | None) -> Usage | None:
    counts = {
        key: value
        for key, value in (usage or {}).items()
        if key in {"prompt_tokens", "completion_tokens"} and isinstance(value, int)
    }
    return Usage(**counts) if counts else None

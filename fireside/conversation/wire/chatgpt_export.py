"""Read the ChatGPT data export: conversations.json, a list of trees called `mapping`.

Branches, hidden messages, recipients, channels, weights and end_turn keep their meaning. Nodes in
which nothing was said are left out and what hangs below them moves up. A part whose kind is not
known stays in `provider_data` and is shown as text. `provider_data["hidden"]` is true where ChatGPT
did not show the message. Pictures and files lie outside this file: they become Images by their
asset pointer.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fireside.conversation.message import (
    Author,
    Channel,
    ConversationId,
    FinishReason,
    Message,
    MessageId,
    Part,
    Role,
    Status,
    ToolResult,
    UserId,
)
from fireside.conversation.tree import Conversation
from fireside.conversation.wire import chatgpt_content
from fireside.conversation.wire.graft import Cutting, graft, when
from fireside.kit.ids import NewId

FORMAT = "chatgpt"
_ROLES = {role.value: role for role in Role}
_CHANNELS = {channel.value: channel for channel in Channel}
_UNFINISHED = {"in_progress", "finished_partial_completion"}
_STOPPED = {"interrupted": FinishReason.ABORT, "max_tokens": FinishReason.LENGTH}


class _Author(msgspec.Struct):
    role: str
    name: str | None = None


class _Message(msgspec.Struct):
    id: str
    author: _Author
    content: dict[str, Any]
    create_time: float | None = None
    update_time: float | None = None
    status: str | None = None
    end_turn: bool | None = None
    weight: float | None = None
    metadata: dict[str, Any] | None = None
    recipient: str | None = None
    channel: str | None = None


class _Node(msgspec.Struct):
    id: str | None = None
    message: _Message | None = None
    parent: str | None = None
    children: list[str] = []


class _Export(msgspec.Struct):
    mapping: dict[str, _Node]
    title: str | None = None
    create_time: float | None = None
    update_time: float | None = None
    current_node: str | None = None
    conversation_id: str | None = None
    id: str | None = None
    is_archived: bool | None = None
    is_starred: bool | None = None
    default_model_slug: str | None = None
    gizmo_id: str | None = None


_decode = msgspec.json.Decoder(_Export).decode


def read(data: bytes, owner_id: UserId, new_id: NewId) -> Conversation:
    """One element of conversations.json under new ids.

    Raises msgspec.DecodeError when it is not one, BrokenExport when its tree is broken.
    """
    export = _decode(data)
    mapping = export.mapping
    cuttings = {
        key: Cutting(key, node.parent, _message(key, node, mapping), node.children)
        for key, node in mapping.items()
    }
    conversation_id = ConversationId(new_id())
    grafted = graft(cuttings, new_id)
    head = grafted.new_ids.get(export.current_node or "")
    provider_data: dict[str, object] = {"source": FORMAT}
    if source_id := export.conversation_id or export.id:
        provider_data["source_id"] = source_id
    if export.gizmo_id:
        provider_data["gizmo_id"] = export.gizmo_id
    return Conversation(
        id=conversation_id,
        owner_id=owner_id,
        title=export.title or "",
        model=export.default_model_slug,
        messages=grafted.messages,
        head=head if head is not None else next(reversed(grafted.messages), None),
        created_at=when(export.create_time),
        updated_at=when(export.update_time),
        archived=bool(export.is_archived),
        pinned=bool(export.is_starred),
        provider_data=provider_data,
    )


def _message(key: str, node: _Node, mapping: dict[str, _Node]) -> Message | None:
    said = node.message
    if said is None:
        return None
    metadata = said.metadata or {}
    role, kept = _role(said)
    content = chatgpt_content.read(said.content, metadata)
    if not content.parts:
        return None
    parts: tuple[Part, ...] = (*content.parts, *chatgpt_content.citations(metadata))
    name = said.author.name
    if role is Role.TOOL:
        parts = _as_result(parts, _caller(node, mapping), name or "")
    kept |= {"source_id": said.id or key} | content.kept
    if metadata:
        kept["metadata"] = metadata
    channel = _CHANNELS.get(said.channel or "", content.channel)
    if said.channel is not None and said.channel not in _CHANNELS:
        kept["channel"] = said.channel
    if metadata.get("is_visually_hidden_from_conversation") or content.hidden:
        kept["hidden"] = True
    status, reason = _end(said, metadata)
    model = metadata.get("model_slug")
    return Message(
        id=MessageId(key),
        author=Author(role, name),
        parts=parts,
        recipient="all" if said.recipient in {None, "", "all"} else said.recipient,
        channel=channel,
        status=status,
        end_turn=said.end_turn,
        weight=1.0 if said.weight in {None, 1.0} else said.weight,
        model=model if isinstance(model, str) else None,
        finish_reason=reason,
        created_at=when(said.create_time),
        updated_at=when(said.update_time),
        provider_data=kept,
    )


def _role(said: _Message) -> tuple[Role, dict[str, Any]]:
    """Who speaks: custom instructions come as a hidden message by the user, and are no words of
    theirs; an unknown role is a tool's."""
    written = said.author.role
    if chatgpt_content.is_context(said.content):
        return Role.SYSTEM, {"role": written}
    role = _ROLES.get(written)
    return (role, {}) if role is not None else (Role.TOOL, {"role": written})


def _end(said: _Message, metadata: dict[str, Any]) -> tuple[Status, FinishReason | None]:
    details = metadata.get("finish_details")
    kind = details.get("type") if isinstance(details, dict) else None
    if said.status in _UNFINISHED or kind == "interrupted":
        return Status.INTERRUPTED, FinishReason.ABORT
    if kind == "stop":
        return Status.COMPLETE, FinishReason.STOP
    return Status.COMPLETE, _STOPPED.get(kind) if isinstance(kind, str) else None


def _caller(node: _Node, mapping: dict[str, _Node]) -> str:
    """The key of the nearest message above that is addressed to a tool; "" if there is none.

    Looks up past other tools' results only, so the walk is as long as one batch of calls.
    """
    key = node.parent
    for _ in range(32):
        above = mapping.get(key or "")
        if above is None:
            return ""
        said = above.message
        if said is not None and said.author.role == "assistant":
            return key or "" if (said.recipient or "all") != "all" else ""
        if said is not None and said.author.role == "user":
            return ""
        key = above.parent
    return ""


def _as_result(parts: tuple[Part, ...], call_id: str, name: str) -> tuple[Part, ...]:
    """A tool's words as the result of its call; pictures and citations stay beside it."""
    spoken, rest = chatgpt_content.spoken(parts)
    return (ToolResult(call_id=call_id, name=name, text=spoken), *rest) if spoken else rest

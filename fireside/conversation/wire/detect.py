"""Which format a file is in, and the conversations in it under new ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import assert_never

import msgspec

from fireside.conversation.message import ConversationId, Message, Role, UserId
from fireside.conversation.tree import Conversation, build, path
from fireside.conversation.wire import (
    archive,
    chatgpt_export,
    native,
    notebook,
    open_webui_export,
    openai_chat,
    sharegpt,
)
from fireside.conversation.wire.archive import ImportLimits
from fireside.conversation.wire.entry import ImportProblem, decode, read_entries, storable
from fireside.conversation.wire.errors import BrokenExport, ExportTooLarge
from fireside.errors import UserError
from fireside.kit.ids import NewId, new_id

Read = Callable[[bytes], Conversation]


class ImportFormat(StrEnum):
    """What can be read."""

    FIRESIDE = "fireside"
    CHATGPT = "chatgpt"
    OPEN_WEBUI = "open_webui"
    SHAREGPT = "sharegpt"
    OPENAI = "openai"
    NOTEBOOK = "notebook"


_ABSENT = msgspec.Raw(b"null")


class _Shape(msgspec.Struct):
    """The fields that tell the formats apart; none of them is read."""

    format: msgspec.Raw = _ABSENT
    conversations: msgspec.Raw = _ABSENT
    mapping: msgspec.Raw = _ABSENT
    chat: msgspec.Raw = _ABSENT
    messages: msgspec.Raw = _ABSENT
    nbformat: msgspec.Raw = _ABSENT


class _Chat(msgspec.Struct):
    messages: list[openai_chat.ChatMessageIn]


_decode_chat = msgspec.json.Decoder(_Chat).decode
_decode_row = msgspec.json.Decoder(sharegpt.Row).decode
_LIMITS = ImportLimits()
_TELLING = {
    "nbformat": ImportFormat.NOTEBOOK,
    "mapping": ImportFormat.CHATGPT,
    "chat": ImportFormat.OPEN_WEBUI,
    "conversations": ImportFormat.SHAREGPT,
    "messages": ImportFormat.OPENAI,
}


def detect(data: bytes) -> ImportFormat:
    """The format of a JSON or JSON-lines file. Raises UserError when it is none of ours."""
    return _sorted_out(data)[0]


def read_export(
    source: Path | bytes,
    owner_id: UserId,
    new_id: NewId = new_id,
    limits: ImportLimits = _LIMITS,
) -> Iterator[Conversation | ImportProblem]:
    """Every conversation in an export file or in the zip that holds one, owned by `owner_id`.

    Messages get new ids that keep their order; a conversation that is broken comes as a problem
    and the others still come. `provider_data` names the `source` and, where there is one, the
    `source_id`. Raises, before the first conversation, UserError when the format is unknown,
    BrokenExport when the file is cut off or damaged, ExportTooLarge.
    """

    def read_file(data: bytes) -> Iterator[Conversation | ImportProblem]:
        format, entries = _sorted_out(data)
        return read_entries(entries, _reader(format, owner_id, new_id))

    if archive.is_archive(source):
        return archive.read_archive(source, limits, read_file)
    if isinstance(source, Path):
        if source.stat().st_size > limits.max_file_bytes:
            raise ExportTooLarge("This file", limits.max_file_bytes)
        source = source.read_bytes()
    if len(source) > limits.max_file_bytes:
        raise ExportTooLarge("This file", limits.max_file_bytes)
    return read_file(source)


def _sorted_out(data: bytes) -> tuple[ImportFormat, list[msgspec.Raw]]:
    """The format and the entries, unread."""
    data = data.removeprefix(b"\xef\xbb\xbf").strip()
    try:
        return _entries(data)
    except BrokenExport:
        mended = storable(data)
        if mended == data:
            raise
        return _entries(mended)


def _entries(data: bytes) -> tuple[ImportFormat, list[msgspec.Raw]]:
    if data.startswith(b"["):
        entries = decode(data, list[msgspec.Raw])
    elif data.startswith(b"{"):
        entries = _lines(data) or [decode(data, msgspec.Raw)]
    else:
        raise _unknown()
    if not entries:
        return ImportFormat.FIRESIDE, []
    format = next(filter(None, map(_format_of, entries[:20])), None)
    if format is None:
        raise _unknown()
    if format is ImportFormat.FIRESIDE:
        return format, native.entries_of(data)
    return format, entries


def _lines(data: bytes) -> list[msgspec.Raw]:
    """The lines of a JSON-lines file; none when the file is one object instead."""
    first, newline, _ = data.partition(b"\n")
    try:
        msgspec.json.decode(first, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return []
    return [msgspec.Raw(line) for line in data.split(b"\n") if line.strip()] if newline else []


def _format_of(entry: msgspec.Raw) -> ImportFormat | None:
    try:
        shape = msgspec.json.decode(entry, type=_Shape)
    except (msgspec.DecodeError, RecursionError):
        return None
    if bytes(shape.format) == b'"fireside"':
        return ImportFormat.FIRESIDE
    for field, format in _TELLING.items():
        if bytes(getattr(shape, field)) != b"null":
            return format
    return None


def _reader(format: ImportFormat, owner_id: UserId, new_id: NewId) -> Read:
    match format:
        case ImportFormat.FIRESIDE:
            return lambda data: native.read(data, owner_id, new_id)
        case ImportFormat.CHATGPT:
            return lambda data: chatgpt_export.read(data, owner_id, new_id)
        case ImportFormat.OPEN_WEBUI:
            return lambda data: open_webui_export.read(data, owner_id, new_id)
        case ImportFormat.NOTEBOOK:
            return lambda data: _of_notebook(data, owner_id, new_id)
        case ImportFormat.SHAREGPT:
            return lambda data: _of_row(_decode_row(data), owner_id, new_id)
        case ImportFormat.OPENAI:
            return lambda data: _of_chat(_decode_chat(data), owner_id, new_id)
        case _:
            assert_never(format)


def _of_row(row: sharegpt.Row, owner_id: UserId, new_id: NewId) -> Conversation:
    provider_data: dict[str, object] = {"source": ImportFormat.SHAREGPT.value}
    if row.id is not None:
        provider_data["source_id"] = str(row.id)
    return _of_line(sharegpt.parse(row, new_id), owner_id, new_id, provider_data)


def _of_chat(chat: _Chat, owner_id: UserId, new_id: NewId) -> Conversation:
    provider_data: dict[str, object] = {"source": ImportFormat.OPENAI.value}
    return _of_line(openai_chat.parse(chat.messages, new_id), owner_id, new_id, provider_data)


def _of_notebook(data: bytes, owner_id: UserId, new_id: NewId) -> Conversation:
    read = notebook.parse(data, owner_id, new_id)
    read = msgspec.structs.replace(read, title=read.title or _first_words(path(read)))
    return native.renewed(read, owner_id, new_id, notebook.FORMAT)


def _of_line(
    line: tuple[Message, ...], owner_id: UserId, new_id: NewId, provider_data: dict[str, object]
) -> Conversation:
    conversation_id = ConversationId(new_id())
    title = _first_words(line)
    return build(Conversation(conversation_id, owner_id, title, provider_data=provider_data), line)


def _first_words(line: tuple[Message, ...]) -> str:
    """A title from the first line that the user wrote."""
    asked = (message.text() for message in line if message.author.role is Role.USER)
    first = next((text.strip() for text in asked if text.strip()), "")
    return " ".join(first.partition("\n")[0].lstrip("# ").split())[:80]


def _unknown() -> UserError:
    return UserError(
        "unknown_export",
        "This file is in no format that can be read.",
        hint="Give a ChatGPT or Open WebUI export, a Fireside file, ShareGPT or OpenAI rows, or a"
        " notebook; a zip of them is fine too.",
    )

"""Fireside's own file: versioned JSON that holds everything, of one conversation or of many.

{"format": "fireside", "version": 1, "conversations": [...]}
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from fireside.conversation.message import ConversationId, Message, Status, UserId
from fireside.conversation.tree import Conversation
from fireside.conversation.wire.entry import decode as decode_json
from fireside.conversation.wire.errors import BrokenExport
from fireside.conversation.wire.graft import Cutting, graft
from fireside.errors import UserError
from fireside.kit.ids import NewId

FORMAT = "fireside"
VERSION = 1

_decode = msgspec.json.Decoder(Conversation).decode


class File(msgspec.Struct):
    """The file; its conversations are still unread, so that a broken one can be told apart."""

    format: str
    version: int
    conversations: list[msgspec.Raw]


def encode(conversation: Conversation) -> bytes:
    """A file of one conversation."""
    return b"".join(encode_many([conversation]))


def encode_many(conversations: Iterable[Conversation]) -> Iterator[bytes]:
    """A file of many, a piece at a time."""
    yield b'{"format":"%s","version":%d,"conversations":[' % (FORMAT.encode(), VERSION)
    comma = b""
    for conversation in conversations:
        yield comma + msgspec.json.encode(conversation)
        comma = b",\n"
    yield b"]}\n"


def decode(data: bytes) -> Conversation:
    """The one conversation of a file, ids and all. Raises UserError where there is not one."""
    entries = entries_of(data)
    if len(entries) != 1:
        raise BrokenExport(f"The file holds {len(entries)} conversations, not one.", hint="")
    return decode_json(bytes(entries[0]), Conversation)


def entries_of(data: bytes) -> list[msgspec.Raw]:
    """The conversations of a file, unread. Raises UserError for a version from the future."""
    file = decode_json(data, File)
    if file.version > VERSION:
        raise UserError(
            "newer_export",
            f"This file is of version {file.version}; this server reads up to {VERSION}.",
            hint="Update Fireside.",
        )
    return file.conversations


def read(data: bytes, owner_id: UserId, new_id: NewId) -> Conversation:
    """One conversation of a file under new ids and a new owner.

    Raises msgspec.DecodeError when it is not one, BrokenExport when its tree is broken.
    """
    return renewed(_decode(data), owner_id, new_id, FORMAT)


def renewed(found: Conversation, owner_id: UserId, new_id: NewId, source: str) -> Conversation:
    """The same conversation as somebody else's own: new ids, not shared, nothing still running."""
    cuttings: dict[str, Cutting] = {
        id: Cutting(id, message.parent_id, _settled(message))
        for id, message in sorted(found.messages.items())
    }
    conversation_id = ConversationId(new_id())
    grafted = graft(cuttings, new_id)
    head = grafted.new_ids.get(found.head or "")
    return msgspec.structs.replace(
        found,
        id=conversation_id,
        owner_id=owner_id,
        messages=grafted.messages,
        head=head if head is not None else next(reversed(grafted.messages), None),
        shared=False,
        provider_data={"source": source, "source_id": found.id, **found.provider_data},
    )


def _settled(message: Message) -> Message:
    """No engine writes on what was still being written when the file was made."""
    if message.status in {Status.STREAMING, Status.QUEUED}:
        return msgspec.structs.replace(message, status=Status.INTERRUPTED)
    return message

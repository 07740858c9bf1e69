"""Everything a person has here as one zip file, made while it is sent.

At no time is more in memory than a few hundred messages and what is on its way. Each page of rows
is read in a transaction of its own, so a slow download holds nothing open; what is said in the
meantime may or may not be in the file, and no message in it lacks its parent.
"""

from __future__ import annotations

import zipfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import anyio
import msgspec

from fireside.conversation.message import ConversationId, MessageId, UserId
from fireside.conversation.wire import native
from fireside.db.database import Database
from fireside.history.errors import UnknownConversation
from fireside.history.ports import ExportSection
from fireside.history.repository import HistoryRepository
from fireside.kit.clock import Clock

PAGE = 200
CONVERSATIONS_FILE = "conversations.json"

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Exporter:
    """Reads in short transactions of its own."""

    database: Database
    repository: HistoryRepository
    clock: Clock
    sections: Sequence[ExportSection] = ()

    async def archive(self, owner_id: UserId) -> AsyncIterator[bytes]:
        """The zip file, a piece at a time."""
        sent = _Outbox()
        files = [(CONVERSATIONS_FILE, self.conversations(owner_id))]
        files += [(each.file_name, each.read(owner_id)) for each in self.sections]
        with zipfile.ZipFile(sent, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files:
                entry = zipfile.ZipInfo(name, _dos_time(self.clock.now()))
                entry.compress_type = zipfile.ZIP_DEFLATED
                async for piece in _packed(archive, entry, content, sent):
                    yield piece
        yield sent.take()

    async def conversations(self, owner_id: UserId) -> AsyncIterator[bytes]:
        """All conversations in our own format, a piece at a time; deleted ones are not in it."""
        yield b'{"format":"%s","version":%d,"conversations":[' % (
            native.FORMAT.encode(),
            native.VERSION,
        )
        comma = b""
        last: ConversationId | None = None
        while True:
            async with self.database.read() as tx:
                ids = await self.repository.ids_page(tx, owner_id, last, PAGE)
            for id in ids:
                is_first_piece = True
                async for piece in self._conversation(owner_id, id):
                    yield comma + piece if is_first_piece else piece
                    comma, is_first_piece = b",\n", False
            if len(ids) < PAGE:
                break
            last = ids[-1]
        yield b"]}\n"

    async def _conversation(
        self, owner_id: UserId, conversation_id: ConversationId
    ) -> AsyncIterator[bytes]:
        """JSON of one conversation: its own fields first, then its messages page by page."""
        async with self.database.read() as tx:
            try:
                head = await self.repository.conversation(tx, owner_id, conversation_id)
            except UnknownConversation:  # deleted since its id was read
                return
            page = await self.repository.messages_page(tx, conversation_id, None, PAGE)
        piece = _encode(head).removesuffix(b"}") + b',"messages":{'
        comma = b""
        while page:
            piece += comma + b",".join(_encode(each.id) + b":" + _encode(each) for each in page)
            yield piece
            piece, comma = b"", b","
            if len(page) < PAGE:
                break
            last: MessageId = page[-1].id
            async with self.database.read() as tx:
                page = await self.repository.messages_page(tx, conversation_id, last, PAGE)
        yield piece + b"}}"


async def _packed(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, content: AsyncIterator[bytes], sent: _Outbox
) -> AsyncIterator[bytes]:
    with archive.open(entry, "w", force_zip64=True) as file:
        async for piece in content:
            await anyio.to_thread.run_sync(file.write, piece)
            if ready := sent.take():
                yield ready


class _Outbox:
    """A file to write to, from which what was written is taken away at once."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """There is nothing behind it to flush to."""

    def close(self) -> None:
        """There is nothing behind it to close."""

    def take(self) -> bytes:
        ready = b"".join(self._pieces)
        self._pieces.clear()
        return ready


def _dos_time(at: datetime) -> tuple[int, int, int, int, int, int]:
    return (max(at.year, 1980), at.month, at.day, at.hour, at.minute, at.second)

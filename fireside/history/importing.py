"""Take over the conversations of an export file, each one whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import anyio
import msgspec
from sqlalchemy.exc import DBAPIError, IntegrityError

from fireside.conversation.message import (
    ConversationId,
    Message,
    MessageId,
    Part,
    ToolCall,
    ToolResult,
    UserId,
)
from fireside.conversation.tree import Conversation
from fireside.conversation.wire import native
from fireside.conversation.wire.detect import read_export
from fireside.conversation.wire.entry import ImportProblem
from fireside.db.database import Database
from fireside.errors import UserError
from fireside.history.domain import MAX_TITLE_CHARS, Whereabouts
from fireside.history.repository import HistoryRepository
from fireside.kit.clock import Clock
from fireside.kit.ids import NewId, is_uuid

READ_BATCH = 20
MAX_MESSAGES_PER_TRANSACTION = 200
MAX_PROBLEMS = 1_000

Entry = Conversation | ImportProblem


class ImportReport(msgspec.Struct):
    """What became of a file. Skipped are conversations that were taken over before."""

    num_imported: int = 0
    num_skipped: int = 0
    problems: list[ImportProblem] = []


@dataclass(frozen=True)
class Importer:
    """Writes in short transactions of its own, so that nobody waits for a large file."""

    database: Database
    repository: HistoryRepository
    clock: Clock
    new_id: NewId

    async def run(self, owner_id: UserId, file: Path) -> ImportReport:
        """Take over what is in `file` and not here yet.

        A conversation that has grown since it was taken over gets what is new; a deleted one comes
        back. Raises UserError when nothing of the file can be read.
        """
        entries = await anyio.to_thread.run_sync(lambda: read_export(file, owner_id, self.new_id))
        report = ImportReport()
        while batch := await anyio.to_thread.run_sync(_next_batch, entries):
            for entry in batch:
                await self._take(owner_id, entry, report)
        return report

    async def _take(self, owner_id: UserId, entry: Entry, report: ImportReport) -> None:
        problem: ImportProblem | None = None
        if isinstance(entry, ImportProblem):
            problem = entry
        else:
            try:
                if await self._store_or_retry(owner_id, self._dated(entry)):
                    report.num_imported += 1
                else:
                    report.num_skipped += 1
            except UserError as error:
                problem = ImportProblem(entry.title, error.message)
            except DBAPIError:
                problem = ImportProblem(entry.title, "The database refused to store it.")
        if problem is not None and len(report.problems) < MAX_PROBLEMS:
            report.problems.append(problem)

    async def _store_or_retry(self, owner_id: UserId, found: Conversation) -> bool:
        try:
            return await self._store(owner_id, found)
        except IntegrityError:  # the same file is being imported twice at once
            return await self._store(owner_id, found)

    def _dated(self, found: Conversation) -> Conversation:
        """With the times that a stored conversation must have, and a title that fits."""
        times = [m.created_at for m in found.messages.values() if m.created_at is not None]
        created_at = found.created_at or min(times, default=self.clock.now())
        updated_at = found.updated_at or max([created_at, *times])
        title = " ".join(found.title.split())[:MAX_TITLE_CHARS]
        return msgspec.structs.replace(
            found, created_at=created_at, updated_at=updated_at, title=title
        )

    async def _store(self, owner_id: UserId, found: Conversation) -> bool:
        """Whether anything of it was new."""
        fingerprint = import_sha256(found)
        async with self.database.read() as tx:
            present = await self.repository.imported(tx, owner_id, fingerprint)
            original = _native_original(found)
            if present is None and original is not None:
                present = await self.repository.whereabouts(tx, owner_id, original)
        if present is None:
            await self._insert(owner_id, found, fingerprint)
            return True
        return await self._grow(owner_id, present, found)

    async def _insert(self, owner_id: UserId, found: Conversation, fingerprint: str) -> None:
        messages = [found.messages[id] for id in sorted(found.messages)]
        if len(messages) <= MAX_MESSAGES_PER_TRANSACTION:
            async with self.database.write() as tx:
                await self.repository.insert_conversation(tx, found, import_sha256=fingerprint)
                await self.repository.insert_messages(tx, found.id, owner_id, messages)
            return
        # A long one is written piece by piece while it is out of sight. If that is cut off, the
        # next import finds what is there, adds the rest and brings it into sight.
        async with self.database.write() as tx:
            await self.repository.insert_conversation(tx, found, import_sha256=fingerprint)
            await self.repository.soft_delete(tx, owner_id, found.id, self.clock.now())
        await self._insert_messages(owner_id, found.id, messages)
        async with self.database.write() as tx:
            await self.repository.restore(tx, owner_id, found.id)

    async def _grow(self, owner_id: UserId, present: Whereabouts, found: Conversation) -> bool:
        """Add the messages that are not there yet; bring it back if it was deleted."""
        known = content_keys(await self._stored_messages(present.id))
        by_key = {key: id for id, key in known.items()}
        incoming = [found.messages[id] for id in sorted(found.messages)]
        keys = content_keys(incoming)
        ids = {id: by_key.get(key, id) for id, key in keys.items()}
        new = [
            msgspec.structs.replace(
                message, parent_id=None if message.parent_id is None else ids[message.parent_id]
            )
            for message in incoming
            if keys[message.id] not in by_key
        ]
        await self._insert_messages(owner_id, present.id, new)
        if not new and not present.deleted:
            return False
        async with self.database.write() as tx:
            if present.deleted:
                await self.repository.restore(tx, owner_id, present.id)
            if new and found.head is not None and found.updated_at is not None:
                await self.repository.update_conversation(
                    tx,
                    owner_id,
                    present.id,
                    head=ids[found.head],
                    updated_at=max(present.updated_at, found.updated_at),
                )
        return True

    async def _insert_messages(
        self, owner_id: UserId, conversation_id: ConversationId, messages: Sequence[Message]
    ) -> None:
        for start in range(0, len(messages), MAX_MESSAGES_PER_TRANSACTION):
            piece = messages[start : start + MAX_MESSAGES_PER_TRANSACTION]
            async with self.database.write() as tx:
                await self.repository.insert_messages(tx, conversation_id, owner_id, piece)

    async def _stored_messages(self, conversation_id: ConversationId) -> list[Message]:
        stored: list[Message] = []
        while True:
            async with self.database.read() as tx:
                page = await self.repository.messages_page(
                    tx, conversation_id, stored[-1].id if stored else None, 500
                )
            stored += page
            if not page:
                return stored


def import_sha256(found: Conversation) -> str:
    """What tells that two entries are the same conversation: where it came from and its id there,
    or, where it has none, what is said in it."""
    source, source_id = (found.provider_data.get(name) for name in ("source", "source_id"))
    if source_id:
        said = f"{source}\0{source_id}".encode()
    else:
        messages = [found.messages[id] for id in sorted(found.messages)]
        said = str(source).encode() + b"".join(sorted(content_keys(messages).values()))
    return hashlib.sha256(said).hexdigest()


def content_keys(messages: Sequence[Message]) -> dict[MessageId, bytes]:
    """message id -> a digest of what is said down to it, whatever the ids are.

    `messages` come parents first.
    """
    keys: dict[MessageId, bytes] = {}
    for message in messages:
        above = keys.get(message.parent_id, b"") if message.parent_id is not None else b""
        said = (
            message.author,
            message.recipient,
            message.channel,
            message.created_at,
            tuple(_without_ids(part) for part in message.parts),
        )
        keys[message.id] = hashlib.sha256(above + msgspec.json.encode(said)).digest()
    return keys


def _without_ids(part: Part) -> Part:
    match part:
        case ToolCall():
            return msgspec.structs.replace(part, id="")
        case ToolResult():
            return msgspec.structs.replace(part, call_id="")
        case _:
            return part


def _native_original(found: Conversation) -> ConversationId | None:
    """The conversation here that a file of our own may have been written from."""
    if found.provider_data.get("source") != native.FORMAT:
        return None
    id = found.provider_data.get("source_id")
    return ConversationId(id) if isinstance(id, str) and is_uuid(id) else None


def _next_batch(entries: Iterator[Entry]) -> list[Entry]:
    return list(islice(entries, READ_BATCH))

"""What a person does with their conversations."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Unpack

import anyio
import structlog

from fireside.conversation.message import ConversationId, Message, MessageId, UserId
from fireside.conversation.tree import Conversation
from fireside.db.database import Database, ReadTransaction, Transaction
from fireside.errors import BackendFailed, CapacityExhausted
from fireside.history.domain import (
    KEPT_AFTER_DELETION,
    MAX_FOLDER_NAME_CHARS,
    MAX_FOLDERS,
    MAX_PINNED_LISTED,
    MAX_SHARED_MESSAGES,
    MAX_TITLE_CHARS,
    PAGE_SIZE,
    ConversationView,
    Folder,
    Listing,
    MessageView,
    SearchHit,
    Share,
    SharedPage,
    StoredConversation,
    Totals,
    Window,
    for_everybody,
    one_line,
    view_of,
)
from fireside.history.errors import NothingToShare, TooLongToShare, TooManyFolders, UnknownShare
from fireside.history.exporting import Exporter
from fireside.history.finder import Finder
from fireside.history.importing import Importer
from fireside.history.ports import ExportSection, NoRunningTurns, RunningTurns
from fireside.history.repository import HistoryRepository
from fireside.history.rows import ConversationChanges
from fireside.history.shelf_repository import ShelfRepository
from fireside.kit.clock import Clock
from fireside.kit.ids import NewId, is_uuid
from fireside.kit.pagination import Page, bad_cursor, decode_cursor, encode_cursor

MAX_IMPORTS = 2
"""At once; each may hold a file of 512 MiB in memory."""

PURGE_EVERY_S = 3600.0
PURGE_PAUSE_S = 0.1
"""Between two batches, so that writers get in between."""

PURGE_BATCH = 10
_SLUG_BYTES = 16

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class HistoryService:
    """Reads, decides, writes; the transaction is the caller's."""

    repository: HistoryRepository
    clock: Clock
    new_id: NewId
    running: RunningTurns = field(default_factory=NoRunningTurns)
    sections: Sequence[ExportSection] = ()
    shelf: ShelfRepository = field(default_factory=ShelfRepository)
    import_slots: anyio.Semaphore = field(default_factory=lambda: anyio.Semaphore(MAX_IMPORTS))

    async def run(self, db: Database) -> None:
        """Purge what was deleted long ago, every hour until cancelled."""
        while True:
            more = await self._purge_some(db)
            await anyio.sleep(PURGE_PAUSE_S if more else PURGE_EVERY_S)

    # Conversations

    async def view(
        self, tx: ReadTransaction, owner_id: UserId, conversation_id: ConversationId
    ) -> ConversationView:
        """One conversation as the page lists it. Raises UnknownConversation."""
        stored = await self.repository.stored(tx, owner_id, conversation_id)
        return (await self._views(tx, owner_id, [stored]))[0]

    async def page(
        self,
        tx: ReadTransaction,
        owner_id: UserId,
        listing: Listing,
        cursor: str | None = None,
    ) -> Page[ConversationView]:
        """Conversations, last used first; pinned ones come before all others on the first page."""
        before = _place(cursor)
        pinned: list[StoredConversation] = []
        if cursor is None:
            pinned = await self.repository.page(
                tx, owner_id, listing, pinned=True, limit=MAX_PINNED_LISTED
            )
        found = await self.repository.page(
            tx, owner_id, listing, pinned=False, limit=PAGE_SIZE + 1, before=before
        )
        shown = found[:PAGE_SIZE]
        next_cursor = None
        if len(found) > PAGE_SIZE:
            last = shown[-1]
            next_cursor = encode_cursor(last.updated_at.isoformat(), last.conversation.id)
        return Page(await self._views(tx, owner_id, pinned + shown), next_cursor)

    async def open_window(
        self,
        tx: ReadTransaction,
        owner_id: UserId,
        conversation_id: ConversationId,
        *,
        head: MessageId | None = None,
        before: MessageId | None = None,
        limit: int = PAGE_SIZE,
    ) -> Window:
        """The last `limit` messages of a branch: down from `head` over the newest replies, or the
        branch that was on screen last; with `before` those above that message.

        Raises UnknownConversation, UnknownMessage.
        """
        stored = await self.repository.stored(tx, owner_id, conversation_id)
        at = stored.conversation.head
        if head is not None and before is None:
            at = await self.repository.latest_leaf(tx, conversation_id, head)
        line: list[Message] = []
        if at is not None or before is not None:
            start = at if at is not None else MessageId("")
            line = await self.repository.path_window(tx, conversation_id, start, limit, before)
        siblings = await self.repository.siblings(tx, conversation_id, line)
        return Window(
            conversation=(await self._views(tx, owner_id, [stored]))[0],
            messages=[MessageView(message, siblings[message.id]) for message in line],
            has_earlier=bool(line) and line[0].parent_id is not None,
        )

    async def siblings(
        self,
        tx: ReadTransaction,
        conversation_id: ConversationId,
        messages: Sequence[Message],
    ) -> dict[MessageId, list[MessageId]]:
        """The versions at each message's place, as the repository says."""
        return await self.repository.siblings(tx, conversation_id, messages)

    async def change(
        self,
        tx: Transaction,
        owner_id: UserId,
        conversation_id: ConversationId,
        **changes: Unpack[ConversationChanges],
    ) -> ConversationView:
        """Change what is given; a head is followed down to its newest leaf.

        Raises UserError for a title that does not fit, UnknownConversation, UnknownMessage,
        UnknownFolder.
        """
        await self.repository.stored(tx, owner_id, conversation_id)
        if "title" in changes:
            changes["title"] = one_line(changes["title"], MAX_TITLE_CHARS, "A title", "title")
        if "head" in changes:
            changes["head"] = await self.repository.latest_leaf(
                tx, conversation_id, changes["head"]
            )
        await self.repository.update_conversation(tx, owner_id, conversation_id, **changes)
        return await self.view(tx, owner_id, conversation_id)

    async def delete(
        self, tx: Transaction, owner_id: UserId, conversation_id: ConversationId
    ) -> None:
        """Put out of sight; `restore` brings it back for 30 days. Raises UnknownConversation."""
        await self.repository.soft_delete(tx, owner_id, conversation_id, self.clock.now())

    async def restore(
        self, tx: Transaction, owner_id: UserId, conversation_id: ConversationId
    ) -> ConversationView:
        """Bring back. Raises UnknownConversation when it is not among the deleted ones."""
        await self.repository.restore(tx, owner_id, conversation_id)
        return await self.view(tx, owner_id, conversation_id)

    async def search(
        self,
        tx: ReadTransaction,
        owner_id: UserId,
        text: str,
        cursor: str | None = None,
        *,
        archived: bool = False,
    ) -> Page[SearchHit]:
        """See `Finder.search`."""
        return await Finder(self.repository).search(tx, owner_id, text, cursor, archived=archived)

    async def totals(self, tx: ReadTransaction) -> Totals:
        """How much everybody has stored."""
        return await self.repository.totals(tx)

    # Sharing

    async def share(
        self, tx: Transaction, owner_id: UserId, conversation_id: ConversationId
    ) -> Share:
        """Make the branch on screen readable for everybody who has the address.

        What is said later is not shown until it is shared again, under the same address. Raises
        UnknownConversation, NothingToShare, TooLongToShare.
        """
        conversation = await self.repository.conversation(tx, owner_id, conversation_id)
        if conversation.head is None:
            raise NothingToShare
        line = await self.repository.path_window(
            tx, conversation_id, conversation.head, MAX_SHARED_MESSAGES + 1
        )
        if len(line) > MAX_SHARED_MESSAGES:
            raise TooLongToShare(MAX_SHARED_MESSAGES)
        share = Share(
            slug=secrets.token_urlsafe(_SLUG_BYTES),
            conversation_id=conversation_id,
            owner_id=owner_id,
            title=conversation.title,
            head_id=conversation.head,
            created_at=self.clock.now(),
        )
        return await self.shelf.put_share(tx, share)

    async def unshare(
        self, tx: Transaction, owner_id: UserId, conversation_id: ConversationId
    ) -> None:
        """Take the page down. Raises UnknownConversation."""
        await self.repository.stored(tx, owner_id, conversation_id)
        await self.shelf.delete_share(tx, conversation_id)

    async def shared_page(self, tx: ReadTransaction, slug: str) -> SharedPage:
        """What everybody may read at this address. Raises UnknownShare."""
        share = await self.shelf.share(tx, slug)
        line = await self.repository.path_window(
            tx, share.conversation_id, share.head_id, MAX_SHARED_MESSAGES
        )
        if not line:
            raise UnknownShare
        return SharedPage(share.title, share.created_at, for_everybody(line))

    # Folders

    async def folders(self, tx: ReadTransaction, owner_id: UserId) -> list[Folder]:
        """A person's folders in the order they were made."""
        return await self.shelf.folders(tx, owner_id)

    async def add_folder(self, tx: Transaction, owner_id: UserId, name: str) -> Folder:
        """A new folder. Raises UserError for a name that does not fit, TooManyFolders."""
        if await self.shelf.num_folders(tx, owner_id) >= MAX_FOLDERS:
            raise TooManyFolders(MAX_FOLDERS)
        folder = Folder(self.new_id(), _folder_name(name), self.clock.now())
        await self.shelf.insert_folder(tx, owner_id, folder)
        return folder

    async def rename_folder(
        self, tx: Transaction, owner_id: UserId, folder_id: str, name: str
    ) -> Folder:
        """Raises UserError for a name that does not fit, UnknownFolder."""
        return await self.shelf.rename_folder(tx, owner_id, folder_id, _folder_name(name))

    async def delete_folder(self, tx: Transaction, owner_id: UserId, folder_id: str) -> None:
        """The conversations in it stay. Raises UnknownFolder."""
        await self.shelf.delete_folder(tx, owner_id, folder_id)

    # Taking along

    async def load(
        self, tx: ReadTransaction, owner_id: UserId, conversation_id: ConversationId
    ) -> Conversation:
        """The whole conversation, to export it. Raises UnknownConversation."""
        return await self.repository.load(tx, owner_id, conversation_id)

    def exporter(self, db: Database) -> Exporter:
        """What makes the archive of everything."""
        return Exporter(db, self.repository, self.clock, self.sections)

    @contextmanager
    def importer(self, db: Database) -> Iterator[Importer]:
        """What takes over an export file. Raises CapacityExhausted while others do so."""
        try:
            self.import_slots.acquire_nowait()
        except anyio.WouldBlock:
            raise CapacityExhausted(
                "imports_busy",
                "Other files are being imported right now.",
                hint="Try again in a minute.",
                retry_after_s=60.0,
            ) from None
        try:
            yield Importer(db, self.repository, self.clock, self.new_id)
        finally:
            self.import_slots.release()

    async def _views(
        self, tx: ReadTransaction, owner_id: UserId, stored: Sequence[StoredConversation]
    ) -> list[ConversationView]:
        ids = [each.conversation.id for each in stored]
        running = await self.running.running_in(tx, owner_id, ids)
        return [view_of(each, list(running.get(each.conversation.id, ()))) for each in stored]

    async def _purge_some(self, db: Database) -> bool:
        """Whether there may be more to purge."""
        before = self.clock.now() - KEPT_AFTER_DELETION
        try:
            async with db.write() as tx:
                return await self.repository.purge(tx, before, PURGE_BATCH) == PURGE_BATCH
        except BackendFailed as error:
            logger.warning("purge_waits", code=error.code)
            return False


def _folder_name(name: str) -> str:
    return one_line(name, MAX_FOLDER_NAME_CHARS, "A folder's name", "name")


def _place(cursor: str | None) -> tuple[datetime, ConversationId] | None:
    """After which conversation a page begins."""
    if cursor is None:
        return None
    at, id = decode_cursor(cursor, 2)
    try:
        moment = datetime.fromisoformat(at)
    except ValueError as error:
        raise bad_cursor() from error
    if moment.tzinfo is None or not is_uuid(id):
        raise bad_cursor()
    return moment, ConversationId(id)

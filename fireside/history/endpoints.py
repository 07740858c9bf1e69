"""HTTP of stored conversations: list, change, delete, share, search, folders, out and in."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, cast

import anyio
import msgspec
from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.response import Stream
from msgspec import UNSET, UnsetType

from fireside.accounts.access import Rule
from fireside.accounts.domain import Principal, Scope
from fireside.conversation.message import ConversationId, MessageId
from fireside.conversation.tree import AssistantSettings
from fireside.conversation.wire.export import ExportFormat, export
from fireside.db.database import Database
from fireside.history.domain import (
    MAX_FOLDER_NAME_CHARS,
    MAX_TITLE_CHARS,
    ConversationView,
    Folder,
    Listing,
    SearchHit,
    SharedPage,
)
from fireside.history.feed import ConversationChanged, ConversationDeleted, Resync, publish
from fireside.history.importing import ImportReport
from fireside.history.rows import ConversationChanges
from fireside.history.service import HistoryService
from fireside.kit.pagination import Page
from fireside.kit.pubsub import Broker

READ = Rule.SIGNED_IN.with_scope(Scope.CONVERSATIONS_READ)
WRITE = Rule.SIGNED_IN.with_scope(Scope.CONVERSATIONS_WRITE)

MAX_IMPORT_BYTES = 512 * 1024 * 1024

Caller = NamedDependency[Principal]
Db = NamedDependency[Database]
History = NamedDependency[HistoryService]
Tabs = NamedDependency[Broker]
Uuid = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
Cursor = Annotated[str | None, QueryParameter(max_length=500)]


class _Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class AssistantSettingsIn(_Body, frozen=True, kw_only=True):
    """How this conversation's assistant is set up; null leaves the engine's default."""

    instructions: Annotated[str, msgspec.Meta(max_length=32_000)] = ""
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None


class ConversationPatch(_Body, frozen=True, kw_only=True):
    """What to change; what is left out stays."""

    title: Annotated[str, msgspec.Meta(max_length=10 * MAX_TITLE_CHARS)] | UnsetType = UNSET
    pinned: bool | UnsetType = UNSET
    archived: bool | UnsetType = UNSET
    folder_id: Uuid | UnsetType | None = UNSET
    model: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | UnsetType | None = UNSET
    head: Uuid | UnsetType = UNSET
    settings: AssistantSettingsIn | UnsetType = UNSET

    def changes(self) -> ConversationChanges:
        """Those that are given."""
        given = msgspec.structs.asdict(self)
        if isinstance(self.settings, AssistantSettingsIn):
            given["settings"] = AssistantSettings(**msgspec.structs.asdict(self.settings))
        kept = {name: value for name, value in given.items() if value is not UNSET}
        return cast("ConversationChanges", kept)


class FolderIn(_Body, frozen=True, kw_only=True):
    """A folder's name."""

    name: Annotated[str, msgspec.Meta(max_length=10 * MAX_FOLDER_NAME_CHARS)]


class ShareOut(msgspec.Struct, frozen=True):
    """The public page is at /share/{slug}."""

    slug: str
    created_at: datetime
    title: str


class ConversationController(Controller):
    """One's own conversations.

    Not registered by itself: `fireside.chat.endpoints` extends it by opening one, and Litestar
    takes the routes of a path from one controller only.
    """

    path = "/api/conversations"
    tags = ("conversations",)

    @get("/", opt={"rule": READ})
    async def list_conversations(
        self,
        principal: Caller,
        db: Db,
        history: History,
        cursor: Cursor = None,
        archived: FromQuery[bool] = False,
        folder_id: Annotated[str | None, QueryParameter(max_length=36)] = None,
    ) -> Page[ConversationView]:
        """Conversations, last used first; pinned ones come first on the first page."""
        async with db.read() as tx:
            return await history.page(tx, principal.user_id, Listing(archived, folder_id), cursor)

    @patch("/{conversation_id:str}", opt={"rule": WRITE})
    async def change_conversation(
        self,
        conversation_id: FromPath[str],
        data: JSONBody[ConversationPatch],
        principal: Caller,
        db: Db,
        history: History,
        broker: Tabs,
    ) -> ConversationView:
        """Rename, pin, archive, put into a folder, choose a model or a branch."""
        async with db.write() as tx:
            view = await history.change(
                tx, principal.user_id, ConversationId(conversation_id), **data.changes()
            )
        publish(broker, principal.user_id, ConversationChanged(view))
        return view

    @delete("/{conversation_id:str}", opt={"rule": WRITE})
    async def delete_conversation(
        self,
        conversation_id: FromPath[str],
        principal: Caller,
        db: Db,
        history: History,
        broker: Tabs,
    ) -> None:
        """Put it out of sight; it can be restored for 30 days."""
        id = ConversationId(conversation_id)
        async with db.write() as tx:
            await history.delete(tx, principal.user_id, id)
        publish(broker, principal.user_id, ConversationDeleted(id))

    @post("/{conversation_id:str}/restore", opt={"rule": WRITE}, status_code=200)
    async def restore_conversation(
        self,
        conversation_id: FromPath[str],
        principal: Caller,
        db: Db,
        history: History,
        broker: Tabs,
    ) -> ConversationView:
        """Bring a deleted conversation back."""
        async with db.write() as tx:
            view = await history.restore(tx, principal.user_id, ConversationId(conversation_id))
        publish(broker, principal.user_id, ConversationChanged(view))
        return view

    @post("/{conversation_id:str}/share", opt={"rule": WRITE})
    async def share_conversation(
        self,
        conversation_id: FromPath[str],
        principal: Caller,
        db: Db,
        history: History,
        broker: Tabs,
    ) -> ShareOut:
        """Make the branch on screen readable for everybody who has the address."""
        id = ConversationId(conversation_id)
        async with db.write() as tx:
            share = await history.share(tx, principal.user_id, id)
            view = await history.view(tx, principal.user_id, id)
        publish(broker, principal.user_id, ConversationChanged(view))
        return ShareOut(share.slug, share.created_at, share.title)

    @delete("/{conversation_id:str}/share", opt={"rule": WRITE})
    async def unshare_conversation(
        self,
        conversation_id: FromPath[str],
        principal: Caller,
        db: Db,
        history: History,
        broker: Tabs,
    ) -> None:
        """Take the public page down."""
        id = ConversationId(conversation_id)
        async with db.write() as tx:
            await history.unshare(tx, principal.user_id, id)
            view = await history.view(tx, principal.user_id, id)
        publish(broker, principal.user_id, ConversationChanged(view))

    @get("/{conversation_id:str}/export", opt={"rule": READ})
    async def export_conversation(
        self,
        conversation_id: FromPath[str],
        principal: Caller,
        db: Db,
        history: History,
        format: FromQuery[ExportFormat] = ExportFormat.FIRESIDE,
        head: Annotated[str | None, QueryParameter(max_length=36)] = None,
    ) -> Response[bytes]:
        """The conversation as a file. Only the format `fireside` holds all branches."""
        async with db.read() as tx:
            whole = await history.load(tx, principal.user_id, ConversationId(conversation_id))
        at = MessageId(head) if head is not None else None
        file = await anyio.to_thread.run_sync(export, whole, format, at)
        return Response(file.content, media_type=file.media_type, headers=_attachment(file.name))


class SharedController(Controller):
    """What was shared with everybody."""

    path = "/api/shared"
    tags = ("conversations",)

    @get("/{slug:str}", opt={"rule": Rule.PUBLIC})
    async def read_shared(
        self, slug: FromPath[str], db: Db, history: History
    ) -> Response[SharedPage]:
        """A shared conversation."""
        async with db.read() as tx:
            page = await history.shared_page(tx, slug)
        return Response(page, headers={"x-robots-tag": "noindex", "cache-control": "no-store"})


class SearchController(Controller):
    """Full-text search."""

    path = "/api/search"
    tags = ("conversations",)

    @get("/", opt={"rule": READ})
    async def search(
        self,
        principal: Caller,
        db: Db,
        history: History,
        q: Annotated[str, QueryParameter(max_length=500)],
        cursor: Cursor = None,
        archived: FromQuery[bool] = False,
    ) -> Page[SearchHit]:
        """Titles and messages that hold all words of `q`, the last of which may be a beginning;
        words in quotes must stand side by side. Newest first."""
        async with db.read() as tx:
            return await history.search(tx, principal.user_id, q, cursor, archived=archived)


class FolderController(Controller):
    """One's own folders."""

    path = "/api/folders"
    tags = ("conversations",)

    @get("/", opt={"rule": READ})
    async def list_folders(self, principal: Caller, db: Db, history: History) -> list[Folder]:
        """Folders in the order they were made."""
        async with db.read() as tx:
            return await history.folders(tx, principal.user_id)

    @post("/", opt={"rule": WRITE})
    async def add_folder(
        self,
        data: JSONBody[FolderIn],
        principal: Caller,
        db: Db,
        history: History,
        broker: Tabs,
    ) -> Folder:
        """A new folder."""
        async with db.write() as tx:
            folder = await history.add_folder(tx, principal.user_id, data.name)
        publish(broker, principal.user_id, Resync())
        return folder

    @patch("/{folder_id:str}", opt={"rule": WRITE})
    async def rename_folder(
        self,
        folder_id: FromPath[str],
        data: JSONBody[FolderIn],
        principal: Caller,
        db: Db,
        history: History,
        broker: Tabs,
    ) -> Folder:
        """Another name."""
        async with db.write() as tx:
            folder = await history.rename_folder(tx, principal.user_id, folder_id, data.name)
        publish(broker, principal.user_id, Resync())
        return folder

    @delete("/{folder_id:str}", opt={"rule": WRITE})
    async def delete_folder(
        self,
        folder_id: FromPath[str],
        principal: Caller,
        db: Db,
        history: History,
        broker: Tabs,
    ) -> None:
        """Remove the folder; the conversations in it stay."""
        async with db.write() as tx:
            await history.delete_folder(tx, principal.user_id, folder_id)
        publish(broker, principal.user_id, Resync())


class TransferController(Controller):
    """Everything out, and other systems' conversations in."""

    path = "/api"
    tags = ("conversations",)

    @get("/me/export", opt={"rule": READ}, media_type="application/zip")
    async def export_everything(self, principal: Caller, db: Db, history: History) -> Stream:
        """Everything one has here as a zip file."""
        return Stream(
            history.exporter(db).archive(principal.user_id),
            media_type="application/zip",
            headers=_attachment("fireside-export.zip"),
        )

    @post(
        "/import",
        opt={"rule": WRITE},
        status_code=200,
        request_max_body_size=MAX_IMPORT_BYTES,
    )
    async def import_conversations(
        self,
        request: Request[Any, Any, Any],
        principal: Caller,
        db: Db,
        history: History,
        broker: Tabs,
    ) -> ImportReport:
        """Take over an export of ChatGPT, Open WebUI or Fireside, as the raw body."""
        with history.importer(db) as importer:
            async with anyio.NamedTemporaryFile(prefix="fireside-import-") as file:
                async for piece in request.stream():
                    await file.write(piece)
                await file.flush()
                report = await importer.run(principal.user_id, Path(str(file.name)))
        publish(broker, principal.user_id, Resync())
        return report


def _attachment(name: str) -> dict[str, str]:
    return {
        "content-disposition": f'attachment; filename="{name}"',
        "x-content-type-options": "nosniff",
        "cache-control": "no-store",
    }


CONTROLLERS = (
    SharedController,
    SearchController,
    FolderController,
    TransferController,
)

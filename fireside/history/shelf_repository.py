"""Folders and shared pages in the database."""

from __future__ import annotations

import msgspec
from sqlalchemy import delete, func, insert, select, update

from fireside.conversation.message import ConversationId, MessageId, UserId
from fireside.db.database import ReadTransaction, Transaction
from fireside.history.domain import Folder, Share
from fireside.history.errors import UnknownFolder, UnknownShare
from fireside.history.tables import ConversationRow, FolderRow, ShareRow
from fireside.kit.ids import is_uuid


class ShelfRepository:
    """Statements only; decides nothing and commits nothing."""

    async def folders(self, tx: ReadTransaction, owner_id: UserId) -> list[Folder]:
        """A person's folders in the order they were made."""
        query = (
            select(FolderRow.id, FolderRow.name, FolderRow.created_at)
            .where(FolderRow.owner_id == owner_id)
            .order_by(FolderRow.id)
        )
        return [Folder(*row) for row in await tx.execute(query)]

    async def num_folders(self, tx: ReadTransaction, owner_id: UserId) -> int:
        """How many there are."""
        query = select(func.count()).select_from(FolderRow).where(FolderRow.owner_id == owner_id)
        return (await tx.execute(query)).scalar_one()

    async def insert_folder(self, tx: Transaction, owner_id: UserId, folder: Folder) -> None:
        """Add a folder."""
        await tx.execute(
            insert(FolderRow).values(
                id=folder.id, owner_id=owner_id, name=folder.name, created_at=folder.created_at
            )
        )

    async def rename_folder(
        self, tx: Transaction, owner_id: UserId, folder_id: str, name: str
    ) -> Folder:
        """Give a folder another name. Raises UnknownFolder."""
        if not is_uuid(folder_id):
            raise UnknownFolder
        renamed = await tx.execute(
            update(FolderRow)
            .where(FolderRow.id == folder_id, FolderRow.owner_id == owner_id)
            .values(name=name)
            .returning(FolderRow.id, FolderRow.name, FolderRow.created_at)
        )
        row = renamed.one_or_none()
        if row is None:
            raise UnknownFolder
        return Folder(*row)

    async def delete_folder(self, tx: Transaction, owner_id: UserId, folder_id: str) -> None:
        """Remove a folder; its conversations stay, in no folder. Raises UnknownFolder."""
        if not is_uuid(folder_id):
            raise UnknownFolder
        gone = await tx.execute(
            delete(FolderRow).where(FolderRow.id == folder_id, FolderRow.owner_id == owner_id)
        )
        if not gone.rowcount:
            raise UnknownFolder

    async def share(self, tx: ReadTransaction, slug: str) -> Share:
        """A shared page whose conversation is not deleted. Raises UnknownShare."""
        query = (
            select(
                ShareRow.slug,
                ShareRow.conversation_id,
                ConversationRow.owner_id,
                ShareRow.title,
                ShareRow.head_id,
                ShareRow.created_at,
            )
            .join(ConversationRow, ConversationRow.id == ShareRow.conversation_id)
            .where(ShareRow.slug == slug, ConversationRow.deleted_at.is_(None))
        )
        row = (await tx.execute(query)).one_or_none()
        if row is None:
            raise UnknownShare
        slug, conversation_id, owner_id, title, head_id, created_at = row
        return Share(
            slug,
            ConversationId(conversation_id),
            UserId(owner_id),
            title,
            MessageId(head_id),
            created_at,
        )

    async def put_share(self, tx: Transaction, share: Share) -> Share:
        """Share a conversation; one that is shared already keeps its address and shows what it
        shows now. The caller has asked for the conversation with its owner.
        """
        shown = {"title": share.title, "head_id": share.head_id, "created_at": share.created_at}
        kept = await tx.execute(
            update(ShareRow)
            .where(ShareRow.conversation_id == share.conversation_id)
            .values(**shown)
            .returning(ShareRow.slug)
        )
        slug = kept.scalar_one_or_none()
        if slug is None:
            slug = share.slug
            await tx.execute(
                insert(ShareRow).values(slug=slug, conversation_id=share.conversation_id, **shown)
            )
        return msgspec.structs.replace(share, slug=slug)

    async def delete_share(self, tx: Transaction, conversation_id: ConversationId) -> None:
        """Nobody but the owner reads the conversation any more."""
        await tx.execute(delete(ShareRow).where(ShareRow.conversation_id == conversation_id))

"""Blobs in memory, for tests and demos."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator

from anyio.lowlevel import checkpoint

from fireside.conversation.message import BlobRef
from fireside.files.errors import BlobTooLarge, UnknownBlob
from fireside.files.ports import CHUNK_BYTES, checked, pieces_of
from fireside.files.settings import FilesSettings
from fireside.kit.hashing import sha256_hex


class MemoryBlobStore:
    """Keeps everything until the process ends."""

    def __init__(self, settings: FilesSettings) -> None:
        self._max_bytes = settings.max_blob_bytes
        self._blobs: dict[str, bytes] = {}

    async def put(self, content: bytes | AsyncIterable[bytes], media_type: str) -> BlobRef:
        """See BlobStore."""
        data = bytearray()
        async for piece in pieces_of(content):
            data += piece
            if len(data) > self._max_bytes:
                raise BlobTooLarge(self._max_bytes)
        sha256 = sha256_hex(bytes(data))
        self._blobs[sha256] = bytes(data)
        return BlobRef(sha256, media_type, len(data))

    async def get(self, sha256: str) -> AsyncIterator[bytes]:
        """See BlobStore."""
        data = self._blobs.get(checked(sha256))
        if data is None:
            raise UnknownBlob
        return _cut(data)

    async def exists(self, sha256: str) -> bool:
        """See BlobStore."""
        return sha256 in self._blobs

    async def delete(self, sha256: str) -> None:
        """See BlobStore."""
        self._blobs.pop(sha256, None)


async def _cut(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), CHUNK_BYTES):
        await checkpoint()
        yield data[start : start + CHUNK_BYTES]

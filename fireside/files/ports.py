"""The store of blobs.

Content-addressed: the same bytes are kept once, a reference never changes its meaning, and nobody
ever reads half of a blob. Who may read one is not decided here: a hash is an address, not a
permission.

Failure policy: fail closed. `put` returns after the bytes are durable or raises; a full disk raises
StorageFailed and leaves nothing behind.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, AsyncIterator
from typing import Protocol

from fireside.conversation.message import BlobRef
from fireside.files.errors import UnknownBlob

CHUNK_BYTES = 256 * 1024
_SHA256 = re.compile(r"[0-9a-f]{64}")


class BlobStore(Protocol):
    """Keeps bytes under their SHA-256 (64 lower-case hexadecimal digits)."""

    async def put(self, content: bytes | AsyncIterable[bytes], media_type: str) -> BlobRef:
        """Keep the bytes. Raises BlobTooLarge, StorageFailed."""
        ...

    async def get(self, sha256: str) -> AsyncIterator[bytes]:
        """The bytes, a piece at a time. Raises UnknownBlob before the first one, StorageFailed."""
        ...

    async def exists(self, sha256: str) -> bool:
        """Whether they are kept."""
        ...

    async def delete(self, sha256: str) -> None:
        """Forget them; nothing happens when they are not there."""
        ...


def checked(sha256: str) -> str:
    """The hash, if it is one. Raises UnknownBlob: nothing is kept under anything else."""
    if _SHA256.fullmatch(sha256) is None:
        raise UnknownBlob
    return sha256


async def read_all(store: BlobStore, sha256: str) -> bytes:
    """All bytes of a blob that is known to be small."""
    return b"".join([piece async for piece in await store.get(sha256)])


async def pieces_of(content: bytes | AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """Both kinds of content as pieces."""
    if isinstance(content, bytes):
        yield content
        return
    async for piece in content:
        yield piece

"""Blobs in a directory: `ab/cd/abcd...`, written aside and moved into place when durable."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, TypeVar, TypeVarTuple

import anyio

from fireside.conversation.message import BlobRef
from fireside.files.errors import BlobTooLarge, StorageFailed, UnknownBlob
from fireside.files.ports import CHUNK_BYTES, checked, pieces_of
from fireside.files.settings import FilesSettings

T = TypeVar("T")
Args = TypeVarTuple("Args")
_PREFIX = "incoming-"


class DiskBlobStore:
    """Any number of processes may share a directory: a blob appears by one atomic rename."""

    def __init__(self, root: Path, settings: FilesSettings) -> None:
        self._root = root
        self._max_bytes = settings.max_blob_bytes

    async def put(self, content: bytes | AsyncIterable[bytes], media_type: str) -> BlobRef:
        """See BlobStore."""
        incoming = await _in_thread(_Incoming, self._root)
        try:
            async for piece in pieces_of(content):
                if incoming.size_bytes + len(piece) > self._max_bytes:
                    raise BlobTooLarge(self._max_bytes)
                await _in_thread(incoming.write, piece)
            await _in_thread(incoming.keep, self._root)
        finally:
            # Also when the caller is cancelled: what was not kept must not stay.
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(incoming.discard)
        return BlobRef(incoming.sha256, media_type, incoming.size_bytes)

    async def get(self, sha256: str) -> AsyncIterator[bytes]:
        """See BlobStore."""
        file = await _in_thread(_opened, _path(self._root, checked(sha256)))
        if file is None:
            raise UnknownBlob
        return _read(file)

    async def exists(self, sha256: str) -> bool:
        """See BlobStore."""
        try:
            return await _in_thread(_path(self._root, checked(sha256)).is_file)
        except UnknownBlob:
            return False

    async def delete(self, sha256: str) -> None:
        """See BlobStore."""
        try:
            path = _path(self._root, checked(sha256))
        except UnknownBlob:
            return
        await _in_thread(lambda: path.unlink(missing_ok=True))

    async def sweep(self, before: datetime) -> int:
        """Remove what processes killed before then left half-written; how many files it were."""
        return await _in_thread(_sweep, self._root, before.timestamp())


class _Incoming:
    """A blob on its way in, beside the others so that moving it is one rename."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=_PREFIX, dir=root)
        self._file = os.fdopen(descriptor, "wb")
        self._path = Path(name)
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def write(self, piece: bytes) -> None:
        self._file.write(piece)
        self._digest.update(piece)
        self.size_bytes += len(piece)

    def keep(self, root: Path) -> None:
        """Make the bytes durable, then visible, then the name durable."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        place = _path(root, self.sha256)
        made = [each for each in (place.parent, place.parent.parent) if not each.exists()]
        place.parent.mkdir(parents=True, exist_ok=True)
        self._path.replace(place)
        for directory in (place.parent, *(each.parent for each in made)):
            _fsync_directory(directory)

    def discard(self) -> None:
        """Remove what was not kept; nothing is left of what was."""
        self._file.close()
        self._path.unlink(missing_ok=True)


async def _in_thread(work: Callable[[*Args], T], *args: *Args) -> T:
    """Disk work off the event loop, with what the disk refuses in our words."""
    try:
        return await anyio.to_thread.run_sync(work, *args)
    except OSError as error:
        # Only the system's own words: a path would tell where the server keeps its data.
        raise StorageFailed(error.strerror or type(error).__name__) from error


def _opened(path: Path) -> BinaryIO | None:
    try:
        return path.open("rb")
    except FileNotFoundError:
        return None


async def _read(file: BinaryIO) -> AsyncIterator[bytes]:
    try:
        while piece := await _in_thread(file.read, CHUNK_BYTES):
            yield piece
    finally:
        file.close()


def _sweep(root: Path, before: float) -> int:
    left = [each for each in root.glob(f"{_PREFIX}*") if each.stat().st_mtime < before]
    for each in left:
        each.unlink(missing_ok=True)
    return len(left)


def _path(root: Path, sha256: str) -> Path:
    return root / sha256[:2] / sha256[2:4] / sha256


def _fsync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

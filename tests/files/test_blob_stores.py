"""One contract for every blob store."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fireside.files.backends.disk import DiskBlobStore
from fireside.files.backends.memory import MemoryBlobStore
from fireside.files.errors import BlobTooLarge, StorageFailed, UnknownBlob
from fireside.files.ports import BlobStore, read_all
from fireside.files.settings import FilesSettings
from fireside.kit.clock import SystemClock
from fireside.kit.hashing import sha256_hex

MAX_BYTES = 1_000_000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture(params=["memory", "disk"])
def store(request: pytest.FixtureRequest, root: Path) -> BlobStore:
    limits = FilesSettings(max_blob_bytes=MAX_BYTES)
    return MemoryBlobStore(limits) if request.param == "memory" else DiskBlobStore(root, limits)


async def stream(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


class TestBlobStore:
    @given(content=st.binary(max_size=5_000), cut=st.integers(0, 5_000))
    @settings(
        max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    async def test_what_is_put_comes_back(self, store: BlobStore, content: bytes, cut: int) -> None:
        whole = await store.put(content, "text/plain")
        pieces = await store.put(stream(content[:cut], content[cut:]), "text/plain")
        assert whole == pieces
        assert (whole.sha256, whole.size_bytes) == (sha256_hex(content), len(content))
        assert await read_all(store, whole.sha256) == content
        assert await store.exists(whole.sha256)

    async def test_a_large_blob_comes_in_pieces(self, store: BlobStore) -> None:
        content = os.urandom(700_000)
        blob = await store.put(content, "application/octet-stream")
        pieces = [piece async for piece in await store.get(blob.sha256)]
        assert len(pieces) > 1
        assert b"".join(pieces) == content

    async def test_a_deleted_blob_is_gone_and_may_be_deleted_again(self, store: BlobStore) -> None:
        blob = await store.put(b"x", "text/plain")
        await store.delete(blob.sha256)
        await store.delete(blob.sha256)
        assert not await store.exists(blob.sha256)
        with pytest.raises(UnknownBlob):
            await store.get(blob.sha256)

    @pytest.mark.parametrize("hash", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 64 + "\n"])
    async def test_nothing_but_a_hash_is_an_address(self, store: BlobStore, hash: str) -> None:
        with pytest.raises(UnknownBlob):
            await store.get(hash)
        assert not await store.exists(hash)
        await store.delete(hash)

    async def test_too_many_bytes_are_refused_and_leave_nothing(
        self, store: BlobStore, root: Path
    ) -> None:
        content = b"x" * (MAX_BYTES + 1)
        with pytest.raises(BlobTooLarge):
            await store.put(stream(content[:10], content[10:]), "text/plain")
        assert not await store.exists(sha256_hex(content))
        assert not [path for path in root.rglob("*") if path.is_file()]

    async def test_a_stream_that_breaks_off_leaves_nothing(
        self, store: BlobStore, root: Path
    ) -> None:
        async def broken() -> AsyncIterator[bytes]:
            yield b"half"
            raise ConnectionError

        with pytest.raises(ConnectionError):
            await store.put(broken(), "text/plain")
        assert not await store.exists(sha256_hex(b"half"))
        assert not [path for path in root.rglob("*") if path.is_file()]

    async def test_the_same_bytes_at_once_are_kept_once(self, store: BlobStore) -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(store.put, b"same", "text/plain")
        assert await read_all(store, sha256_hex(b"same")) == b"same"


async def test_a_cancelled_upload_leaves_nothing(root: Path) -> None:
    store = DiskBlobStore(root, FilesSettings())

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"more"
            await anyio.sleep(0)

    with anyio.move_on_after(0.05):
        await store.put(endless(), "text/plain")
    assert not [path for path in root.rglob("*") if path.is_file()]


async def test_what_a_killed_process_left_is_swept(root: Path) -> None:
    store = DiskBlobStore(root, FilesSettings())
    blob = await store.put(b"kept", "text/plain")
    (root / "incoming-left").write_bytes(b"half")
    now = SystemClock().now()
    assert await store.sweep(before=now - timedelta(hours=1)) == 0
    assert await store.sweep(before=now + timedelta(hours=1)) == 1
    assert await read_all(store, blob.sha256) == b"kept"
    assert not (root / "incoming-left").exists()


async def test_a_store_that_cannot_write_says_so_without_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = DiskBlobStore(tmp_path / "file" / "blobs", FilesSettings())
    with pytest.raises(StorageFailed) as refused:
        await store.put(b"x", "text/plain")
    assert refused.value.retryable
    assert str(tmp_path) not in str(refused.value)

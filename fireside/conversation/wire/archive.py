"""The zip files that exports come in, read with bounds on what they unpack to."""

from __future__ import annotations

import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from fireside.conversation.tree import Conversation
from fireside.conversation.wire.entry import ImportProblem
from fireside.conversation.wire.errors import BrokenExport, ExportTooLarge
from fireside.errors import TooLarge, UserError

Found = Iterator[Conversation | ImportProblem]

# ChatGPT writes conversations.json, or conversations-000.json and on when there are many.
_CONVERSATIONS = re.compile(r"(^|/)conversations[-_0-9]*\.jsonl?$")
_READABLE = re.compile(r"\.(jsonl?|ipynb)$")


class ImportLimits(msgspec.Struct, frozen=True):
    """Bounds on what is taken into memory, in bytes. Of an archive only what is read counts: each
    file against the first, all together against the second."""

    max_file_bytes: int = 512 * 1024 * 1024
    max_unpacked_bytes: int = 1024 * 1024 * 1024
    max_members: int = 200_000


def is_archive(source: Path | bytes) -> bool:
    """Whether it begins like a zip file."""
    if isinstance(source, bytes):
        return source.startswith(b"PK\x03\x04")
    with source.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def read_archive(
    source: Path | bytes, limits: ImportLimits, read_file: Callable[[bytes], Found]
) -> Found:
    """What `read_file` finds in the archive's conversations files, or in any readable file of an
    archive without such.

    Raises BrokenExport when the archive is damaged or holds nothing readable, ExportTooLarge. Where
    there are several files, one that cannot be read comes as a problem and the others still come.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(source) if isinstance(source, bytes) else source)
    except (zipfile.BadZipFile, EOFError, ValueError) as error:
        raise _damaged() from error
    members = _wanted(archive, limits)
    if len(members) == 1:
        return read_file(_unpack(archive, members[0], limits.max_unpacked_bytes, limits))
    return _read_members(archive, members, limits, read_file)


def _wanted(archive: zipfile.ZipFile, limits: ImportLimits) -> list[zipfile.ZipInfo]:
    everything = archive.infolist()
    if len(everything) > limits.max_members:
        raise TooLarge(
            "export_too_large",
            f"This archive holds more than {limits.max_members} files.",
            hint="Give the conversations.json that is inside it.",
        )
    for pattern in (_CONVERSATIONS, _READABLE):
        if found := [each for each in everything if pattern.search(each.filename)]:
            return sorted(found, key=lambda each: each.filename)
    raise BrokenExport(
        "There is no conversations.json in this archive.", hint="Give the export as you got it."
    )


def _read_members(
    archive: zipfile.ZipFile,
    members: list[zipfile.ZipInfo],
    limits: ImportLimits,
    read_file: Callable[[bytes], Found],
) -> Found:
    room_bytes = limits.max_unpacked_bytes
    for member in members:
        try:
            data = _unpack(archive, member, room_bytes, limits)
            room_bytes -= len(data)
            yield from read_file(data)
        except UserError as error:
            if error.code != "unknown_export" or _CONVERSATIONS.search(member.filename):
                yield ImportProblem(member.filename, error.message)


def _unpack(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, room_bytes: int, limits: ImportLimits
) -> bytes:
    """The member's content. What its directory entry claims is not trusted."""
    limit_bytes = min(limits.max_file_bytes, room_bytes)
    if member.file_size > limit_bytes:
        raise ExportTooLarge("What this archive unpacks to", limit_bytes)
    try:
        with archive.open(member) as file:
            data = file.read(limit_bytes + 1)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError) as error:
        raise _damaged() from error
    except (NotImplementedError, RuntimeError) as error:
        raise BrokenExport(
            "This archive is encrypted or packed in a way that is not read here.",
            hint="Unpack it and give the conversations.json.",
        ) from error
    if len(data) > limit_bytes:
        raise ExportTooLarge("What this archive unpacks to", limit_bytes)
    return data


def _damaged() -> BrokenExport:
    return BrokenExport("This archive is damaged or not complete.")

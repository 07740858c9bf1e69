"""Sealed secrets open with the right key, in the right place, and nowhere else."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fireside.errors import BackendFailed
from fireside.kit.sealing import SealBroken, Sealer


def test_a_sealed_secret_opens_where_it_was_sealed(tmp_path: Path) -> None:
    sealed = Sealer(tmp_path / "key").seal("sk-123", "engine-1")
    assert b"sk-123" not in sealed
    assert Sealer(tmp_path / "key").unseal(sealed, "engine-1") == "sk-123"


def test_the_same_secret_is_sealed_differently_each_time(tmp_path: Path) -> None:
    sealer = Sealer(tmp_path / "key")
    assert sealer.seal("x", "a") != sealer.seal("x", "a")


def test_it_opens_nowhere_else_and_not_when_changed(tmp_path: Path) -> None:
    sealer = Sealer(tmp_path / "key")
    sealed = sealer.seal("sk-123", "engine-1")
    broken = [sealed[:-1] + bytes([sealed[-1] ^ 1]), sealed[:5], b"", b"\x02" + sealed[1:]]
    for each, place in [(sealed, "engine-2"), *((each, "engine-1") for each in broken)]:
        with pytest.raises(SealBroken):
            sealer.unseal(each, place)


def test_another_key_does_not_open_it(tmp_path: Path) -> None:
    sealed = Sealer(tmp_path / "key").seal("sk-123", "a")
    with pytest.raises(SealBroken):
        Sealer(tmp_path / "other").unseal(sealed, "a")


def test_only_the_owner_can_read_the_key(tmp_path: Path) -> None:
    Sealer(tmp_path / "data" / "key").seal("x", "a")
    mode = (tmp_path / "data" / "key").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    assert [each.name for each in (tmp_path / "data").iterdir()] == ["key"]


def test_processes_that_start_together_use_one_key(tmp_path: Path) -> None:
    sealers = [Sealer(tmp_path / "key") for _ in range(16)]
    with ThreadPoolExecutor(16) as pool:
        sealed = list(pool.map(lambda sealer: sealer.seal("x", "a"), sealers))
    assert {Sealer(tmp_path / "key").unseal(each, "a") for each in sealed} == {"x"}


def test_a_key_file_of_the_wrong_size_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"short")
    with pytest.raises(SealBroken):
        Sealer(tmp_path / "key").seal("x", "a")


def test_a_key_file_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BackendFailed, match="key file"):
        Sealer(tmp_path / "file" / "key").seal("x", "a")

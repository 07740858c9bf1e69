"""docs/reference says what the code says, and the code says what everything means."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.architecture.source import ROOT

FOLDER = ROOT / "docs" / "reference"
PAGES = ["settings.md", "cli.md", "events.md", "errors.md", "http.md"]


def test_the_reference_is_fresh() -> None:
    command = [sys.executable, ROOT / "scripts" / "reference.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]


@pytest.mark.parametrize("name", PAGES)
def test_nothing_in_the_reference_is_undocumented(name: str) -> None:
    text = (FOLDER / name).read_text()
    assert [line for line in text.splitlines() if "undocumented" in line] == []


def test_every_operation_says_what_it_does() -> None:
    rows = re.findall(
        r"^\| `([A-Z]+ /\S*)` \| [^|]* \| (.*) \|$", (FOLDER / "http.md").read_text(), re.M
    )
    assert len(rows) > 40
    assert [operation for operation, meaning in rows if not meaning.strip()] == []


def test_an_error_has_one_kind_and_a_message() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", (FOLDER / "errors.md").read_text(), re.M)
    codes = [code for code, _kind in rows]
    assert [code for code in set(codes) if codes.count(code) > 2] == []
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", code) for code in codes)

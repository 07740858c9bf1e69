"""A commit's title states its outcome."""

from __future__ import annotations

import subprocess

import pytest

from tests.architecture.source import ROOT


def titles() -> list[str]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    command = ["git", "log", "--no-merges", "--format=%s", "-n", "500"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("git does not read this checkout")
    return done.stdout.splitlines()


def test_titles_are_sentences_not_words() -> None:
    assert [title for title in titles() if len(title.split()) < 3] == []


def test_titles_fit_on_a_line() -> None:
    assert [title for title in titles() if len(title) > 120] == []

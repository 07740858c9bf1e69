from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.chat.titles import MAX_CHARS, ask_for_title, clean_title, provisional_title


@pytest.mark.parametrize(
    ("raw", "title"),
    [
        ('"Baking bread at home"\n', "Baking bread at home"),
        ("Title: **Ocean facts**", "Ocean facts"),
        ("\n\n# le climat de Lyon", "Le climat de Lyon"),
        ("", None),
        ("---", None),
        ("Sure! Here is a very long sentence that goes on about what the title could be", None),
        ("word " * 40, None),
    ],
)
def test_only_what_looks_like_a_title_becomes_one(raw, title):
    assert clean_title(raw) == title


@given(st.text(min_size=1))
def test_a_provisional_title_is_one_short_line(question):
    title = provisional_title(question)
    assert len(title) <= MAX_CHARS
    assert "\n" not in title


def test_long_texts_are_shown_by_their_beginnings():
    (message,) = ask_for_title("q" * 100_000, "a" * 100_000)
    assert len(message.text()) < 2_000

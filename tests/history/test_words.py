"""Words, queries and snippets: pure."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fireside.conversation.message import UserId
from fireside.history.snippets import SNIPPET_CHARS, snippet
from fireside.history.words import (
    MAX_INDEXED_CHARS,
    MAX_QUERY_GROUPS,
    MAX_TERMS_BYTES,
    MAX_WORD_CHARS,
    Kind,
    fts5_query,
    owner_tag,
    parse_query,
    tagged_words,
    tsquery,
    tsvector,
    words,
)

TAG = "abcdem"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The quick, brown fox!", ["the", "quick", "brown", "fox"]),
        ("Crème BRÛLÉE", ["creme", "brulee"]),
        ("snake_case foo.bar", ["snake", "case", "foo", "bar"]),
        ("Straße İstanbul ﬁn ½", ["strasse", "istanbul", "fin", "12"]),
        ("東京 abc", ["東", "京", "abc"]),
        ("한국어 검색", ["한국어", "검색"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("שָׁלוֹם", ["שָׁלוֹם"]),
        ("", []),
        ("--- !!!", []),
    ],
)
def test_text_is_cut_into_words(text: str, found: list[str]) -> None:
    assert list(words(text)) == found


@given(st.text())
@example("²½㈱ﷺ'\\\"\x00")
def test_no_word_holds_a_sign_that_a_database_would_read(text: str) -> None:
    for word in words(text):
        assert word
        assert len(word) <= MAX_WORD_CHARS
        assert not re.search(r"[\x00-/:-@\[-`{-\x7f\s]", word)


@given(st.text())
def test_cutting_what_was_cut_changes_nothing(text: str) -> None:
    once = list(words(text))
    assert [again for word in once for again in words(word)] == once


@given(st.text(min_size=1), st.sampled_from([str.upper, str.lower, str.title]))
@example("ﬁ", str.upper)
def test_case_makes_no_difference_in_ascii(text: str, change: object) -> None:
    plain = text.encode("ascii", "ignore").decode()
    assert list(words(change(plain))) == list(words(plain))  # type: ignore[operator]


@given(st.text(max_size=200))
def test_every_query_is_well_formed(text: str) -> None:
    query = parse_query(text)
    if query is None:
        assert not list(words(text.replace('"', " ")))
        return
    assert 1 <= len(query.groups) <= MAX_QUERY_GROUPS
    assert fts5_query(query, TAG).count('"') == 2 * len(query.groups)
    assert tsquery(query, TAG).count("'") == 2 * sum(len(group) for group in query.groups)


def test_a_huge_text_stays_within_what_a_database_takes() -> None:
    for text in ("ab " * MAX_INDEXED_CHARS, "".join(f"w{n} " for n in range(200_000)), "é" * 10**6):
        terms = tagged_words(TAG, text)
        assert sum(len(term.encode()) for term in terms) <= MAX_TERMS_BYTES
        assert len(tsvector(terms).encode()) < 2**20


def test_owners_and_kinds_have_tags_of_their_own() -> None:
    tags = {owner_tag(UserId(str(n)), kind) for n in range(1000) for kind in Kind}
    assert len(tags) == 2000


@given(st.text(max_size=2000), st.text(min_size=1, max_size=20))
def test_a_snippet_is_a_piece_of_the_text(text: str, query: str) -> None:
    parsed = parse_query(query)
    if parsed is None:
        return
    shown = "".join(segment.text for segment in snippet(text, parsed))
    plain = re.sub(r"\s+", "", text)
    assert re.sub(r"\s+", "", shown.strip("…")) in plain or "…" in text
    assert len(shown) <= SNIPPET_CHARS + 2


@given(
    st.lists(st.sampled_from(["apple", "Äpfel", "東京", "don't", "x"]), min_size=1, max_size=300),
    st.data(),
)
def test_a_word_of_the_text_is_marked(said: list[str], data: st.DataObject) -> None:
    text = " ".join(said)
    word = data.draw(st.sampled_from(said))
    parsed = parse_query(f'"{word}"')
    assert parsed is not None
    hits = [segment.text for segment in snippet(text, parsed) if segment.hit]
    assert hits
    assert set(hits) == {word}


def test_the_place_of_a_late_hit_is_found_in_a_huge_text() -> None:
    text = "filler " * 30_000 + "Brûlée needle"
    for query in ("needle", "brulee", '"brulee needle"'):
        parsed = parse_query(query)
        assert parsed is not None
        assert any(segment.hit for segment in snippet(text, parsed))

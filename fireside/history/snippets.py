"""Snippets: the words around a hit, cut so that a page can mark what was found."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fireside.history.words import MAX_INDEXED_CHARS, WORD, SearchQuery, Segment, folded

LEAD_CHARS = 60
"""How much is shown before the first hit."""

SNIPPET_CHARS = 220
_PEEK_CHARS = 400
_MAX_PEEKS = 40
_BLANKS = re.compile(r"\s+")

Span = tuple[int, int]


def snippet(text: str, query: SearchQuery) -> list[Segment]:
    """The first hit of `query` in `text` with what stands around it, or the beginning of `text`.

    Blanks and line breaks are shown as one blank, and a cut as an ellipsis.
    """
    first = _first_hit(text, query)
    start = _word_start(text, max(0, first - LEAD_CHARS)) if first is not None else 0
    end = min(len(text), start + SNIPPET_CHARS)
    if end < len(text):
        end = text.rfind(" ", start + SNIPPET_CHARS // 2, end) + 1 or end
    segments = [Segment("…")] if start > 0 else []
    at = start
    for hit_start, hit_end in _merged(_hits(text, query, start, end)):
        segments += [Segment(text[at:hit_start]), Segment(text[hit_start:hit_end], hit=True)]
        at = hit_end
    segments.append(Segment(text[at:end] + ("…" if end < len(text) else "")))
    return [
        Segment(_BLANKS.sub(" ", segment.text), segment.hit) for segment in segments if segment.text
    ]


def _first_hit(text: str, query: SearchQuery) -> int | None:
    # Almost always one of the words stands there letter by letter, which C code finds at once.
    plain = "|".join(re.escape(group[0]) for group in query.groups)
    for number, match in enumerate(re.finditer(plain, text, re.IGNORECASE)):
        if number == _MAX_PEEKS:
            break
        start = _word_start(text, match.start())
        for hit, _ in _hits(text, query, start, min(len(text), start + _PEEK_CHARS)):
            return hit
    for hit, _ in _hits(text, query, 0, min(len(text), MAX_INDEXED_CHARS)):
        return hit
    return None


def _hits(text: str, query: SearchQuery, start: int, end: int) -> Iterator[Span]:
    """Where groups of `query` stand between `start` and `end`, by their first letter."""
    found = [
        (folded(match[0]), match.start(), match.end()) for match in WORD.finditer(text, start, end)
    ]
    last = len(query.groups) - 1
    for index in range(len(found)):
        for number, group in enumerate(query.groups):
            here = found[index : index + len(group)]
            if len(here) < len(group):
                continue
            open_end = query.open_end and number == last
            if _matches([word for word, _, _ in here], group, open_end=open_end):
                yield here[0][1], here[-1][2]


def _matches(here: list[str], group: tuple[str, ...], *, open_end: bool) -> bool:
    if open_end:
        return here[:-1] == list(group[:-1]) and here[-1].startswith(group[-1])
    return here == list(group)


def _merged(spans: Iterator[Span]) -> Iterator[Span]:
    """Spans without overlaps; they come ordered by their start."""
    current: Span | None = None
    for start, end in spans:
        if current is not None and start < current[1]:
            current = (current[0], max(current[1], end))
            continue
        if current is not None:
            yield current
        current = (start, end)
    if current is not None:
        yield current


def _word_start(text: str, at: int) -> int:
    """The beginning of the word that `at` stands in, looking back no further than a long word."""
    for index in range(at, max(0, at - 64), -1):
        if text[index - 1].isspace():
            return index
    return at if at > 64 else 0

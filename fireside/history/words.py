"""Words: how text is cut for full-text search, how a query is read, how hits are shown.

Both databases are given words cut here, so that they find the same. Every word carries a short tag
of its owner and kind in front; the index thereby keeps each person's words in a range of their
own, and a search, also by prefix, costs what that person wrote, not what everybody did. The tag is
a hash: on the rare collision of two owners a search reads more, and finds no more, because hits
are checked for their owner.

Scripts that put no blanks between words (Chinese, Japanese, Thai, ...) are cut into characters; a
run of them in a query must be found side by side.
"""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from collections.abc import Iterator, Sequence
from enum import StrEnum

import msgspec

from fireside.conversation.message import (
    Audio,
    Channel,
    Code,
    File,
    Image,
    Message,
    Role,
    Status,
    Text,
    UserId,
)

MAX_INDEXED_CHARS = 250_000
"""What follows in a longer message is kept and shown, but not found."""

MAX_TERMS_BYTES = 500_000
"""PostgreSQL takes 1 MiB of words and positions in one document."""

MAX_WORD_CHARS = 64
MAX_QUERY_GROUPS = 12
MIN_PREFIX_CHARS = 2
_TAG_CHARS = 5  # 25 bits: some tens of thousands of owners before two share a range

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_MARKS = (  # signs inside words that are not letters: accents, points, Indic vowels
    "\u0300-\u036f\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff"
)
WORD = re.compile(f"[{_UNSPACED}]|(?:[^\\W_{_UNSPACED}]|[{_MARKS}])+")
_ASCII_WORD = re.compile("[a-z0-9]+")
_ACCENT = re.compile("[\u0300-\u036f]")
_NOT_IN_WORDS = re.compile(f"(?:\\W|_)(?<![{_MARKS}])")
_UNSPACED_CHAR = re.compile(f"[{_UNSPACED}]")
_CHUNK = re.compile(r'"([^"]*)"?|([^\s"]+)')


class Kind(StrEnum):
    """What a word stands in."""

    MESSAGE = "m"
    TITLE = "t"


class SearchQuery(msgspec.Struct, frozen=True):
    """Groups of words that must all be there, each group's words side by side.

    With `open_end` the very last word may be only the beginning of one.
    """

    groups: tuple[tuple[str, ...], ...]
    open_end: bool = False

    def __repr__(self) -> str:
        return f"SearchQuery({len(self.groups)} groups)"


class Segment(msgspec.Struct, frozen=True):
    """A piece of a snippet; `hit` says that it is what was looked for."""

    text: str
    hit: bool = False

    def __repr__(self) -> str:
        return f"Segment({len(self.text)} chars, hit={self.hit})"


def words(text: str) -> Iterator[str]:
    """The words of `text` in one spelling: no case, no accents, compatibility forms resolved."""
    if text.isascii():  # the common case, four times as fast
        yield from [word[:MAX_WORD_CHARS] for word in _ASCII_WORD.findall(text.lower())]
        return
    for match in WORD.finditer(text):
        if word := folded(match[0]):
            yield word


def folded(word: str) -> str:
    if word.isascii():
        return word[:MAX_WORD_CHARS].lower()
    plain = unicodedata.normalize("NFKD", word).casefold()
    plain = _ACCENT.sub("", unicodedata.normalize("NFKD", plain))
    return _NOT_IN_WORDS.sub("", unicodedata.normalize("NFC", plain))[:MAX_WORD_CHARS]


def owner_tag(owner_id: UserId, kind: Kind) -> str:
    """What stands in front of each of this owner's words of that kind."""
    digest = hashlib.sha256(owner_id.encode()).digest()
    return base64.b32encode(digest)[:_TAG_CHARS].decode().lower() + kind.value


def searchable_text(message: Message) -> str:
    """What a message is found by: what its owner sees of it in the thread, without reasoning."""
    if message.deleted or message.status in {Status.STREAMING, Status.QUEUED}:
        return ""
    if message.author.role not in {Role.USER, Role.ASSISTANT}:
        return ""
    if message.channel is Channel.ANALYSIS:
        return ""
    pieces: list[str] = []
    for part in message.parts:
        match part:
            case Text(text=text) | Audio(transcript=text) | Code(source=text) | Image(alt=text):
                pieces.append(text)
            case File(name=text):
                pieces.append(text)
            case _:
                continue
    return "\n".join(pieces)


def tagged_words(tag: str, text: str) -> list[str]:
    """The words of `text` in order, each behind `tag`, within the limits above."""
    found: list[str] = []
    budget = MAX_TERMS_BYTES
    for word in words(text[:MAX_INDEXED_CHARS]):
        budget -= len(tag) + len(word.encode()) + 2
        if budget < 0:
            break
        found.append(tag + word)
    return found


def parse_query(text: str) -> SearchQuery | None:
    """Read what a person typed; None when there is no word in it.

    Words in quotes must stand side by side, and so must those that a sign joins (`foo-bar`). The
    last word may be a beginning unless it is quoted.
    """
    groups: list[tuple[str, ...]] = []
    open_end = False
    for match in _CHUNK.finditer(text):
        quoted, bare = match.groups()
        group = tuple(words(quoted if bare is None else bare))
        if group:
            groups.append(group)
            open_end = bare is not None
    groups = groups[:MAX_QUERY_GROUPS]
    if not groups:
        return None
    last = groups[-1][-1]
    if len(last) < MIN_PREFIX_CHARS or _UNSPACED_CHAR.match(last):
        open_end = False
    return SearchQuery(tuple(groups), open_end)


def fts5_query(query: SearchQuery, tag: str) -> str:
    """The query in FTS5's language. Words hold no ASCII sign, so nothing in them is syntax."""
    groups = [f'"{" ".join(tag + word for word in group)}"' for group in query.groups]
    return " AND ".join(groups) + (" *" if query.open_end else "")


def tsquery(query: SearchQuery, tag: str) -> str:
    """The query in PostgreSQL's language, for a cast to tsquery."""
    groups = [" <-> ".join(f"'{tag}{word}'" for word in group) for group in query.groups]
    return " & ".join(groups) + (":*" if query.open_end else "")


def tsvector(terms: Sequence[str]) -> str:
    """Terms with their positions, for a cast to tsvector (at most 16,383, 255 of each term)."""
    positions: dict[str, list[str]] = {}
    for position, term in enumerate(terms, start=1):
        at = positions.setdefault(term, [])
        if len(at) < 255:
            at.append(str(min(position, 16_383)))
    return " ".join(f"'{term}':{','.join(at)}" for term, at in positions.items())

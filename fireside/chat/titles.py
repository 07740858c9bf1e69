"""Pure: titles for conversations, from the model's words or from the person's."""

from __future__ import annotations

import re

from fireside.conversation.message import Message, Role, text_message

MAX_CHARS = 60
MAX_WORDS = 9
MAX_TITLE_TOKENS = 24

_ASK = (
    "Write a short title of two to six words for the conversation above. "
    "Reply with the title alone, in the language of the conversation."
)
_PREFIX = re.compile(r"^(title|topic|subject)\s*[:\-]\s*", re.IGNORECASE)
_EDGES = " \t\"'`*#_.:;,-\u2013\u2014\u201c\u201d\u00ab\u00bb"


def ask_for_title(question: str, answer: str) -> tuple[Message, ...]:
    """The prompt whose answer is a title. Long texts are shown by their beginnings."""
    shown = f"Person: {question[:800]}\n\nAssistant: {answer[:800]}\n\n{_ASK}"
    return (text_message("title", Role.USER, shown),)


def clean_title(raw: str) -> str | None:
    """The model's answer as a title, or None when it is not one (too long, empty, a sentence)."""
    lines = [line.strip(_EDGES) for line in raw.strip().splitlines()]
    line = next((line for line in lines if line), "")
    title = _PREFIX.sub("", line).strip(_EDGES)
    if not title or len(title) > MAX_CHARS or len(title.split()) > MAX_WORDS:
        return None
    return title[0].upper() + title[1:]


def provisional_title(question: str) -> str:
    """The first words of what the person wrote, cut at a word."""
    words = " ".join(question.split())
    if len(words) <= MAX_CHARS:
        return words
    cut = words[: MAX_CHARS - 1]
    head, space, _tail = cut.rpartition(" ")
    return (head if space and len(head) > MAX_CHARS // 2 else cut).rstrip(",;:.") + "…"

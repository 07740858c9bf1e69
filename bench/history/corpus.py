"""Made-up accounts of a given size: words as frequent as in English, the same ones every time."""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate

from fireside.conversation.message import (
    ConversationId,
    Message,
    Role,
    UserId,
    text_message,
)
from fireside.conversation.tree import Conversation
from fireside.kit.ids import new_id

NUM_WORDS = 40_000
START = datetime(2024, 1, 1, tzinfo=UTC)
_SYLLABLES = [a + b for a in "bcdfghklmnprstvw" for b in ("a", "e", "i", "o", "u", "an", "er")]


class Corpus:
    """Text with word number n as frequent as 1 / (n + 3): Zipf's law."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.words = self._make_words()
        self._weights = list(accumulate(1 / (n + 3) for n in range(NUM_WORDS)))

    def text(self, num_words: int) -> str:
        """`num_words` words, as a paragraph."""
        total = self._weights[-1]
        pick = self.random.random
        return " ".join(self.words[bisect(self._weights, pick() * total)] for _ in range(num_words))

    def conversation(
        self, owner_id: UserId, number: int, length: int, every: timedelta
    ) -> tuple[Conversation, list[Message]]:
        """Conversation number `number`, `every` later than the one before."""
        at = START + number * every
        conversation = Conversation(
            id=ConversationId(new_id()),
            owner_id=owner_id,
            title=self.text(5),
            created_at=at,
            updated_at=at,
        )
        messages: list[Message] = []
        for index in range(length):
            role = Role.ASSISTANT if index % 2 else Role.USER
            messages.append(
                text_message(
                    new_id(),
                    role,
                    self.text(self.random.randint(5, 40) if index % 2 == 0 else 110),
                    parent_id=messages[-1].id if messages else None,
                    created_at=at + timedelta(seconds=20 * index),
                    updated_at=at + timedelta(seconds=20 * index),
                )
            )
        return conversation, messages

    def queries(self, num: int) -> Iterator[tuple[str, str]]:
        """(kind, query): what people type, from the rarest to the most common word."""
        words = self.words
        pick = self.random
        for _ in range(num):
            common = words[pick.randint(0, 20)]
            usual = words[pick.randint(100, 2_000)]
            rare = words[pick.randint(5_000, NUM_WORDS - 1)]
            yield "common word", common
            yield "usual word", usual
            yield "rare word", rare
            yield "two words", f"{usual} {words[pick.randint(100, 2_000)]}"
            yield "common and rare", f"{common} {rare}"
            yield "two letters", usual[:2]
            yield "typing", usual[:4]
            yield "phrase", f'"{common} {usual}"'
            yield "common phrase", f'"{common} {words[pick.randint(0, 20)]}"'
            yield "not there", "qqqq" + usual

    def _make_words(self) -> list[str]:
        found: dict[str, None] = {}
        while len(found) < NUM_WORDS:
            found["".join(self.random.choices(_SYLLABLES, k=self.random.randint(1, 4)))] = None
        return list(found)

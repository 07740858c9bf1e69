"""The mock engine's text: a fixed function of the prompt, the seed and the token's index.

A reader who knows the last user message can therefore tell a lost, doubled or foreign token from a
right one, wherever the reply travelled.
"""

from __future__ import annotations

import hashlib

_CONSONANTS = "bdfgjklmnprstvwz"
_VOWELS = "aeio"
VOCABULARY = tuple(
    f"{a}{b}{c}{d} " for a in _CONSONANTS for b in _VOWELS for c in _CONSONANTS for d in _VOWELS
)
"""4,096 tokens of five characters each, the last one a space."""

TOKEN_CHARS = 5
_MASK = (1 << 64) - 1


def prompt_hash(text: str) -> int:
    """64 bits of the last user message."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def token_at(prompt: int, seed: int, index: int) -> int:
    """Which entry of the vocabulary comes at `index` (a finaliser of splitmix64)."""
    x = (prompt + seed * 0xBF58476D1CE4E5B9 + (index + 1) * 0x9E3779B97F4A7C15) & _MASK
    x = ((x ^ x >> 32) * 0xD6E8FEB86659FD93) & _MASK
    return x >> 52


def reply(text: str, num_tokens: int, seed: int = 0) -> str:
    """The first `num_tokens` tokens that the mock engine answers to `text` with."""
    prompt = prompt_hash(text)
    return "".join(VOCABULARY[token_at(prompt, seed, i)] for i in range(num_tokens))

"""The mock engine's prefix cache: which part of a prompt it has read before."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from hashlib import blake2b

BLOCK_CHARS = 256
BLOCK_TOKENS = 64


class PrefixCache:
    """Whole blocks of prompts, least recently used ones forgotten; 0 tokens is none at all."""

    def __init__(self, capacity_tokens: int) -> None:
        self._capacity = capacity_tokens // BLOCK_TOKENS
        self._blocks: OrderedDict[bytes, None] = OrderedDict()

    @property
    def enabled(self) -> bool:
        """Whether it keeps anything."""
        return self._capacity > 0

    def read(self, pieces: Iterable[str], salt: str) -> int:
        """How many tokens from the start are known; afterwards all of them are.

        `pieces` are the messages with their roles; `salt` keeps tenants apart.
        """
        text = "\n".join(pieces)
        known = 0
        missed = False
        digest = salt.encode()
        for at in range(0, len(text) - BLOCK_CHARS + 1, BLOCK_CHARS):
            block = text[at : at + BLOCK_CHARS].encode()
            digest = blake2b(digest + block, digest_size=16).digest()
            if digest in self._blocks:
                self._blocks.move_to_end(digest)
                known += 0 if missed else BLOCK_TOKENS
                continue
            missed = True
            self._blocks[digest] = None
            if len(self._blocks) > self._capacity:
                self._blocks.popitem(last=False)
        return known

"""Identity: UUIDv7 keys that sort by the time they were made (RFC 9562, section 5.7)."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable

NewId = Callable[[], str]


class Uuid7Factory:
    """Makes UUIDv7 strings that are strictly increasing within one process.

    Layout: 48 bits of Unix milliseconds, 12 bits `rand_a` used as a counter within the same
    millisecond, 62 random bits. When the counter overflows, or the clock steps back, the
    millisecond field runs ahead of the clock instead of going back.
    """

    def __init__(
        self,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._now_ms = now_ms
        self._random_bytes = random_bytes
        self._lock = threading.Lock()
        self._last_ms = 0
        self._counter = 0

    def __call__(self) -> str:
        noise = int.from_bytes(self._random_bytes(10), "big")
        with self._lock:
            ms = self._now_ms()
            if ms > self._last_ms:
                self._last_ms = ms
                self._counter = noise >> 69 & 0x7FF  # half the range stays free for this ms
            else:
                self._counter += 1
                if self._counter > 0xFFF:
                    self._last_ms += 1
                    self._counter = 0
            ms, counter = self._last_ms, self._counter
        value = (ms & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | counter << 64
        value |= 0b10 << 62 | (noise & 0x3FFF_FFFF_FFFF_FFFF)
        return str(uuid.UUID(int=value))


new_id: NewId = Uuid7Factory()
"""The process-wide factory; services receive it (or a seeded one) through their constructor."""


def made_at_s(id: str) -> float:
    """When a UUIDv7 was made, in seconds since 1970. Raises ValueError for what is no UUID."""
    return (uuid.UUID(id).int >> 80) / 1000


def is_uuid(text: str) -> bool:
    """Whether `text` is a UUID in its canonical 36-character form."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False

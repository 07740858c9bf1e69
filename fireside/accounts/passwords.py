"""Password hashing with argon2id, off the event loop and never too much of it at once.

One hash takes about 20 MB and 30 ms of a core. `hashing_threads` run at a time and a bounded
number wait; a flood of sign-ins beyond that is asked to come back and costs next to nothing.
"""

from __future__ import annotations

import base64
import secrets
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

import argon2
from anyio import CapacityLimiter, to_thread
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from fireside.accounts.settings import AccountsSettings
from fireside.errors import Bug, CapacityExhausted

_SALT_BYTES = 16
_HASH_BYTES = 32


class Passwords:
    """Hashes and verifies. Raises CapacityExhausted when too many already wait."""

    def __init__(self, settings: AccountsSettings) -> None:
        self._hasher = argon2.PasswordHasher(
            time_cost=settings.argon2_passes,
            memory_cost=settings.argon2_memory_kib,
            parallelism=1,
            hash_len=_HASH_BYTES,
            salt_len=_SALT_BYTES,
        )
        self.nobodys_hash = _unmatchable(settings)
        self._limiter = CapacityLimiter(settings.hashing_threads)
        self._max_inside = settings.hashing_threads + settings.hashing_queue
        self._num_inside = 0  # computing or waiting

    async def hash(self, password: str) -> str:
        """The encoded argon2id hash to store."""
        with self._place():
            return await to_thread.run_sync(
                self._hasher.hash, _bytes(password), limiter=self._limiter
            )

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether `password` matches. None (no such account, or no password set) takes as long as
        a wrong password, so that answers do not tell who has an account."""
        with self._place():
            return await to_thread.run_sync(
                self._verify, stored or self.nobodys_hash, _bytes(password), limiter=self._limiter
            )

    def is_outdated(self, stored: str) -> bool:
        """Whether a stored hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def _verify(self, stored: str, password: bytes) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except VerifyMismatchError:
            return False
        except (InvalidHashError, VerificationError) as error:
            raise Bug("broken_hash", "A stored password hash cannot be read.") from error

    @contextmanager
    def _place(self) -> Iterator[None]:
        # Counted here, not by the limiter: it counts those who wait only after a switch of tasks.
        if self._num_inside >= self._max_inside:
            raise CapacityExhausted(
                "sign_ins_busy",
                "Too many people are signing in right now.",
                hint="Try again in a few seconds.",
                retry_after_s=5.0,
            )
        self._num_inside += 1
        try:
            yield
        finally:
            self._num_inside -= 1


def _bytes(password: str) -> bytes:
    # The same keys pressed on another system may give another Unicode form of the same text.
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


def _unmatchable(settings: AccountsSettings) -> str:
    salt, digest = secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(_HASH_BYTES)
    cost = f"m={settings.argon2_memory_kib},t={settings.argon2_passes},p=1"
    return f"$argon2id$v={argon2.low_level.ARGON2_VERSION}${cost}${_b64(salt)}${_b64(digest)}"


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")

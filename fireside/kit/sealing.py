"""Secrets that must be readable again, such as keys of other services: sealed with AES-256-GCM.

The key lies in a file of its own, readable by the server's account only. It is not in the database,
so a stolen backup of that tells no secrets; back the file up apart.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fireside.errors import BackendFailed

KEY_BYTES = 32
NONCE_BYTES = 12
VERSION = b"\x01"


class SealBroken(BackendFailed):
    """The sealed value was made with another key, for another place, or was changed."""

    def __init__(self) -> None:
        super().__init__(
            "seal_broken",
            "A stored secret cannot be read with this server's key file.",
            hint="Put the right key file back, or enter the secret again.",
        )


class Sealer:
    """Seals and opens with the key in `path`, which is made when it is first needed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._key: bytes | None = None

    def seal(self, secret: str, place: str) -> bytes:
        """`secret` as bytes to store at `place`; it opens only there."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return VERSION + nonce + self._cipher().encrypt(nonce, secret.encode(), place.encode())

    def unseal(self, sealed: bytes, place: str) -> str:
        """The secret. Raises SealBroken."""
        version, nonce = sealed[:1], sealed[1 : 1 + NONCE_BYTES]
        if version != VERSION or len(nonce) != NONCE_BYTES:
            raise SealBroken
        try:
            return self._cipher().decrypt(nonce, sealed[1 + NONCE_BYTES :], place.encode()).decode()
        except InvalidTag:
            raise SealBroken from None

    def _cipher(self) -> AESGCM:
        if self._key is None:
            self._key = self._load()
        return AESGCM(self._key)

    def _load(self) -> bytes:
        """The key; of several processes that make it at once, one wins and all use that one."""
        try:
            if not self._path.exists():
                self._path.parent.mkdir(parents=True, exist_ok=True)
                new = self._path.with_name(f".{self._path.name}.{secrets.token_hex(8)}")
                new.touch(mode=0o600)
                new.write_bytes(secrets.token_bytes(KEY_BYTES))
                try:
                    os.link(new, self._path)
                except FileExistsError:
                    pass
                finally:
                    new.unlink()
            key = self._path.read_bytes()
        except OSError as error:
            raise BackendFailed(
                "key_file_unusable",
                f"The key file {self._path} cannot be used: {error.strerror}.",
                hint="Check its permissions and those of the data directory.",
            ) from error
        if len(key) != KEY_BYTES:
            raise SealBroken
        return key

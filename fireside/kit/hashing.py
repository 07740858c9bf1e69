"""Digests: content addresses and stored forms of high-entropy secrets."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path


def sha256_hex(data: bytes) -> str:
    """The content address of `data`."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """The content address of a file, read in pieces of 1 MiB."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def new_secret(prefix: str) -> str:
    """A URL-safe secret with 256 bits of entropy behind a readable prefix."""
    return prefix + secrets.token_urlsafe(32)


def same_digest(left: str, right: str) -> bool:
    """Compare without telling by timing where the two differ."""
    return hmac.compare_digest(left, right)

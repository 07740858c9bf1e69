"""What the tests of the capacity room share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fireside.db.database import Database, ReadTransaction, Transaction
from fireside.errors import BackendFailed


class Away(Database):
    """A database that does not answer while `away` is set."""

    def __init__(self, inner: Database) -> None:
        self.inner = inner
        self.away = False

    @property
    def dialect(self) -> str:
        return self.inner.dialect

    @asynccontextmanager
    async def read(self) -> AsyncIterator[ReadTransaction]:
        self._check()
        async with self.inner.read() as tx:
            yield tx

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Transaction]:
        self._check()
        async with self.inner.write() as tx:
            yield tx
        self._check()

    def _check(self) -> None:
        if self.away:
            raise BackendFailed("database_unavailable", "away", retryable=True)

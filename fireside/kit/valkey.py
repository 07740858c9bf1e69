"""A connection to Valkey with a time limit on everything.

Only loaded where the setting `valkey.url` names a server; needs the extra `fireside[workers]`.
Failure policy: whatever goes wrong with Valkey is `ValkeyGone`, never anything else, and comes
within twice `TIMEOUT_S`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from fireside.errors import BackendFailed, UserError

TIMEOUT_S = 2.0
"""For connecting, and for each answer."""


class ValkeyGone(BackendFailed):
    """Valkey did not answer, or refused."""

    def __init__(self) -> None:
        super().__init__(
            "valkey_unavailable",
            "Valkey did not answer.",
            hint="Try again in a moment; the operator finds the cause in the log.",
            retryable=True,
            retry_after_s=2.0,
        )


class Valkey:
    """One server. Nothing is opened before the first command. Raises UserError for a bad URL."""

    def __init__(self, url: str, prefix: str = "fireside") -> None:
        self._prefix = prefix
        try:
            self.client: Redis = Redis.from_url(
                url,
                socket_timeout=TIMEOUT_S,
                socket_connect_timeout=TIMEOUT_S,
                retry=Retry(NoBackoff(), 1),
                max_connections=64,
                protocol=2,
            )
        except (ValueError, TypeError) as error:
            raise UserError(
                "bad_valkey_url",
                f"The setting valkey.url is not an address of a Valkey server: {error}.",
                hint="Write redis://HOST:PORT/0, rediss:// for TLS, or unix:///PATH/TO/SOCKET.",
            ) from error

    def name(self, *parts: str) -> str:
        """The key or channel of this installation that these words name."""
        return ":".join((self._prefix, *parts))

    @contextmanager
    def reached(self) -> Iterator[Redis]:
        """The client, for commands whose failures become ValkeyGone."""
        try:
            yield self.client
        except (RedisError, OSError) as error:  # TimeoutError is an OSError
            raise ValkeyGone from error

    async def check(self) -> None:
        """Raise ValkeyGone unless the server answers."""
        with self.reached() as client:
            await client.ping()

    async def aclose(self) -> None:
        """Close every connection."""
        await self.client.aclose()

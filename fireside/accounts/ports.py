"""What the door needs to know who is asking."""

from __future__ import annotations

from typing import Protocol

from fireside.accounts.domain import Principal


class Identities(Protocol):
    """Turns a presented secret into the caller.

    Fails closed: raises BackendFailed when the store does not answer. None means that the secret
    is unknown, expired, revoked, or that its owner is disabled.
    """

    async def by_key(self, key: str) -> Principal | None:
        """The holder of an API key (`fs-...`)."""
        ...

    async def by_session(self, secret: str) -> Principal | None:
        """The person whose login session's cookie holds `secret`."""
        ...

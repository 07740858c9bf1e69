"""Proving that one knows a password: slowly, not too often, and without a transaction held.

The boundary reads a `StoredPassword`, has it verified here while a thread computes, and hands the
`Proof` to the writing transaction, which checks that the password is still the one that was proven.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from fireside.accounts.domain import check_password
from fireside.accounts.identity import digest
from fireside.accounts.passwords import Passwords
from fireside.accounts.throttle import SignInThrottle
from fireside.conversation.message import UserId
from fireside.errors import CapacityExhausted, Denied, SignInNeeded


class StoredPassword(msgspec.Struct, frozen=True):
    """What sign-in compares with; empty for an account that does not exist."""

    email: str
    user_id: UserId | None = None
    hash: str | None = None

    def __repr__(self) -> str:
        return f"StoredPassword({self.user_id})"


class Proof(msgspec.Struct, frozen=True):
    """A password was right: whose, which stored hash it matched, and a stronger one if due."""

    user_id: UserId
    hash: str
    stronger_hash: str | None = None

    def __repr__(self) -> str:
        return f"Proof({self.user_id})"


@dataclass(frozen=True)
class PasswordGate:
    """Hashes new passwords and verifies presented ones."""

    passwords: Passwords
    throttle: SignInThrottle

    async def hash(self, password: str, param: str = "password") -> str:
        """Check and hash a new password."""
        check_password(password, param)
        return await self.passwords.hash(password)

    async def verify(self, stored: StoredPassword, password: str, address: str) -> Proof:
        """Check a password, slowly and not too often.

        Raises SignInNeeded when it is wrong, LimitReached after too many failures.
        """
        attempt = self.throttle.begin(digest(stored.email), address)
        try:
            matches = await self.passwords.verify(stored.hash, password)
        except CapacityExhausted:
            attempt.never_tried()
            raise
        if not matches or stored.user_id is None or stored.hash is None:
            raise SignInNeeded(
                "wrong_credentials",
                "The e-mail address or the password is wrong.",
                hint="Check both; an administrator can make a link to set a new password.",
            )
        attempt.succeeded()
        stronger = None
        if self.passwords.is_outdated(stored.hash):
            stronger = await self.passwords.hash(password)
        return Proof(stored.user_id, stored.hash, stronger)

    async def verify_own(
        self, stored: StoredPassword, password: str, address: str, *, param: str
    ) -> Proof:
        """The same for somebody signed in who proves themselves again; wrong is Denied here, for
        they are signed in all the while."""
        try:
            return await self.verify(stored, password, address)
        except SignInNeeded as error:
            raise Denied(
                "wrong_password", "The password is wrong.", hint="Try again.", param=param
            ) from error

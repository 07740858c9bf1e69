"""Accounts: signing up and in, what people hold and change, and how they leave.

Passwords are hashed and verified by the `gate`, between transactions. After a commit that takes
something away from a person the boundary calls `identities.forget`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from fireside.accounts.credentials import CredentialRepository
from fireside.accounts.domain import (
    DEFAULT_KEY_SCOPES,
    ApiKey,
    Device,
    LoginSession,
    Preferences,
    Principal,
    Scope,
    SignUpPolicy,
    User,
    UserRole,
    UserStatus,
    check_an_admin_remains,
    check_key_scopes,
    checked_name,
    network_of,
    normal_email,
    role_at_sign_up,
    session_end,
)
from fireside.accounts.identity import IdentityCache, digest
from fireside.accounts.links import LinkRepository
from fireside.accounts.passwords import Passwords
from fireside.accounts.ports import Eraser
from fireside.accounts.proofs import PasswordGate, Proof, StoredPassword
from fireside.accounts.repository import UserRepository
from fireside.accounts.settings import AccountsSettings
from fireside.accounts.throttle import SignInThrottle
from fireside.conversation.message import UserId
from fireside.db.database import Database, ReadTransaction, Transaction
from fireside.errors import CapacityExhausted, Conflict, Denied, NotFound, SignInNeeded, UserError
from fireside.kit.clock import Clock
from fireside.kit.hashing import new_secret
from fireside.kit.ids import NewId
from fireside.kit.pubsub import Broker

KEY_PREFIX = "fs-"
SHOWN_PREFIX_CHARS = 10
SIGN_UP_RETRY_S = 120.0


class SignUp(msgspec.Struct, frozen=True, kw_only=True):
    """A wish for an account. `invite` is the secret of an invite's link."""

    email: str
    name: str
    password_hash: str
    invite: str | None = None
    address: str = ""

    def __repr__(self) -> str:
        return "SignUp()"


class Bootstrap(msgspec.Struct, frozen=True):
    """What the page must know before anybody signs in."""

    is_set_up: bool
    policy: SignUpPolicy


class AccountExport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the accounts room holds about a person; secrets are not kept and not in it."""

    user: User
    sessions: list[LoginSession]
    keys: list[ApiKey]


@dataclass(frozen=True)
class AccountService:
    """What people do with their own account. `identities` answers who is asking; `is_full`, whether
    new accounts wait."""

    identities: IdentityCache
    gate: PasswordGate
    settings: AccountsSettings
    clock: Clock
    new_id: NewId
    users: UserRepository
    credentials: CredentialRepository
    links: LinkRepository
    erasers: Sequence[Eraser] = ()
    is_full: Callable[[], bool] = lambda: False

    async def run(self) -> None:
        """Write last-used times in batches until cancelled."""
        await self.identities.run()

    async def bootstrap(self, tx: ReadTransaction) -> Bootstrap:
        """Whether the instance is set up, and who may sign up."""
        return Bootstrap(await self.users.is_set_up(tx), await self.users.sign_up_policy(tx))

    async def check_sign_up(self, tx: ReadTransaction, *, invited: bool) -> None:
        """Refuse early, before a password is hashed, who cannot sign up at all."""
        known = await self.bootstrap(tx)
        if known.is_set_up and self.is_full():
            raise CapacityExhausted(
                "sign_ups_wait",
                "This server is full: new accounts wait until those who have one are served.",
                hint="Try again in a few minutes.",
                retry_after_s=SIGN_UP_RETRY_S,
            )
        if known.is_set_up and not invited:
            role_at_sign_up(known.policy.mode, None, invited=False, email="", now=self.clock.now())

    async def sign_up(self, tx: Transaction, wish: SignUp) -> User:
        """Make an account. The first ever becomes administrator whatever the mode.

        Raises Denied when the mode or the invite does not allow it, Conflict for a taken address.
        """
        now = self.clock.now()
        email, name = normal_email(wish.email), checked_name(wish.name)
        if await self.users.claim_setup(tx, now):
            role = UserRole.ADMIN
        else:
            policy = await self.users.sign_up_policy(tx)
            invite = None
            if wish.invite is not None:
                invite = await self.links.take_invite(tx, digest(wish.invite), now)
            role = role_at_sign_up(
                policy.mode, invite, invited=wish.invite is not None, email=email, now=now
            )
        user = msgspec.structs.replace(
            self.new_user(email, name, role), network=network_of(wish.address)
        )
        await self.users.insert(tx, user, wish.password_hash)
        return user

    def new_user(self, email: str, name: str, role: UserRole) -> User:
        """A fresh, active account value."""
        return User(
            id=UserId(self.new_id()),
            email=email,
            name=name,
            role=role,
            status=UserStatus.ACTIVE,
            preferences=Preferences(),
            created_at=self.clock.now(),
        )

    async def stored_password(self, tx: ReadTransaction, email: str) -> StoredPassword:
        """What to verify a sign-in against; an account that does not exist looks the same."""
        try:
            address = normal_email(email)
        except UserError:
            return StoredPassword(email)
        user = await self.users.user_by_email(tx, address)
        if user is None:
            return StoredPassword(address)
        return StoredPassword(address, user.id, await self.users.password_hash(tx, user.id))

    async def own_password(self, tx: ReadTransaction, user_id: UserId) -> StoredPassword:
        """What to verify a signed-in person's password against."""
        user = await self.users.user(tx, user_id)
        return StoredPassword(user.email, user_id, await self.users.password_hash(tx, user_id))

    async def check_proof(self, tx: Transaction, proof: Proof) -> User:
        """The active person, if the password that was proven is still theirs."""
        user = await self.users.user(tx, proof.user_id)
        if await self.users.password_hash(tx, proof.user_id) != proof.hash:
            raise SignInNeeded(
                "wrong_credentials", "The password was changed meanwhile.", hint="Sign in again."
            )
        if user.status is not UserStatus.ACTIVE:
            raise Denied(
                "account_disabled",
                "This account is disabled.",
                hint="Ask an administrator of this instance.",
            )
        return user

    async def sign_in(
        self, tx: Transaction, proof: Proof, device: Device, *, replaces: Principal | None = None
    ) -> tuple[User, str]:
        """Open a login session after a right password; returns the cookie's secret.

        `replaces` is the login session the browser came with: it ends, so that a cookie planted
        before signing in is worth nothing after it.
        """
        user = await self.check_proof(tx, proof)
        if proof.stronger_hash is not None:
            await self.users.set_password_hash(tx, user.id, proof.stronger_hash, self.clock.now())
        if replaces is not None and replaces.session_id is not None:
            await self.credentials.delete_session(tx, replaces.user_id, replaces.session_id)
        return user, await self.open_session(tx, user.id, device)

    async def open_session(self, tx: Transaction, user_id: UserId, device: Device) -> str:
        """A new login session; returns the secret for the cookie, which is not kept."""
        now = self.clock.now()
        secret = new_secret("")
        session = LoginSession(
            id=self.new_id(),
            user_agent=_printable(device.user_agent, 256),
            address=_printable(device.address, 64),
            created_at=now,
            last_seen_at=now,
            expires_at=session_end(
                now,
                now,
                idle_days=self.settings.session_idle_days,
                max_days=self.settings.session_max_days,
            ),
        )
        await self.credentials.insert_session(tx, user_id, session, digest(secret))
        return secret

    async def check_reset_link(self, tx: ReadTransaction, token: str) -> None:
        """Refuse a bad link early, before a password is hashed."""
        if not await self.links.has_reset_link(tx, digest(token), self.clock.now()):
            raise _bad_reset_link()

    async def reset_password(self, tx: Transaction, token: str, password_hash: str) -> UserId:
        """Set a password by an administrator's link, once; ends every login session."""
        now = self.clock.now()
        user_id = await self.links.take_reset_link(tx, digest(token), now)
        if user_id is None:
            raise _bad_reset_link()
        await self.users.set_password_hash(tx, user_id, password_hash, now)
        await self.credentials.delete_sessions(tx, user_id)
        return user_id

    async def change_password(
        self, tx: Transaction, proof: Proof, password_hash: str, *, keep: str | None
    ) -> None:
        """Set a new password and end every login session but `keep`."""
        await self.check_proof(tx, proof)
        await self.users.set_password_hash(tx, proof.user_id, password_hash, self.clock.now())
        await self.credentials.delete_sessions(tx, proof.user_id, keep=keep)

    async def update_profile(
        self, tx: Transaction, user_id: UserId, *, name: str | None, preferences: Preferences | None
    ) -> User:
        """Change the name, the preferences (as a whole) or both."""
        user = await self.users.user(tx, user_id)
        changed = msgspec.structs.replace(
            user,
            name=user.name if name is None else checked_name(name),
            preferences=user.preferences if preferences is None else preferences,
        )
        await self.users.update_profile(
            tx, user_id, changed.name, changed.preferences, self.clock.now()
        )
        return changed

    async def end_session(self, tx: Transaction, user_id: UserId, session_id: str) -> None:
        """End one of a person's login sessions. Raises NotFound."""
        if not await self.credentials.delete_session(tx, user_id, session_id):
            raise NotFound("session_not_found", "There is no such login session.")

    async def create_key(
        self, tx: Transaction, user: User, name: str, scopes: frozenset[Scope] | None = None
    ) -> tuple[ApiKey, str]:
        """A new API key and its text, which is shown once and not kept."""
        wanted = DEFAULT_KEY_SCOPES if scopes is None else scopes
        check_key_scopes(user.role, wanted)
        if await self.credentials.count_keys(tx, user.id) >= self.settings.max_keys:
            raise Conflict(
                "too_many_keys",
                f"One person may hold {self.settings.max_keys} API keys.",
                hint="Revoke one that is not used any more.",
            )
        text = new_secret(KEY_PREFIX)
        key = ApiKey(
            id=self.new_id(),
            name=checked_name(name),
            prefix=text[:SHOWN_PREFIX_CHARS],
            scopes=wanted,
            created_at=self.clock.now(),
        )
        await self.credentials.insert_key(tx, user.id, key, digest(text))
        return key, text

    async def revoke_key(self, tx: Transaction, user_id: UserId, key_id: str) -> None:
        """Revoke one of a person's API keys. Raises NotFound."""
        if not await self.credentials.revoke_key(tx, user_id, key_id, self.clock.now()):
            raise NotFound("key_not_found", "There is no such API key.")

    async def delete_account(self, tx: Transaction, user_id: UserId) -> None:
        """Erase a person and all that is theirs. Raises Conflict for the last administrator."""
        check_an_admin_remains(user_id, await self.users.lock_active_admins(tx))
        for eraser in self.erasers:
            await eraser.erase(tx, user_id)
        await self.users.delete(tx, user_id)

    async def preferences(self, tx: ReadTransaction, user_id: UserId) -> Preferences:
        """What a person has set for themselves. Raises NotFound."""
        return (await self.person(tx, user_id)).preferences

    async def person(self, tx: ReadTransaction, user_id: UserId) -> User:
        """Somebody's account. Raises NotFound."""
        return await self.users.user(tx, user_id)

    async def export(self, tx: ReadTransaction, user_id: UserId) -> AccountExport:
        """Everything held about a person, for the archive they download."""
        return AccountExport(
            user=await self.users.user(tx, user_id),
            sessions=await self.credentials.sessions(tx, user_id, self.clock.now()),
            keys=await self.credentials.keys(tx, user_id),
        )


def _bad_reset_link() -> Denied:
    return Denied(
        "reset_link_not_valid",
        "This link is unknown, was used already or has run out.",
        hint="Ask an administrator for a new one.",
    )


def _printable(text: str, max_chars: int) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:max_chars]


def build_accounts(
    db: Database,
    settings: AccountsSettings,
    clock: Clock,
    new_id: NewId,
    erasers: Sequence[Eraser] = (),
    broker: Broker | None = None,
) -> AccountService:
    """The room put together over a database."""
    return AccountService(
        identities=IdentityCache(db, settings, clock, broker),
        gate=PasswordGate(Passwords(settings), SignInThrottle(settings, clock)),
        settings=settings,
        clock=clock,
        new_id=new_id,
        users=UserRepository(),
        credentials=CredentialRepository(),
        links=LinkRepository(),
        erasers=erasers,
    )

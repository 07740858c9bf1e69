"""Signing up, in and out, and everything a person does with their own account."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.params import FromPath, JSONBody

from fireside import __version__
from fireside.accounts.access import Rule, optional_principal
from fireside.accounts.admin_endpoints import AdminAccountsController
from fireside.accounts.domain import (
    MAX_EMAIL_CHARS,
    MAX_NAME_CHARS,
    MAX_PASSWORD_CHARS,
    ApiKey,
    CustomInstructions,
    LoginSession,
    Preferences,
    Scope,
    SignUpMode,
    User,
    UserRole,
)
from fireside.accounts.http import (
    Accounts,
    Body,
    Caller,
    Db,
    cleared_cookies,
    device_of,
    session_cookie,
)
from fireside.accounts.service import SignUp
from fireside.conversation.message import UserId

Email = Annotated[str, msgspec.Meta(max_length=MAX_EMAIL_CHARS)]
Name = Annotated[str, msgspec.Meta(max_length=MAX_NAME_CHARS)]
Password = Annotated[str, msgspec.Meta(max_length=MAX_PASSWORD_CHARS)]
Secret = Annotated[str, msgspec.Meta(max_length=200)]


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """The signed-in person, for themselves."""

    id: UserId
    email: str
    name: str
    role: UserRole
    created_at: datetime
    preferences: Preferences


class BootstrapOut(msgspec.Struct, frozen=True, kw_only=True):
    """What the page needs to draw its first screen."""

    setup_needed: bool
    sign_up_mode: SignUpMode
    instance_name: str
    version: str
    user: Me | None


class SignUpIn(Body, frozen=True, kw_only=True):
    """A wish for an account."""

    email: Email
    password: Password
    name: Name
    invite: Secret | None = None


class SignInIn(Body, frozen=True, kw_only=True):
    """An e-mail address and its password."""

    email: Email
    password: Password


class ResetIn(Body, frozen=True, kw_only=True):
    """The secret of an administrator's link, and the new password."""

    token: Secret
    password: Password


class CustomInstructionsIn(CustomInstructions, frozen=True, forbid_unknown_fields=True):
    """Custom instructions as sent."""


class PreferencesIn(Preferences, frozen=True, forbid_unknown_fields=True):
    """Preferences as sent, as a whole."""

    custom_instructions: CustomInstructionsIn = CustomInstructionsIn()


class ProfileIn(Body, frozen=True, kw_only=True):
    """What a person may change about themselves; absent fields stay."""

    name: Name | msgspec.UnsetType = msgspec.UNSET
    preferences: PreferencesIn | msgspec.UnsetType = msgspec.UNSET


class PasswordIn(Body, frozen=True, kw_only=True):
    """The password until now, and the new one."""

    current: Password
    new: Password


class DeletionIn(Body, frozen=True, kw_only=True):
    """The password, to be sure that it is the person."""

    password: Password


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """A browser that is signed in; `current` marks the asking one."""

    id: str
    created_at: datetime
    last_seen_at: datetime
    user_agent: str
    address: str
    current: bool


class KeyView(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an API key after it was shown."""

    id: str
    name: str
    prefix: str
    scopes: list[Scope]
    created_at: datetime
    last_used_at: datetime | None


class KeyIn(Body, frozen=True, kw_only=True):
    """A wish for an API key; without scopes it may run models."""

    name: Name
    scopes: Annotated[list[Scope], msgspec.Meta(max_length=20)] | None = None


class KeyMade(msgspec.Struct, frozen=True, kw_only=True):
    """A new API key: the only time that it is shown."""

    key: str
    info: KeyView

    def __repr__(self) -> str:
        return "KeyMade()"


class AuthController(Controller):
    """The way in and out."""

    path = "/api"
    tags = ("accounts",)

    @get("/bootstrap", opt={"rule": Rule.PUBLIC})
    async def bootstrap(
        self, request: Request[Any, Any, Any], db: Db, accounts: Accounts
    ) -> BootstrapOut:
        """What the page needs to draw its first screen."""
        caller = optional_principal(request)
        async with db.read() as tx:
            known = await accounts.bootstrap(tx)
            user = await accounts.users.user(tx, caller.user_id) if caller else None
        return BootstrapOut(
            setup_needed=not known.is_set_up,
            sign_up_mode=known.policy.mode,
            instance_name=accounts.settings.instance_name,
            version=__version__,
            user=_me(user) if user else None,
        )

    @post("/auth/sign-up", opt={"rule": Rule.PUBLIC})
    async def sign_up(
        self,
        request: Request[Any, Any, Any],
        data: JSONBody[SignUpIn],
        db: Db,
        accounts: Accounts,
    ) -> Response[Me]:
        """Make an account and sign in; the first one becomes administrator."""
        async with db.read() as tx:
            await accounts.check_sign_up(tx, invited=data.invite is not None)
        wish = SignUp(
            email=data.email,
            name=data.name,
            password_hash=await accounts.hash_password(data.password),
            invite=data.invite,
        )
        async with db.write() as tx:
            user = await accounts.sign_up(tx, wish)
            secret = await accounts.open_session(tx, user.id, device_of(request))
        cookie = session_cookie(request, accounts.settings, secret)
        return Response(_me(user), status_code=201, cookies=[cookie])

    @post("/auth/sign-in", opt={"rule": Rule.PUBLIC}, status_code=200)
    async def sign_in(
        self,
        request: Request[Any, Any, Any],
        data: JSONBody[SignInIn],
        db: Db,
        accounts: Accounts,
    ) -> Response[Me]:
        """Sign in with a password."""
        device = device_of(request)
        before = optional_principal(request)
        async with db.read() as tx:
            stored = await accounts.stored_password(tx, data.email)
        proof = await accounts.verify(stored, data.password, device.address)
        async with db.write() as tx:
            user, secret = await accounts.sign_in(tx, proof, device, replaces=before)
        if before is not None:
            accounts.identities.forget(before.user_id)
        return Response(_me(user), cookies=[session_cookie(request, accounts.settings, secret)])

    @post("/auth/sign-out", opt={"rule": Rule.PUBLIC}, status_code=204)
    async def sign_out(
        self, request: Request[Any, Any, Any], db: Db, accounts: Accounts
    ) -> Response[None]:
        """End this login session; who is not signed in just loses the cookie."""
        caller = optional_principal(request)
        if caller is not None and caller.session_id is not None:
            async with db.write() as tx:
                await accounts.credentials.delete_session(tx, caller.user_id, caller.session_id)
            accounts.identities.forget(caller.user_id)
        return Response(None, cookies=cleared_cookies())

    @post("/auth/reset", opt={"rule": Rule.PUBLIC}, status_code=204)
    async def reset(self, data: JSONBody[ResetIn], db: Db, accounts: Accounts) -> None:
        """Set a new password by an administrator's link; works once."""
        async with db.read() as tx:
            await accounts.check_reset_link(tx, data.token)
        password_hash = await accounts.hash_password(data.password)
        async with db.write() as tx:
            user_id = await accounts.reset_password(tx, data.token, password_hash)
        accounts.identities.forget(user_id)


class MeController(Controller):
    """One's own account."""

    path = "/api/me"
    tags = ("accounts",)
    opt = {"rule": Rule.SIGNED_IN}

    @get()
    async def me(self, db: Db, accounts: Accounts, principal: Caller) -> Me:
        """The signed-in person."""
        async with db.read() as tx:
            return _me(await accounts.users.user(tx, principal.user_id))

    @patch()
    async def change(
        self, data: JSONBody[ProfileIn], db: Db, accounts: Accounts, principal: Caller
    ) -> Me:
        """Change the name or the preferences."""
        async with db.write() as tx:
            user = await accounts.update_profile(
                tx,
                principal.user_id,
                name=None if isinstance(data.name, msgspec.UnsetType) else data.name,
                preferences=None
                if isinstance(data.preferences, msgspec.UnsetType)
                else data.preferences,
            )
        return _me(user)

    @post("/password", status_code=204)
    async def change_password(
        self,
        request: Request[Any, Any, Any],
        data: JSONBody[PasswordIn],
        db: Db,
        accounts: Accounts,
        principal: Caller,
    ) -> None:
        """Change the password; every other login session ends."""
        async with db.read() as tx:
            stored = await accounts.own_password(tx, principal.user_id)
        address = device_of(request).address
        proof = await accounts.verify_own(stored, data.current, address, param="current")
        password_hash = await accounts.hash_password(data.new, param="new")
        async with db.write() as tx:
            await accounts.change_password(tx, proof, password_hash, keep=principal.session_id)
        accounts.identities.forget(principal.user_id)

    @delete(status_code=204)
    async def erase(
        self,
        request: Request[Any, Any, Any],
        data: JSONBody[DeletionIn],
        db: Db,
        accounts: Accounts,
        principal: Caller,
    ) -> Response[None]:
        """Erase the account and everything it owns. There is no way back."""
        async with db.read() as tx:
            stored = await accounts.own_password(tx, principal.user_id)
        address = device_of(request).address
        proof = await accounts.verify_own(stored, data.password, address, param="password")
        async with db.write() as tx:
            await accounts.check_proof(tx, proof)
            await accounts.delete_account(tx, principal.user_id)
        accounts.identities.forget(principal.user_id)
        return Response(None, cookies=cleared_cookies())

    @get("/sessions")
    async def sessions(self, db: Db, accounts: Accounts, principal: Caller) -> list[SessionView]:
        """Where one is signed in, last used first."""
        async with db.read() as tx:
            found = await accounts.credentials.sessions(tx, principal.user_id, accounts.clock.now())
        return [_session_view(session, principal.session_id) for session in found]

    @delete("/sessions")
    async def end_other_sessions(self, db: Db, accounts: Accounts, principal: Caller) -> None:
        """Sign out everywhere else."""
        async with db.write() as tx:
            await accounts.credentials.delete_sessions(
                tx, principal.user_id, keep=principal.session_id
            )
        accounts.identities.forget(principal.user_id)

    @delete("/sessions/{session_id:str}")
    async def end_session(
        self, session_id: FromPath[str], db: Db, accounts: Accounts, principal: Caller
    ) -> None:
        """Sign out one browser."""
        async with db.write() as tx:
            await accounts.end_session(tx, principal.user_id, session_id)
        accounts.identities.forget(principal.user_id)

    @get("/keys")
    async def keys(self, db: Db, accounts: Accounts, principal: Caller) -> list[KeyView]:
        """One's API keys, newest first."""
        async with db.read() as tx:
            found = await accounts.credentials.keys(tx, principal.user_id)
        return [key_view(key) for key in found]

    @post("/keys")
    async def create_key(
        self, data: JSONBody[KeyIn], db: Db, accounts: Accounts, principal: Caller
    ) -> KeyMade:
        """Make an API key; the answer is the only time it is shown."""
        scopes = None if data.scopes is None else frozenset(data.scopes)
        async with db.write() as tx:
            user = await accounts.users.user(tx, principal.user_id)
            key, text = await accounts.create_key(tx, user, data.name, scopes)
        return KeyMade(key=text, info=key_view(key))

    @delete("/keys/{key_id:str}")
    async def revoke_key(
        self, key_id: FromPath[str], db: Db, accounts: Accounts, principal: Caller
    ) -> None:
        """Revoke an API key; it stops working at once."""
        async with db.write() as tx:
            await accounts.revoke_key(tx, principal.user_id, key_id)
        accounts.identities.forget(principal.user_id)


CONTROLLERS = (AuthController, MeController, AdminAccountsController)
"""What the application mounts."""


def _me(user: User) -> Me:
    return Me(
        id=user.id,
        email=user.email,
        name=user.name,
        role=user.role,
        created_at=user.created_at,
        preferences=user.preferences,
    )


def _session_view(session: LoginSession, current_id: str | None) -> SessionView:
    return SessionView(
        id=session.id,
        created_at=session.created_at,
        last_seen_at=session.last_seen_at,
        user_agent=session.user_agent,
        address=session.address,
        current=session.id == current_id,
    )


def key_view(key: ApiKey) -> KeyView:
    """An API key as its owner sees it."""
    return KeyView(
        id=key.id,
        name=key.name,
        prefix=key.prefix,
        scopes=sorted(key.scopes),
        created_at=key.created_at,
        last_used_at=key.last_used_at,
    )

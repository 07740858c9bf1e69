"""Everything a person does with their own account."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.params import FromPath, JSONBody

from fireside.accounts.access import Rule
from fireside.accounts.admin_endpoints import AdminAccountsController
from fireside.accounts.auth_endpoints import AuthController
from fireside.accounts.domain import CustomInstructions, Preferences, Scope
from fireside.accounts.http import (
    Accounts,
    Body,
    Caller,
    Db,
    Name,
    Password,
    cleared_cookies,
    device_of,
)
from fireside.accounts.views import (
    KeyMade,
    KeyView,
    Me,
    SessionView,
    key_view,
    me_view,
    session_view,
)


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


class KeyIn(Body, frozen=True, kw_only=True):
    """A wish for an API key; without scopes it may run models."""

    name: Name
    scopes: Annotated[list[Scope], msgspec.Meta(max_length=20)] | None = None


class MeController(Controller):
    """One's own account."""

    path = "/api/me"
    tags = ("accounts",)
    opt = {"rule": Rule.SIGNED_IN}

    @get()
    async def me(self, db: Db, accounts: Accounts, principal: Caller) -> Me:
        """The signed-in person."""
        async with db.read() as tx:
            return me_view(await accounts.users.user(tx, principal.user_id))

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
        return me_view(user)

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
        proof = await accounts.gate.verify_own(stored, data.current, address, param="current")
        password_hash = await accounts.gate.hash(data.new, param="new")
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
        proof = await accounts.gate.verify_own(stored, data.password, address, param="password")
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
        return [session_view(session, principal.session_id) for session in found]

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

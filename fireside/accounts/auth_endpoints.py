"""The first screen, signing up, in and out, and setting a password by a link."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.params import JSONBody

from fireside import __version__
from fireside.accounts.access import Rule, optional_principal
from fireside.accounts.domain import SignUpMode
from fireside.accounts.http import (
    Accounts,
    Body,
    Db,
    Email,
    Name,
    Password,
    Secret,
    cleared_cookies,
    device_of,
    session_cookie,
)
from fireside.accounts.service import SignUp
from fireside.accounts.views import Me, me_view


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
            user=me_view(user) if user else None,
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
            password_hash=await accounts.gate.hash(data.password),
            invite=data.invite,
            address=device_of(request).address,
        )
        async with db.write() as tx:
            user = await accounts.sign_up(tx, wish)
            secret = await accounts.open_session(tx, user.id, device_of(request))
        cookie = session_cookie(request, accounts.settings, secret)
        return Response(me_view(user), status_code=201, cookies=[cookie])

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
        proof = await accounts.gate.verify(stored, data.password, device.address)
        async with db.write() as tx:
            user, secret = await accounts.sign_in(tx, proof, device, replaces=before)
        if before is not None:
            accounts.identities.forget(before.user_id)
        return Response(me_view(user), cookies=[session_cookie(request, accounts.settings, secret)])

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
        password_hash = await accounts.gate.hash(data.password)
        async with db.write() as tx:
            user_id = await accounts.reset_password(tx, data.token, password_hash)
        accounts.identities.forget(user_id)

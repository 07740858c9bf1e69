"""The administrator's pages of accounts: people, invites, who may sign up."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, delete, get, patch, post, put
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody, QueryParameter

from fireside.accounts.access import Rule
from fireside.accounts.administration import Administration
from fireside.accounts.domain import (
    SignUpMode,
    SignUpPolicy,
    UserRole,
    UserStatus,
)
from fireside.accounts.http import Accounts, Body, Caller, Db, Email, Name, link_base
from fireside.accounts.views import InviteView, UserView, invite_view, user_view
from fireside.kit.pagination import Page


class UserIn(Body, frozen=True, kw_only=True):
    """An account for somebody; they set their password by the link in the answer."""

    email: Email
    name: Name
    role: UserRole = UserRole.MEMBER


class UserMade(msgspec.Struct, frozen=True, kw_only=True):
    """The new person, and the link that is shown once."""

    user: UserView
    reset_link: str

    def __repr__(self) -> str:
        return "UserMade()"


class StandingIn(Body, frozen=True, kw_only=True):
    """What an administrator decides about a person; absent fields stay."""

    role: UserRole | msgspec.UnsetType = msgspec.UNSET
    status: UserStatus | msgspec.UnsetType = msgspec.UNSET


class LinkOut(msgspec.Struct, frozen=True, kw_only=True):
    """A link that is shown once."""

    link: str
    expires_at: datetime

    def __repr__(self) -> str:
        return "LinkOut()"


class InviteIn(Body, frozen=True, kw_only=True):
    """A wish for an invite; with `email` only that address may use it."""

    email: Email | None = None
    role: UserRole = UserRole.MEMBER


class InviteMade(InviteView, frozen=True, kw_only=True):
    """A new invite with its link, which is shown once."""

    link: str

    def __repr__(self) -> str:
        return "InviteMade()"


class SignUpModeIn(Body, frozen=True, kw_only=True):
    """Who may sign up from now on, and why."""

    mode: SignUpMode
    reason: Annotated[str, msgspec.Meta(max_length=1000)] = ""


def administration(accounts: Accounts) -> Administration:
    """The administrator's side of the accounts room."""
    return Administration(accounts)


Administrators = NamedDependency[Administration]


class AdminAccountsController(Controller):
    """People, invites and the sign-up policy."""

    path = "/api/admin"
    tags = ("admin",)
    opt = {"rule": Rule.ADMIN}
    dependencies = {"administration": Provide(administration, sync_to_thread=False)}

    @get("/users")
    async def users(
        self,
        db: Db,
        administration: Administrators,
        q: Annotated[str, QueryParameter(max_length=200)] = "",
        cursor: Annotated[str | None, QueryParameter(max_length=500)] = None,
    ) -> Page[UserView]:
        """People, newest first."""
        async with db.read() as tx:
            page = await administration.page(tx, q, cursor)
        return Page([user_view(user) for user in page.items], page.next_cursor)

    @post("/users")
    async def create_user(
        self,
        request: Request[Any, Any, Any],
        data: JSONBody[UserIn],
        db: Db,
        administration: Administrators,
        principal: Caller,
    ) -> UserMade:
        """Make an account and a link to set its password."""
        async with db.write() as tx:
            user = await administration.create_user(tx, data.email, data.name, data.role)
            link = await administration.make_reset_link(tx, user.id, principal.user_id)
        base = link_base(request, administration.accounts.settings)
        return UserMade(user=user_view(user), reset_link=reset_url(base, link.secret))

    @patch("/users/{user_id:str}")
    async def change_user(
        self,
        user_id: FromPath[str],
        data: JSONBody[StandingIn],
        db: Db,
        administration: Administrators,
    ) -> UserView:
        """Promote, demote, disable or enable somebody."""
        async with db.write() as tx:
            user = await administration.change_standing(
                tx,
                user_id,
                role=None if isinstance(data.role, msgspec.UnsetType) else data.role,
                status=None if isinstance(data.status, msgspec.UnsetType) else data.status,
            )
        administration.accounts.identities.forget(user.id)
        return user_view(user)

    @delete("/users/{user_id:str}")
    async def delete_user(
        self, user_id: FromPath[str], db: Db, administration: Administrators
    ) -> None:
        """Erase somebody's account and everything it owns."""
        async with db.write() as tx:
            erased_id = await administration.delete_user(tx, user_id)
        administration.accounts.identities.forget(erased_id)

    @post("/users/{user_id:str}/reset-link")
    async def make_reset_link(
        self,
        request: Request[Any, Any, Any],
        user_id: FromPath[str],
        db: Db,
        administration: Administrators,
        principal: Caller,
    ) -> LinkOut:
        """A link with which a person sets a new password; an earlier one stops working."""
        async with db.write() as tx:
            link = await administration.make_reset_link(tx, user_id, principal.user_id)
        base = link_base(request, administration.accounts.settings)
        return LinkOut(link=reset_url(base, link.secret), expires_at=link.expires_at)

    @get("/invites")
    async def invites(self, db: Db, administration: Administrators) -> list[InviteView]:
        """Every invite, newest first."""
        async with db.read() as tx:
            found = await administration.invites(tx)
        return [invite_view(invite) for invite in found]

    @post("/invites")
    async def create_invite(
        self,
        request: Request[Any, Any, Any],
        data: JSONBody[InviteIn],
        db: Db,
        administration: Administrators,
        principal: Caller,
    ) -> InviteMade:
        """Make an invite; its link is shown once."""
        async with db.write() as tx:
            invite, link = await administration.create_invite(
                tx, principal.user_id, data.email, data.role
            )
        base = link_base(request, administration.accounts.settings)
        view = invite_view(invite)
        return InviteMade(**msgspec.structs.asdict(view), link=invite_url(base, link.secret))

    @delete("/invites/{invite_id:str}")
    async def withdraw_invite(
        self, invite_id: FromPath[str], db: Db, administration: Administrators
    ) -> None:
        """Make an invite unusable."""
        async with db.write() as tx:
            await administration.withdraw_invite(tx, invite_id)

    @get("/sign-up-mode")
    async def sign_up_mode(self, db: Db, accounts: Accounts) -> SignUpPolicy:
        """Who may sign up, since when and why."""
        async with db.read() as tx:
            return (await accounts.bootstrap(tx)).policy

    @put("/sign-up-mode")
    async def set_sign_up_mode(
        self,
        data: JSONBody[SignUpModeIn],
        db: Db,
        administration: Administrators,
        principal: Caller,
    ) -> SignUpPolicy:
        """Decide who may sign up from now on."""
        async with db.write() as tx:
            return await administration.set_sign_up_mode(
                tx, principal.user_id, data.mode, data.reason
            )


def reset_url(base: str, secret: str) -> str:
    """The page's address for a reset link; a fragment never reaches a server's log."""
    return f"{base}/reset#token={secret}"


def invite_url(base: str, secret: str) -> str:
    """The page's address for an invite."""
    return f"{base}/sign-up#invite={secret}"

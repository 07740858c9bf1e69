"""What the endpoints and the command line show of accounts."""

from __future__ import annotations

from datetime import datetime

import msgspec

from fireside.accounts.domain import (
    ApiKey,
    Invite,
    LoginSession,
    Preferences,
    Scope,
    User,
    UserRole,
    UserStatus,
)
from fireside.conversation.message import UserId


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """The signed-in person, for themselves."""

    id: UserId
    email: str
    name: str
    role: UserRole
    created_at: datetime
    preferences: Preferences


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


class KeyMade(msgspec.Struct, frozen=True, kw_only=True):
    """A new API key: the only time that it is shown."""

    key: str
    info: KeyView

    def __repr__(self) -> str:
        return "KeyMade()"


class UserView(msgspec.Struct, frozen=True, kw_only=True):
    """A person, for administrators: what they write and prefer is not in it.

    `plan` is "" for whoever was not given one: the policy's default, or that of administrators.
    """

    id: UserId
    email: str
    name: str
    role: UserRole
    status: UserStatus
    created_at: datetime
    last_seen_at: datetime | None
    plan: str


class InviteView(msgspec.Struct, frozen=True, kw_only=True):
    """An invite; its link is not kept."""

    id: str
    email: str | None
    role: UserRole
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None


def me_view(user: User) -> Me:
    """A person as they see themselves."""
    return Me(
        id=user.id,
        email=user.email,
        name=user.name,
        role=user.role,
        created_at=user.created_at,
        preferences=user.preferences,
    )


def session_view(session: LoginSession, current_id: str | None) -> SessionView:
    """A login session as its owner sees it; `current_id` is the asking one."""
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


def user_view(user: User) -> UserView:
    """A person as administrators see them."""
    return UserView(
        id=user.id,
        email=user.email,
        name=user.name,
        role=user.role,
        status=user.status,
        created_at=user.created_at,
        last_seen_at=user.last_seen_at,
        plan=user.plan,
    )


def invite_view(invite: Invite) -> InviteView:
    """An invite as administrators see it."""
    return InviteView(
        id=invite.id,
        email=invite.email,
        role=invite.role,
        created_at=invite.created_at,
        expires_at=invite.expires_at,
        used_at=invite.used_at,
    )

"""Who is asking, what they may do, and the values an account consists of. Pure."""

from __future__ import annotations

import ipaddress
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, ClassVar, assert_never

import msgspec

from fireside.conversation.message import UserId
from fireside.errors import Conflict, Denied, SignInNeeded, UserError

MIN_PASSWORD_CHARS = 8
MAX_PASSWORD_CHARS = 1024
MAX_EMAIL_CHARS = 254  # RFC 5321, section 4.5.3.1.3, less the angle brackets
MAX_NAME_CHARS = 120


class UserRole(StrEnum):
    """What a person is to this instance."""

    ADMIN = "admin"
    MEMBER = "member"


class UserStatus(StrEnum):
    """A disabled person keeps everything and can do nothing."""

    ACTIVE = "active"
    DISABLED = "disabled"


class Scope(StrEnum):
    """What an API key may be used for."""

    MODELS_RUN = "models:run"
    CONVERSATIONS_READ = "conversations:read"
    CONVERSATIONS_WRITE = "conversations:write"
    METRICS_READ = "metrics:read"


class Via(StrEnum):
    """How a request said who it is: the page's cookie, or an API key."""

    SESSION = "session"
    KEY = "key"


class SignUpMode(StrEnum):
    """Who may make an account: anybody, holders of an invite, or nobody."""

    OPEN = "open"
    INVITE = "invite"
    CLOSED = "closed"


class Theme(StrEnum):
    """How the page looks; `system` follows the device."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


ALL_SCOPES = frozenset(Scope)
ADMIN_SCOPES = frozenset({Scope.METRICS_READ})
"""Scopes that only an administrator's key can hold."""

DEFAULT_KEY_SCOPES = frozenset({Scope.MODELS_RUN})


class Principal(msgspec.Struct, frozen=True):
    """The identified caller of one request.

    `session_id` is the login session and `key_id` the API key that identified it; exactly one of
    them is set. A session holds every scope. `plan` is "" where nobody was given one, `network` is
    the one the account was made from, "" where that is not known.
    """

    user_id: UserId
    role: UserRole
    scopes: frozenset[Scope]
    via: Via
    session_id: str | None = None
    key_id: str | None = None
    plan: str = ""
    network: str = ""


class Access(StrEnum):
    """The three kinds of door."""

    PUBLIC = "public"
    SIGNED_IN = "signed_in"
    ADMIN = "admin"


@dataclass(frozen=True)
class Rule:
    """Who may call a route. Every route handler declares one: `opt={"rule": Rule.SIGNED_IN}`.

    API keys open a route only when its rule names a scope, and they must hold that scope; the role
    is asked for all the same.
    """

    access: Access
    scope: Scope | None = None

    PUBLIC: ClassVar[Rule]
    SIGNED_IN: ClassVar[Rule]
    ADMIN: ClassVar[Rule]

    def with_scope(self, scope: Scope) -> Rule:
        """The same rule, opened to API keys that hold `scope`."""
        return replace(self, scope=scope)


Rule.PUBLIC = Rule(Access.PUBLIC)
Rule.SIGNED_IN = Rule(Access.SIGNED_IN)
Rule.ADMIN = Rule(Access.ADMIN)


def check_rule(rule: Rule, principal: Principal | None) -> None:
    """Raise SignInNeeded or Denied unless `principal` may pass `rule`."""
    if rule.access is Access.PUBLIC:
        return
    if principal is None:
        raise SignInNeeded(
            "sign_in_needed",
            "Nobody is signed in.",
            hint="Sign in, or send a valid API key as 'Authorization: Bearer fs-...'.",
        )
    if principal.via is Via.KEY:
        if rule.scope is None:
            raise Denied(
                "key_not_accepted",
                "API keys do not open this address.",
                hint="Sign in with the page to do this.",
            )
        if rule.scope not in principal.scopes:
            raise Denied(
                "missing_scope",
                f"This API key lacks the scope {rule.scope.value}.",
                hint="Make a key with that scope under Settings, API keys.",
            )
    match rule.access:
        case Access.SIGNED_IN:
            return
        case Access.ADMIN:
            if principal.role is not UserRole.ADMIN:
                raise Denied(
                    "admin_only",
                    "Only an administrator may do this.",
                    hint="Ask an administrator of this instance.",
                )
        case _:
            assert_never(rule.access)


class CustomInstructions(msgspec.Struct, frozen=True):
    """What the person wants every reply to know; user text, never logged."""

    about: Annotated[str, msgspec.Meta(max_length=8000)] = ""
    style: Annotated[str, msgspec.Meta(max_length=8000)] = ""
    enabled: bool = True

    def __repr__(self) -> str:
        return f"CustomInstructions({len(self.about)} + {len(self.style)} characters)"


class Preferences(msgspec.Struct, frozen=True):
    """What a person has set for themselves. Improving the model is off until they agree."""

    theme: Theme = Theme.SYSTEM
    language: Annotated[str, msgspec.Meta(max_length=35)] = "en"
    custom_instructions: CustomInstructions = CustomInstructions()
    improve_model: bool = False
    default_model: Annotated[str, msgspec.Meta(max_length=200)] | None = None


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A person's account, without the password hash. `plan` is "" for the policy's default."""

    id: UserId
    email: str
    name: str
    role: UserRole
    status: UserStatus
    preferences: Preferences
    created_at: datetime
    last_seen_at: datetime | None = None
    plan: str = ""
    network: str = ""

    def __repr__(self) -> str:
        return f"User({self.id}, {self.role.value}, {self.status.value})"


def network_of(address: str) -> str:
    """The network an address belongs to: its /24 or, for IPv6, its /48; "" where it has none.

    Loopback and private addresses have none: behind them are this machine, one household, or a
    proxy that hides everybody.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if not found.is_global:
        return ""
    bits = 24 if found.version == 4 else 48
    return str(ipaddress.ip_network(f"{found}/{bits}", strict=False))


class Device(msgspec.Struct, frozen=True):
    """Where a login session was opened: as the browser and the connection say."""

    user_agent: str
    address: str

    def __repr__(self) -> str:
        return "Device()"


class LoginSession(msgspec.Struct, frozen=True, kw_only=True):
    """A browser that is signed in, as its owner sees it."""

    id: str
    user_agent: str
    address: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an API key after it was shown once."""

    id: str
    name: str
    prefix: str
    scopes: frozenset[Scope]
    created_at: datetime
    last_used_at: datetime | None = None


class Invite(msgspec.Struct, frozen=True, kw_only=True):
    """Leave to make one account."""

    id: str
    email: str | None
    role: UserRole
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None


class PlanAssignment(msgspec.Struct, frozen=True, kw_only=True):
    """One decision about a person's plan; `plan` "" takes it away again."""

    plan: str
    reason: str
    author_id: UserId | None
    at: datetime


class SignUpPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """One version of who may sign up. Without any, sign-up is open."""

    mode: SignUpMode = SignUpMode.OPEN
    reason: str = ""
    author_id: UserId | None = None
    at: datetime | None = None


def normal_email(email: str) -> str:
    """The one spelling under which an address is stored and looked up. Raises UserError."""
    text = unicodedata.normalize("NFKC", email).strip().lower()
    local, at, host = text.rpartition("@")
    broken = any(c.isspace() or unicodedata.category(c).startswith("C") for c in text)
    if not at or not local or not host or "@" in local or broken or len(text) > MAX_EMAIL_CHARS:
        raise UserError(
            "bad_email",
            "This is not an e-mail address.",
            hint="Write it like name@example.org.",
            param="email",
        )
    return text


def checked_name(name: str) -> str:
    """A display name without stray blanks or control characters. Raises UserError."""
    text = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    if not text or len(text) > MAX_NAME_CHARS:
        raise UserError("bad_name", f"A name has 1 to {MAX_NAME_CHARS} characters.", param="name")
    return text


def check_password(password: str, param: str = "password") -> None:
    """Length only (NIST SP 800-63B, 3.1.1.2): rules of composition make passwords worse."""
    if not MIN_PASSWORD_CHARS <= len(password) <= MAX_PASSWORD_CHARS:
        raise UserError(
            "bad_password",
            f"A password has {MIN_PASSWORD_CHARS} to {MAX_PASSWORD_CHARS} characters.",
            hint="A few unrelated words are easy to remember and hard to guess.",
            param=param,
        )


def check_key_scopes(role: UserRole, scopes: frozenset[Scope]) -> None:
    """Raise unless a person of `role` may hold a key with `scopes`."""
    if not scopes:
        raise UserError(
            "no_scopes",
            "A key needs at least one scope.",
            hint=f"Choose from: {', '.join(sorted(Scope))}.",
            param="scopes",
        )
    reserved = sorted(scopes & ADMIN_SCOPES)
    if reserved and role is not UserRole.ADMIN:
        raise Denied("admin_only", f"Only an administrator's key may hold {', '.join(reserved)}.")


def check_invite(invite: Invite | None, email: str, now: datetime) -> Invite:
    """The invite, if it lets `email` in at `now`. Raises Denied."""
    if invite is None or invite.used_at is not None or invite.expires_at <= now:
        raise Denied(
            "invite_not_valid",
            "This invite is unknown, was used already or has run out.",
            hint="Ask an administrator for a new one.",
        )
    if invite.email is not None and invite.email != email:
        raise Denied(
            "invite_for_other_email",
            "This invite is for another e-mail address.",
            hint="Use the address that the invite was made for.",
        )
    return invite


def role_at_sign_up(
    mode: SignUpMode, invite: Invite | None, *, invited: bool, email: str, now: datetime
) -> UserRole:
    """What a person who signs up (not as the first) becomes.

    `invited` says that an invite was presented; `invite` is what was found under it. Raises Denied.
    """
    match mode:
        case SignUpMode.CLOSED:
            raise Denied(
                "sign_up_closed",
                "New accounts cannot be made here.",
                hint="Ask an administrator to make one for you.",
            )
        case SignUpMode.INVITE:
            if not invited:
                raise Denied(
                    "invite_needed",
                    "An account needs an invite.",
                    hint="Open the link of an invite; administrators make them.",
                )
            return check_invite(invite, email, now).role
        case SignUpMode.OPEN:
            return check_invite(invite, email, now).role if invited else UserRole.MEMBER
        case _:
            assert_never(mode)


def session_end(
    created_at: datetime, seen_at: datetime, *, idle_days: int, max_days: int
) -> datetime:
    """When a login session ends: some days after it was last seen, and never after its maximum."""
    return min(seen_at + timedelta(days=idle_days), created_at + timedelta(days=max_days))


def check_an_admin_remains(user_id: UserId, active_admins: Collection[UserId]) -> None:
    """Raise Conflict when taking `user_id` away would leave nobody to run the instance."""
    if set(active_admins) == {user_id}:
        raise Conflict(
            "last_admin",
            "This is the last administrator.",
            hint="Make somebody else administrator first.",
        )

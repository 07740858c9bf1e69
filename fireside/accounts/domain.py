"""Who is asking, what they may do, and the values an account consists of. Pure."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, ClassVar, assert_never

import msgspec

from fireside.conversation.message import UserId
from fireside.errors import Denied, SignInNeeded, UserError

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
    them is set. A session holds every scope.
    """

    user_id: UserId
    role: UserRole
    scopes: frozenset[Scope]
    via: Via
    session_id: str | None = None
    key_id: str | None = None


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


class CustomInstructions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the person wants every reply to know; user text, never logged."""

    about: Annotated[str, msgspec.Meta(max_length=8000)] = ""
    style: Annotated[str, msgspec.Meta(max_length=8000)] = ""
    enabled: bool = True

    def __repr__(self) -> str:
        return f"CustomInstructions({len(self.about)} + {len(self.style)} characters)"


class Preferences(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person has set for themselves. Improving the model is off until they agree."""

    theme: Theme = Theme.SYSTEM
    language: Annotated[str, msgspec.Meta(max_length=35)] = "en"
    custom_instructions: CustomInstructions = CustomInstructions()
    improve_model: bool = False
    default_model: Annotated[str, msgspec.Meta(max_length=200)] | None = None


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

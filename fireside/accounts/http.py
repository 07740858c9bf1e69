"""What the endpoints of accounts share: dependencies, bounded fields, cookies, device, links."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from litestar import Request
from litestar.datastructures import Cookie
from litestar.di import NamedDependency

from fireside.accounts.access import SECURE_SESSION_COOKIE, SESSION_COOKIE
from fireside.accounts.domain import (
    MAX_EMAIL_CHARS,
    MAX_NAME_CHARS,
    MAX_PASSWORD_CHARS,
    Device,
    Principal,
)
from fireside.accounts.service import AccountService
from fireside.accounts.settings import AccountsSettings
from fireside.db.database import Database

COOKIE_MAX_AGE_S = 400 * 86_400  # browsers keep none longer; the server decides when it is over

Db = NamedDependency[Database]
Accounts = NamedDependency[AccountService]
Caller = NamedDependency[Principal]

Email = Annotated[str, msgspec.Meta(max_length=MAX_EMAIL_CHARS)]
Name = Annotated[str, msgspec.Meta(max_length=MAX_NAME_CHARS)]
Password = Annotated[str, msgspec.Meta(max_length=MAX_PASSWORD_CHARS)]
Secret = Annotated[str, msgspec.Meta(max_length=200)]


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of request bodies: unknown fields are refused, and a repr shows no field."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def session_cookie(
    request: Request[Any, Any, Any], settings: AccountsSettings, secret: str
) -> Cookie:
    """The cookie that signs in: unreadable for scripts, not sent along by other sites."""
    secure = _is_https(request, settings)
    return Cookie(
        key=SECURE_SESSION_COOKIE if secure else SESSION_COOKIE,
        value=secret,
        path="/",
        max_age=COOKIE_MAX_AGE_S,
        httponly=True,
        samesite="lax",
        secure=secure,
    )


def cleared_cookies() -> list[Cookie]:
    """Cookies that make the browser forget both spellings."""
    return [
        Cookie(key=name, value="", path="/", max_age=0, httponly=True, samesite="lax", secure=safe)
        for name, safe in ((SECURE_SESSION_COOKIE, True), (SESSION_COOKIE, False))
    ]


def device_of(request: Request[Any, Any, Any]) -> Device:
    """Where a request comes from. Behind a proxy the server resolves the address beforehand."""
    return Device(
        user_agent=request.headers.get("user-agent", ""),
        address=request.client.host if request.client else "",
    )


def link_base(request: Request[Any, Any, Any], settings: AccountsSettings) -> str:
    """What links begin with, without a slash at the end."""
    return (settings.public_url or str(request.base_url)).rstrip("/")


def _is_https(request: Request[Any, Any, Any], settings: AccountsSettings) -> bool:
    if request.url.scheme == "https":
        return True
    public = urlsplit(settings.public_url)
    return public.scheme == "https" and public.netloc == request.headers.get("host")

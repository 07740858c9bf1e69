"""Every error Fireside raises on purpose.

    FiresideError(code, message, hint, retry_after_s)
    ├── UserError            the request is wrong; fix it and send it again
    │   ├── NotFound         no such thing, or it is somebody else's
    │   ├── Conflict         it collides with what is already there
    │   └── TooLarge         over a stated limit
    ├── Denied               who you are does not allow this
    │   └── SignInNeeded     nobody is signed in, or the key is not valid
    ├── LimitReached         your allowance is used up; it comes back at resets_at
    ├── CapacityExhausted    no room right now; try again after retry_after_s
    ├── BackendFailed        an engine, database or other part outside failed
    └── Bug                  Fireside broke its own rules; please report it

A code is a stable snake_case word that programs may match on; the message is one sentence for a
person; the hint says what to do next. HTTP statuses and the OpenAI error body are mapped in one
place, `fireside.api.errors`.
"""

from __future__ import annotations

from datetime import datetime


class FiresideError(Exception):
    """Base of the tree above. `param` names the request field at fault, when there is one."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str = "",
        param: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.param = param
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class UserError(FiresideError):
    """The caller sent something that cannot be served as it is."""


class NotFound(UserError):
    """The thing does not exist for this caller; somebody else's things look the same."""


class Conflict(UserError):
    """The request collides with the present state (a taken e-mail, a running turn)."""


class TooLarge(UserError):
    """Over a stated limit of size, length or count."""


class Denied(FiresideError):
    """The caller is known and may not do this."""


class SignInNeeded(Denied):
    """Nobody is signed in, or the key or login session is unknown, expired or revoked."""


class LimitReached(FiresideError):
    """An allowance is used up until `resets_at`."""

    def __init__(self, message: str, *, limit: str, value: float, resets_at: datetime) -> None:
        super().__init__("limit_reached", message, hint=f"It resets at {resets_at.isoformat()}.")
        self.limit = limit
        self.value = value
        self.resets_at = resets_at


class CapacityExhausted(FiresideError):
    """There is no room for this work right now."""


class BackendFailed(FiresideError):
    """Something outside this process failed; `retryable` says whether the same call may succeed."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str = "",
        retryable: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(code, message, hint=hint, retry_after_s=retry_after_s)
        self.retryable = retryable


class Bug(FiresideError):
    """An invariant was broken. Never the caller's fault."""

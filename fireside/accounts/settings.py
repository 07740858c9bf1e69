"""Settings of accounts."""

from __future__ import annotations

from typing import Annotated

import msgspec


class AccountsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How people sign in and how long what they hold lasts.

    Who may sign up is not a setting but policy: an administrator changes it while the server runs.
    """

    instance_name: Annotated[
        str, msgspec.Meta(min_length=1, max_length=80, description="The name the page shows.")
    ] = "Fireside"
    public_url: Annotated[
        str,
        msgspec.Meta(
            description="The address people open, for example https://chat.example.org; it begins "
            "the links for invites and password resets. Empty: the address of the request."
        ),
    ] = ""
    session_idle_days: Annotated[
        int,
        msgspec.Meta(ge=1, le=3650, description="A login session unused for so long is over."),
    ] = 30
    session_max_days: Annotated[
        int,
        msgspec.Meta(ge=1, le=3650, description="A login session is over after this, used or not."),
    ] = 365
    invite_days: Annotated[
        int, msgspec.Meta(ge=1, le=365, description="How long an invite may be used.")
    ] = 7
    reset_link_hours: Annotated[
        int, msgspec.Meta(ge=1, le=720, description="How long a password link may be used.")
    ] = 24
    max_keys: Annotated[
        int, msgspec.Meta(ge=1, le=10_000, description="API keys one person may hold.")
    ] = 100
    identity_ttl_s: Annotated[
        float,
        msgspec.Meta(
            ge=0,
            le=60,
            description="How long a process trusts what it knows about a key or login session; a "
            "revocation made by another process counts after at most this long.",
        ),
    ] = 5.0
    identity_cache_size: Annotated[
        int, msgspec.Meta(ge=1, le=1_000_000, description="Keys and sessions remembered.")
    ] = 10_000
    argon2_memory_kib: Annotated[
        int,
        msgspec.Meta(ge=8, le=1_048_576, description="Memory for hashing one password."),
    ] = 19_456  # OWASP password storage cheat sheet: argon2id, 19 MiB, 2 passes, 1 lane
    argon2_passes: Annotated[
        int, msgspec.Meta(ge=1, le=100, description="Passes over that memory.")
    ] = 2
    hashing_threads: Annotated[
        int, msgspec.Meta(ge=1, le=64, description="Passwords hashed at the same time.")
    ] = 2
    hashing_queue: Annotated[
        int,
        msgspec.Meta(
            ge=1,
            le=100_000,
            description="Passwords that may wait for hashing; beyond it people are asked to "
            "try again.",
        ),
    ] = 256
    sign_in_window_s: Annotated[
        float, msgspec.Meta(gt=0, le=86_400, description="Failed sign-ins are counted this long.")
    ] = 900.0
    sign_in_failures_per_account: Annotated[
        int,
        msgspec.Meta(
            ge=1, description="Failures per window for one account from addresses not known to it."
        ),
    ] = 30
    sign_in_failures_per_pair: Annotated[
        int,
        msgspec.Meta(ge=1, description="Failures per window for one account from one address."),
    ] = 10
    sign_in_failures_per_address: Annotated[
        int, msgspec.Meta(ge=1, description="Failures per window from one address.")
    ] = 100

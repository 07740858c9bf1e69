"""Settings of metering."""

from __future__ import annotations

from typing import Annotated

import msgspec


class BillingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How usage gets from memory into the database."""

    flush_interval_s: Annotated[
        float,
        msgspec.Meta(gt=0, le=10, description="Usage waits at most this long to be written."),
    ] = 0.5
    flush_rows: Annotated[
        int, msgspec.Meta(ge=1, le=10_000, description="Usage rows written in one transaction.")
    ] = 500
    buffer_rows: Annotated[
        int,
        msgspec.Meta(
            ge=1,
            description="Usage rows kept in memory while the database is away; "
            "the oldest are dropped (and counted) beyond that.",
        ),
    ] = 100_000

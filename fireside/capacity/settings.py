"""Settings of the gate. What an operator changes while running is the policy, not a setting."""

from __future__ import annotations

from typing import Annotated

import msgspec


class CapacitySettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the gate is run."""

    enabled: Annotated[
        bool,
        msgspec.Meta(
            description="Whether turns pass the gate. Off, everything goes to its engine at once "
            "and waits there; for comparisons."
        ),
    ] = True
    time_scale: Annotated[
        float,
        msgspec.Meta(
            ge=1, le=1000, description="How much faster the gate's time runs; for benchmarks only."
        ),
    ] = 1.0
    tick_s: Annotated[
        float,
        msgspec.Meta(ge=0.01, le=5, description="How often the gate looks at what time changed."),
    ] = 0.25
    policy_poll_s: Annotated[
        float,
        msgspec.Meta(
            ge=0.1,
            le=60,
            description="How often a policy that another process saved is looked for.",
        ),
    ] = 2.0
    budget_lease_s: Annotated[
        float,
        msgspec.Meta(
            ge=5,
            le=60,
            description="Tokens reserved by a server that was killed come back after so long.",
        ),
    ] = 30.0
    minutes_kept_days: Annotated[
        int,
        msgspec.Meta(
            ge=90,
            le=3650,
            description="How long the figures of each minute are kept; the status page shows 90.",
        ),
    ] = 100

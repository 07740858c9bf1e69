"""The rules of the gate as data: bands, plans, reserves, limits. Pure.

A policy is checked as a whole before it is used; one that would starve somebody is refused with the
reason.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, get_type_hints

import msgspec

from fireside.errors import UserError

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000_000)]


class Band(StrEnum):
    """Classes of work, the most urgent first. Within a band flows share by weight."""

    PAID = "paid"  # somebody on a paid plan is watching
    FREE = "free"  # somebody on the free plan is watching
    LATER = "later"  # nobody watches: durable queued turns, batches, agents
    BACKGROUND = "background"  # titles and suggestions: worth having while there is room
    TRAINING = "training"  # takes what is idle and yields at once


BANDS = tuple(Band)
WATCHED = (Band.PAID, Band.FREE)
PREEMPTIBLE = (Band.BACKGROUND, Band.TRAINING)


class BandPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What a band is promised.

    `first_token_s` and `per_token_s` are its SLO; `patience_s` is the longest it waits in line.
    `reserve_factor` times the moving average of its concurrency, and what that varies by, is held
    for it.
    `min_share` of the slots are its own while it waits, whatever is above it.
    """

    first_token_s: Seconds
    per_token_s: Seconds
    patience_s: Seconds
    reserve_factor: Annotated[float, msgspec.Meta(ge=0, le=4)] = 0.0
    min_share: Share = 0.0


class PlanPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan gives. A limit of 0 means none.

    `weight` is its share of service against other flows of the band. `tokens_per_day` is the budget
    that is reserved before the first token and settled at the end.
    """

    band: Band
    weight: float = 1.0
    requests_per_minute: Count = 0
    tokens_per_minute: Count = 0
    tokens_per_day: Count = 0
    max_running: Count = 0
    max_waiting: Count = 20


class Ladder(msgspec.Struct, frozen=True, kw_only=True):
    """When the house degrades, by demand over capacity: one threshold for each rung.

    A rung is taken after `rise_s` above its threshold and left after `fall_s` below `fall_factor`
    times it.
    """

    thresholds: tuple[float, ...] = (1.0, 1.3, 2.0, 4.0, 8.0)
    rise_s: Seconds = 15.0
    fall_s: Seconds = 60.0
    fall_factor: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.8
    short_reply_tokens: Annotated[int, msgspec.Meta(ge=16)] = 400


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Everything an operator may change about who is served when.

    `small_model` answers free questions on the ladder's third rung; "" leaves that rung out.
    """

    bands: dict[Band, BandPolicy]
    plans: dict[str, PlanPolicy]
    default_plan: str = "free"
    admin_plan: str = "team"
    small_model: Annotated[str, msgspec.Meta(max_length=200)] = ""
    ladder: Ladder = Ladder()
    prompt_token_cost: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    output_token_cost: Annotated[float, msgspec.Meta(gt=0)] = 2.0
    half_life_s: Seconds = 60.0
    admit_at: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.9
    lend_below_tokens: Count = 120
    affinity_overload: Annotated[float, msgspec.Meta(ge=1, le=10)] = 1.1
    choose_above: Annotated[float, msgspec.Meta(ge=1)] = 2.0
    stall_s: Seconds = 2.0
    fresh_account_days: Annotated[float, msgspec.Meta(ge=0, le=365)] = 3.0
    max_later: Count = 10_000


def default_policy() -> Policy:
    """What a new house starts with."""
    return Policy(
        bands={
            Band.PAID: BandPolicy(
                first_token_s=2.0,
                per_token_s=0.1,
                patience_s=30.0,
                reserve_factor=1.0,
                min_share=0.5,
            ),
            Band.FREE: BandPolicy(
                first_token_s=10.0, per_token_s=0.2, patience_s=30.0, min_share=0.1
            ),
            Band.LATER: BandPolicy(
                first_token_s=3600.0, per_token_s=1.0, patience_s=86_400.0, min_share=0.05
            ),
            Band.BACKGROUND: BandPolicy(first_token_s=30.0, per_token_s=1.0, patience_s=30.0),
            Band.TRAINING: BandPolicy(first_token_s=3600.0, per_token_s=1.0, patience_s=86_400.0),
        },
        plans={
            "free": PlanPolicy(band=Band.FREE, weight=1.0),
            "plus": PlanPolicy(band=Band.PAID, weight=1.0),
            "team": PlanPolicy(band=Band.PAID, weight=2.0, max_waiting=100),
            "api": PlanPolicy(band=Band.PAID, weight=1.0, max_waiting=200),
        },
    )


class PolicyRefused(UserError):
    """A policy that contradicts itself, or would starve somebody."""

    def __init__(self, message: str, param: str) -> None:
        super().__init__(
            "policy_refused",
            message,
            param=param,
            hint="Change it and save again; the policy in force was not touched.",
        )


def checked(policy: Policy) -> Policy:
    """`policy` itself. Raises PolicyRefused naming the first thing that is wrong with it."""
    for band in BANDS:
        if band not in policy.bands:
            raise PolicyRefused(f"The band {band.value} has no rules.", f"bands.{band.value}")
    _check_numbers(policy)
    shares = sum(each.min_share for each in policy.bands.values())
    if shares > 1:
        raise PolicyRefused(f"The bands' own shares add up to {shares:.2f} of the slots.", "bands")
    for band in (Band.FREE, Band.LATER):
        if policy.bands[band].min_share <= 0:
            raise PolicyRefused(
                f"The band {band.value} would starve whenever the ones above it are busy: "
                "give it a min_share above 0.",
                f"bands.{band.value}.min_share",
            )
    for band in PREEMPTIBLE:
        if policy.bands[band].reserve_factor or policy.bands[band].min_share:
            raise PolicyRefused(
                f"The band {band.value} takes what is idle; it cannot hold slots back.",
                f"bands.{band.value}",
            )
    _check_plans(policy)
    _check_ladder(policy.ladder)
    return policy


def _check_numbers(policy: Policy) -> None:
    """Every number is one, and within what its field allows."""
    parts: dict[str, msgspec.Struct] = {
        **{f"bands.{band.value}.": rules for band, rules in policy.bands.items()},
        **{f"plans.{name}.": plan for name, plan in policy.plans.items()},
        "ladder.": policy.ladder,
    }
    own = {name: getattr(policy, name) for name in policy.__struct_fields__}
    _check_fields("", {k: v for k, v in own.items() if isinstance(v, float | int)}, policy)
    for prefix, part in parts.items():
        _check_fields(prefix, {name: getattr(part, name) for name in part.__struct_fields__}, part)


def _check_fields(prefix: str, values: Mapping[str, object], part: msgspec.Struct) -> None:
    types = get_type_hints(type(part), include_extras=True)
    for name, value in values.items():
        param = f"{prefix}{name}"
        numbers = value if isinstance(value, tuple) else (value,)
        if not all(math.isfinite(x) for x in numbers if isinstance(x, float)):
            raise PolicyRefused(f"{param} is not a number.", param)
        if param.endswith(".weight"):
            continue  # has a message of its own
        try:
            msgspec.convert(msgspec.to_builtins(value), types[name])
        except msgspec.ValidationError as error:
            raise PolicyRefused(f"{param}: {error}.", param) from error


def _check_plans(policy: Policy) -> None:
    for name, plan in policy.plans.items():
        if not (0 < plan.weight <= 1000):
            raise PolicyRefused(
                f"The weight of the plan {name} is {plan.weight:g}; it must be above 0, "
                "at most 1000.",
                f"plans.{name}.weight",
            )
        if plan.band not in WATCHED:
            raise PolicyRefused(
                f"People on the plan {name} would wait behind everything: its band must be "
                "paid or free.",
                f"plans.{name}.band",
            )
    for param in ("default_plan", "admin_plan"):
        if getattr(policy, param) not in policy.plans:
            raise PolicyRefused(f"There is no plan named {getattr(policy, param)}.", param)


def _check_ladder(ladder: Ladder) -> None:
    steps = ladder.thresholds
    if len(steps) != 5 or any(b < a for a, b in itertools.pairwise(steps)):
        raise PolicyRefused(
            "The ladder needs five thresholds, none below the one before it.", "ladder.thresholds"
        )
    if steps[0] < 0.5:
        raise PolicyRefused(
            "The first rung would be taken in quiet times: begin at 0.5 or above.",
            "ladder.thresholds",
        )

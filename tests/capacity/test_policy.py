"""A policy that contradicts itself or starves somebody is refused, and the field is named."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fireside.capacity.policy import (
    Band,
    Ladder,
    PlanPolicy,
    Policy,
    PolicyRefused,
    checked,
    default_policy,
)


def with_band(band: Band, **changes: Any) -> Policy:
    policy = default_policy()
    bands = {**policy.bands, band: msgspec.structs.replace(policy.bands[band], **changes)}
    return msgspec.structs.replace(policy, bands=bands)


def with_plan(name: str, **changes: Any) -> Policy:
    policy = default_policy()
    plan = policy.plans.get(name, PlanPolicy(band=Band.FREE))
    return msgspec.structs.replace(
        policy, plans={**policy.plans, name: msgspec.structs.replace(plan, **changes)}
    )


def test_a_new_house_begins_with_a_policy_that_holds() -> None:
    assert checked(default_policy()) == default_policy()


@pytest.mark.parametrize(
    ("policy", "param"),
    [
        (with_plan("free", weight=-1.0), "plans.free.weight"),
        (with_plan("free", weight=0.0), "plans.free.weight"),
        (with_plan("gold", weight=float("nan")), "plans.gold.weight"),
        (with_plan("free", band=Band.TRAINING), "plans.free.band"),
        (with_band(Band.FREE, min_share=0.0), "bands.free.min_share"),
        (with_band(Band.LATER, min_share=0.0), "bands.later.min_share"),
        (with_band(Band.PAID, min_share=0.95), "bands"),
        (with_band(Band.PAID, min_share=float("nan")), "bands.paid.min_share"),
        (with_band(Band.PAID, first_token_s=float("nan")), "bands.paid.first_token_s"),
        (with_band(Band.PAID, patience_s=-1.0), "bands.paid.patience_s"),
        (with_plan("free", max_waiting=-1), "plans.free.max_waiting"),
        (msgspec.structs.replace(default_policy(), admit_at=2.0), "admit_at"),
        (with_band(Band.BACKGROUND, min_share=0.2), "bands.background"),
        (with_band(Band.TRAINING, reserve_factor=1.0), "bands.training"),
        (msgspec.structs.replace(default_policy(), default_plan="gone"), "default_plan"),
        (msgspec.structs.replace(default_policy(), admin_plan="gone"), "admin_plan"),
        (msgspec.structs.replace(default_policy(), plans={}), "default_plan"),
        (
            msgspec.structs.replace(
                default_policy(), ladder=Ladder(thresholds=(2.0, 1.0, 3, 4, 5))
            ),
            "ladder.thresholds",
        ),
        (
            msgspec.structs.replace(
                default_policy(), ladder=Ladder(thresholds=(0.1, 1.0, 3, 4, 5))
            ),
            "ladder.thresholds",
        ),
        (
            msgspec.structs.replace(default_policy(), ladder=Ladder(thresholds=(1.0, 2.0))),
            "ladder.thresholds",
        ),
        (msgspec.structs.replace(default_policy(), bands={}), "bands.paid"),
    ],
)
def test_what_is_wrong_is_named(policy: Policy, param: str) -> None:
    with pytest.raises(PolicyRefused) as refused:
        checked(policy)
    assert refused.value.param == param
    assert refused.value.hint


@pytest.mark.parametrize(
    "written",
    [
        {"half_life_s": -1},
        {"admit_at": 0},
        {"bands": {"paid": {"first_token_s": 0, "per_token_s": 1, "patience_s": 1}}},
        {"plans": {"free": {"band": "free", "max_running": -1}}},
        {"plans": {"free": {"band": "gold"}}},
        {"ladder": {"rise_s": 0}},
    ],
)
def test_numbers_out_of_range_are_refused_while_reading(written: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"\$\."):
        msgspec.convert(msgspec.to_builtins(default_policy()) | written, Policy)


def test_a_policy_survives_being_written_down() -> None:
    policy = with_plan("gold", weight=3.0)
    assert msgspec.json.decode(msgspec.json.encode(policy), type=Policy) == policy

"""The policy as versioned data: saved once, refused with the field at fault, followed elsewhere."""

from __future__ import annotations

import copy
from typing import Any

import anyio
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert

from fireside.capacity.policies import PolicyService, parse_policy
from fireside.capacity.policy import Policy, PolicyRefused, default_policy
from fireside.capacity.tables import CapacityPolicyRow
from fireside.conversation.message import UserId
from fireside.db.database import Database
from fireside.errors import BackendFailed, Conflict, UserError
from fireside.kit.clock import FakeClock
from tests.capacity.conftest import Away
from tests.conftest import NewUser


def changed(**fields: Any) -> Policy:
    return msgspec.structs.replace(default_policy(), **fields)


def as_sent() -> dict[str, Any]:
    sent: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(default_policy()))
    return sent


async def save(
    database: Database,
    service: PolicyService,
    policy: Policy,
    based_on: int,
    author: UserId | None = None,
) -> int:
    async with database.write() as tx:
        version = await service.save(tx, policy, author, "because", based_on)
    service.adopt(version)
    return version.version


async def test_a_new_house_starts_with_the_default(database: Database, clock: FakeClock) -> None:
    service = PolicyService(database, clock, 1.0)
    await service.refresh()
    assert service.current() == default_policy()
    assert service.in_force.version == 0
    async with database.read() as tx:
        assert await service.changes(tx) == []


async def test_a_saved_policy_is_in_force_and_keeps_author_and_reason(
    database: Database, clock: FakeClock, new_user: NewUser
) -> None:
    author = await new_user(database)
    service = PolicyService(database, clock, 1.0)
    heard: list[Policy] = []
    service.on_change(heard.append)
    assert await save(database, service, changed(stall_s=7.0), 0, author) == 1
    assert await save(database, service, changed(stall_s=8.0), 1, author) == 2
    assert [policy.stall_s for policy in heard] == [7.0, 8.0]
    assert service.current().stall_s == 8.0
    async with database.read() as tx:
        changes = await service.changes(tx)
    assert [(each.version, each.author, each.reason) for each in changes] == [
        (2, "Somebody", "because"),
        (1, "Somebody", "because"),
    ]


async def test_of_two_who_change_the_same_version_one_is_told(
    database: Database, clock: FakeClock
) -> None:
    here, there = PolicyService(database, clock, 1.0), PolicyService(database, clock, 1.0)
    outcomes: list[str] = []

    async def change(service: PolicyService, stall_s: float) -> None:
        try:
            await save(database, service, changed(stall_s=stall_s), 0)
            outcomes.append("saved")
        except Conflict as error:
            outcomes.append(error.code)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(change, here, 7.0)
        tasks.start_soon(change, there, 8.0)
    assert sorted(outcomes) == ["policy_changed", "saved"]
    await here.refresh()
    await there.refresh()
    assert here.current() == there.current() != default_policy()


async def test_another_process_follows_within_its_poll(
    database: Database, clock: FakeClock
) -> None:
    here, there = PolicyService(database, clock, 0.02), PolicyService(database, clock, 0.02)
    followed = anyio.Event()
    there.on_change(lambda _policy: followed.set())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(there.run)
        await save(database, here, changed(stall_s=7.0), 0)
        with anyio.fail_after(5):
            await followed.wait()
        tasks.cancel_scope.cancel()
    assert there.current().stall_s == 7.0


async def test_an_outage_leaves_the_last_policy_in_force(
    sqlite_database: Database, clock: FakeClock
) -> None:
    away = Away(sqlite_database)
    service = PolicyService(away, clock, 1.0)
    await save(away, service, changed(stall_s=7.0), 0)
    away.away = True
    await service.refresh()
    assert service.current().stall_s == 7.0
    with pytest.raises(BackendFailed):
        await save(away, service, changed(stall_s=8.0), 1)
    assert service.current().stall_s == 7.0


async def test_a_version_of_a_later_release_is_passed_over(
    database: Database, clock: FakeClock
) -> None:
    service = PolicyService(database, clock, 1.0)
    async with database.write() as tx:
        row = {"version": 9, "policy": b'{"bands":{"vip":{}}}', "reason": "", "author_id": None}
        await tx.execute(insert(CapacityPolicyRow).values(**row, created_at=clock.now()))
    await service.refresh()
    assert service.in_force.version == 0


@pytest.mark.parametrize("reason", ["", "  ", "\x00", "x" * 1001])
async def test_a_change_needs_a_reason(
    sqlite_database: Database, clock: FakeClock, reason: str
) -> None:
    service = PolicyService(sqlite_database, clock, 1.0)
    with pytest.raises(UserError, match="Say why"):
        async with sqlite_database.write() as tx:
            await service.save(tx, default_policy(), None, reason, 0)


def test_what_is_read_back_is_what_was_written() -> None:
    assert parse_policy(as_sent()) == default_policy()


@pytest.mark.parametrize(
    ("path", "value", "param"),
    [
        ("plans.free.weight", -1, "plans.free.weight"),
        ("plans.free.weight", 0, "plans.free.weight"),
        ("plans.free.weight", 1e300, "plans.free.weight"),
        ("plans.free.weight", "heavy", "plans.free.weight"),
        ("plans.free.wieght", 1, "plans.free.wieght"),
        ("plans.free.band", "vip", "plans.free.band"),
        ("plans.free.band", "training", "plans.free.band"),
        ("plans.free.tokens_per_day", -5, "plans.free.tokens_per_day"),
        ("plans.free.tokens_per_day", 1.5, "plans.free.tokens_per_day"),
        ("plans.free", "everything", "plans.free"),
        ("plans.free", None, "plans.free"),
        ("plans. free", {"band": "free"}, "plans"),
        ("bands.free.min_share", 0, "bands.free.min_share"),
        ("bands.free.min_share", 0.9, "bands"),
        ("bands.paid.patience_s", 0, "bands.paid.patience_s"),
        ("bands.vip", {}, "bands.vip"),
        ("bands.training.reserve_factor", 1.0, "bands.training"),
        ("ladder.thresholds", [1, 2], "ladder.thresholds"),
        ("ladder.thresholds", [5, 4, 3, 2, 1], "ladder.thresholds"),
        ("ladder.rungs", 5, "ladder.rungs"),
        ("default_plan", "gold", "default_plan"),
        ("stall_s", -1, "stall_s"),
        ("nonsense", True, "nonsense"),
        ("bands", [], "bands"),
        ("plans", None, "plans"),
    ],
)
def test_nonsense_is_refused_with_the_field_at_fault(path: str, value: Any, param: str) -> None:
    sent = copy.deepcopy(as_sent())
    *parents, leaf = path.split(".")
    holder = sent
    for name in parents:
        holder = holder[name]
    holder[leaf] = value
    with pytest.raises(PolicyRefused) as refusal:
        parse_policy(sent)
    assert refusal.value.param == param
    assert refusal.value.message


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.sampled_from(["bands", "plans", "ladder", "half_life_s", "other"]),
    st.none() | st.sampled_from(["paid", "free", "plus", "thresholds"]),
    json_values,
)
def test_any_json_is_a_policy_or_refused(section: str, name: str | None, value: Any) -> None:
    sent = as_sent()
    if name is not None and isinstance(sent.get(section), dict):
        sent[section][name] = value
    else:
        sent[section] = value
    try:
        parse_policy(sent)
    except PolicyRefused as refusal:
        assert refusal.param


@pytest.mark.parametrize("newest", [2**31 - 3, 2**53 - 3])
async def test_versions_go_on_beyond_what_other_numbers_hold(
    database: Database, clock: FakeClock, newest: int
) -> None:
    service = PolicyService(database, clock, 1.0)
    row = {"policy": msgspec.json.encode(default_policy()), "reason": "r", "author_id": None}
    async with database.write() as tx:
        await tx.execute(
            insert(CapacityPolicyRow).values(version=newest, created_at=clock.now(), **row)
        )
    for version in range(newest, newest + 6):
        await service.refresh()
        assert await save(database, service, default_policy(), version) == version + 1

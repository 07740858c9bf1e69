"""Who is on which plan: pure choice, assignment with its history, the caller's own view."""

from __future__ import annotations

import msgspec
import pytest

from fireside.accounts.administration import Administration
from fireside.accounts.domain import Principal, Scope, UserRole, Via
from fireside.accounts.service import build_accounts
from fireside.accounts.settings import AccountsSettings
from fireside.capacity.budgets import Budgets
from fireside.capacity.plans import PlanService, plan_of
from fireside.capacity.policies import PolicyService
from fireside.capacity.policy import Band, PlanPolicy, default_policy
from fireside.conversation.message import UserId
from fireside.db.database import Database
from fireside.errors import NotFound, UserError
from fireside.kit.clock import FakeClock
from fireside.kit.ids import new_id
from tests.conftest import NewUser

POLICY = default_policy()


def caller(plan: str = "", role: UserRole = UserRole.MEMBER, user_id: str = "u") -> Principal:
    return Principal(UserId(user_id), role, frozenset(Scope), Via.SESSION, plan=plan)


@pytest.mark.parametrize(
    ("plan", "role", "name"),
    [
        ("", UserRole.MEMBER, "free"),
        ("", UserRole.ADMIN, "team"),
        ("plus", UserRole.MEMBER, "plus"),
        ("free", UserRole.ADMIN, "free"),
        ("gone", UserRole.MEMBER, "free"),
        ("gone", UserRole.ADMIN, "team"),
    ],
)
def test_the_plan_that_counts(plan: str, role: UserRole, name: str) -> None:
    assert plan_of(caller(plan, role), POLICY) == (name, POLICY.plans[name])


def test_every_plan_of_a_policy_can_be_had() -> None:
    gold = PlanPolicy(band=Band.PAID, weight=3.0)
    policy = msgspec.structs.replace(POLICY, plans={**POLICY.plans, "gold": gold})
    assert plan_of(caller("gold"), policy) == ("gold", gold)


async def test_an_assignment_counts_and_is_kept_with_author_and_reason(
    database: Database, clock: FakeClock, new_user: NewUser
) -> None:
    accounts = build_accounts(database, AccountsSettings(), clock, new_id)
    budgets = Budgets(database, clock, new_id, 30.0)
    plans = PlanService(PolicyService(database, clock, 1.0), budgets)
    administration = Administration(accounts)
    author, person = await new_user(database), await new_user(database)

    async def assign(plan: str, reason: str = "paid") -> None:
        async with database.write() as tx:
            await plans.assign(tx, administration, author, person, plan, reason)

    await assign("plus")
    await assign("", "stopped paying")
    await assign("team")
    async with database.read() as tx:
        user = await accounts.users.user(tx, person)
        history = await accounts.users.plan_assignments(tx, person)
    assert user.plan == "team"
    assert [(each.plan, each.reason, each.author_id) for each in history] == [
        ("team", "paid", author),
        ("", "stopped paying", author),
        ("plus", "paid", author),
    ]
    with pytest.raises(UserError, match="There is no plan named 'gold'") as refusal:
        await assign("gold")
    assert refusal.value.param == "plan"
    with pytest.raises(NotFound):
        async with database.write() as tx:
            await plans.assign(tx, administration, author, new_id(), "plus", "")


async def test_ones_own_plan_says_what_was_used_today(database: Database, clock: FakeClock) -> None:
    budgets = Budgets(database, clock, new_id, 30.0)
    plans = PlanService(PolicyService(database, clock, 1.0), budgets)
    lease = await budgets.reserve("u", 500, 1000)
    budgets.settle(lease, 321)
    await budgets.flush()
    async with database.read() as tx:
        own = await plans.own(tx, caller("plus"))
    assert (own.plan, own.band, own.used_today) == ("plus", Band.PAID, 321)
    clock.advance(86_400)
    async with database.read() as tx:
        assert (await plans.own(tx, caller("plus"))).used_today == 0

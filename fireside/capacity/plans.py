"""Which plan somebody is on, and what it gives. Plans are part of the policy; people name one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import msgspec

from fireside.accounts.administration import Administration
from fireside.accounts.domain import Principal, User, UserRole
from fireside.capacity.budgets import Budgets
from fireside.capacity.customers import customer
from fireside.capacity.policies import PolicyService
from fireside.capacity.policy import Band, PlanPolicy, Policy
from fireside.conversation.message import UserId
from fireside.db.database import ReadTransaction, Transaction
from fireside.errors import UserError


class OnPlan(Protocol):
    """Somebody who may have been put on a plan: a caller or an account."""

    @property
    def role(self) -> UserRole: ...

    @property
    def plan(self) -> str: ...


class OwnPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A person's plan as they see it. `used_today`: tokens since midnight UTC, settled ones."""

    plan: str
    band: Band
    limits: PlanPolicy
    used_today: int


def plan_of(who: OnPlan, policy: Policy) -> tuple[str, PlanPolicy]:
    """The name of the plan that counts for `who`, and what it gives.

    A plan that the policy does not have any more counts as none: then administrators have the
    policy's `admin_plan`, everybody else its `default_plan`.
    """
    found = customer(policy, UserId(""), who.plan, who.role)
    return found.plan, found.rules


def budget_owner(user_id: UserId) -> str:
    """Whose token budget a person's work is counted on."""
    return user_id


@dataclass(frozen=True)
class PlanService:
    """Puts people on plans, and shows them theirs."""

    policies: PolicyService
    budgets: Budgets

    async def assign(
        self,
        tx: Transaction,
        administration: Administration,
        author_id: UserId | None,
        user_id: str,
        plan: str,
        reason: str,
    ) -> User:
        """Put somebody on a plan; "" puts them back on the policy's default.

        Forget the person in the identities once it is committed. Raises UserError for a plan that
        the policy does not have, NotFound for a person who is not there.
        """
        plans = self.policies.current().plans
        if plan and plan not in plans:
            raise UserError(
                "unknown_plan",
                f"There is no plan named {plan!r}.",
                hint=f"Choose one of {', '.join(sorted(plans))}, or add it to the policy first.",
                param="plan",
            )
        return await administration.assign_plan(tx, author_id, user_id, plan, reason)

    async def own(self, tx: ReadTransaction, principal: Principal) -> OwnPlan:
        """What the caller has, and how much of today's tokens they used."""
        name, plan = plan_of(principal, self.policies.current())
        used = await self.budgets.used(tx, budget_owner(principal.user_id))
        return OwnPlan(plan=name, band=plan.band, limits=plan, used_today=used)

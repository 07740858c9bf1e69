"""The gate for administrators: its rules, what it does now, what will be asked of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Controller, get, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from fireside.accounts.access import Rule
from fireside.accounts.administration import Administration
from fireside.accounts.domain import Scope
from fireside.accounts.http import Accounts, Body, Caller, Db
from fireside.accounts.views import UserView, user_view
from fireside.capacity.demand import Demand
from fireside.capacity.outlook import Outlook
from fireside.capacity.plans import OwnPlan, PlanService
from fireside.capacity.policies import (
    MAX_PLAN_NAME_CHARS,
    MAX_REASON_CHARS,
    PolicyService,
    parse_policy,
)
from fireside.capacity.policy import Policy
from fireside.capacity.ports import CapacityView, GateView
from fireside.capacity.repository import PolicyChange, PolicyVersion

Policies = NamedDependency[PolicyService]
DemandAhead = NamedDependency[Demand]
Plans = NamedDependency[PlanService]
View = NamedDependency[GateView]
Reason = Annotated[str, msgspec.Meta(max_length=MAX_REASON_CHARS)]


class PolicyView(msgspec.Struct, frozen=True, kw_only=True):
    """A version of the policy. `author` is a name; "" for what a new house starts with."""

    version: int
    policy: Policy
    author: str
    reason: str
    at: datetime | None


class PolicyVersions(msgspec.Struct, frozen=True):
    """The history of the policy, newest first."""

    versions: list[PolicyChange]


class PolicyIn(Body, frozen=True, kw_only=True):
    """A policy to put in force, why, and the version it was made from.

    Fields of `policy` that are left out get their defaults; bands and plans are taken as a whole.
    """

    policy: dict[str, Any]
    reason: Reason
    based_on: Annotated[int, msgspec.Meta(ge=0)]


class PolicyController(Controller):
    """The rules of the gate, versioned."""

    path = "/api/admin/policy"
    tags = ("capacity",)
    opt = {"rule": Rule.ADMIN}

    @get()
    async def policy(self, db: Db, policies: Policies) -> PolicyView:
        """The policy in force."""
        await policies.refresh()
        version = policies.in_force
        async with db.read() as tx:
            return _view(version, await policies.change(tx, version.version))

    @get("/versions")
    async def versions(self, db: Db, policies: Policies) -> PolicyVersions:
        """Who changed it, when and why."""
        async with db.read() as tx:
            return PolicyVersions(await policies.changes(tx))

    @get("/versions/{version:int}")
    async def earlier(self, version: FromPath[int], db: Db, policies: Policies) -> PolicyView:
        """An earlier version with its contents, to be looked at or saved again."""
        async with db.read() as tx:
            found = await policies.version(tx, version)
            return _view(found, await policies.change(tx, version))

    @put()
    async def save(
        self, data: JSONBody[PolicyIn], db: Db, policies: Policies, principal: Caller
    ) -> PolicyView:
        """Put another policy in force, from the next decision on; no running reply is touched."""
        policy = parse_policy(data.policy)
        async with db.write() as tx:
            version = await policies.save(tx, policy, principal.user_id, data.reason, data.based_on)
            change = await policies.change(tx, version.version)
        policies.adopt(version)
        return _view(version, change)


class AssignmentIn(Body, frozen=True, kw_only=True):
    """The plan somebody is on from now on, and why; null or "" is the policy's default again."""

    plan: Annotated[str, msgspec.Meta(max_length=MAX_PLAN_NAME_CHARS)] | None
    reason: Reason = ""


class PlanController(Controller):
    """Who is on which plan."""

    path = "/api"
    tags = ("capacity",)

    @put("/admin/users/{user_id:str}/plan", opt={"rule": Rule.ADMIN})
    async def assign(
        self,
        user_id: FromPath[str],
        data: JSONBody[AssignmentIn],
        db: Db,
        accounts: Accounts,
        plans: Plans,
        principal: Caller,
    ) -> UserView:
        """Put somebody on a plan; it counts from their next request on."""
        async with db.write() as tx:
            user = await plans.assign(
                tx,
                Administration(accounts),
                principal.user_id,
                user_id,
                data.plan or "",
                data.reason,
            )
        accounts.identities.forget(user.id)
        return user_view(user)

    @get("/me/plan", opt={"rule": Rule.SIGNED_IN})
    async def own(self, db: Db, plans: Plans, principal: Caller) -> OwnPlan:
        """One's own plan, what it gives and how much of it was used today."""
        async with db.read() as tx:
            return await plans.own(tx, principal)


class CapacityController(Controller):
    """What the gate does now, and what will be asked of it."""

    path = "/api/admin/capacity"
    tags = ("capacity",)
    opt = {"rule": Rule.ADMIN}

    @get(sync_to_thread=False)
    def live(self, gate_view: View) -> CapacityView:
        """Demand, who waits, slots, engines, and the bottleneck in one sentence."""
        return gate_view.live()

    @get("/forecast", opt={"rule": Rule.ADMIN.with_scope(Scope.METRICS_READ)})
    async def forecast(self, demand: DemandAhead) -> Outlook:
        """Asks by hour: the last week beside what was expected of it, and the week to come.

        Autoscalers read it with an administrator's key that has the scope `metrics:read`.
        """
        return await demand.outlook()


def _view(version: PolicyVersion, change: PolicyChange) -> PolicyView:
    return PolicyView(
        version=version.version,
        policy=version.policy,
        author=change.author,
        reason=version.reason,
        at=version.at,
    )


CONTROLLERS = (PolicyController, PlanController, CapacityController)
"""What the application mounts."""

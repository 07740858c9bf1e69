"""Everything of capacity that is kept in the database, put together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import anyio

from fireside.capacity.budgets import Budgets
from fireside.capacity.demand import Demand
from fireside.capacity.incidents import IncidentService
from fireside.capacity.minutes import MinuteRecorder
from fireside.capacity.plans import PlanService
from fireside.capacity.policies import PolicyService
from fireside.capacity.ports import GateView
from fireside.capacity.rates import RateLimiter
from fireside.capacity.settings import CapacitySettings
from fireside.capacity.status import StatusPage
from fireside.db.database import Database
from fireside.engine.catalog import ModelCatalog
from fireside.kit.clock import Clock
from fireside.kit.ids import NewId


@dataclass(frozen=True)
class CapacityRecords:
    """The services beside the gate. `run` keeps them going."""

    policies: PolicyService
    plans: PlanService
    budgets: Budgets
    rates: RateLimiter
    minutes: MinuteRecorder
    incidents: IncidentService
    status: StatusPage
    demand: Demand

    async def run(self, gate: GateView) -> None:
        """Follow, renew and write down, until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.policies.run)
            tasks.start_soon(self.budgets.run)
            tasks.start_soon(self.minutes.run, gate)
            tasks.start_soon(self.status.run)

    def dependencies(self) -> Mapping[str, object]:
        """What the endpoints of the room ask for by name, besides `gate_view`."""
        return {
            "demand": self.demand,
            "policies": self.policies,
            "plans": self.plans,
            "incidents": self.incidents,
            "status_page": self.status,
        }


def build_records(
    db: Database, settings: CapacitySettings, clock: Clock, new_id: NewId, catalog: ModelCatalog
) -> CapacityRecords:
    """The services over the real database. Opens nothing yet."""
    policies = PolicyService(db, clock, settings.policy_poll_s)
    budgets = Budgets(db, clock, new_id, settings.budget_lease_s)
    return CapacityRecords(
        policies=policies,
        plans=PlanService(policies, budgets),
        budgets=budgets,
        rates=RateLimiter(),
        minutes=MinuteRecorder(
            db,
            clock,
            new_id,
            settings.minutes_kept_days,
            is_up=lambda: any(model.ready for model in catalog.list()),
        ),
        incidents=IncidentService(clock, new_id),
        status=StatusPage(db, clock, catalog),
        demand=Demand(db, clock),
    )

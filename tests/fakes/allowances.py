"""Allowances over a database; what they allow is up to the policy's plans."""

from __future__ import annotations

from fireside.capacity.allowance import Allowances
from fireside.capacity.budgets import Budgets
from fireside.capacity.rates import RateLimiter
from fireside.db.database import Database
from fireside.kit.clock import SystemClock
from fireside.kit.ids import new_id


def no_limits(database: Database) -> Allowances:
    """The real ones: the plans of a new house have no limits."""
    clock = SystemClock()
    return Allowances(RateLimiter(), Budgets(database, clock, new_id, 30.0), clock)

"""Who is asking, as the gate sees them: plan, band and whose share it is. Pure."""

from __future__ import annotations

import hashlib

import msgspec

from fireside.accounts.domain import UserRole
from fireside.capacity.ladder import Rung
from fireside.capacity.leases import Wanted
from fireside.capacity.policy import Band, PlanPolicy, Policy
from fireside.conversation.message import UserId
from fireside.engine.ports import Capability
from fireside.kit.ids import made_at_s

DAY_S = 86_400.0


class Customer(msgspec.Struct, frozen=True):
    """A person with the rules of their plan. `cluster`: fresh accounts whose share is one."""

    user_id: UserId
    plan: str
    rules: PlanPolicy
    cluster: str = ""

    @property
    def salt(self) -> str:
        """What keeps this person's cached prefixes from being timed by others."""
        return hashlib.blake2b(self.user_id.encode(), digest_size=12).hexdigest()

    def wants(
        self,
        model: str | None,
        *,
        prompt_tokens: int,
        max_tokens: int | None = None,
        need: Capability = Capability.CHAT,
        prefix: str = "",
        durable: bool = False,
        whole: bool = False,
    ) -> Wanted:
        """One generation for this person."""
        rules = self.rules
        return Wanted(
            model=model,
            band=rules.band,
            flow=self.cluster or self.user_id,
            need=need,
            weight=rules.weight,
            plan=self.plan,
            prompt_tokens=prompt_tokens,
            max_tokens=max_tokens,
            prefix=prefix,
            learns=self.user_id,
            max_running=rules.max_running,
            max_waiting=rules.max_waiting,
            is_paid=rules.band is Band.PAID,
            durable=durable,
            whole=whole,
        )


class Degradation(msgspec.Struct, frozen=True):
    """What a person gets less of for now: another `model`, or at most `max_tokens`; and `why`."""

    kind: str
    why: str
    model: str | None = None
    max_tokens: int | None = None


def degradation(
    policy: Policy, asking: Customer, rung: Rung, small_ready: bool
) -> Degradation | None:
    """What the present rung of the ladder means for one person's reply."""
    if asking.rules.band is not Band.FREE or rung < Rung.SHORTER:
        return None
    if rung >= Rung.SMALL_MODEL and small_ready:
        return Degradation(
            "smaller_model",
            "So many people are asking that free questions are answered by a smaller model.",
            model=policy.small_model,
        )
    return Degradation(
        "shorter",
        "So many people are asking that free answers are kept short.",
        max_tokens=policy.ladder.short_reply_tokens,
    )


def cluster_of(policy: Policy, user_id: UserId, network: str, now_s: float) -> str:
    """The flow that a fresh account shares with others made in the same network; "" for none.

    A thousand accounts made by one hand get what one person gets. `now_s`: since 1970.
    """
    if not network or now_s - made_at_s(user_id) > policy.fresh_account_days * DAY_S:
        return ""
    return f"network {network}"


def customer(
    policy: Policy, user_id: UserId, plan: str, role: UserRole, cluster: str = ""
) -> Customer:
    """The person under `policy`. A plan that was taken away counts as the default one, and who was
    put on a plan is nobody's cluster."""
    name = plan if plan in policy.plans else ""
    if not name:
        name = policy.admin_plan if role is UserRole.ADMIN else policy.default_plan
    return Customer(user_id, name, policy.plans[name], "" if plan == name else cluster)

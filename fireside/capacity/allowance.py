"""What a plan allows: requests and tokens a minute, tokens a day. Taken first, settled after.

Failure policy: fail closed for the daily budget: what cannot be accounted for does not start. Only
plans with such a budget feel that.
"""

from __future__ import annotations

from fireside.capacity.budgets import Budgets
from fireside.capacity.customers import Customer
from fireside.capacity.plans import budget_owner
from fireside.capacity.rates import RateAnswer, RateLimiter
from fireside.capacity.token_repository import TokenLease
from fireside.errors import CapacityExhausted, UserError
from fireside.kit.clock import Clock

_IN_WORDS = {"requests_per_minute": "requests a minute", "tokens_per_minute": "tokens a minute"}


class Allowance:
    """What one run was allowed. `settle` it with the tokens it used, whatever became of it."""

    def __init__(
        self,
        allowances: Allowances,
        asking: Customer,
        tokens: int,
        rates: RateAnswer,
        lease: TokenLease | None,
    ) -> None:
        self._allowances = allowances
        self._asking = asking
        self._tokens = tokens
        self._lease = lease
        self._is_open = True
        self.headers = rates.headers()

    def settle(self, used: int) -> None:
        """Give back what was taken and not used. A second call does nothing."""
        if not self._is_open:
            return
        self._is_open = False
        self._allowances.settle(self._asking, self._tokens, used, self._lease)


class Allowances:
    """Takes from every limit of a plan at once."""

    def __init__(self, rates: RateLimiter, budgets: Budgets, clock: Clock) -> None:
        self._rates = rates
        self._budgets = budgets
        self._clock = clock

    async def take(
        self, asking: Customer, tokens: int, headers: dict[str, str] | None = None
    ) -> Allowance:
        """Allow a run of at most `tokens`, prompt and reply together; `headers` gets the
        x-ratelimit ones, refused or not. Raises CapacityExhausted, LimitReached, UserError.
        """
        rules = asking.rules
        answer = self._rates.take(asking.user_id, rules, tokens, self._clock.monotonic_s())
        if headers is not None:
            headers.update(answer.headers())
        if not answer.ok:
            raise _refused(answer, rules.tokens_per_minute)
        lease = None
        if rules.tokens_per_day:
            owner = budget_owner(asking.user_id)
            try:
                lease = await self._budgets.reserve(owner, tokens, rules.tokens_per_day)
            except BaseException:
                self._rates.give_back(asking.user_id, tokens)
                raise
        return Allowance(self, asking, tokens, answer, lease)

    def settle(self, asking: Customer, taken: int, used: int, lease: TokenLease | None) -> None:
        """A run that had taken `taken` tokens used `used`."""
        if used < taken and asking.rules.tokens_per_minute:
            self._rates.give_back(asking.user_id, taken - used)
        if lease is not None:
            self._budgets.settle(lease, used)


def _refused(answer: RateAnswer, most: int) -> CapacityExhausted | UserError:
    if answer.impossible:
        return UserError(
            "request_over_limit",
            f"This request may take more than the plan's {most:,} tokens a minute.",
            hint="Ask for fewer with max_tokens, shorten the prompt, or take a larger plan.",
            param="max_tokens",
        )
    return CapacityExhausted(
        "rate_limit_exceeded",
        f"The plan's {_IN_WORDS[answer.refused_by]} are used up for now.",
        hint="Wait as long as Retry-After says.",
        retry_after_s=answer.retry_after_s,
    )

"""Token budgets: what a run may cost is reserved before its first token and settled at its end.

Callers who ask at the same time share a transaction (group commit). A lease that nobody renews
expires, so a server that was killed leaks nothing.

Failure policy: fail closed. While the database is away nothing new is reserved; what was settled is
kept and written when it is back. Plans without a budget never come here.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TypeVar

import anyio
import structlog

from fireside.capacity.token_repository import Account, TokenLease, TokenRepository
from fireside.db.database import Database, ReadTransaction, Transaction
from fireside.errors import BackendFailed, Bug, LimitReached, UserError
from fireside.kit.clock import Clock
from fireside.kit.ids import NewId

MAX_BATCH = 500
SHUTDOWN_FLUSH_S = 5.0
WINDOWS_KEPT = timedelta(days=3)

Item = TypeVar("Item")

log = structlog.get_logger(__name__)


class Window(StrEnum):
    """How long a budget lasts. Both are counted on the UTC clock."""

    DAY = "day"
    MINUTE = "minute"


class _Wish:
    """A reservation that is being asked for."""

    __slots__ = ("abandoned", "failure", "granted", "lease", "limit")

    def __init__(self, lease: TokenLease, limit: int) -> None:
        self.lease = lease
        self.limit = limit
        self.granted: bool | None = None
        self.failure: BackendFailed | None = None
        self.abandoned = False


class _Settlement:
    """A lease that is over. `certain`: no earlier attempt to write it may have succeeded."""

    __slots__ = ("certain", "lease", "used")

    def __init__(self, lease: TokenLease, used: int, *, certain: bool = True) -> None:
        self.lease = lease
        self.used = used
        self.certain = certain


class Budgets:
    """Reserves and settles. Run `run` in a task group of the application."""

    def __init__(self, db: Database, clock: Clock, new_id: NewId, lease_s: float) -> None:
        self._db = db
        self._clock = clock
        self._new_id = new_id
        self._lease_s = lease_s
        self._repository = TokenRepository()
        self._process = new_id()
        self._wishes: deque[_Wish] = deque()
        self._settlements: deque[_Settlement] = deque()
        self._writing = anyio.Lock()
        self._wake = anyio.Event()
        self._num_held = 0
        self._away = False

    async def reserve(
        self, owner: str, tokens: int, limit: int, window: Window = Window.DAY
    ) -> TokenLease:
        """Set tokens aside for `owner`, who may use `limit` of them in the window.

        Settle the lease when the run is over, whatever became of it. Raises LimitReached, UserError
        when no window could ever hold so many, BackendFailed.
        """
        start, end = window_at(window, self._clock.now())
        if tokens < 0:
            raise Bug("negative_reservation", "Fewer than no tokens were to be reserved.")
        if tokens > limit:
            raise UserError(
                "request_over_budget",
                f"This request may take {tokens:,} tokens; the plan has {limit:,} a {window}.",
                hint="Ask for fewer with max_tokens, shorten the prompt, or take a larger plan.",
                param="max_tokens",
            )
        lease = TokenLease(self._new_id(), account_of(owner, window, start), tokens)
        if not await self._ask(_Wish(lease, limit)):
            raise LimitReached(
                f"The plan's {limit:,} tokens of this {window} are used up or reserved.",
                limit=f"tokens_per_{window}",
                value=limit,
                resets_at=end,
            )
        return lease

    def settle(self, lease: TokenLease, used: int) -> None:
        """The run is over and took `used` tokens; the rest is free again. Never waits or fails."""
        self._settlements.append(_Settlement(lease, max(0, used)))
        self._wake.set()

    async def used(self, tx: ReadTransaction, owner: str, window: Window = Window.DAY) -> int:
        """Tokens that were used in the present window, without those reserved now."""
        start, _end = window_at(window, self._clock.now())
        return (await self._repository.counted(tx, account_of(owner, window, start)))[0]

    async def run(self) -> None:
        """Write what is settled, renew what is held, free what expired, until cancelled."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._keep_settling)
                await self._keep_leases()
        finally:
            with anyio.move_on_after(SHUTDOWN_FLUSH_S, shield=True):
                await self.flush()

    async def flush(self) -> None:
        """Write everything that was settled; on an outage it stays for the next time."""
        while self._settlements:
            async with self._writing:
                if not await self._write_batch():
                    return

    async def look_after(self) -> None:
        """Renew this server's leases and free expired ones of any server, once."""
        now = self._clock.now()
        async with self._db.write() as tx:
            if self._num_held > 0:
                await self._repository.renew(
                    tx, self._process, now + timedelta(seconds=self._lease_s)
                )
        async with self._db.write() as tx:
            num_freed = await self._repository.sweep(tx, now)
            await self._repository.forget_windows(tx, now - WINDOWS_KEPT)
        if num_freed:
            log.info("leases_expired", num=num_freed)

    async def _keep_settling(self) -> None:
        while True:
            await self._wake.wait()
            self._wake = anyio.Event()
            await self.flush()

    async def _keep_leases(self) -> None:
        while True:
            await anyio.sleep(self._lease_s / 3)
            try:
                await self.look_after()
            except BackendFailed as error:
                log.warning("leases_not_renewed", code=error.code)
            await self.flush()

    async def _ask(self, wish: _Wish) -> bool:
        """Whether it was granted. Whoever finds nobody writing writes for all who wait."""
        self._wishes.append(wish)
        try:
            async with self._writing:
                while wish.granted is None and wish.failure is None:
                    await self._write_batch()
        except anyio.get_cancelled_exc_class():
            wish.abandoned = True
            if wish.granted:
                self._give_back(wish)
            raise
        if wish.failure is not None:
            cause = wish.failure
            raise BackendFailed(
                cause.code,
                cause.message,
                hint=cause.hint,
                retryable=cause.retryable,
                retry_after_s=cause.retry_after_s,
            ) from cause
        return bool(wish.granted)

    def _give_back(self, wish: _Wish) -> None:
        self._num_held += 1
        self.settle(wish.lease, 0)

    async def _write_batch(self) -> bool:
        """One transaction for what waits now; false when the database is away."""
        with anyio.CancelScope(shield=True):
            wishes = [wish for wish in _taken(self._wishes) if not wish.abandoned]
            settlements = _taken(self._settlements)
            try:
                async with self._db.write() as tx:
                    granted = await self._write(tx, wishes, settlements)
            except BackendFailed as error:
                self._fail(wishes, settlements, error)
                return False
        self._away = False
        self._num_held -= sum(1 for each in settlements if each.certain)
        for wish in wishes:
            wish.granted = wish.lease.id in granted
            if wish.granted and wish.abandoned:
                self._give_back(wish)
            elif wish.granted:
                self._num_held += 1
        return True

    def _fail(
        self, wishes: Sequence[_Wish], settlements: Sequence[_Settlement], error: BackendFailed
    ) -> None:
        """Nobody knows whether the transaction was committed before the answer was lost."""
        if not self._away:
            log.warning("budgets_not_written", code=error.code, waiting=len(settlements))
        self._away = True
        for settlement in reversed(settlements):
            if settlement.certain:
                self._num_held -= 1
            settlement.certain = False
            self._settlements.appendleft(settlement)
        for wish in wishes:
            wish.failure = error
            self._settlements.append(_Settlement(wish.lease, 0, certain=False))

    async def _write(
        self, tx: Transaction, wishes: Sequence[_Wish], settlements: Sequence[_Settlement]
    ) -> frozenset[str]:
        """The ids of the leases that were granted."""
        there = await self._repository.release(tx, [each.lease.id for each in settlements])
        released: dict[Account, int] = defaultdict(int)
        used: dict[Account, int] = defaultdict(int)
        for each in settlements:
            account = each.lease.account
            if each.lease.id in there:
                released[account] += each.lease.tokens
            elif not each.certain:
                continue  # written by the attempt before: it must not be counted twice
            used[account] += each.used
        by_account: dict[Account, list[_Wish]] = defaultdict(list)
        for wish in wishes:
            by_account[wish.lease.account].append(wish)
        leases: list[TokenLease] = []
        for account in sorted({*released, *used, *by_account}):
            spent = {account: used[account]} if used[account] else {}
            freed = {account: released[account]} if released[account] else {}
            await self._repository.book(tx, freed, spent)
            leases += await self._reserve(tx, account, by_account[account])
        expires_at = self._clock.now() + timedelta(seconds=self._lease_s)
        await self._repository.hold(tx, leases, self._process, expires_at)
        return frozenset(lease.id for lease in leases)

    async def _reserve(
        self, tx: Transaction, account: Account, wishes: Sequence[_Wish]
    ) -> list[TokenLease]:
        """All at once where there is room for all of them, else in the order they came."""
        if not wishes:
            return []
        tokens = sum(wish.lease.tokens for wish in wishes)
        limit = min(wish.limit for wish in wishes)
        if await self._repository.reserve(tx, account, tokens, limit):
            return [wish.lease for wish in wishes]
        had: list[TokenLease] = []
        refused: _Wish | None = wishes[0] if len(wishes) == 1 else None
        for wish in wishes:
            if refused is not None and _is_no_smaller(wish, refused):
                continue  # what is set aside only grows here: it would be refused too
            if await self._repository.reserve(tx, account, wish.lease.tokens, wish.limit):
                had.append(wish.lease)
            else:
                refused = wish
        return had


def _is_no_smaller(wish: _Wish, other: _Wish) -> bool:
    return wish.lease.tokens >= other.lease.tokens and wish.limit <= other.limit


def _taken(queue: deque[Item]) -> list[Item]:
    return [queue.popleft() for _ in range(min(len(queue), MAX_BATCH))]


def window_at(window: Window, now: datetime) -> tuple[datetime, datetime]:
    """When the window that holds `now` began, and when it ends."""
    moment = now.astimezone(UTC).replace(second=0, microsecond=0)
    if window is Window.DAY:
        start = moment.replace(hour=0, minute=0)
        return start, start + timedelta(days=1)
    return moment, moment + timedelta(minutes=1)


def account_of(owner: str, window: Window, start: datetime) -> Account:
    """The key of a budget; a day and a minute that begin together are two."""
    return Account(f"{window}:{owner}"[:80], start)

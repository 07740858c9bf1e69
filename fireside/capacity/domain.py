"""The scheduler of the gate: who runs now, who waits, who is answered at once that it cannot be.

Pure and deterministic: every call is given `now`, and what must happen comes back as data. The same
object runs in the gateway and in the simulator.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Iterable, Mapping

import msgspec

from fireside.capacity.asks import (
    Answer,
    Ask,
    Decision,
    Granted,
    Lost,
    Preempted,
    Reason,
    Refused,
    Stalled,
    Waiting,
)
from fireside.capacity.engines import EngineState, Run
from fireside.capacity.ladder import Rung, step
from fireside.capacity.policy import BANDS, PREEMPTIBLE, Band, Policy
from fireside.capacity.pool import Pool
from fireside.capacity.prediction import WaitRange
from fireside.capacity.waiting import (
    HOUR_S,
    Wait,
    is_chosen,
    raw_wait_s,
    refusal,
    retry_s,
    wait_range,
)

LEASE_S = 30.0
LONGEST_STEP_S = 120.0  # between two calls; more is a clock that jumped
OUT_OF_ORDER_S = 5.0  # a smaller step back is not a jump
LEARN = 0.03  # of every lease, into what the next ones are expected to be
MAX_HOMES = 100_000


class Scheduler:
    """Decides for all pools. Feed it everything that happens; carry out what it answers."""

    def __init__(self, policy: Policy, now: float = 0.0) -> None:
        self.policy = policy
        self.pools: dict[str, Pool] = {}
        self.engines: dict[str, EngineState] = {}
        self.runs: dict[str, Run] = {}
        self.waits: dict[str, Wait] = {}
        self._homes: OrderedDict[str, str] = OrderedDict()  # prefix -> engine
        self._now = self._seen_at = now
        self._offset = 0.0  # what the caller's clock has jumped, in all
        self._patience: list[tuple[float, int, Wait]] = []  # a heap by when they give up
        self._tie = 0

    # what changes around it

    def set_policy(self, policy: Policy) -> None:
        """From now on decide by another policy; nobody loses their place."""
        self.policy = policy
        for pool in self.pools.values():
            pool.set_policy(policy)
        for engine in self.engines.values():
            engine.target_token_s = self._target_token_s()

    def set_engines(
        self, offers: Mapping[str, Iterable[str]], slots: Mapping[str, int | None], now: float
    ) -> list[Decision]:
        """`offers`: the engines that answer, by pool; `slots`: what each states."""
        now = self._advance(now)
        offered = {name: list(dict.fromkeys(names)) for name, names in offers.items()}
        answering = {name for names in offered.values() for name in names}
        for name in answering:
            engine = self.engines.get(name)
            if engine is None:
                engine = EngineState(name, slots.get(name), self._target_token_s())
                self.engines[name] = engine
            engine.set_slots(slots.get(name))
        for name, engine in list(self.engines.items()):
            engine.set_ok(name in answering)
            if not engine.ok and not engine.runs:
                del self.engines[name]
        for name in (*offered, *(each for each in self.pools if each not in offered)):
            engines = [self.engines[each] for each in offered.get(name, ())]
            self._pool(name).fleet.set(engines, now)
        return self._dispatch_all(now)

    # what asks and what runs

    def arrive(self, ask: Ask, now: float) -> Answer:
        """Answer an ask at once: it runs, it waits, or it is refused.

        One that runs or waits already gets the answer that holds.
        """
        age_s = min(max(0.0, now - ask.arrived_at), LONGEST_STEP_S)
        now = self._advance(now)
        if (run := self.runs.get(ask.id)) is not None:
            return Granted(ask.id, run.engine.name)
        if (known := self.waiting(ask.id)) is not None:
            return known
        pool = self._pool(ask.pool)
        pool.count_demand(now)
        pool.count_offer(ask.band, pool.slot_seconds(ask), now)
        if ask.resume:
            engine = self._place(pool, ask, now)
            if engine is not None:
                return self._start(pool, ask, engine, now)
            pool.resuming.append(ask)
            self._wait(Wait(ask, now, now + HOUR_S, None))
            return Waiting(ask.id, 1, None)
        if pool.may_start(ask) and pool.is_next(ask, now):
            engine = self._place(pool, ask, now)
            if engine is not None:
                return self._start(pool, ask, engine, now)
        return self._queue(pool, ask, now - age_s, now)

    def finish(
        self, ask_id: str, prompt_tokens: int, output_tokens: int, now: float
    ) -> list[Decision]:
        """A lease ended, having used so many uncached prompt and output tokens."""
        now = self._advance(now)
        run = self._release(ask_id, prompt_tokens, output_tokens, now)
        if run is None:
            return []
        if len(run.engine.fleets) > 1:  # several models wait for the same slots
            return self._dispatch_all(now)
        return self._dispatch(self._pool(run.ask.pool), now)

    def cancel(self, ask_id: str, now: float) -> list[Decision]:
        """Whoever asked does not want it any more, whether it waits or runs."""
        now = self._advance(now)
        wait = self.waits.pop(ask_id, None)
        if wait is not None:
            self._unqueue(wait.ask, now)
            return []
        run = self.runs.get(ask_id)
        if run is None:
            return []
        return self.finish(ask_id, run.ask.prompt_tokens, run.num_tokens, now)

    def progress(self, ask_id: str, num_tokens: int, now: float) -> None:
        """A lease is alive and has said `num_tokens` in all."""
        run = self.runs.get(ask_id)
        if run is None:
            return
        now = self._advance(now)
        run.renewed_at = now
        run.stalled = False
        run.engine.progress(run, num_tokens, now)
        beyond = num_tokens - run.ask.predicted_tokens
        if beyond > 0:
            cost = self._cost(run.ask.prompt_tokens, num_tokens)
            if cost > run.charged:
                self._pool(run.ask.pool).queues[run.ask.band].charge(
                    run.ask.flow, cost - run.charged
                )
                run.charged = cost

    def renew(self, ask_ids: Iterable[str], now: float) -> None:
        """These leases are still held."""
        now = self._advance(now)
        for ask_id in ask_ids:
            if (run := self.runs.get(ask_id)) is not None:
                run.renewed_at = now

    def tick(self, now: float) -> list[Decision]:
        """Time has passed. Call a few times a second."""
        now = self._advance(now)
        decisions: list[Decision] = []
        for pool in self.pools.values():
            pool.count_demand(now)
            pool.count_offer(Band.TRAINING, 0.0, now)
            pool.fleet.survey()
            pool.ladder = step(self.policy.ladder, pool.ladder, pool.pressure, now)
            for queue in pool.queues.values():
                queue.forget_idle(now)
        for engine in self.engines.values():
            engine.adapt(now)
        decisions += self._lost(now)
        decisions += self._stalled(now)
        decisions += self._impatient(now)
        decisions += self._dispatch_all(now)
        decisions += self._preempt(now)
        return decisions

    # what can be asked of it

    def waiting(self, ask_id: str) -> Waiting | None:
        """The present place of an ask in line, and its expected wait from now."""
        wait = self.waits.get(ask_id)
        if wait is None:
            return None
        pool = self._pool(wait.ask.pool)
        if wait.ask.resume:
            return Waiting(ask_id, 1, None)
        place = pool.num_above(wait.ask.band) + pool.queues[wait.ask.band].position(
            wait.ask, pool.cost
        )
        return Waiting(ask_id, place + 1, wait_range(pool, wait.ask.band, place))

    def expected_wait(self, pool_name: str, band: Band, flow: str) -> WaitRange | None:
        """What somebody would wait who asked now; None while no engine is there."""
        pool = self.pools.get(pool_name)
        if pool is None or not pool.slots:
            return None
        if (
            pool.free_for(band) > 0
            and not pool.num_above(band)
            and not pool.queues[band].num_waiting
        ):
            return WaitRange(0.0, 0.0, 0.0)
        ahead = pool.num_above(band) + pool.queues[band].ahead(flow, pool.cost, self._now)
        return wait_range(pool, band, ahead)

    def say(self, engine: str, num_tokens: int) -> None:
        """So many more tokens came from an engine, of replies whose progress is not told."""
        if (state := self.engines.get(engine)) is not None:
            state.count_tokens(num_tokens)

    def held(self) -> list[str]:
        """The leases that are out."""
        return list(self.runs)

    def num_waiting(self) -> int:
        """Everybody in line, in all pools."""
        return len(self.waits)

    def pressure(self, pool: Pool) -> float:
        """Demand over capacity of a pool, in slots."""
        return pool.pressure

    def reserve(self, pool: Pool, band: Band) -> int:
        """Slots kept for a band, running ones included."""
        return pool.reserve(band)

    def is_chosen(self, ask: Ask, share: float, now: float) -> bool:
        """Whether this person is among the `share` who are served this hour."""
        return is_chosen(ask, share, now)

    # inside

    def _advance(self, now: float) -> float:
        """The scheduler's own time: the caller's clock without its jumps.

        A clock that is set back, or that leaps while somebody runs or waits (a machine that
        slept), counts as no time at all: nobody loses a lease or a place over it. What comes a
        little out of order comes now.
        """
        step_s = now - self._seen_at
        if -OUT_OF_ORDER_S < step_s <= 0:
            return self._now
        self._seen_at = now
        if step_s < 0 or (step_s > LONGEST_STEP_S and (self.runs or self.waits)):
            self._offset += step_s
        self._now = max(self._now, now - self._offset)
        return self._now

    def _pool(self, name: str) -> Pool:
        pool = self.pools.get(name)
        if pool is None:
            pool = self.pools[name] = Pool(name, self.policy)
            pool.count_demand(self._now)
        return pool

    def _target_token_s(self) -> float:
        return 0.9 * self.policy.bands[Band.PAID].per_token_s

    def _cost(self, prompt_tokens: float, output_tokens: float) -> float:
        return (
            self.policy.prompt_token_cost * prompt_tokens
            + self.policy.output_token_cost * output_tokens
        )

    # starting

    def _place(self, pool: Pool, ask: Ask, now: float) -> EngineState | None:
        home = self._homes.get(ask.prefix) if ask.prefix else None
        return pool.fleet.place(ask, home, self.policy.affinity_overload, now)

    def _start(self, pool: Pool, ask: Ask, engine: EngineState, now: float) -> Granted:
        cost = self._cost(ask.prompt_tokens, ask.predicted_tokens)
        run = Run(ask, engine, now, cost)
        engine.begin(run, now)
        self.runs[ask.id] = run
        pool.running[ask.band] += 1
        pool.queues[ask.band].start(ask, cost, now)
        if ask.prefix:
            self._homes.pop(ask.prefix, None)
            self._homes[ask.prefix] = engine.name
            if len(self._homes) > MAX_HOMES:
                self._homes.popitem(last=False)
        return Granted(ask.id, engine.name)

    def _release(
        self, ask_id: str, prompt_tokens: int, output_tokens: int, now: float
    ) -> Run | None:
        run = self.runs.pop(ask_id, None)
        if run is None:
            return None
        pool = self._pool(run.ask.pool)
        pool.count_demand(now)
        run.engine.end(run, now)
        if not run.engine.ok and not run.engine.runs:
            self.engines.pop(run.engine.name, None)
        pool.running[run.ask.band] -= 1
        cost = self._cost(prompt_tokens, output_tokens)
        pool.queues[run.ask.band].end(run.ask, cost - run.charged, now)
        if output_tokens and run.ask.band not in PREEMPTIBLE:
            pool.service_s += LEARN * (now - run.granted_at - pool.service_s)
            pool.cost += LEARN * (cost - pool.cost)
        return run

    def _dispatch_all(self, now: float) -> list[Decision]:
        return [each for pool in self.pools.values() for each in self._dispatch(pool, now)]

    def _dispatch(self, pool: Pool, now: float) -> list[Decision]:
        """Give free slots to those who wait."""
        started: list[Decision] = []
        while pool.num_free > 0:
            found = self._next(pool, now)
            if found is None:
                break
            ask, engine = found
            wait = self.waits.pop(ask.id)
            if wait.raw_s is not None:
                pool.calibration[ask.band].observe(wait.raw_s, now - wait.since)
            started.append(self._start(pool, ask, engine, now))
        return started

    def _next(self, pool: Pool, now: float) -> tuple[Ask, EngineState] | None:
        """Who of those that wait runs next, and where."""
        for ask in pool.resuming:
            engine = self._place(pool, ask, now)
            if engine is not None:
                pool.resuming.remove(ask)
                return ask, engine
        pool.count_demand(now)
        waiting = [band for band in BANDS if pool.queues[band].num_waiting]
        owed = [band for band in waiting if pool.is_owed(band)]
        for band in (*owed, *waiting):
            found = pool.pop(band, now)
            if found is not None:
                engine = self._place(pool, found, now)
                assert engine is not None, "it was asked for one that fits"
                return found, engine
        return None

    # waiting and refusing

    def _queue(self, pool: Pool, ask: Ask, since: float, now: float) -> Answer:
        rules = self.policy.bands[ask.band]
        queue = pool.queues[ask.band]
        if ask.max_waiting and queue.num_waiting_of(ask.flow) >= ask.max_waiting:
            return Refused(ask.id, Reason.TOO_MANY_WAITING, retry_s(pool, ask.band))
        if ask.band is Band.LATER and queue.num_waiting >= self.policy.max_later:
            return Refused(ask.id, Reason.TOO_MANY_WAITING, retry_s(pool, ask.band))
        ahead = pool.num_above(ask.band) + queue.ahead(ask.flow, pool.cost, now)
        raw_s = raw_wait_s(pool, ask.band, ahead) if pool.slots else None
        shown = pool.calibration[ask.band].estimate(raw_s) if raw_s is not None else None
        if shown is not None:
            refused = refusal(pool, ask, ahead, shown, now)
            if refused is not None:
                queue.refuse(ask, now)
                return refused
        deadline = since + rules.first_token_s
        self._wait(Wait(ask, since, since + rules.patience_s, raw_s))
        queue.push(ask, deadline, now)
        return Waiting(ask.id, ahead + 1, shown)

    def _unqueue(self, ask: Ask, now: float) -> None:
        pool = self._pool(ask.pool)
        pool.count_demand(now)
        if ask.resume:
            pool.resuming.remove(ask)
        else:
            pool.queues[ask.band].remove(ask, now)

    def _wait(self, wait: Wait) -> None:
        self.waits[wait.ask.id] = wait
        self._tie += 1
        heapq.heappush(self._patience, (wait.give_up_at, self._tie, wait))
        if len(self._patience) > 2 * len(self.waits) + 1000:
            self._patience = [x for x in self._patience if self._is_waiting(x[2])]
            heapq.heapify(self._patience)

    def _is_waiting(self, wait: Wait) -> bool:
        return self.waits.get(wait.ask.id) is wait

    # what time brings

    def _impatient(self, now: float) -> list[Decision]:
        decisions: list[Decision] = []
        while self._patience and self._patience[0][0] <= now:
            wait = heapq.heappop(self._patience)[2]
            if not self._is_waiting(wait):
                continue
            ask = wait.ask
            del self.waits[ask.id]
            self._unqueue(ask, now)
            pool = self._pool(ask.pool)
            if pool.slots and wait.raw_s is not None:
                pool.calibration[ask.band].observe(wait.raw_s, now - wait.since)
            reason = Reason.PATIENCE_OVER if pool.slots else Reason.NO_ENGINE
            decisions.append(Refused(ask.id, reason, retry_s(pool, ask.band)))
        return decisions

    def _lost(self, now: float) -> list[Decision]:
        gone = [run for run in self.runs.values() if now - run.renewed_at > LEASE_S]
        for run in gone:
            self._release(run.ask.id, run.ask.prompt_tokens, run.num_tokens, now)
        return [Lost(run.ask.id) for run in gone]

    def _stalled(self, now: float) -> list[Decision]:
        decisions: list[Decision] = []
        for run in self.runs.values():
            silent_s = now - run.last_at
            if run.stalled or silent_s <= self.policy.stall_s:
                continue
            if silent_s > run.engine.stall_after_s(run, self.policy.stall_s):
                run.stalled = True
                decisions.append(Stalled(run.ask.id, run.engine.name))
        return decisions

    def _preempt(self, now: float) -> list[Decision]:
        """Stop idle-time work whose slots somebody waits for."""
        decisions: list[Decision] = []
        for pool in self.pools.values():
            if not any(pool.running[band] for band in PREEMPTIBLE):
                continue
            needed = pool.num_wanted()
            for engine in pool.engines:
                for run in engine.runs.values():
                    if run.ask.band not in PREEMPTIBLE:
                        continue
                    if needed > 0 and not run.preempted:
                        run.preempted = True
                        decisions.append(Preempted(run.ask.id))
                    needed -= 1  # its slot comes free
        return decisions


class Snapshot(msgspec.Struct, frozen=True):
    """One pool as it stands, for people and metrics."""

    pool: str
    slots: int
    running: dict[str, int]
    waiting: dict[str, int]
    reserved: dict[str, int]
    pressure: float
    rung: Rung
    service_s: float


def snapshot(scheduler: Scheduler) -> list[Snapshot]:
    """Every pool as it stands."""
    return [
        Snapshot(
            pool.name,
            pool.slots,
            {band.value: n for band, n in pool.running.items()},
            {band.value: queue.num_waiting for band, queue in pool.queues.items()},
            {band.value: pool.reserve(band) for band in BANDS},
            pool.pressure,
            pool.ladder.rung,
            pool.service_s,
        )
        for pool in scheduler.pools.values()
    ]

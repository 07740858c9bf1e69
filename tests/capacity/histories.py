"""Random histories of a scheduler, with its books kept a second time and compared at every step."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable

import msgspec

from fireside.capacity.asks import (
    Answer,
    Ask,
    Decision,
    Granted,
    Lost,
    Preempted,
    Refused,
    Stalled,
    Waiting,
)
from fireside.capacity.domain import LEASE_S, Scheduler
from fireside.capacity.policy import BANDS, Band, Ladder, Policy, default_policy
from fireside.capacity.pool import Pool

BAND_ODDS = (Band.PAID, Band.PAID, Band.FREE, Band.FREE, Band.FREE, *BANDS)
POOLS = ("large", "small")


def patient(policy: Policy | None = None, patience_s: float = 3600.0) -> Policy:
    """The same policy where nobody is refused for having to wait."""
    base = policy or default_policy()
    bands = {
        band: msgspec.structs.replace(rules, first_token_s=patience_s, patience_s=patience_s)
        for band, rules in base.bands.items()
    }
    calm = Ladder(thresholds=(1e6,) * 5)
    return msgspec.structs.replace(base, bands=bands, ladder=calm, choose_above=1e6)


class History:
    """A scheduler with random things happening to it. `step` raises where the books differ."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = self.random.choice([0.0, 5_000.0])
        self.policies = [default_policy(), patient(), patient(patience_s=20.0)]
        self.scheduler = Scheduler(self.random.choice(self.policies), self.now)
        self.running: dict[str, Ask] = {}
        self.waiting: dict[str, Ask] = {}
        self.num_asked = 0
        self.set_engines()

    def run(self, num_steps: int) -> None:
        """So many steps, then everybody leaves."""
        for _ in range(num_steps):
            self.step()
        for ask_id in [*self.waiting, *self.running]:
            self.cancel(ask_id)
        self.check()
        self.check_empty()

    def step(self) -> None:
        """One more thing happens."""
        happen = self.random.choices(
            [
                self.arrive,
                self.finish,
                self.say,
                self.tick,
                self.cancel_any,
                self.renew,
                self.set_engines,
                self.set_policy,
                self.jump,
            ],
            [40, 22, 12, 14, 8, 5, 2, 1, 1],
        )[0]
        self.now += self.random.expovariate(4.0)
        happen()
        self.check()

    # what happens

    def arrive(self) -> None:
        """Somebody asks."""
        rnd = self.random
        self.num_asked += 1
        band = rnd.choice(BAND_ODDS)
        ask = Ask(
            id=f"a{self.num_asked}",
            pool=rnd.choice(POOLS),
            band=band,
            flow=f"{band.value}{int(rnd.paretovariate(0.7)) % 12}",
            arrived_at=self.now - rnd.choice([0.0, 0.0, 3.0]),
            weight=rnd.choice([1.0, 1.0, 4.0]),
            prompt_tokens=rnd.randrange(3000),
            predicted_tokens=float(rnd.randrange(1, 600)),
            prefix=rnd.choice(["", f"c{rnd.randrange(9)}"]),
            resume=rnd.random() < 0.05,
            avoid=frozenset(rnd.sample(["e0", "e1", "e2"], rnd.choice([0, 0, 0, 1, 2]))),
            max_waiting=rnd.choice([0, 1, 3]),
            max_running=rnd.choice([0, 0, 2]),
        )
        self.take(self.scheduler.arrive(ask, self.now), ask)

    def finish(self) -> None:
        """A reply ends."""
        if self.running:
            ask_id = self.random.choice(list(self.running))
            ask = self.running.pop(ask_id)
            tokens = self.random.randrange(600)
            self.carry_out(
                self.scheduler.finish(ask_id, ask.prompt_tokens, tokens, self.now), {ask_id}
            )

    def say(self) -> None:
        """A reply goes on."""
        if self.running:
            ask_id = self.random.choice(list(self.running))
            self.scheduler.progress(ask_id, self.random.randrange(900), self.now)

    def renew(self) -> None:
        """Most leases are renewed."""
        held = [each for each in self.running if self.random.random() < 0.9]
        self.scheduler.renew([*held, "nobody"], self.now)

    def cancel_any(self) -> None:
        """Somebody leaves."""
        present = [*self.waiting, *self.running]
        if present:
            self.cancel(self.random.choice(present))

    def cancel(self, ask_id: str) -> None:
        """That one leaves."""
        self.waiting.pop(ask_id, None)
        self.running.pop(ask_id, None)
        self.carry_out(self.scheduler.cancel(ask_id, self.now), {ask_id})
        assert self.scheduler.cancel(ask_id, self.now) == [], "leaving twice changes nothing"

    def tick(self) -> None:
        """Time passes; afterwards nobody waits who could run."""
        self.now += self.random.choice([0.1, 0.5, 3.0, LEASE_S / 2])
        self.carry_out(self.scheduler.tick(self.now))
        self.check_busy()

    def set_engines(self) -> None:
        """Engines come and go, and say other numbers of slots."""
        rnd = self.random
        names = [name for name in ("e0", "e1", "e2") if rnd.random() < 0.75]
        offers = {pool: [name for name in names if rnd.random() < 0.8] for pool in POOLS}
        slots = {name: rnd.choice([None, 0, 1, 4, 8]) for name in names}
        self.carry_out(self.scheduler.set_engines(offers, slots, self.now))

    def set_policy(self) -> None:
        """Another policy; nobody loses a place."""
        before = self.places()
        self.scheduler.set_policy(self.random.choice(self.policies))
        assert self.places() == before

    def jump(self) -> None:
        """The clock is set to another time; nobody loses anything over it."""
        self.carry_out(self.scheduler.tick(self.now))
        self.now += self.random.choice([-7200.0, -30.0, 7200.0, 86_400.0])
        if self.running or self.waiting:
            decisions = self.scheduler.tick(self.now)
            assert not any(isinstance(each, Refused | Lost) for each in decisions)
            self.carry_out(decisions)

    # what comes of it

    def take(self, answer: Answer, ask: Ask) -> None:
        """Note the answer to an ask."""
        assert answer.ask_id == ask.id
        if isinstance(answer, Granted):
            self.grant(ask, answer)
        elif isinstance(answer, Waiting):
            assert answer.place >= 1
            if answer.wait is not None:
                assert 0 <= answer.wait.low_s <= answer.wait.likely_s <= answer.wait.high_s
            self.waiting[ask.id] = ask
        else:
            assert 1.0 <= answer.retry_after_s <= 3900.0

    def grant(self, ask: Ask, granted: Granted) -> None:
        """It runs now."""
        engine = self.scheduler.engines[granted.engine]
        assert engine.ok and engine.num_running <= int(engine.limit)
        others = [x for x in self.scheduler.pools[ask.pool].engines if x.name not in ask.avoid]
        assert engine.name not in ask.avoid or not others
        self.running[ask.id] = ask
        if ask.max_running and not ask.resume:
            of_flow = [x for x in self.running.values() if same_flow(x, ask)]
            assert len(of_flow) <= ask.max_running

    def carry_out(self, decisions: Iterable[Decision], leaving: set[str] = frozenset()) -> None:
        """Do what the scheduler decided."""
        for each in decisions:
            assert each.ask_id not in leaving
            match each:
                case Granted():
                    self.grant(self.waiting.pop(each.ask_id), each)
                case Refused():
                    assert 1.0 <= each.retry_after_s <= 3900.0
                    del self.waiting[each.ask_id]
                case Lost():
                    del self.running[each.ask_id]
                case Preempted() | Stalled():
                    assert each.ask_id in self.running

    # the books

    def places(self) -> dict[str, int]:
        """Everybody's place in line."""
        shown = {ask_id: self.scheduler.waiting(ask_id) for ask_id in self.waiting}
        return {ask_id: each.place for ask_id, each in shown.items() if each is not None}

    def check(self) -> None:
        """Compare all counts."""
        scheduler = self.scheduler
        assert set(scheduler.runs) == set(self.running)
        assert set(scheduler.waits) == set(self.waiting)
        by_engine = Counter(run.engine.name for run in scheduler.runs.values())
        for engine in scheduler.engines.values():
            assert engine.num_running == by_engine.pop(engine.name, 0)
            assert engine.num_slots == (int(engine.limit) if engine.ok else 0)
            assert engine.num_free == max(0, engine.num_slots - engine.num_running)
            assert engine.limit >= 1
        assert not by_engine
        for pool in scheduler.pools.values():
            self.check_pool(pool)

    def check_pool(self, pool: Pool) -> None:
        """Compare the counts of one model."""
        assert pool.slots == sum(each.num_slots for each in pool.engines)
        assert pool.num_free == sum(each.num_free for each in pool.engines)
        running = [ask for ask in self.running.values() if ask.pool == pool.name]
        waiting = [ask for ask in self.waiting.values() if ask.pool == pool.name]
        assert {ask.id for ask in pool.resuming} == {ask.id for ask in waiting if ask.resume}
        for band in BANDS:
            queue = pool.queues[band]
            inside = [ask for ask in waiting if ask.band is band and not ask.resume]
            assert pool.running[band] == sum(ask.band is band for ask in running)
            assert queue.num_waiting == len(inside)
            assert {ask.id for ask in queue.waiting()} == {ask.id for ask in inside}
            flows = Counter(ask.flow for ask in running if ask.band is band)
            assert {k: f.num_running for k, f in queue.flows.items() if f.num_running} == flows

    def check_busy(self) -> None:
        """Nobody waits who may run where there is room."""
        for pool in self.scheduler.pools.values():
            for ask in pool.resuming:
                assert not pool.fleet.has_room(ask)
            for queue in pool.queues.values():
                heads = [flow.waiting[0][2] for flow in queue.flows.values() if flow.waiting]
                assert not any(pool.may_start(x) and pool.fleet.has_room(x) for x in heads)

    def check_empty(self) -> None:
        """Nothing is left when everybody has left."""
        scheduler = self.scheduler
        assert not scheduler.runs
        assert not scheduler.waits
        for pool in scheduler.pools.values():
            assert pool.num_free == pool.slots
            assert not any(pool.running.values())
        for _ in range(12):
            self.now += 60.0
            scheduler.tick(self.now)
        assert not any(q.flows for pool in scheduler.pools.values() for q in pool.queues.values())


def same_flow(one: Ask, other: Ask) -> bool:
    """Whether both are charged to the same flow."""
    return (one.pool, one.band, one.flow) == (other.pool, other.band, other.flow)

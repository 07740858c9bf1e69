"""A discrete-event simulator of engines behind the gate's own scheduler. Pure.

What decides is the scheduler that the gateway runs; the demand and the engines are modelled.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import msgspec

from fireside.capacity.asks import Answer, Ask, Decision, Granted, Preempted, Refused, Waiting
from fireside.capacity.domain import Scheduler
from fireside.capacity.policy import Band, Policy
from fireside.capacity.prediction import LengthPredictor, WaitRange
from fireside.capacity.simulation.modelled import REFERENCE, EngineCost, ModelledEngine

POOL = "model"
RENEW_S = 10.0
QUIET_S = 600.0  # the longest step over a time in which nothing happens


class Arrival(msgspec.Struct, frozen=True, array_like=True):
    """One turn of the demand."""

    at: float
    prompt_tokens: int
    output_tokens: int
    flow: str
    band: Band = Band.FREE
    weight: float = 1.0
    prefix: str = ""


class Turn(msgspec.Struct):
    """What became of one arrival. Times are seconds; None where it did not happen.

    `asked_at` is when it asked last: somebody who was refused may come back.
    """

    arrival: Arrival
    asked_at: float
    num_asks: int = 1
    granted_at: float | None = None
    first_at: float | None = None
    ended_at: float | None = None
    refused_at: float | None = None
    retry_after_s: float = 0.0
    engine: str = ""
    shown: WaitRange | None = None
    cached_tokens: int = 0

    def in_time(self, policy: Policy) -> bool:
        """Whether it met its band's SLO."""
        if self.first_at is None or self.ended_at is None:
            return False
        rules = policy.bands[self.arrival.band]
        per_token_s = (self.ended_at - self.first_at) / max(self.arrival.output_tokens - 1, 1)
        is_prompt = self.first_at - self.asked_at <= rules.first_token_s
        return is_prompt and per_token_s <= rules.per_token_s


class Change(msgspec.Struct, frozen=True):
    """Something an operator or fate does at a time: engines go or come, the policy changes."""

    at: float
    engines: int | None = None
    policy: Policy | None = None


class Returns(msgspec.Struct, frozen=True):
    """Who is refused comes back when told to, so often, unless told to wait too long."""

    most: int = 3
    longest_s: float = 120.0


class Decides(Protocol):
    """What the simulator needs of a scheduler: the gate's, or one to compare it with."""

    def set_engines(
        self, offers: Mapping[str, Iterable[str]], slots: Mapping[str, int | None], now: float
    ) -> list[Decision]: ...
    def set_policy(self, policy: Policy) -> None: ...
    def arrive(self, ask: Ask, now: float) -> Answer: ...
    def finish(
        self, ask_id: str, prompt_tokens: int, output_tokens: int, now: float
    ) -> list[Decision]: ...
    def cancel(self, ask_id: str, now: float) -> list[Decision]: ...
    def progress(self, ask_id: str, num_tokens: int, now: float) -> None: ...
    def say(self, engine: str, num_tokens: int) -> None: ...
    def renew(self, ask_ids: Iterable[str], now: float) -> None: ...
    def tick(self, now: float) -> list[Decision]: ...
    def held(self) -> list[str]: ...
    def num_waiting(self) -> int: ...


class Simulation:
    """One run. Read `turns` and `engine_s` afterwards."""

    def __init__(
        self,
        policy: Policy,
        cost: EngineCost = REFERENCE,
        num_engines: int = 1,
        *,
        scheduler: Decides | None = None,
        tick_s: float = 0.5,
        returns: Returns | None = None,
        seed: int = 0,
    ) -> None:
        self.policy = policy
        self.scheduler: Decides = scheduler or Scheduler(policy)
        self.turns: list[Turn] = []
        self.now = 0.0
        self.engine_s = 0.0  # seconds of all engines that were there, until the last arrival
        self.on_tick: Callable[[float], None] | None = None
        self._cost = cost
        self._predictor = LengthPredictor()
        self._tick_s = tick_s
        self._returns = returns
        self._random = random.Random(seed)
        self._events: list[tuple[float, int, int, str]] = []  # at, generation, number, engine
        self._returning: list[tuple[float, int]] = []  # at, number
        self._engines: dict[str, ModelledEngine] = {}
        self._firsts: dict[int, float] = {}
        self._left: dict[int, int] = {}  # number -> tokens to say, where it was begun elsewhere
        self._renewed_at = 0.0
        self._set_engines(num_engines)

    def run(self, arrivals: Iterable[Arrival], changes: Iterable[Change] = ()) -> None:
        """Serve all arrivals (in order of time), then let what runs end."""
        pending = sorted(changes, key=lambda each: each.at)
        next_tick = 0.0
        source = iter(arrivals)
        coming = next(source, None)
        never = float("inf")
        while True:
            at_event = self._events[0][0] if self._events else never
            at_arrival = coming.at if coming is not None else never
            at_return = self._returning[0][0] if self._returning else never
            at_change = pending[0].at if pending else never
            at = min(at_event, at_arrival, at_return, at_change, next_tick)
            if coming is not None:
                self.engine_s += (at - self.now) * len(self._engines)
            self.now = at
            if at == at_change:
                self._change(pending.pop(0))
            elif at == next_tick:
                self._tick()
                at_next = min(at_arrival, at_return, at_change)
                next_tick = at + self._tick_s
                if not self._events and not self.scheduler.num_waiting():
                    if at_next == never:
                        return
                    next_tick = max(next_tick, min(at_next, at + QUIET_S))
            elif at == at_event:
                self._event(*heapq.heappop(self._events))
            elif at == at_return:
                self._return(heapq.heappop(self._returning)[1])
            elif coming is not None:
                self.turns.append(Turn(coming, coming.at))
                self._ask(len(self.turns) - 1)
                coming = next(source, None)

    # what happens around it

    def _set_engines(self, num_engines: int) -> None:
        names = [f"engine-{n}" for n in range(num_engines)]
        for name in names:
            if name not in self._engines:
                self._engines[name] = ModelledEngine(name, self._cost)
        for name in list(self._engines):
            if name not in names:
                del self._engines[name]
        slots = dict.fromkeys(names, self._cost.slots)
        self._carry_out(self.scheduler.set_engines({POOL: names}, slots, self.now))

    def _change(self, change: Change) -> None:
        if change.policy is not None:
            self.policy = change.policy
            self.scheduler.set_policy(change.policy)
        if change.engines is not None:
            before = dict(self._engines)
            running = [int(each) for each in self.scheduler.held()]
            self._set_engines(change.engines)
            for number in running:
                name = self.turns[number].engine
                if name not in self._engines:
                    self._fail_over(number, before[name])

    def _fail_over(self, number: int, dead: ModelledEngine) -> None:
        self._left[number] = max(1, dead.remove(number, self.now))
        self._firsts.pop(number, None)
        self._carry_out(self.scheduler.cancel(str(number), self.now))
        self._ask(number, avoid=dead.name)

    def _return(self, number: int) -> None:
        turn = self.turns[number]
        turn.asked_at, turn.refused_at = self.now, None
        turn.num_asks += 1
        self._ask(number)

    # one turn

    def _ask(self, number: int, avoid: str = "") -> None:
        turn = self.turns[number]
        arrival = turn.arrival
        ask = Ask(
            id=str(number),
            pool=POOL,
            band=arrival.band,
            flow=arrival.flow,
            arrived_at=self.now,
            weight=arrival.weight,
            prompt_tokens=arrival.prompt_tokens,
            predicted_tokens=self._predictor.predict(arrival.flow),
            prefix=arrival.prefix,
            resume=bool(avoid),
            avoid=frozenset((avoid,)) if avoid else frozenset(),
        )
        answer = self.scheduler.arrive(ask, self.now)
        if type(answer) is Granted:
            self._begin(number, answer.engine)
        elif type(answer) is Refused:
            self._refuse(answer)
        elif type(answer) is Waiting and not avoid:
            turn.shown = answer.wait

    def _begin(self, number: int, engine_name: str) -> None:
        turn, engine = self.turns[number], self._engines[engine_name]
        arrival = turn.arrival
        prompt_tokens, output_tokens = arrival.prompt_tokens, arrival.output_tokens
        if turn.granted_at is None:
            turn.granted_at = self.now
        if number in self._left:
            left = self._left.pop(number)
            prompt_tokens, output_tokens = prompt_tokens + output_tokens - left, left
        turn.engine = engine_name
        self._firsts[number], turn.cached_tokens = engine.start(
            number, prompt_tokens, output_tokens, arrival.prefix, self.now
        )
        self._schedule(engine)

    def _schedule(self, engine: ModelledEngine) -> None:
        end = engine.next_end()
        if end is not None:
            heapq.heappush(self._events, (end[0], engine.generation, end[1], engine.name))

    def _event(self, at: float, planned: int, number: int, name: str) -> None:
        engine = self._engines.get(name)
        if engine is None or planned != engine.generation:
            return  # the engine's plans have changed since
        turn = self.turns[number]
        self._note_first(number, at)
        turn.ended_at = at
        engine.remove(number, at)
        tokens = turn.arrival.output_tokens
        fresh_tokens = turn.arrival.prompt_tokens - turn.cached_tokens
        self._predictor.observe(turn.arrival.flow, tokens)
        generation = engine.generation
        self._carry_out(self.scheduler.finish(str(number), fresh_tokens, tokens, at))
        if generation == engine.generation:  # else another turn began there and saw to it
            self._schedule(engine)

    def _note_first(self, number: int, at: float) -> None:
        first_at = self._firsts.pop(number, None)
        if first_at is None:
            return
        turn = self.turns[number]
        if turn.first_at is None:
            turn.first_at = min(first_at, at)
        self.scheduler.progress(str(number), 1, min(first_at, at))

    def _refuse(self, refused: Refused) -> None:
        number = int(refused.ask_id)
        turn = self.turns[number]
        turn.refused_at, turn.retry_after_s = self.now, refused.retry_after_s
        returns = self._returns
        if returns is None or turn.num_asks > returns.most:
            return
        if refused.retry_after_s <= returns.longest_s:
            wait_s = refused.retry_after_s * (1 + 0.2 * self._random.random())
            heapq.heappush(self._returning, (self.now + wait_s, number))

    def _stop(self, number: int) -> None:
        turn = self.turns[number]
        engine = self._engines[turn.engine]
        engine.remove(number, self.now)
        self._firsts.pop(number, None)
        turn.engine, turn.refused_at = "", self.now
        self._carry_out(self.scheduler.cancel(str(number), self.now))
        self._schedule(engine)

    def _tick(self) -> None:
        for number, first_at in [x for x in self._firsts.items() if x[1] <= self.now]:
            self._note_first(number, first_at)
        for name, engine in self._engines.items():
            engine.advance(self.now)
            self.scheduler.say(name, engine.take_said())
        if self.now - self._renewed_at >= RENEW_S:
            self._renewed_at = self.now
            self.scheduler.renew(self.scheduler.held(), self.now)
        self._carry_out(self.scheduler.tick(self.now))
        if self.on_tick is not None:
            self.on_tick(self.now)

    def _carry_out(self, decisions: Iterable[Decision]) -> None:
        for each in decisions:
            if type(each) is Granted:
                self._begin(int(each.ask_id), each.engine)
            elif type(each) is Refused:
                self._refuse(each)
            elif type(each) is Preempted:
                self._stop(int(each.ask_id))
            # A modelled engine speaks in bursts, its tokens are counted at the end: no stalls here.

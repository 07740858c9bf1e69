"""A discrete-event simulator of engines behind the gate's own scheduler. Pure.

An engine is modelled by its iterations, as continuous batching runs them: one takes `base_s` plus
`per_sequence_s` for each sequence, and prompts take `per_prompt_token_s` a token out of everybody's
time. Between events all sequences advance alike, so a turn costs three events whatever its length.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable

import msgspec

from fireside.capacity.asks import Ask, Granted, Preempted, Refused, Stalled, Waiting
from fireside.capacity.domain import Scheduler
from fireside.capacity.policy import Band, Policy
from fireside.capacity.prediction import LengthPredictor, WaitRange

POOL = "model"


class EngineCost(msgspec.Struct, frozen=True):
    """How fast an engine is. The defaults are the reference engine of the benchmarks."""

    slots: int = 32
    base_s: float = 0.018
    per_sequence_s: float = 0.0006
    per_prompt_token_s: float = 0.0001


REFERENCE = EngineCost()


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
    """What became of one arrival. Times are seconds; None where it did not happen."""

    arrival: Arrival
    granted_at: float | None = None
    first_at: float | None = None
    ended_at: float | None = None
    refused_at: float | None = None
    retry_after_s: float = 0.0
    engine: str = ""
    shown: WaitRange | None = None
    reused: bool = False

    def in_time(self, policy: Policy) -> bool:
        """Whether it met its band's SLO."""
        if self.first_at is None or self.ended_at is None:
            return False
        rules = policy.bands[self.arrival.band]
        per_token = (self.ended_at - self.first_at) / max(self.arrival.output_tokens - 1, 1)
        return (
            self.first_at - self.arrival.at <= rules.first_token_s
            and per_token <= rules.per_token_s
        )


class Change(msgspec.Struct, frozen=True):
    """Something an operator or fate does at a time: engines go or come, the policy changes."""

    at: float
    engines: int | None = None
    policy: Policy | None = None


class Engine:
    """The engine's side: which sequences run and when the next one ends."""

    def __init__(self, name: str, cost: EngineCost) -> None:
        self.name = name
        self.cost = cost
        self.generation = 0
        self._iterations = self._said = 0.0
        self._at = 0.0
        self._ends: list[tuple[float, int]] = []
        self._running: set[int] = set()
        self._prefixes: dict[str, int] = {}

    def advance(self, now: float) -> None:
        """Let everything that runs say what it says until `now`."""
        if now > self._at:
            iterations = (now - self._at) / self._iteration_s()
            self._iterations += iterations
            self._said += iterations * len(self._running)
            self._at = now

    def take_said(self) -> int:
        """Tokens said since the last call."""
        whole = int(self._said)
        self._said -= whole
        return whole

    def start(self, number: int, arrival: Arrival, now: float) -> tuple[float, bool]:
        """Begin a turn; when its first token comes, and whether its prefix was cached."""
        self.advance(now)
        cached = self._prefixes.pop(arrival.prefix, 0) if arrival.prefix else 0
        if arrival.prefix:
            self._prefixes[arrival.prefix] = arrival.prompt_tokens + arrival.output_tokens
            if len(self._prefixes) > 20 * self.cost.slots:
                self._prefixes.pop(next(iter(self._prefixes)))
        fresh = max(arrival.prompt_tokens - cached, 0)
        self._at = max(self._at, now) + fresh * self.cost.per_prompt_token_s
        self._running.add(number)
        heapq.heappush(self._ends, (self._iterations + arrival.output_tokens, number))
        self.generation += 1
        return self._at + self._iteration_s(), bool(cached)

    def remove(self, number: int, now: float) -> None:
        """A turn ended or was stopped."""
        self.advance(now)
        self._running.discard(number)
        self.generation += 1

    def next_end(self) -> tuple[float, int] | None:
        """When the next turn ends, and which."""
        while self._ends and self._ends[0][1] not in self._running:
            heapq.heappop(self._ends)
        if not self._ends:
            return None
        left = max(0.0, self._ends[0][0] - self._iterations)
        return self._at + left * self._iteration_s(), self._ends[0][1]

    def _iteration_s(self) -> float:
        return self.cost.base_s + self.cost.per_sequence_s * len(self._running)


class Simulation:
    """One run. Read `turns` and `scheduler` afterwards."""

    def __init__(
        self,
        policy: Policy,
        cost: EngineCost = REFERENCE,
        num_engines: int = 1,
        predictor: LengthPredictor | None = None,
        tick_s: float = 0.5,
    ) -> None:
        self.policy = policy
        self.scheduler = Scheduler(policy)
        self.turns: list[Turn] = []
        self.now = 0.0
        self._cost = cost
        self._predictor = predictor or LengthPredictor()
        self._tick_s = tick_s
        self._events: list[tuple[float, int, int, str]] = []  # at, kind, number, engine
        self._engines: dict[str, Engine] = {}
        self._firsts: dict[int, float] = {}
        self.on_tick: Callable[[float], None] | None = None
        self._set_engines(num_engines)

    def run(self, arrivals: Iterable[Arrival], changes: Iterable[Change] = ()) -> None:
        """Serve all arrivals (in order of time), then let what runs end."""
        pending_changes = sorted(changes, key=lambda each: each.at)
        next_tick = 0.0
        source = iter(arrivals)
        coming = next(source, None)
        idle_ticks = 0
        while True:
            at_event = self._events[0][0] if self._events else float("inf")
            at_arrival = coming.at if coming is not None else float("inf")
            at_change = pending_changes[0].at if pending_changes else float("inf")
            at = min(at_event, at_arrival, at_change, next_tick)
            self.now = at
            if at == at_change:
                self._change(pending_changes.pop(0))
            elif at == next_tick:
                self._tick()
                next_tick = at + self._tick_s
                quiet = not self._events and not self.scheduler.waits
                idle_ticks = idle_ticks + 1 if quiet else 0
                if quiet and coming is None and not pending_changes:
                    return
                if idle_ticks > 4 and coming is not None:  # nothing happens until somebody comes
                    next_tick = max(next_tick, min(coming.at, at + 600.0))
            elif at == at_event:
                self._event(*heapq.heappop(self._events))
            elif coming is not None:
                self._arrive(coming)
                coming = next(source, None)

    def _set_engines(self, num_engines: int) -> None:
        names = [f"engine-{n}" for n in range(num_engines)]
        for name in names:
            self._engines.setdefault(name, Engine(name, self._cost))
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
            lost = [
                number
                for number, turn in enumerate(self.turns)
                if turn.engine and turn.ended_at is None and turn.refused_at is None
            ]
            self._set_engines(change.engines)
            for number in lost:
                if self.turns[number].engine not in self._engines:
                    self._fail_over(number)

    def _fail_over(self, number: int) -> None:
        turn = self.turns[number]
        dead, turn.engine = turn.engine, ""
        self._carry_out(self.scheduler.cancel(str(number), self.now))
        self._ask(number, resume=True, avoid=frozenset({dead}))

    def _arrive(self, arrival: Arrival) -> None:
        self.turns.append(Turn(arrival))
        self._ask(len(self.turns) - 1)

    def _ask(
        self, number: int, *, resume: bool = False, avoid: frozenset[str] = frozenset()
    ) -> None:
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
            resume=resume,
            avoid=avoid,
        )
        answer = self.scheduler.arrive(ask, self.now)
        if type(answer) is Granted:
            self._begin(number, answer.engine)
        elif type(answer) is Refused:
            turn.refused_at, turn.retry_after_s = self.now, answer.retry_after_s
        elif type(answer) is Waiting:
            turn.shown = answer.wait

    def _begin(self, number: int, engine_name: str) -> None:
        turn, engine = self.turns[number], self._engines[engine_name]
        if turn.granted_at is None:
            turn.granted_at = self.now
        turn.engine = engine_name
        self._firsts[number], turn.reused = engine.start(number, turn.arrival, self.now)
        self._schedule(engine)

    def _schedule(self, engine: Engine) -> None:
        end = engine.next_end()
        if end is not None:
            heapq.heappush(self._events, (end[0], engine.generation, end[1], engine.name))

    def _event(self, at: float, generation: int, number: int, name: str) -> None:
        engine = self._engines.get(name)
        if engine is None or generation != engine.generation:
            return  # the engine's plans have changed since
        turn = self.turns[number]
        self._note_first(number, at)
        turn.ended_at = at
        engine.remove(number, at)
        tokens = turn.arrival.output_tokens
        self._predictor.observe(turn.arrival.flow, tokens)
        self._carry_out(self.scheduler.finish(str(number), turn.arrival.prompt_tokens, tokens, at))
        self._schedule(engine)

    def _note_first(self, number: int, at: float) -> None:
        first_at = self._firsts.pop(number, None)
        if first_at is None:
            return
        first_at = min(first_at, at)
        turn = self.turns[number]
        if turn.first_at is None:
            turn.first_at = first_at
        self.scheduler.progress(str(number), 1, first_at)

    def _tick(self) -> None:
        for number, first_at in list(self._firsts.items()):
            if first_at <= self.now:
                self._note_first(number, self.now)
        for name, engine in self._engines.items():
            engine.advance(self.now)
            if name in self.scheduler.engines:
                self.scheduler.engines[name].count_tokens(engine.take_said())
        self.scheduler.renew(list(self.scheduler.runs), self.now)
        self._carry_out(self.scheduler.tick(self.now))
        if self.on_tick is not None:
            self.on_tick(self.now)

    def _carry_out(self, decisions: Iterable[object]) -> None:
        for each in decisions:
            if type(each) is Granted:
                self._begin(int(each.ask_id), each.engine)
            elif type(each) is Refused:
                turn = self.turns[int(each.ask_id)]
                turn.refused_at, turn.retry_after_s = self.now, each.retry_after_s
            elif type(each) is Preempted:
                self._stop(int(each.ask_id))
            elif type(each) is Stalled:
                continue  # modelled engines speak in bursts: their tokens are counted at the end

    def _stop(self, number: int) -> None:
        turn = self.turns[number]
        engine = self._engines[turn.engine]
        engine.remove(number, self.now)
        self._firsts.pop(number, None)
        turn.engine, turn.refused_at = "", self.now
        self._carry_out(self.scheduler.cancel(str(number), self.now))
        self._schedule(engine)

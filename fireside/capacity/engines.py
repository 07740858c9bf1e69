"""What the gate knows of each engine: how many at once, how fast, whether it still speaks. Pure."""

from __future__ import annotations

import heapq
import math

from fireside.capacity.asks import Ask

FIRST_LIMIT = 64  # of an engine that states nothing; doubled until it is found to be too many
MAX_LIMIT = 4096
RAISE_AFTER_S = 1.0
LONGEST_WINDOW_S = 10.0
WINDOW_TOKENS = 8  # of each sequence: fewer say more about one long prompt than about speed
UNKNOWN_STALL_S = 60.0
WHOLE_STALL_S = 600.0  # a reply in one piece says nothing until it ends
LONGEST_STALL_S = 20.0  # in mid-reply an engine that is silent for so long is dead
SILENCE_S = 2.0
WORK_TAU_S = 120.0
PROMPT_WORK = 0.1  # of a prompt token, in output tokens


class Run:
    """A lease: one ask on one engine."""

    __slots__ = (
        "ask",
        "charged",
        "engine",
        "first_at",
        "granted_at",
        "last_at",
        "num_tokens",
        "preempted",
        "renewed_at",
        "stalled",
    )

    def __init__(self, ask: Ask, engine: EngineState, now: float, charged: float) -> None:
        self.ask = ask
        self.engine = engine
        self.granted_at = self.last_at = self.renewed_at = now
        self.first_at: float | None = None
        self.num_tokens = 0
        self.charged = charged
        self.preempted = self.stalled = False


class EngineState:
    """One engine. `slots` is what its operator or it itself states, None where nobody knows."""

    def __init__(self, name: str, slots: int | None, target_token_s: float) -> None:
        self.name = name
        self.slots = slots
        self.target_token_s = target_token_s
        self.limit = float(max(1, slots) if slots is not None else FIRST_LIMIT)
        self.ok = True
        self.runs: dict[str, Run] = {}
        self.fleets: list[Fleet] = []  # whose counts this engine's slots are part of
        self.num_slots = int(self.limit)  # that it takes now
        self.num_free = self.num_slots
        self._was_cut = False
        self._num_heard = 0  # leases whose tokens come one by one
        self.token_s: float | None = None  # moving mean between two tokens of one reply
        self.first_token_s: float | None = None
        self.longest_gap_s = 0.0
        self.num_tokens = 0
        self.work = 0.0  # predicted tokens placed here, fading with WORK_TAU_S
        self.load = -math.inf  # log of the work for each slot, comparable at any time
        self.version = 0
        self._work_at = 0.0
        self._busy_at = 0.0  # up to when the counters below reach
        self._busy_s = 0.0  # running sequences times seconds
        self._window_tokens = self._peak = 0
        self._adapted_at = self._prompt_token_s = 0.0
        self.busy_s = 0.0  # seconds in which anything ran, ever

    @property
    def num_running(self) -> int:
        """Leases out."""
        return len(self.runs)

    def set_slots(self, slots: int | None) -> None:
        """It states another number of slots."""
        if slots != self.slots:
            self.slots = slots
            self._set_limit(float(max(1, slots)) if slots is not None else self.limit)

    def set_ok(self, is_ok: bool) -> None:
        """It answers, or does not."""
        self.ok = is_ok
        self._settle()

    def begin(self, run: Run, now: float) -> None:
        """A lease begins."""
        self._count(now)
        work = run.ask.predicted_tokens + PROMPT_WORK * run.ask.prompt_tokens
        self.work = self.work_at(now) + work
        self._work_at = now
        self.load = math.log(max(self.work, 1e-9) / self.limit) + now / WORK_TAU_S
        self.runs[run.ask.id] = run
        self._num_heard += not run.ask.whole
        self._peak = max(self._peak, len(self.runs))
        self._settle()
        for fleet in self.fleets:
            fleet.add_work(work, now)
        self._enter()

    def end(self, run: Run, now: float) -> None:
        """A lease ends."""
        self._count(now)
        was_full = not self.num_free
        if self.runs.pop(run.ask.id, None) is not None:
            self._num_heard -= not run.ask.whole
        self._settle()
        if was_full:
            self._enter()

    def work_at(self, now: float) -> float:
        """Work placed here lately, in tokens."""
        return self.work * math.exp(-max(0.0, now - self._work_at) / WORK_TAU_S)

    def progress(self, run: Run, num_tokens: int, now: float) -> None:
        """`run` has said `num_tokens` in all."""
        new = num_tokens - run.num_tokens
        if new <= 0:
            return
        if run.ask.whole:
            run.num_tokens, run.last_at = num_tokens, now
            return
        gap = now - run.last_at
        if run.first_at is None:
            run.first_at = now
            self.first_token_s = _mean(self.first_token_s, now - run.granted_at)
            self._learn_prompt_speed(run, now - run.granted_at)
        else:
            self.longest_gap_s = max(self.longest_gap_s * 0.999, gap)
        run.num_tokens = num_tokens
        run.last_at = now
        self.count_tokens(new)

    def count_tokens(self, num_tokens: int) -> None:
        """So many more tokens were said here."""
        self.num_tokens += num_tokens
        self._window_tokens += num_tokens

    def adapt(self, now: float) -> None:
        """Find the number of sequences at which tokens still come in time.

        Additive increase, multiplicative decrease on the time between tokens: replies differ in
        length, so the time a whole reply takes says nothing. Where some sequences speak and others
        have not begun, the engine has fewer slots than it is given, and queues by itself.
        """
        self._count(now)
        span_s = now - self._adapted_at
        tokens, busy_s, peak = self._window_tokens, self._busy_s, self._peak
        is_enough = tokens >= WINDOW_TOKENS * max(1, self._num_heard)
        if span_s < (RAISE_AFTER_S if is_enough else LONGEST_WINDOW_S) or not tokens:
            return
        self._window_tokens, self._busy_s, self._adapted_at = 0, 0.0, now
        self._peak = len(self.runs)
        self.token_s = _mean(self.token_s, busy_s / tokens, 0.3)
        silent = self._num_silent(now)
        if silent and silent < self._num_heard:
            self._was_cut = True
            self._set_limit(max(1.0, min(self.limit, float(len(self.runs) - silent))))
        elif self.token_s > self.target_token_s:
            self._was_cut = True
            self._set_limit(max(1.0, self.limit * 0.9))
        elif self.token_s < 0.85 * self.target_token_s:
            self._raise(peak)

    def _raise(self, peak: int) -> None:
        """A stated number of slots is tried again; an unstated one is exceeded only when used."""
        if self.slots is None and peak < int(self.limit):
            return
        most = max(1, self.slots) if self.slots is not None else MAX_LIMIT
        step = self.limit if self.slots is None and not self._was_cut else 0.05 * self.limit
        self._set_limit(min(float(most), self.limit + max(1.0, step)))

    def _set_limit(self, limit: float) -> None:
        if limit != self.limit:
            self.limit = limit
            self._settle()
            self._enter()

    def _enter(self) -> None:
        """Tell the fleets that load or room has changed."""
        self.version += 1
        if self.num_free:
            for fleet in self.fleets:
                fleet.enter(self)

    def _settle(self) -> None:
        """Bring the counts of slots up to date, here and in the fleets."""
        slots = int(self.limit) if self.ok else 0
        free = max(0, slots - len(self.runs))
        if slots != self.num_slots or free != self.num_free:
            for fleet in self.fleets:
                fleet.slots += slots - self.num_slots
                fleet.num_free += free - self.num_free
            self.num_slots, self.num_free = slots, free

    def stall_after_s(self, run: Run, floor_s: float) -> float:
        """The silence after which `run` counts as stalled."""
        if run.ask.whole:
            return WHOLE_STALL_S
        if self.num_tokens < 20 or self.token_s is None:
            return UNKNOWN_STALL_S
        if run.first_at is None:
            known = max(self.first_token_s or 0.0, self._longest_pause_s() / 3)
            return max(floor_s, 4 * known + 0.002 * run.ask.prompt_tokens)
        return max(floor_s, min(20 * self.token_s, LONGEST_STALL_S), self._longest_pause_s())

    def _longest_pause_s(self) -> float:
        """Three times the longest it has paused and gone on; never so long that it is absurd."""
        return min(3 * self.longest_gap_s, LONGEST_STALL_S)

    def _num_silent(self, now: float) -> int:
        """Leases whose first token is long overdue while others speak."""
        runs = self.runs.values()
        silent = [run for run in runs if run.first_at is None and not run.ask.whole]
        due_s = SILENCE_S + 4 * self._prompt_token_s * sum(x.ask.prompt_tokens for x in silent)
        return sum(1 for run in silent if now - run.granted_at > due_s)

    def _learn_prompt_speed(self, run: Run, delay_s: float) -> None:
        """Follow the 30 % mark of seconds per prompt token: those that met no queue."""
        seen = max(delay_s, 1e-4) / (run.ask.prompt_tokens + 50)
        if not self._prompt_token_s:
            self._prompt_token_s = seen
        self._prompt_token_s *= 1 + 0.1 * (0.3 - (seen < self._prompt_token_s))

    def _count(self, now: float) -> None:
        span_s = max(0.0, now - self._busy_at)
        self._busy_s += span_s * self._num_heard
        if self.runs:
            self.busy_s += span_s
        self._busy_at = now


def _mean(old: float | None, new: float, share: float = 0.1) -> float:
    return new if old is None else old + share * (new - old)


class Fleet:
    """The engines of one pool: how many slots they have, and which of them is next.

    Work fades alike everywhere, so the order of the engines changes only where something begins:
    a heap of loads, in which entries that no longer hold are passed over, finds the least loaded of
    a thousand engines as fast as of two.
    """

    def __init__(self) -> None:
        self.engines: list[EngineState] = []
        self.slots = 0
        self.num_free = 0
        self.token_s: float | None = None  # means over its engines, as of the last survey
        self.first_token_s = 0.0
        self._heap: list[tuple[float, str, int, EngineState]] = []
        self._by_name: dict[str, EngineState] = {}
        self._work = self._work_at = 0.0

    def set(self, engines: list[EngineState], now: float) -> None:
        """From now on these."""
        for each in self.engines:
            each.fleets = [fleet for fleet in each.fleets if fleet is not self]
        self.engines = engines
        self.slots = sum(each.num_slots for each in engines)
        self.num_free = sum(each.num_free for each in engines)
        self._work = sum(each.work_at(now) for each in engines)
        self._work_at = now
        for each in engines:
            each.fleets.append(self)
        self._rebuild()
        self.survey()

    def survey(self) -> None:
        """Bring the means over the engines up to date."""
        speeds = [each.token_s for each in self.engines if each.token_s is not None]
        firsts = [each.first_token_s for each in self.engines if each.first_token_s is not None]
        self.token_s = sum(speeds) / len(speeds) if speeds else None
        self.first_token_s = sum(firsts) / len(firsts) if firsts else 0.0

    def add_work(self, tokens: float, now: float) -> None:
        """Work was placed on one of them."""
        self._work = self._work_now(now) + tokens
        self._work_at = now

    def enter(self, engine: EngineState) -> None:
        """An engine with room has another load than before, or room again."""
        if len(self.engines) > 1:
            heapq.heappush(self._heap, (engine.load, engine.name, engine.version, engine))
            if len(self._heap) > 4 * len(self.engines) + 64:
                self._rebuild()

    def place(self, ask: Ask, home: str | None, overload: float, now: float) -> EngineState | None:
        """The engine for an ask: the one that holds its prefix unless that has had more than
        `overload` times the mean work; else the one with the least. None when all are full.

        Those that have just failed it are avoided, as long as there are others at all.
        """
        avoid = self._avoidable(ask.avoid)
        if home is not None and home not in avoid:
            found = self._home(ask, home, overload, now)
            if found is not None:
                return found
        return self._least(avoid)

    def has_room(self, ask: Ask) -> bool:
        """Whether any has room that has not just failed it."""
        if not ask.avoid:
            return self.num_free > 0
        return self._least(self._avoidable(ask.avoid)) is not None

    def _avoidable(self, avoid: frozenset[str]) -> frozenset[str]:
        if avoid and not any(each.name not in avoid for each in self.engines):
            return frozenset()
        return avoid

    def _home(self, ask: Ask, home: str, overload: float, now: float) -> EngineState | None:
        engine = self._by_name.get(home)
        if engine is None or not engine.num_free:
            return None
        mean = self._work_now(now) / len(self.engines)
        is_light = engine.work_at(now) <= overload * mean + ask.predicted_tokens
        return engine if is_light else None

    def _least(self, avoid: frozenset[str]) -> EngineState | None:
        if len(self.engines) == 1:
            only = self.engines[0]
            return only if only.num_free and only.name not in avoid else None
        heap = self._heap
        passed: list[tuple[float, str, int, EngineState]] = []
        found: EngineState | None = None
        while heap and found is None:
            _, name, version, engine = heap[0]
            if version != engine.version or not engine.num_free:
                heapq.heappop(heap)
            elif name in avoid:
                passed.append(heapq.heappop(heap))
            else:
                found = engine
        for entry in passed:
            heapq.heappush(heap, entry)
        return found

    def _work_now(self, now: float) -> float:
        return self._work * math.exp(-max(0.0, now - self._work_at) / WORK_TAU_S)

    def _rebuild(self) -> None:
        self._by_name = {each.name: each for each in self.engines}
        self._heap = [
            (each.load, each.name, each.version, each) for each in self.engines if each.num_free
        ]
        heapq.heapify(self._heap)

"""What the gate knows of each engine: how many at once, how fast, whether it still speaks. Pure."""

from __future__ import annotations

import math

from fireside.capacity.asks import Ask

FIRST_LIMIT = 8
MAX_LIMIT = 4096
RAISE_AFTER_S = 1.0
LONGEST_WINDOW_S = 10.0
WINDOW_TOKENS = 8  # of each sequence: fewer say more about one long prompt than about speed
UNKNOWN_STALL_S = 60.0
SILENCE_S = 2.0
WORK_TAU_S = 120.0


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
    )

    def __init__(self, ask: Ask, engine: EngineState, now: float, charged: float) -> None:
        self.ask = ask
        self.engine = engine
        self.granted_at = self.last_at = self.renewed_at = now
        self.first_at: float | None = None
        self.num_tokens = 0
        self.charged = charged
        self.preempted = False


class EngineState:
    """One engine. `slots` is what its operator or it itself states, None where nobody knows."""

    def __init__(self, name: str, slots: int | None, target_token_s: float) -> None:
        self.name = name
        self.slots = slots
        self.target_token_s = target_token_s
        self.limit = float(slots if slots is not None else FIRST_LIMIT)
        self.ok = True
        self.runs: dict[str, Run] = {}
        self.token_s: float | None = None  # moving mean between two tokens of one reply
        self.first_token_s: float | None = None
        self.longest_gap_s = 0.0
        self.num_tokens = 0
        self.work = 0.0  # predicted tokens placed here, fading with WORK_TAU_S
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

    @property
    def num_free(self) -> int:
        """Further leases that it takes now."""
        return max(0, int(self.limit) - len(self.runs)) if self.ok else 0

    def begin(self, run: Run, now: float) -> None:
        """A lease begins."""
        self._count(now)
        self.work = self.work_at(now) + run.ask.predicted_tokens + 0.1 * run.ask.prompt_tokens
        self._work_at = now
        self.runs[run.ask.id] = run
        self._peak = max(self._peak, len(self.runs))

    def end(self, run: Run, now: float) -> None:
        """A lease ends."""
        self._count(now)
        self.runs.pop(run.ask.id, None)

    def work_at(self, now: float) -> float:
        """Work placed here lately, in tokens."""
        return self.work * math.exp(-max(0.0, now - self._work_at) / WORK_TAU_S)

    def progress(self, run: Run, num_tokens: int, now: float) -> None:
        """`run` has said `num_tokens` in all."""
        new = num_tokens - run.num_tokens
        if new <= 0:
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
        is_enough = tokens >= WINDOW_TOKENS * max(1, len(self.runs))
        if span_s < (RAISE_AFTER_S if is_enough else LONGEST_WINDOW_S) or not tokens:
            return
        self._window_tokens, self._busy_s, self._adapted_at = 0, 0.0, now
        self._peak = len(self.runs)
        self.token_s = _mean(self.token_s, busy_s / tokens, 0.3)
        silent = self._num_silent(now)
        if silent and silent < len(self.runs):
            self.limit = max(1.0, min(self.limit, float(len(self.runs) - silent)))
        elif self.token_s > self.target_token_s:
            self.limit = max(1.0, self.limit * 0.9)
        elif self.token_s < 0.85 * self.target_token_s:
            self._raise(peak)

    def _raise(self, peak: int) -> None:
        """A stated number of slots is tried again; an unstated one is exceeded only when used."""
        if self.slots is None and peak < int(self.limit):
            return
        most = self.slots if self.slots is not None else MAX_LIMIT
        self.limit = min(float(most), self.limit + max(1.0, 0.05 * self.limit))

    def stall_after_s(self, run: Run, floor_s: float) -> float:
        """The silence after which `run` counts as stalled."""
        if self.num_tokens < 20 or self.token_s is None:
            return UNKNOWN_STALL_S
        if run.first_at is None:
            known = max(self.first_token_s or 0.0, self.longest_gap_s)
            return max(floor_s, 4 * known + 0.002 * run.ask.prompt_tokens)
        return max(floor_s, 20 * self.token_s, 3 * self.longest_gap_s)

    def _num_silent(self, now: float) -> int:
        """Leases whose first token is long overdue while others speak."""
        silent = [run for run in self.runs.values() if run.first_at is None]
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
        self._busy_s += span_s * len(self.runs)
        if self.runs:
            self.busy_s += span_s
        self._busy_at = now


def _mean(old: float | None, new: float, share: float = 0.1) -> float:
    return new if old is None else old + share * (new - old)


def place(
    ask: Ask, engines: list[EngineState], home: str | None, overload: float, now: float
) -> EngineState | None:
    """The engine for an ask: the one that holds its prefix unless that has had more than `overload`
    times the mean work; else the one with the least. None when all are full."""
    free = [each for each in engines if each.num_free > 0 and each.name not in ask.avoid]
    if len(free) <= 1:
        return free[0] if free else None
    if home is not None:
        works = {each.name: each.work_at(now) for each in engines if each.ok}
        mean = sum(works.values()) / len(works)
        for each in free:
            if each.name == home and works[home] <= overload * mean + ask.predicted_tokens:
                return each
    return min(free, key=lambda each: (each.work_at(now) / max(each.limit, 1.0), each.name))

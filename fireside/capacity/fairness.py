"""Fair shares within a band: virtual token counters. Pure.

After Sheng et al., "Fairness in Serving Large Language Models" (OSDI 2024): each flow carries a
counter of the service it got, divided by its weight; the waiting flow with the least counter is
next. A flow that comes back from being idle is lifted to the least counter of those waiting, so
that nobody saves up. Here the expected output is charged when a turn starts and corrected while it
runs, and what a flow used beyond the others halves every `half_life_s` while it is idle.

The bound (their theorem 4.4): over any time in which two flows wait, their service divided by
weight differs by at most 2 max(w_p L, w_q M), L the longest prompt, M the tokens of everything that
runs at once. `tests/capacity/test_fairness.py` holds it against random histories.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterator

from fireside.capacity.asks import Ask

LEVEL_S = 5.0  # without two that wait at once, and nobody is ahead of anybody
CALM_S = 30.0  # without anybody waiting or refused
FORGET_HALF_LIVES = 5  # after which what is left of an excess does not matter


class Flow:
    """One flow's standing. `order` decides between equal counters: who began to wait first."""

    __slots__ = (
        "counter",
        "idle_since",
        "in_line",
        "key",
        "most_running",
        "num_running",
        "order",
        "refused_at",
        "waiting",
        "weight",
    )

    def __init__(self, key: str, counter: float) -> None:
        self.key = key
        self.weight = 1.0
        self.counter = counter
        self.order = 0
        self.num_running = 0
        self.most_running = 0  # 0: no limit
        self.idle_since: float | None = None
        self.refused_at = -math.inf
        self.in_line = False  # it waits, and may run more than it does
        self.waiting: list[tuple[float, int, Ask]] = []  # by deadline, then arrival

    @property
    def is_full(self) -> bool:
        """Whether it runs as many as it may."""
        return 0 < self.most_running <= self.num_running


class FairQueue:
    """The asks of one band that wait for one pool."""

    def __init__(self, half_life_s: float) -> None:
        self.half_life_s = half_life_s
        self.flows: dict[str, Flow] = {}
        self.num_waiting = 0
        self._line: list[tuple[float, int, Flow]] = []  # sorted: counter, order
        self._entries: dict[str, tuple[float, int, Ask]] = {}  # ask id -> its place in its flow
        self._num_with: list[int] = [0]  # how many flows have at least that many waiting
        self._floor = 0.0
        self._tie = 0
        self._contended_at = -CALM_S
        self._level, self._level_at = 0.0, -math.inf  # of those served while several wait
        self._due: deque[tuple[float, int, Ask]] = deque()  # by arrival, gone ones among them
        self._idle: deque[tuple[float, str]] = deque()

    def push(self, ask: Ask, deadline: float, now: float) -> None:
        """Let an ask wait in its flow."""
        flow = self._flow(ask)
        self._contended_at = now
        flow.most_running = ask.max_running
        self._tie += 1
        if not flow.waiting:
            flow.counter = self._lifted(flow, now)
            flow.order = self._tie
        flow.idle_since = None
        entry = (deadline, self._tie, ask)
        self._entries[ask.id] = entry
        self._due.append(entry)
        insort(flow.waiting, entry)
        length = len(flow.waiting)
        if length >= len(self._num_with):
            self._num_with.append(0)
        self._num_with[length] += 1
        self.num_waiting += 1
        self._enter(flow)

    def pop(
        self,
        fits: Callable[[Ask], bool],
        now: float,
        most_passed: int | None = None,
        due_before: float = -math.inf,
        most_excess: float = 0.0,
    ) -> Ask | None:
        """The next ask, by flow; flows whose first ask does not fit are passed over.

        One that was let in and whose deadline comes before `due_before` goes first: those who come
        later, with less service, were counted on when it was let in, but not how many.
        """
        while self._due and self._due[0][2].id not in self._entries:
            self._due.popleft()
        if self._due and self._due[0][0] < due_before and fits(self._due[0][2]):
            entry = self._due.popleft()
            flow = self.flows[entry[2].flow]
            # Not a flow that has had more than the others: it knew how long it would wait.
            if flow.counter <= self._least_counter() + most_excess:
                return self._serve(flow, entry)
        for num_passed, (_, _, flow) in enumerate(self._line):
            if most_passed is not None and num_passed > most_passed:
                break
            if fits(flow.waiting[0][2]):
                if len(self._line) > 1:
                    self._follow_level(flow.counter, now)
                self._floor = max(self._floor, flow.counter)
                return self._serve(flow, flow.waiting[0])
        return None

    def peek(self) -> Ask | None:
        """The ask that `pop` would look at first."""
        return self._line[0][2].waiting[0][2] if self._line else None

    def remove(self, ask: Ask, now: float) -> None:
        """It does not wait any more."""
        entry = self._entries.get(ask.id)
        if entry is None:
            return
        flow = self.flows[ask.flow]
        self._take(flow, entry)
        if not flow.waiting:
            self._leave(flow)
            self._rest(flow, now)

    def refuse(self, ask: Ask, now: float) -> None:
        """It was turned away: for a while its flow counts as one that waits and falls behind.

        Else whoever asks most often would get what those who were refused did not.
        """
        flow = self._flow(ask)
        self._contended_at = flow.refused_at = now
        if flow.idle_since is None and not flow.num_running and not flow.waiting:
            self._rest(flow, now)

    def start(self, ask: Ask, cost: float, now: float) -> None:
        """It runs now; its flow is charged."""
        flow = self._flow(ask)
        if not self.num_waiting and now - self._contended_at > CALM_S:
            # In calm times a flow enters at the level of the last one served, or what somebody used
            # while there was enough would be held against them later.
            flow.counter = self._floor = max(self._floor, flow.counter)
        flow.num_running += 1
        flow.idle_since = None
        if flow.is_full:
            self._leave(flow)
        self.charge(flow.key, cost)

    def end(self, ask: Ask, correction: float, now: float) -> None:
        """It has ended; `correction` is what it cost beyond what was charged."""
        flow = self.flows.get(ask.flow)
        if flow is None:
            return
        flow.num_running -= 1
        self.charge(flow.key, correction)
        if flow.waiting and not flow.in_line and not flow.is_full:
            # It could not run meanwhile, so it has nothing to make up for.
            flow.counter = max(flow.counter, self._least_counter())
            self._enter(flow)
        self._rest(flow, now)

    def charge(self, key: str, cost: float) -> None:
        """Add to a flow's counter (or take back)."""
        flow = self.flows.get(key)
        if flow is None or not cost:
            return
        was_in_line = flow.in_line
        self._leave(flow)
        flow.counter += cost / flow.weight
        if was_in_line:
            self._enter(flow)

    def num_ahead_of_share(self, key: str, mean_cost: float, now: float) -> int:
        """How many turns more a flow had than those who were served last while several waited.

        0 in calm times. It keeps a flow that asks all the time from taking every slot for which
        nobody happens to wait at that moment.
        """
        flow = self.flows.get(key)
        if flow is None or now - self._level_at > LEVEL_S or mean_cost <= 0:
            return 0
        return max(0, int((flow.counter - self._level) / mean_cost))

    def num_running(self, key: str) -> int:
        """How many of that flow run."""
        flow = self.flows.get(key)
        return flow.num_running if flow is not None else 0

    def num_waiting_of(self, key: str) -> int:
        """How many of that flow wait."""
        flow = self.flows.get(key)
        return len(flow.waiting) if flow is not None else 0

    def num_ready(self) -> int:
        """How many could run if there were slots: more than a flow may run do not count."""
        ready = 0
        for _, _, flow in self._line:
            length = len(flow.waiting)
            room = flow.most_running - flow.num_running if flow.most_running else length
            ready += max(0, min(length, room))
        return ready

    def ahead(self, key: str, mean_cost: float, now: float) -> int:
        """How many are served before an ask of that flow that came now."""
        flow = self.flows.get(key)
        if not self._line:
            return self.num_ahead_of_share(key, mean_cost, now) + self.num_waiting_of(key)
        if flow is None:
            return self._num_before(self._least_counter(), self._tie + 1, mean_cost, None, 0)
        if flow.waiting:
            return self._num_before(flow.counter, flow.order, mean_cost, flow, len(flow.waiting))
        return self._num_before(self._lifted(flow, now), self._tie + 1, mean_cost, flow, 0)

    def position(self, ask: Ask, mean_cost: float) -> int:
        """How many are served before an ask that waits already."""
        flow = self.flows[ask.flow]
        behind = bisect_left(flow.waiting, self._entries[ask.id])
        return self._num_before(flow.counter, flow.order, mean_cost, flow, behind)

    def waiting(self) -> Iterator[Ask]:
        """Everything that waits, in no order."""
        for _, _, ask in self._entries.values():
            yield ask

    def forget_idle(self, now: float) -> None:
        """Drop flows that have nothing to remember."""
        keep_s = FORGET_HALF_LIVES * self.half_life_s
        while self._idle and now - self._idle[0][0] > keep_s:
            since, key = self._idle.popleft()
            flow = self.flows.get(key)
            if flow is not None and flow.idle_since == since:
                del self.flows[key]

    def _num_before(
        self, counter: float, order: int, mean_cost: float, own: Flow | None, behind: int
    ) -> int:
        """Flows take turns: of the others as many as there are rounds until this one's is reached.

        Counted as if every turn cost `mean_cost`, and every flow weighed the same.
        """
        excess = counter - self._least_counter()
        missed = int(excess / mean_cost) if excess > 0 < mean_cost else 0
        num_earlier = bisect_left(self._line, (counter - missed * mean_cost, order))
        num_others = len(self._line)
        num_own = 0
        if own is not None and own.in_line:
            num_others -= 1
            num_own = len(own.waiting)
        rounds = missed + behind
        if not rounds or not num_others:
            return num_earlier + behind
        total = sum(self._num_with[1 : rounds + 1]) - min(num_own, rounds)
        if rounds + 1 < len(self._num_with):
            last = self._num_with[rounds + 1] - (num_own > rounds)
            total += last * num_earlier // num_others
        return max(0, total) + behind

    def _flow(self, ask: Ask) -> Flow:
        flow = self.flows.get(ask.flow)
        if flow is None:
            flow = self.flows[ask.flow] = Flow(ask.flow, self._least_counter())
        flow.weight = ask.weight
        return flow

    def _lifted(self, flow: Flow, now: float) -> float:
        """The counter with which a flow that did not wait begins to."""
        least = self._least_counter()
        excess = flow.counter - least
        if excess < 0 and now - flow.refused_at <= CALM_S:
            return flow.counter
        if excess > 0 and flow.idle_since is not None:
            excess *= math.exp2(-max(0.0, now - flow.idle_since) / self.half_life_s)
        return least + max(0.0, excess)

    def _least_counter(self) -> float:
        return self._line[0][0] if self._line else self._floor

    def _enter(self, flow: Flow) -> None:
        if flow.waiting and not flow.in_line and not flow.is_full:
            insort(self._line, (flow.counter, flow.order, flow))
            flow.in_line = True

    def _leave(self, flow: Flow) -> None:
        if flow.in_line:
            del self._line[bisect_left(self._line, (flow.counter, flow.order))]
            flow.in_line = False

    def _rest(self, flow: Flow, now: float) -> None:
        if not flow.num_running and not flow.waiting:
            flow.idle_since = now
            self._idle.append((now, flow.key))

    def _follow_level(self, counter: float, now: float) -> None:
        is_known = now - self._level_at <= LEVEL_S
        self._level = self._level + 0.2 * (counter - self._level) if is_known else counter
        self._level_at = now

    def _serve(self, flow: Flow, entry: tuple[float, int, Ask]) -> Ask:
        self._leave(flow)
        self._take(flow, entry)
        self._tie += 1
        flow.order = self._tie
        self._enter(flow)
        return entry[2]

    def _take(self, flow: Flow, entry: tuple[float, int, Ask]) -> None:
        self._num_with[len(flow.waiting)] -= 1
        self.num_waiting -= 1
        del flow.waiting[bisect_left(flow.waiting, entry)]
        del self._entries[entry[2].id]

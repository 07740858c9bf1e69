"""Fair shares within a band: virtual token counters. Pure.

After Sheng et al., "Fairness in Serving Large Language Models" (OSDI 2024): each flow carries a
counter of the service it got, divided by its weight; the waiting flow with the least counter is
next. A flow that comes back from being idle is lifted to the least counter of those waiting, so
that nobody saves up. Here the expected output is charged when a turn starts and corrected while it
runs, and what a flow used beyond the others halves every `half_life_s` while it is idle.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator

from fireside.capacity.asks import Ask


class Flow:
    """One flow's standing."""

    __slots__ = ("counter", "idle_since", "key", "num_running", "version", "waiting", "weight")

    def __init__(self, key: str) -> None:
        self.key = key
        self.weight = 1.0
        self.counter = 0.0
        self.num_running = 0
        self.idle_since: float | None = None
        self.version = 0
        self.waiting: list[tuple[float, int, Ask]] = []  # a heap by deadline, then arrival


class FairQueue:
    """The asks of one band that wait for one pool."""

    def __init__(self, half_life_s: float) -> None:
        self.half_life_s = half_life_s
        self.flows: dict[str, Flow] = {}
        self._heap: list[tuple[float, int, int, Flow]] = []  # counter, tie, version, flow
        self._num_with: list[int] = [0]  # how many flows have at least that many waiting
        self._floor = 0.0
        self._tie = 0
        self.num_waiting = 0
        self.work_waiting = 0.0

    def push(self, ask: Ask, deadline: float, now: float) -> None:
        """Let an ask wait in its flow."""
        flow = self._flow(ask)
        if not flow.waiting:
            self._lift(flow, now)
        self._tie += 1
        heapq.heappush(flow.waiting, (deadline, self._tie, ask))
        length = len(flow.waiting)
        if length >= len(self._num_with):
            self._num_with.append(0)
        self._num_with[length] += 1
        self.num_waiting += 1
        self.work_waiting += ask.predicted_tokens
        if length == 1:
            self._enter(flow)

    def pop(self, fits: Callable[[Ask], bool]) -> Ask | None:
        """The next ask, by flow; flows whose first ask does not fit are passed over."""
        passed: list[Flow] = []
        found: Ask | None = None
        while found is None and (flow := self._least()) is not None:
            head = flow.waiting[0][2]
            if fits(head):
                found = head
                self._floor = max(self._floor, flow.counter)
                self._drop_head(flow)
            else:
                passed.append(flow)
            self._leave(flow)
            if found is not None and flow.waiting:
                self._enter(flow)
        for flow in passed:
            self._enter(flow)
        return found

    def peek(self) -> Ask | None:
        """The ask that `pop` would look at first."""
        flow = self._least()
        return flow.waiting[0][2] if flow is not None else None

    def remove(self, ask: Ask) -> None:
        """It does not wait any more."""
        flow = self.flows[ask.flow]
        if flow.waiting and flow.waiting[0][2] is ask:
            self._drop_head(flow)
        else:
            for index, entry in enumerate(flow.waiting):
                if entry[2] is ask:
                    self._count_out(flow, ask)
                    del flow.waiting[index]
                    heapq.heapify(flow.waiting)
                    break
            else:
                return
        if not flow.waiting:
            self._leave(flow)

    def start(self, ask: Ask, cost: float) -> None:
        """It runs now; its flow is charged."""
        flow = self._flow(ask)
        if not self.num_waiting:
            # In quiet times too a flow enters at the level of the last one served, or what somebody
            # used while there was enough would be held against them later.
            flow.counter = self._floor = max(self._floor, flow.counter)
        flow.num_running += 1
        flow.idle_since = None
        self.charge(flow.key, cost)

    def end(self, ask: Ask, correction: float, now: float) -> None:
        """It has ended; `correction` is what it cost beyond what was charged."""
        flow = self.flows.get(ask.flow)
        if flow is None:
            return
        flow.num_running -= 1
        self.charge(flow.key, correction)
        if not flow.num_running and not flow.waiting:
            flow.idle_since = now

    def charge(self, key: str, cost: float) -> None:
        """Add to a flow's counter (or take back)."""
        flow = self.flows.get(key)
        if flow is None or not cost:
            return
        flow.counter += cost / flow.weight
        if cost < 0 and flow.waiting:
            self._enter(flow)

    def num_running(self, key: str) -> int:
        """How many of that flow run."""
        flow = self.flows.get(key)
        return flow.num_running if flow is not None else 0

    def num_waiting_of(self, key: str) -> int:
        """How many of that flow wait."""
        flow = self.flows.get(key)
        return len(flow.waiting) if flow is not None else 0

    def ahead(self, key: str, mean_cost: float, behind: int | None = None) -> int:
        """How many are served before an ask of that flow that has `behind` of its own before it.

        Flows take turns, so of every other flow as many as there are rounds. A flow that was served
        beyond the others waits for them to catch up.
        """
        flow = self.flows.get(key)
        own = len(flow.waiting) if flow is not None else 0
        rounds = (own if behind is None else behind) + 1
        if flow is not None and mean_cost > 0:
            rounds += int(max(0.0, flow.counter - self._least_counter()) * flow.weight / mean_cost)
        total = sum(self._num_with[1 : rounds + 1])
        return max(total - (1 if behind is not None else 0), 0)

    def position(self, ask: Ask, mean_cost: float) -> int:
        """How many are served before an ask that waits already."""
        flow = self.flows[ask.flow]
        behind = sum(1 for entry in flow.waiting if entry[2] is not ask and entry < _key(flow, ask))
        return self.ahead(ask.flow, mean_cost, behind)

    def waiting(self) -> Iterator[Ask]:
        """Everything that waits, in no order."""
        for flow in self.flows.values():
            for _, _, ask in flow.waiting:
                yield ask

    def forget_idle(self, now: float) -> None:
        """Drop flows that have nothing to remember."""
        gone = [
            flow.key
            for flow in self.flows.values()
            if flow.idle_since is not None
            and (flow.counter <= self._floor or now - flow.idle_since > 10 * self.half_life_s)
        ]
        for key in gone:
            del self.flows[key]

    def _flow(self, ask: Ask) -> Flow:
        flow = self.flows.get(ask.flow)
        if flow is None:
            flow = self.flows[ask.flow] = Flow(ask.flow)
            flow.counter = self._least_counter()
        flow.weight = ask.weight
        return flow

    def _lift(self, flow: Flow, now: float) -> None:
        least = self._least_counter()
        excess = flow.counter - least
        if excess > 0 and flow.idle_since is not None:
            excess *= 0.5 ** (max(0.0, now - flow.idle_since) / self.half_life_s)
        flow.counter = least + max(0.0, excess)
        flow.idle_since = None

    def _least(self) -> Flow | None:
        heap = self._heap
        while heap:
            counter, _, version, flow = heap[0]
            if version != flow.version or not flow.waiting:
                heapq.heappop(heap)
            elif counter < flow.counter:
                heapq.heappop(heap)
                self._enter(flow)
            else:
                return flow
        return None

    def _least_counter(self) -> float:
        flow = self._least()
        return flow.counter if flow is not None else self._floor

    def _enter(self, flow: Flow) -> None:
        flow.version += 1
        self._tie += 1
        heapq.heappush(self._heap, (flow.counter, self._tie, flow.version, flow))

    def _leave(self, flow: Flow) -> None:
        flow.version += 1

    def _drop_head(self, flow: Flow) -> None:
        self._count_out(flow, flow.waiting[0][2])
        heapq.heappop(flow.waiting)

    def _count_out(self, flow: Flow, ask: Ask) -> None:
        self._num_with[len(flow.waiting)] -= 1
        self.num_waiting -= 1
        self.work_waiting -= ask.predicted_tokens


def _key(flow: Flow, ask: Ask) -> tuple[float, int, Ask]:
    return next(entry for entry in flow.waiting if entry[2] is ask)

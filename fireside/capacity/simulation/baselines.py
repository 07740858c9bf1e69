"""What a gate is compared with: one queue in front of the same engines, first come or paid first.

Nobody is refused; who has waited for longer than people do leaves. Pure.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from enum import StrEnum

from fireside.capacity.asks import (
    Answer,
    Ask,
    Decision,
    Granted,
    Reason,
    Refused,
    Waiting,
)
from fireside.capacity.policy import BANDS, Policy


class Order(StrEnum):
    """Who is next."""

    FIFO = "fifo"
    PRIORITY = "priority"  # the bands in their order, first come in each


class Placement(StrEnum):
    """Where it goes."""

    LEAST_LOADED = "least_loaded"
    ROUND_ROBIN = "round_robin"


class Line:
    """A queue and the engines' slots, nothing more."""

    def __init__(
        self, policy: Policy, order: Order, placement: Placement = Placement.LEAST_LOADED
    ) -> None:
        self._policy = policy
        self._order = order
        self._placement = placement
        self._free: dict[str, int] = {}
        self._slots: dict[str, int] = {}
        self._runs: dict[str, str] = {}  # ask -> engine
        self._waits: dict[str, Ask] = {}
        self._heap: list[tuple[int, int, str]] = []
        self._patience: list[tuple[float, str]] = []
        self._names: list[str] = []
        self._tie = self._turn = 0

    def set_engines(
        self, offers: Mapping[str, Iterable[str]], slots: Mapping[str, int | None], now: float
    ) -> list[Decision]:
        """Those that answer."""
        names = [name for each in offers.values() for name in each]
        self._slots = {name: slots[name] or 1 for name in names}
        busy = list(self._runs.values())
        self._free = {name: self._slots[name] - busy.count(name) for name in names}
        self._names = names
        return self._dispatch()

    def set_policy(self, policy: Policy) -> None:
        """Only its patience matters here."""
        self._policy = policy

    def arrive(self, ask: Ask, now: float) -> Answer:
        """It runs where a slot is free, else it waits."""
        if not self._waits and (engine := self._place()) is not None:
            return self._start(ask.id, engine)
        self._tie += 1
        rank = BANDS.index(ask.band) if self._order is Order.PRIORITY else 0
        heapq.heappush(self._heap, (-1 if ask.resume else rank, self._tie, ask.id))
        self._waits[ask.id] = ask
        give_up_at = now + self._policy.bands[ask.band].patience_s
        heapq.heappush(self._patience, (give_up_at, ask.id))
        return Waiting(ask.id, len(self._waits), None)

    def finish(
        self, ask_id: str, prompt_tokens: int, output_tokens: int, now: float
    ) -> list[Decision]:
        """Its slot is free."""
        return self.cancel(ask_id, now)

    def cancel(self, ask_id: str, now: float) -> list[Decision]:
        """It has left."""
        self._waits.pop(ask_id, None)
        engine = self._runs.pop(ask_id, None)
        if engine in self._free:
            self._free[engine] += 1
        return self._dispatch()

    def progress(self, ask_id: str, num_tokens: int, now: float) -> None:
        """Nothing is learned."""

    def say(self, engine: str, num_tokens: int) -> None:
        """Nothing is learned."""

    def renew(self, ask_ids: Iterable[str], now: float) -> None:
        """Nothing expires."""

    def tick(self, now: float) -> list[Decision]:
        """Whoever has waited too long leaves."""
        gone: list[Decision] = []
        while self._patience and self._patience[0][0] <= now:
            _, ask_id = heapq.heappop(self._patience)
            if self._waits.pop(ask_id, None) is not None:
                gone.append(Refused(ask_id, Reason.PATIENCE_OVER, 1.0))
        return gone

    def held(self) -> list[str]:
        """What runs."""
        return list(self._runs)

    def num_waiting(self) -> int:
        """What waits."""
        return len(self._waits)

    def _dispatch(self) -> list[Decision]:
        started: list[Decision] = []
        while self._heap:
            if self._heap[0][2] not in self._waits:
                heapq.heappop(self._heap)
                continue
            engine = self._place()
            if engine is None:
                break
            ask_id = heapq.heappop(self._heap)[2]
            del self._waits[ask_id]
            started.append(self._start(ask_id, engine))
        return started

    def _start(self, ask_id: str, engine: str) -> Granted:
        self._free[engine] -= 1
        self._runs[ask_id] = engine
        return Granted(ask_id, engine)

    def _place(self) -> str | None:
        if self._placement is Placement.LEAST_LOADED:
            engine = max(self._names, key=lambda name: self._free[name], default=None)
            return engine if engine is not None and self._free[engine] > 0 else None
        for _ in self._names:
            self._turn = (self._turn + 1) % len(self._names)
            if self._free[self._names[self._turn]] > 0:
                return self._names[self._turn]
        return None

"""One simulated model server: slots, prefill and decoding by the cost model's clock."""

from __future__ import annotations

import asyncio
from collections import deque

from bench.gateway.cost import CostModel
from bench.gateway.prefix import PrefixCache
from bench.gateway.words import token_at


class Sequence:
    """One generation. Its owner overrides `on_token` and `on_end`."""

    def __init__(self, prompt: int, num_prompt_tokens: int, begin: int, limit: int) -> None:
        self.prompt = prompt
        self.prefill_left = num_prompt_tokens
        self.index = begin
        self.limit = limit
        self.paused = False  # the reader is slower than the engine
        self.cancelled = False
        self.stalled = False

    def on_token(self, word: int) -> None:
        """One more entry of the vocabulary was produced."""
        raise NotImplementedError

    def on_end(self) -> None:
        """The limit is reached."""
        raise NotImplementedError


class Replica:
    """Runs sequences in iterations; everything happens on the event loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        cost: CostModel,
        seed: int,
        prefix_tokens: int = 0,
    ) -> None:
        self._loop = loop
        self._cost = cost
        self._seed = seed
        self._waiting: deque[Sequence] = deque()
        self._prefilling: list[Sequence] = []
        self._decoding: list[Sequence] = []
        self._finishing: list[Sequence] = []  # their prefill ends with the present iteration
        self._busy = False
        self._due = 0.0
        self._counted_at = loop.time()
        self.prefixes = PrefixCache(prefix_tokens)
        self.num_tokens = 0
        self.num_prefilled = 0
        self.running_s = self.waiting_s = 0.0  # sequences times seconds
        self.most_waiting = 0

    @property
    def num_running(self) -> int:
        """Sequences that hold a slot."""
        return len(self._decoding) + len(self._prefilling) + len(self._finishing)

    @property
    def num_waiting(self) -> int:
        """Sequences without a slot yet."""
        return len(self._waiting)

    def submit(self, sequence: Sequence) -> None:
        """Queue a sequence; it begins with the next iteration that has a free slot."""
        self.count()
        self._waiting.append(sequence)
        if not self._busy:
            self._busy = True
            self._due = self._loop.time()
            self._begin()
        self.most_waiting = max(self.most_waiting, len(self._waiting))

    def count(self) -> None:
        """Bring the times up to now."""
        now = self._loop.time()
        span_s = now - self._counted_at
        self.running_s += span_s * self.num_running
        self.waiting_s += span_s * len(self._waiting)
        self._counted_at = now

    def forget(self) -> None:
        """Begin all counters anew."""
        self.count()
        self.num_tokens = self.num_prefilled = self.most_waiting = 0
        self.running_s = self.waiting_s = 0.0

    def _begin(self) -> None:
        """Fill the slots, plan one iteration and wait until its time has passed."""
        self.count()
        self._decoding = [x for x in self._decoding if not x.cancelled and x.index < x.limit]
        self._prefilling = [x for x in self._prefilling if not x.cancelled]
        while self._waiting and self.num_running < self._cost.slots:
            sequence = self._waiting.popleft()
            if not sequence.cancelled:
                self._prefilling.append(sequence)
        if not self._decoding and not self._prefilling:
            self._busy = False
            return
        num_prefill = self._plan_prefill()
        duration_s = self._cost.iteration_s(len(self._decoding), num_prefill)
        if duration_s == 0:
            self._loop.call_soon(self._end)
            return
        self._due = max(self._due + duration_s, self._loop.time())
        self._loop.call_at(self._due, self._end)

    def _plan_prefill(self) -> int:
        budget = self._cost.chunk_tokens
        waiting: list[Sequence] = []
        for sequence in self._prefilling:
            taken = min(budget, sequence.prefill_left)
            sequence.prefill_left -= taken
            budget -= taken
            (waiting if sequence.prefill_left else self._finishing).append(sequence)
        self._prefilling = waiting
        self.num_prefilled += self._cost.chunk_tokens - budget
        return self._cost.chunk_tokens - budget

    def _end(self) -> None:
        """Give every decoding sequence its token."""
        self._decoding += self._finishing
        self._finishing = []
        for sequence in self._decoding:
            if sequence.cancelled or sequence.paused or sequence.stalled:
                continue
            self.num_tokens += 1
            index = sequence.index
            sequence.index = index + 1
            sequence.on_token(token_at(sequence.prompt, self._seed, index))
            if index + 1 == sequence.limit and not sequence.cancelled:
                sequence.on_end()
        self._begin()

"""The engine that the simulator serves with: continuous batching, by its iterations. Pure.

One iteration takes `base_s` plus `per_sequence_s` for each sequence, and prompts take
`per_prompt_token_s` a token out of everybody's time. Between events all sequences advance alike, so
a turn costs a few events whatever its length.
"""

from __future__ import annotations

import heapq

import msgspec


class EngineCost(msgspec.Struct, frozen=True):
    """How fast an engine is. The defaults are the reference engine of the benchmarks."""

    slots: int = 32
    base_s: float = 0.018
    per_sequence_s: float = 0.0006
    per_prompt_token_s: float = 0.0001

    def work_s(self, prompt_tokens: int, output_tokens: int) -> float:
        """Seconds of a full engine that a turn takes: what it costs, in capacity."""
        token_s = (self.base_s + self.per_sequence_s * self.slots) / self.slots
        return prompt_tokens * self.per_prompt_token_s + output_tokens * token_s


REFERENCE = EngineCost()
CONVERSATIONS_PER_SLOT = 4  # whose beginnings fit beside what runs: short of its context mostly


class ModelledEngine:
    """Which sequences run and when the next one ends."""

    def __init__(self, name: str, cost: EngineCost) -> None:
        self.name = name
        self.cost = cost
        self.generation = 0  # of its plans: changes when something begins or ends
        self._iterations = self._said = 0.0
        self._at = 0.0
        self._ends: list[tuple[float, int]] = []
        self._running: dict[int, float] = {}  # number -> the iteration at which it ends
        self._prefixes: dict[str, int] = {}
        self._iteration_s = cost.base_s

    def advance(self, now: float) -> None:
        """Let everything that runs say what it says until `now`."""
        if now > self._at:
            iterations = (now - self._at) / self._iteration_s
            self._iterations += iterations
            self._said += iterations * len(self._running)
            self._at = now

    def take_said(self) -> int:
        """Tokens said since the last call."""
        whole = int(self._said)
        self._said -= whole
        return whole

    def start(
        self, number: int, prompt_tokens: int, output_tokens: int, prefix: str, now: float
    ) -> tuple[float, int]:
        """Begin a turn; when its first token comes, and how much of its prompt was cached."""
        self.advance(now)
        cached = 0
        if prefix:
            cached = min(self._prefixes.pop(prefix, 0), prompt_tokens)
            self._prefixes[prefix] = prompt_tokens + output_tokens
            if len(self._prefixes) > CONVERSATIONS_PER_SLOT * self.cost.slots:
                self._prefixes.pop(next(iter(self._prefixes)))
        self._at = max(self._at, now) + (prompt_tokens - cached) * self.cost.per_prompt_token_s
        end = self._iterations + output_tokens
        self._running[number] = end
        heapq.heappush(self._ends, (end, number))
        self._change()
        return self._at + self._iteration_s, cached

    def remove(self, number: int, now: float) -> int:
        """A turn ended or was stopped; how many tokens it had still to say."""
        self.advance(now)
        end = self._running.pop(number, self._iterations)
        self._change()
        return max(0, round(end - self._iterations))

    def next_end(self) -> tuple[float, int] | None:
        """When the next turn ends, and which."""
        while self._ends and self._running.get(self._ends[0][1]) != self._ends[0][0]:
            heapq.heappop(self._ends)
        if not self._ends:
            return None
        left = max(0.0, self._ends[0][0] - self._iterations)
        return self._at + left * self._iteration_s, self._ends[0][1]

    def _change(self) -> None:
        self.generation += 1
        self._iteration_s = self.cost.base_s + self.cost.per_sequence_s * len(self._running)

"""Flows that always want more, on slots that all serve alike: who gets how much."""

from __future__ import annotations

import heapq
import random

import msgspec

from fireside.capacity.asks import Ask, Granted
from fireside.capacity.domain import Scheduler
from fireside.capacity.policy import Band
from tests.capacity.histories import patient

TOKEN_S = 0.05
SAMPLE_S = 5.0


class Contest(msgspec.Struct):
    """What is contested: `weights` by flow, and how long replies are."""

    seed: int
    weights: list[float]
    num_slots: int
    mean_tokens: float
    most_tokens: float = 4000.0
    is_heavy_tailed: bool = False
    prediction: float = 1.0  # of the true mean
    prompt_tokens: int = 0


class Served:
    """What a contest came to: service by flow (cost over weight), sampled every SAMPLE_S."""

    def __init__(self, num_flows: int) -> None:
        self.samples: list[list[float]] = [[0.0] * num_flows]
        self.num_slots_idle_s = 0.0
        self.largest_cost = 0.0

    def window(self, first: int, last: int) -> list[float]:
        """Service by flow between two samples."""
        before, after = self.samples[first], self.samples[last]
        return [b - a for a, b in zip(before, after, strict=True)]

    def largest_gap(self) -> float:
        """The largest difference in service of two flows over any span of samples."""
        largest = 0.0
        num_flows = len(self.samples[0])
        for one in range(num_flows):
            for other in range(one):
                apart = [sample[one] - sample[other] for sample in self.samples]
                largest = max(largest, max(apart) - min(apart))
        return largest


def jain(shares: list[float]) -> float:
    """Jain's index: 1 where all are equal, 1/n where one has everything."""
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 1.0


def hold(contest: Contest, duration_s: float) -> Served:
    """Run it: every flow has always two turns waiting."""
    rnd = random.Random(contest.seed)
    scheduler = Scheduler(patient(patience_s=86_000.0))
    scheduler.set_engines({"m": ["e"]}, {"e": contest.num_slots}, 0.0)
    served = Served(len(contest.weights))
    ends: list[tuple[float, str]] = []
    lengths: dict[str, tuple[int, int, float]] = {}  # flow, tokens, began
    service = [0.0] * len(contest.weights)
    number = 0

    def ask(flow: int, now: float) -> None:
        nonlocal number
        number += 1
        tokens = _length(contest, rnd)
        name = f"{number}"
        lengths[name] = (flow, tokens, -1.0)
        answer = scheduler.arrive(
            Ask(
                id=name,
                pool="m",
                band=Band.PAID,
                flow=f"f{flow}",
                arrived_at=now,
                weight=contest.weights[flow],
                prompt_tokens=contest.prompt_tokens,
                predicted_tokens=contest.mean_tokens * contest.prediction,
            ),
            now,
        )
        if isinstance(answer, Granted):
            begin(name, now)

    def begin(name: str, now: float) -> None:
        flow, tokens, _ = lengths[name]
        lengths[name] = (flow, tokens, now)
        service[flow] += contest.prompt_tokens / contest.weights[flow]
        served.largest_cost = max(served.largest_cost, contest.prompt_tokens + 2 * tokens)
        heapq.heappush(ends, (now + tokens * TOKEN_S, name))

    def running_service(now: float) -> list[float]:
        total = list(service)
        for _, name in ends:
            flow, _, began = lengths[name]
            total[flow] += 2 * (now - began) / TOKEN_S / contest.weights[flow]
        return total

    for _ in range(contest.num_slots + 2):
        for flow in range(len(contest.weights)):
            ask(flow, 0.0)
    next_sample = SAMPLE_S
    while ends and next_sample <= duration_s:
        at, name = ends[0]
        if at > next_sample:
            served.samples.append(running_service(next_sample))
            for _, each in ends:
                said = int((next_sample - lengths[each][2]) / TOKEN_S)
                scheduler.progress(each, said, next_sample)
            next_sample += SAMPLE_S
            continue
        heapq.heappop(ends)
        flow, tokens, _ = lengths.pop(name)
        service[flow] += 2 * tokens / contest.weights[flow]
        for decision in scheduler.finish(name, contest.prompt_tokens, tokens, at):
            begin(decision.ask_id, at)
        served.num_slots_idle_s += contest.num_slots - len(ends)
        ask(flow, at)
    return served


def _length(contest: Contest, rnd: random.Random) -> int:
    if contest.is_heavy_tailed:
        drawn = rnd.lognormvariate(0, 1.0) * contest.mean_tokens / 1.65
    else:
        drawn = rnd.expovariate(1 / contest.mean_tokens)
    return max(1, int(min(drawn, contest.most_tokens)))

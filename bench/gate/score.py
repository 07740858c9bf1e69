"""What a run was worth: SLOs, goodput, fairness, refusals, recovery. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

import msgspec

from bench.gate.arrivals import work_s
from bench.gate.spec import Attempt, Caller, Replayed, Send
from bench.gateway.cost import CostModel
from bench.gateway.load import Quantiles, quantiles


class Slo(msgspec.Struct, frozen=True):
    """What a group was promised, in seconds of the run."""

    first_s: float
    per_token_s: float


class Turn(msgspec.Struct):
    """One send with all its attempts, in order."""

    send: Send
    group: str
    attempts: list[Attempt]

    @property
    def last(self) -> Attempt:
        """How it ended."""
        return self.attempts[-1]

    def in_time(self, slo: Slo) -> bool:
        """Whether it was served as promised, counted from when it was first due."""
        last = self.last
        if last.outcome != "ok" or last.first_s < 0:
            return False
        per_token_s = (last.ended_s - last.first_s) / max(last.num_tokens - 1, 1)
        return last.first_s - self.send.at_s <= slo.first_s and per_token_s <= slo.per_token_s


def turns(
    sends: Sequence[Send], callers: Sequence[Caller], replayed: Replayed, from_s: float, to_s: float
) -> list[Turn]:
    """The turns that were first due in a span."""
    by_send: dict[int, list[Attempt]] = defaultdict(list)
    for attempt in replayed.attempts:
        by_send[attempt.send].append(attempt)
    return [
        Turn(
            sends[number],
            callers[sends[number].caller].group,
            sorted(attempts, key=lambda each: each.number),
        )
        for number, attempts in sorted(by_send.items())
        if from_s <= sends[number].at_s < to_s
    ]


class Found(msgspec.Struct, kw_only=True):
    """The figures of one run. Shares are of the turns of a group, work of engine seconds a second.

    `late_refusals` is the share of those turned away who were told after a second of engine time,
    or left without having been told.
    """

    num_turns: int
    offered: float
    goodput: float
    attainment: dict[str, float]
    num_by_group: dict[str, int]
    work_by_group: dict[str, float]
    num_refused: int
    num_errors: int
    num_gave_up: int
    num_wrong: int
    refuse_ms: Quantiles
    late_refusals: float
    num_without_retry_after: int
    ttft_s: dict[str, list[float]]
    errors: list[str]
    refused_for: dict[str, int] = {}
    engine_waiting: float = 0.0  # sequences that waited inside the engine, in the mean
    void: str = ""


def score(
    found: Sequence[Turn],
    slos: dict[str, Slo],
    cost: CostModel,
    span_s: float,
    void: str = "",
) -> Found:
    """Figures of the turns of a span."""
    good_s = offered_s = 0.0
    in_time: dict[str, int] = defaultdict(int)
    count: dict[str, int] = defaultdict(int)
    work: dict[str, float] = defaultdict(float)
    firsts: dict[str, list[float]] = defaultdict(list)
    for turn in found:
        each_s = work_s(turn.send.prompt_tokens, turn.send.output_tokens, cost)
        offered_s += each_s
        count[turn.group] += 1
        work[turn.group] += each_s / span_s
        if turn.last.first_s >= 0:
            firsts[turn.group].append(round(turn.last.first_s - turn.send.at_s, 4))
        if turn.in_time(slos[turn.group]):
            in_time[turn.group] += 1
            good_s += each_s
    attempts = [attempt for turn in found for attempt in turn.attempts]
    refused = [each for each in attempts if each.outcome == "refused"]
    waits_s = [each.ended_s - each.due_s for each in refused]
    late = sum(1 for wait in waits_s if wait > 1.0 / cost.compression)
    num_gave_up = sum(1 for each in attempts if each.outcome == "gave_up")
    num_turned_away = len(refused) + num_gave_up
    errors = [each for each in attempts if each.outcome in {"error", "unfinished"}]
    return Found(
        num_turns=len(found),
        offered=round(offered_s / span_s, 3),
        goodput=round(good_s / span_s, 4),
        attainment={group: round(in_time[group] / count[group], 4) for group in sorted(count)},
        num_by_group=dict(count),
        work_by_group={group: round(value, 3) for group, value in work.items()},
        num_refused=len(refused),
        num_errors=len(errors),
        num_gave_up=num_gave_up,
        num_wrong=sum(1 for each in attempts if each.is_right is False),
        refuse_ms=quantiles([wait * 1000 for wait in waits_s]),
        late_refusals=round((late + num_gave_up) / max(1, num_turned_away), 4),
        num_without_retry_after=sum(1 for each in refused if each.retry_after_s < 1),
        ttft_s=dict(firsts),
        errors=sorted({f"{each.status} {each.detail}"[:120] for each in errors})[:8],
        refused_for=dict(Counter(each.detail for each in refused)),
        void=void,
    )


def jain(values: Iterable[float]) -> float:
    """1 when all have the same, 1/n when one has all."""
    shares = list(values)
    squares = sum(x * x for x in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 1.0


def service(
    found: Iterable[Turn], from_s: float, to_s: float, who: Callable[[Turn], int | str]
) -> dict[int | str, float]:
    """What each got in a span, in prompt tokens and twice reply tokens (as the gate charges).

    The prompt counts when the first token came, the reply spread evenly over its time.
    """
    got: dict[int | str, float] = defaultdict(float)
    for turn in found:
        for each in turn.attempts:
            if each.first_s < 0:
                continue
            if from_s <= each.first_s < to_s:
                got[who(turn)] += turn.send.prompt_tokens
            lasted_s = max(each.ended_s - each.first_s, 1e-6)
            within_s = min(each.ended_s, to_s) - max(each.first_s, from_s)
            if within_s > 0:
                got[who(turn)] += 2 * turn.send.output_tokens * min(1.0, within_s / lasted_s)
    return got


def recovery_s(found: Sequence[Turn], slos: dict[str, Slo], after_s: float, share: float) -> float:
    """From `after_s` on, the least time after which `share` of all later arrivals are in time.

    Infinite when that is never so, with at least 20 later arrivals to tell it by.
    """
    later = [turn for turn in found if turn.send.at_s >= after_s]
    is_good = [turn.in_time(slos[turn.group]) for turn in later]
    good = 0
    best = float("inf")
    for num, index in enumerate(range(len(later) - 1, -1, -1), start=1):
        good += is_good[index]
        if num >= 20 and good / num >= share:
            best = later[index].send.at_s - after_s
    return max(0.0, best)

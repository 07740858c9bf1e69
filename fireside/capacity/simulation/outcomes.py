"""What a simulated demand came to, in the figures by which a gate is judged. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from fireside.capacity.policy import Band, Policy
from fireside.capacity.simulation.modelled import EngineCost
from fireside.capacity.simulation.simulator import Turn

AT_ONCE_S = 1.0  # a refusal later than this has kept somebody waiting for nothing
JAIN_WINDOW_S = 600.0
JAIN_ASKS = 20  # in a window, of a flow whose share of it can be judged
GROUP_MARK = "@"  # a flow named group@name belongs to a group


class GroupOutcome(msgspec.Struct, frozen=True):
    """One band, or one group of flows. Shares are of those who asked; waits in seconds."""

    num_turns: int
    attainment: float  # began and went on within the SLO
    refused: float
    refused_late: float  # after more than a second
    wait_p50_s: float
    wait_p99_s: float
    first_token_p99_s: float
    work: float  # of the capacity


class Outcome(msgspec.Struct, frozen=True):
    """A whole run. `offered` and `goodput` are work over capacity."""

    name: str
    num_turns: int
    duration_s: float
    offered: float
    goodput: float
    groups: dict[str, GroupOutcome]
    refused: float
    refused_late: float
    asks_per_turn: float
    coverage: float | None  # of the shown 80 % interval; None where nobody was shown one
    num_shown: int
    jain: float | None  # the mean over windows of flows that asked for more than they got
    cached: float  # of the prompt tokens of conversations
    balance: float  # the most loaded engine's work over the mean
    max_rung: int

    @property
    def goodput_of_offered(self) -> float:
        """What was served in time of what could be: the least of demand and capacity."""
        return self.goodput / max(1e-9, min(1.0, self.offered))


class Run(msgspec.Struct, frozen=True):
    """What an outcome is computed from."""

    name: str
    turns: Sequence[Turn]
    policy: Policy
    cost: EngineCost
    engine_s: float
    max_rung: int = 0


def outcome(run: Run) -> Outcome:
    """The figures of a run."""
    groups: defaultdict[str, list[Turn]] = defaultdict(list)
    for turn in run.turns:
        groups[turn.arrival.band.value].append(turn)
        group, mark, _ = turn.arrival.flow.partition(GROUP_MARK)
        if mark:
            groups[group].append(turn)
    in_time = [turn for turn in run.turns if turn.in_time(run.policy)]
    refused = [turn for turn in run.turns if turn.refused_at is not None]
    num = max(1, len(run.turns))
    coverage, num_shown = _coverage(run.turns)
    return Outcome(
        name=run.name,
        num_turns=len(run.turns),
        duration_s=run.turns[-1].arrival.at if run.turns else 0.0,
        offered=_work_s(run.turns, run.cost) / max(run.engine_s, 1e-9),
        goodput=_work_s(in_time, run.cost) / max(run.engine_s, 1e-9),
        groups={name: _group(run, each) for name, each in sorted(groups.items())},
        refused=len(refused) / num,
        refused_late=sum(1 for turn in refused if _is_late(turn)) / num,
        asks_per_turn=sum(turn.num_asks for turn in run.turns) / num,
        coverage=coverage,
        num_shown=num_shown,
        jain=_fairness(run),
        cached=_cached(run.turns),
        balance=_balance(run),
        max_rung=run.max_rung,
    )


def jain(shares: Sequence[float]) -> float:
    """Jain's index: 1 where all are equal, 1/n where one has everything."""
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 1.0


def quantile(values: list[float], share: float) -> float:
    """The value that `share` of them do not exceed; 0 of none."""
    if not values:
        return 0.0
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


def attainment_by_minute(
    turns: Iterable[Turn], policy: Policy, band: Band, minute_s: float = 60.0
) -> dict[int, tuple[int, int]]:
    """Minute -> turns of the band that met their SLO, and turns that came."""
    minutes: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0])
    for turn in turns:
        if turn.arrival.band is band:
            counts = minutes[int(turn.arrival.at // minute_s)]
            counts[0] += turn.in_time(policy)
            counts[1] += 1
    return {minute: (counts[0], counts[1]) for minute, counts in minutes.items()}


def _group(run: Run, turns: list[Turn]) -> GroupOutcome:
    waits = [turn.granted_at - turn.asked_at for turn in turns if turn.granted_at is not None]
    firsts = [turn.first_at - turn.asked_at for turn in turns if turn.first_at is not None]
    in_time = [turn for turn in turns if turn.in_time(run.policy)]
    refused = [turn for turn in turns if turn.refused_at is not None]
    return GroupOutcome(
        num_turns=len(turns),
        attainment=len(in_time) / len(turns),
        refused=len(refused) / len(turns),
        refused_late=sum(1 for turn in refused if _is_late(turn)) / len(turns),
        wait_p50_s=quantile(waits, 0.5),
        wait_p99_s=quantile(waits, 0.99),
        first_token_p99_s=quantile(firsts, 0.99),
        work=_work_s(in_time, run.cost) / max(run.engine_s, 1e-9),
    )


def _is_late(turn: Turn) -> bool:
    return turn.refused_at is not None and turn.refused_at - turn.asked_at > AT_ONCE_S


def _work_s(turns: Iterable[Turn], cost: EngineCost) -> float:
    return sum(
        cost.work_s(turn.arrival.prompt_tokens, turn.arrival.output_tokens) for turn in turns
    )


def _coverage(turns: Iterable[Turn]) -> tuple[float | None, int]:
    inside = shown = 0
    for turn in turns:
        if turn.shown is not None and turn.granted_at is not None:
            shown += 1
            inside += turn.shown.low_s <= turn.granted_at - turn.asked_at <= turn.shown.high_s
    return (inside / shown if shown else None), shown


def _fairness(run: Run) -> float | None:
    """Jain's index of service over the flows of a band that wanted more, the mean of windows."""
    asked: defaultdict[tuple[int, Band], defaultdict[str, list[int]]] = defaultdict(
        lambda: defaultdict(lambda: [0, 0])
    )
    served: defaultdict[tuple[int, str], float] = defaultdict(float)
    for turn in run.turns:
        arrival = turn.arrival
        window = int(arrival.at // JAIN_WINDOW_S)
        counts = asked[window, arrival.band][arrival.flow]
        counts[0] += 1
        counts[1] += not turn.in_time(run.policy)
        if turn.first_at is not None:
            work_s = run.cost.work_s(arrival.prompt_tokens, arrival.output_tokens)
            served[window, arrival.flow] += work_s / arrival.weight
    indices = []
    for (window, _), flows in asked.items():
        wanting = [flow for flow, (asks, missed) in flows.items() if asks >= JAIN_ASKS and missed]
        if len(wanting) > 1:
            indices.append(jain([served[window, flow] for flow in wanting]))
    return sum(indices) / len(indices) if indices else None


def _cached(turns: Iterable[Turn]) -> float:
    cached = asked = 0
    for turn in turns:
        if turn.arrival.prefix and turn.first_at is not None:
            cached += turn.cached_tokens
            asked += turn.arrival.prompt_tokens
    return cached / asked if asked else 0.0


def _balance(run: Run) -> float:
    work: defaultdict[str, float] = defaultdict(float)
    for turn in run.turns:
        if turn.ended_at is not None:
            fresh = turn.arrival.prompt_tokens - turn.cached_tokens
            work[turn.engine] += run.cost.work_s(fresh, turn.arrival.output_tokens)
    return max(work.values()) / (sum(work.values()) / len(work)) if work else 1.0

"""Who asks when for how much: demand made from traces. Pure, but for reading the files."""

from __future__ import annotations

import csv
import gzip
import math
import random
from bisect import bisect
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path

import msgspec

from bench.gate.spec import Send
from bench.gateway.cost import CostModel

TRACES = Path(__file__).resolve().parents[3] / "shared" / "traces"
CHAT = TRACES / "azure2023_conv.csv.gz"
CLIENTS = TRACES / "vtc_lmsys_27clients.csv.gz"
MADE_MEAN_GAP_S, MADE_GAP_SHAPE = 0.18, 0.6
MADE_PROMPT, MADE_REPLY = (1155.0, 1.0), (211.0, 0.8)
NUM_MADE = 20_000


class Request(msgspec.Struct, array_like=True, frozen=True):
    """A line of a trace. `client` is -1 where it names none."""

    t_s: float
    prompt_tokens: int
    output_tokens: int
    client: int = -1


class Trace(msgspec.Struct, frozen=True):
    """Requests in order of time."""

    name: str
    requests: list[Request]


def read_trace(path: Path = CHAT) -> Trace:
    """Any file with the columns t_s, prompt_tokens, output_tokens and, where there is one, client.

    Without the file arrivals of about the same statistics are made. Raises ValueError for a file
    without these columns.
    """
    if not path.exists():
        return _made(path.name)
    opened = gzip.open(path, "rt") if path.suffix == ".gz" else path.open()
    with opened as lines:
        try:
            found = [
                Request(
                    float(row["t_s"]),
                    max(1, int(float(row.get("prompt_tokens") or row["prompt"]))),
                    max(1, int(float(row.get("output_tokens") or row["output"]))),
                    int(row.get("client") or -1),
                )
                for row in csv.DictReader(lines)
            ]
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"{path} needs the columns t_s, prompt_tokens and output_tokens; {error} is not "
                "there."
            ) from error
    if not found:
        raise ValueError(f"{path} has no requests.")
    return Trace(path.name, sorted(found, key=lambda each: each.t_s))


def _made(name: str) -> Trace:
    """Gamma gaps and log-normal sizes with the means of the chat trace."""
    dice = random.Random(0)
    now = 0.0
    found = []
    for _ in range(NUM_MADE):
        now += dice.gammavariate(MADE_GAP_SHAPE, MADE_MEAN_GAP_S / MADE_GAP_SHAPE)
        sizes = [
            max(1, int(dice.lognormvariate(math.log(mean) - sigma**2 / 2, sigma)))
            for mean, sigma in (MADE_PROMPT, MADE_REPLY)
        ]
        found.append(Request(now, min(sizes[0], 8000), min(sizes[1], 1000)))
    return Trace(f"made, {name} is not there", found)


def work_s(prompt_tokens: int, output_tokens: int, cost: CostModel) -> float:
    """Engine seconds that a request takes of a full engine."""
    full_ms = cost.base_ms / cost.slots + cost.per_sequence_ms
    ms = cost.per_prefill_token_ms * prompt_tokens + full_ms * output_tokens
    return ms / 1000.0 / cost.compression


def replayed(
    trace: Trace, load: float, duration_s: float, cost: CostModel, seed: int
) -> list[Send]:
    """A stretch of the trace, its time scaled so that its work is `load` engine seconds a second.

    The gaps keep their shape. A trace that is too short is gone through again.
    """
    dice = random.Random(seed)
    wanted_s = load * duration_s
    requests = trace.requests
    at = dice.randrange(len(requests))
    taken: list[tuple[float, Request]] = []
    now = total_s = 0.0
    while total_s < wanted_s:
        each = requests[at % len(requests)]
        before = requests[at % len(requests) - 1].t_s if at % len(requests) else each.t_s
        now += max(0.0, each.t_s - before)
        taken.append((now, each))
        total_s += work_s(each.prompt_tokens, each.output_tokens, cost)
        at += 1
    first = taken[0][0]
    scale = duration_s / max(now - first, 1e-9)
    return [
        Send((t - first) * scale, each.prompt_tokens, each.output_tokens, max(0, each.client))
        for t, each in taken
    ]


def poisson(
    trace: Trace,
    load: Callable[[float], float],
    most: float,
    duration_s: float,
    cost: CostModel,
    seed: int,
) -> list[Send]:
    """Arrivals at `load(t)` engine seconds a second, never above `most`; sizes from the trace."""
    dice = random.Random(seed)
    sizes = trace.requests
    mean_s = sum(work_s(x.prompt_tokens, x.output_tokens, cost) for x in sizes) / len(sizes)
    sends: list[Send] = []
    now = 0.0
    while True:
        now += dice.expovariate(most / mean_s)
        if now >= duration_s:
            return sends
        if dice.random() * most <= load(now):
            each = dice.choice(sizes)
            sends.append(Send(now, each.prompt_tokens, each.output_tokens))


def shared_out(
    sends: list[Send], shares: Sequence[tuple[float, Sequence[int]]], seed: int
) -> list[Send]:
    """Give every send to a caller: a group by its share, one of its members at random."""
    dice = random.Random(seed + 1)
    bounds = list(accumulate(share for share, _ in shares))
    for send in sends:
        group = min(bisect(bounds, dice.random() * bounds[-1]), len(shares) - 1)
        send.caller = dice.choice(shares[group][1])
    return sends


def merged(*streams: list[Send]) -> list[Send]:
    """All of them in order of time."""
    return sorted((send for stream in streams for send in stream), key=lambda each: each.at_s)

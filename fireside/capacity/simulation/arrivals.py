"""Demand for the simulator: arrivals drawn from traces, curves or plain statistics. Pure.

Time is scaled, never sizes: a demand of 2x is the same turns, twice as close together as one engine
fleet could serve at its fullest.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence

import msgspec

from fireside.capacity.policy import Band
from fireside.capacity.simulation.modelled import EngineCost
from fireside.capacity.simulation.simulator import Arrival

MAX_OUTPUT_TOKENS = 4000


class Row(msgspec.Struct, frozen=True, array_like=True):
    """One line of a trace. `client` is empty where the trace names none."""

    t_s: float
    prompt_tokens: int
    output_tokens: int
    client: str = ""


class Mix(msgspec.Struct, frozen=True):
    """Who asks: so many people in each band, and how much of capacity the paid ones want."""

    paid_of_capacity: float = 0.5
    num_people: int = 200  # in each band, for each engine


class Rates(msgspec.Struct, frozen=True):
    """A client's gaps in one window: how often, and how unevenly (Gamma or Weibull)."""

    client: str
    start_s: float
    rate_rps: float
    is_gamma: bool
    shape: float


class Quantiles(msgspec.Struct, frozen=True):
    """A client's token counts: values at 1, 5, 10 ... 95, 99 per cent."""

    client: str
    prompt: tuple[float, ...]
    output: tuple[float, ...]


QUANTILE_MARKS = (0.01, *(n / 20 for n in range(1, 20)), 0.99)


def mean_work_s(rows: Sequence[Row], cost: EngineCost) -> float:
    """Seconds of a full engine that a turn of this demand takes."""
    works = (cost.work_s(row.prompt_tokens, row.output_tokens) for row in rows)
    return sum(works) / max(1, len(rows))


def chat_rows(num_rows: int, seed: int, gap_shape: float = 0.6) -> list[Row]:
    """Rows with the statistics of a public chat service's hour (Azure 2023, conversation).

    Log-normal sizes with means of 1,155 and 211 tokens, Gamma gaps, 5.6 turns a second.
    """
    rnd = random.Random(seed)
    at, rows = 0.0, []
    for _ in range(num_rows):
        at += rnd.gammavariate(gap_shape, 0.18 / gap_shape)
        prompt = min(int(rnd.lognormvariate(6.55, 1.0)), 14_000)
        output = min(int(rnd.lognormvariate(5.03, 0.8)) + 1, 1_000)
        rows.append(Row(at, prompt + 1, output))
    return rows


def replayed(
    rows: Sequence[Row], multiple: float, duration_s: float, cost: EngineCost, num_engines: int
) -> Iterator[Row]:
    """The rows at `multiple` times what the engines could serve, again and again until the end."""
    span_s = max(rows[-1].t_s, 1e-9)
    own_rate = len(rows) / span_s
    stretch = own_rate * mean_work_s(rows, cost) / (multiple * num_engines)
    lap_s = 0.0
    while True:
        for row in rows:
            at = lap_s + row.t_s * stretch
            if at > duration_s:
                return
            yield Row(at, row.prompt_tokens, row.output_tokens, row.client)
        lap_s += span_s * stretch


def people(
    rows: Iterator[Row], multiple: float, mix: Mix, num_engines: int, seed: int
) -> Iterator[Arrival]:
    """Rows given to people: paid ones for their part of capacity, free ones for the rest."""
    rnd = random.Random(seed)
    share = min(1.0, mix.paid_of_capacity * min(multiple, 1.0) / multiple)
    num_people = mix.num_people * num_engines
    for row in rows:
        is_paid = rnd.random() < share
        who = row.client or str(rnd.randrange(num_people))
        flow = f"{'paid' if is_paid else 'free'}-{who}"
        yield Arrival(
            row.t_s,
            row.prompt_tokens,
            max(1, row.output_tokens),
            flow,
            Band.PAID if is_paid else Band.FREE,
        )


def curve_rows(
    rate_at: Callable[[float], float],
    most_rps: float,
    duration_s: float,
    sizes: Sequence[Row],
    seed: int,
) -> Iterator[Row]:
    """A Poisson process that follows a curve of turns a second, sizes drawn from rows."""
    rnd = random.Random(seed)
    at = 0.0
    while True:
        at += rnd.expovariate(most_rps)
        if at > duration_s:
            return
        if rnd.random() * most_rps < rate_at(at):
            row = sizes[rnd.randrange(len(sizes))]
            yield Row(at, row.prompt_tokens, row.output_tokens)


def three_humps(second: float) -> float:
    """A day's demand over its peak: morning, afternoon, evening; low at night and on weekends."""
    hour = second / 3600.0 % 24.0
    humps = ((9.5, 1.6, 0.85), (14.5, 2.0, 1.0), (20.5, 1.8, 0.8))
    height = max(level * math.exp(-(((hour - at) / width) ** 2)) for at, width, level in humps)
    is_weekend = second // 86_400 % 7 >= 5
    return (0.12 + 0.88 * height) * (0.6 if is_weekend else 1.0)


def client_rows(
    rates: Sequence[Rates], quantiles: Sequence[Quantiles], window_s: float, seed: int
) -> list[Row]:
    """Every client's arrivals in every window, as ServeGen describes them, merged."""
    rnd = random.Random(seed)
    by_client = {each.client: each for each in quantiles}
    everybody = list(quantiles)
    rows: list[Row] = []
    for window in rates:
        sizes = by_client.get(window.client) or everybody[rnd.randrange(len(everybody))]
        mean_gap_s = 1 / window.rate_rps
        if window.is_gamma:
            scale = mean_gap_s / window.shape
        else:
            scale = mean_gap_s / math.gamma(1 + 1 / window.shape)
        at = rnd.random() * mean_gap_s
        while at < window_s:
            prompt = max(1, int(inverse(sizes.prompt, rnd.random())))
            output = min(MAX_OUTPUT_TOKENS, max(1, int(inverse(sizes.output, rnd.random()))))
            rows.append(Row(window.start_s + at, prompt, output, window.client))
            if window.is_gamma:
                at += rnd.gammavariate(window.shape, scale)
            else:
                at += rnd.weibullvariate(scale, window.shape)
    rows.sort(key=lambda row: row.t_s)
    return rows


def inverse(values: Sequence[float], share: float) -> float:
    """The value of a quantile row at `share`, straight lines between its marks."""
    if share <= QUANTILE_MARKS[0]:
        return values[0]
    for index in range(1, len(QUANTILE_MARKS)):
        if share <= QUANTILE_MARKS[index]:
            low, high = QUANTILE_MARKS[index - 1], QUANTILE_MARKS[index]
            part = (share - low) / (high - low)
            return values[index - 1] + part * (values[index] - values[index - 1])
    return values[-1]


def conversations(
    rate_rps: float, duration_s: float, sizes: Sequence[Row], seed: int, num_people: int = 400
) -> list[Arrival]:
    """Conversations of several turns: every prompt is all that was said before, and a little more.

    5 turns on average, half a minute of thought between them.
    """
    rnd = random.Random(seed)
    arrivals: list[Arrival] = []
    at, number = 0.0, 0
    while (at := at + rnd.expovariate(rate_rps / 5)) < duration_s:
        number += 1
        person = rnd.randrange(num_people)
        band = Band.PAID if person % 2 else Band.FREE
        said, when = 0, at
        while when < duration_s:
            row = sizes[rnd.randrange(len(sizes))]
            said += 50 + row.prompt_tokens // 4
            arrivals.append(
                Arrival(
                    when,
                    said,
                    row.output_tokens,
                    f"person-{person}",
                    band,
                    prefix=f"c{number}",
                )
            )
            said += row.output_tokens
            if rnd.random() < 0.2 or said > 12_000:
                break
            when += 10 + rnd.expovariate(1 / 30)
    arrivals.sort(key=lambda each: each.at)
    return arrivals

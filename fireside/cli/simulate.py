"""`fireside simulate`: the gate's own scheduler on modelled engines and a modelled demand."""

from __future__ import annotations

import time
from pathlib import Path

import click
import msgspec

from fireside.capacity.policy import Policy, checked, default_policy
from fireside.capacity.simulation import plotting, trials
from fireside.capacity.simulation.modelled import REFERENCE
from fireside.capacity.simulation.outcomes import GroupOutcome, Outcome
from fireside.capacity.simulation.scenarios import (
    SCENARIOS,
    TRACE_SCENARIOS,
    Plan,
    Stage,
    plan,
    replay,
)
from fireside.capacity.simulation.traces import FILES, TraceRefused, Traces, read_trace
from fireside.capacity.simulation.trials import Trial
from fireside.errors import UserError

BESIDE_SOURCE = Path("../shared/traces")
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


class PolicyUnreadable(UserError):
    """The file given as a policy is none."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            "policy_unreadable",
            f"{path} is not a policy: {reason}",
            hint="`GET /api/admin/policy` gives one to start from, in its field `policy`.",
        )


class Simulated(msgspec.Struct, frozen=True):
    """What `--json` prints."""

    scenario: str
    seed: int
    engines: int
    notes: list[str]
    trials: list[Trial]
    took_s: float
    turns_per_s: float


class Options(msgspec.Struct, frozen=True):
    """What was given on the command line."""

    scenario: str | None
    is_list: bool
    traces: Path | None
    trace: Path | None
    multiple: float
    engines: int | None
    duration: float | None
    policy: Path | None
    baseline: bool
    seed: int
    svg: Path | None
    json: bool


@click.command()
@click.argument("scenario", required=False)
@click.option("--list", "is_list", is_flag=True, help="Name the scenarios and stop.")
@click.option("--traces", type=FOLDER, help="Folder of traces; without it demand is made up.")
@click.option("--trace", type=FILE, help="Any trace: t_s, prompt_tokens, output_tokens, client.")
@click.option(
    "--multiple", type=click.FloatRange(0.01, 1000), default=2.0, help="Of capacity, with --trace."
)
@click.option("--engines", type=click.IntRange(1, 100_000), help="How many engines.")
@click.option("--duration", type=click.FloatRange(1), help="Seconds of demand.")
@click.option("--policy", type=FILE, help="A policy as JSON; else a new house's.")
@click.option("--baseline", is_flag=True, help="Run FIFO and strict priority as well.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of everything drawn.")
@click.option("--svg", type=click.Path(dir_okay=False, path_type=Path), help="Where the plot goes.")
@click.option("--json", is_flag=True, help="Print everything as JSON.")
def simulate(**given: object) -> None:
    """Try the gate on a demand: who is served in time, who waits, who is refused.

    SCENARIO is one of --list, or a trace and a multiple of capacity: chat-2x, code-10x, arena-5x.
    """
    options = msgspec.convert(given, Options)
    if options.is_list or (options.scenario is None and options.trace is None):
        _list()
        return
    folder = options.traces or (BESIDE_SOURCE if BESIDE_SOURCE.is_dir() else None)
    source = Traces(folder, options.seed)
    name, made = _plan(options, source)
    policy = _policy(options.policy)
    began = time.perf_counter()
    done = _trials(made, policy, options.seed, is_compared=options.baseline)
    took_s = time.perf_counter() - began
    num_turns = sum(each.outcome.num_turns for each in done)
    path = options.svg or Path(f"simulate-{name.replace(' ', '-')}.svg")
    title = f"{name}, {made.num_engines} engines, seed {options.seed}"
    path.write_text(plotting.svg(title, done))
    speed = num_turns / max(took_s, 1e-9)
    result = Simulated(name, options.seed, made.num_engines, source.notes, done, took_s, speed)
    if options.json:
        click.echo(msgspec.json.format(msgspec.json.encode(result)).decode())
        return
    for note in source.notes:
        click.echo(f"note: {note}")
    click.echo(_table(result))
    click.echo(f"\n{num_turns:,} turns in {took_s:.1f} s; plot in {path}")


def _plan(options: Options, source: Traces) -> tuple[str, Plan]:
    stage = Stage(source, options.engines, options.seed, REFERENCE, options.duration)
    if options.trace is None:
        name = options.scenario or ""
        return name, plan(name, stage)
    rows = list(read_trace(options.trace))
    if not rows or rows[-1].t_s <= 0:
        raise TraceRefused(options.trace, "it has no two requests at different times")
    return f"{options.trace.name} at {options.multiple:g}x", replay(stage, rows, options.multiple)


def _trials(made: Plan, policy: Policy, seed: int, *, is_compared: bool) -> list[Trial]:
    done = [trials.gate("gate", made, policy, REFERENCE, seed)]
    if made.without is not None:
        done.append(trials.gate_without("gate, others alone", made, policy, REFERENCE, seed))
    if is_compared:
        for name, line in trials.baselines(made, policy).items():
            done.append(trials.compared(name, made, policy, REFERENCE, line, seed))
    return done


def _policy(path: Path | None) -> Policy:
    if path is None:
        return default_policy()
    try:
        return checked(msgspec.json.decode(path.read_bytes(), type=Policy))
    except msgspec.DecodeError as error:
        raise PolicyUnreadable(path, str(error)) from error


def _list() -> None:
    for name, make in SCENARIOS.items():
        about = (make.__doc__ or "").strip().splitlines()[0]
        click.echo(f"{name:12} {about}")
    for name in TRACE_SCENARIOS:
        click.echo(f"{name + '-Nx':12} {FILES[name]} at N times what the engines can serve.")


def _table(result: Simulated) -> str:
    outcomes = [each.outcome for each in result.trials]
    names = list(dict.fromkeys(name for each in outcomes for name in each.groups))
    lines = [("", *(each.name for each in outcomes))]
    lines.append(("turns", *(f"{each.num_turns:,}" for each in outcomes)))
    lines.append(("demand / capacity", *(f"{each.offered:.2f}" for each in outcomes)))
    lines.append(("goodput / capacity", *(f"{each.goodput:.3f}" for each in outcomes)))
    lines.append(("goodput / possible", *(f"{each.goodput_of_offered:.3f}" for each in outcomes)))
    for name in names:
        groups = [each.groups.get(name) for each in outcomes]
        lines += [_row(f"{name}: {what}", groups, what) for what in _GROUP_ROWS]
    lines.append(("refused", *(f"{each.refused:.2%}" for each in outcomes)))
    lines.append(("refused after > 1 s", *(f"{each.refused_late:.2%}" for each in outcomes)))
    lines.append(("asks for each turn", *(f"{each.asks_per_turn:.3f}" for each in outcomes)))
    lines.append(("80 % interval holds", *(_coverage(each) for each in outcomes)))
    lines.append(("fairness (Jain)", *(_optional(each.jain) for each in outcomes)))
    lines.append(("prompt from cache", *(f"{each.cached:.1%}" for each in outcomes)))
    lines.append(("busiest engine / mean", *(f"{each.balance:.3f}" for each in outcomes)))
    lines.append(("highest rung", *(f"{each.max_rung}" for each in outcomes)))
    down = (f"{each.paid_minutes_down} of {each.minutes}" for each in result.trials)
    lines.append(("paid minutes < 95 %", *down))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


_GROUP_ROWS = ("turns", "in time", "refused", "wait p50 / p99", "first token p99", "share of work")


def _row(label: str, groups: list[GroupOutcome | None], what: str) -> tuple[str, ...]:
    return (label, *(_cell(each, what) if each is not None else "-" for each in groups))


def _cell(group: GroupOutcome, what: str) -> str:
    cells = {
        "turns": f"{group.num_turns:,}",
        "in time": f"{group.attainment:.2%}",
        "refused": f"{group.refused:.2%}",
        "wait p50 / p99": f"{group.wait_p50_s:.2f} / {group.wait_p99_s:.2f} s",
        "first token p99": f"{group.first_token_p99_s:.2f} s",
        "share of work": f"{group.work:.3f}",
    }
    return cells[what]


def _coverage(outcome: Outcome) -> str:
    if outcome.coverage is None:
        return "-"
    return f"{outcome.coverage:.1%} of {outcome.num_shown:,}"


def _optional(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"

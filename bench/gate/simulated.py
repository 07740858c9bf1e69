"""What only the simulator can show: a whole week by the minute, a thousand accounts of one person.

The same scheduler on a modelled clock, by `fireside simulate`.
"""

from __future__ import annotations

import os
import subprocess
import sys

import msgspec

from bench.gate.rig import Rig, goal
from bench.gateway.report import Goal

DAY_S = 86_400
NUM_HONEST = 20  # accounts beside the cluster of the scenario `sybils`
WITHIN_S = 400.0


class Group(msgspec.Struct):
    """Turns of a band or of a group of flows."""

    attainment: float
    work: float


class Outcome(msgspec.Struct):
    """As much of a simulated run as is judged here."""

    num_turns: int
    goodput: float
    groups: dict[str, Group]
    asks_per_turn: float


class Trial(msgspec.Struct):
    """One run, and its minutes with under 95 % of paid turns in time."""

    outcome: Outcome
    paid_minutes_down: int
    minutes: int


class _Simulated(msgspec.Struct):
    trials: list[Trial]


def simulate(rig: Rig, scenario: str, duration_s: int = 0) -> Trial:
    """Run a scenario of `fireside simulate`. Raises RuntimeError."""
    words = ["simulate", scenario, "--json", "--seed", str(rig.seed)]
    words += ["--svg", str(rig.work_dir / f"{scenario}.svg")]
    if duration_s:
        words += ["--duration", str(duration_s)]
    done = subprocess.run(
        [sys.executable, "-m", "fireside", *words],
        capture_output=True,
        timeout=WITHIN_S,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["", *sys.path])},
    )
    if done.returncode:
        raise RuntimeError(f"fireside simulate {scenario}: {done.stderr.decode()[-300:]}")
    return msgspec.json.decode(done.stdout, type=_Simulated).trials[0]


def goals(rig: Rig) -> dict[str, Goal]:
    """O5's cluster and O10's week."""
    sybils = simulate(rig, "sybils").outcome
    honest = sybils.groups["honest"].work / NUM_HONEST
    ratio = sybils.groups["cluster"].work / max(honest, 1e-9)
    days = 1 if rig.quick else 7 if rig.thorough else 3
    week = simulate(rig, "week", days * DAY_S)
    return {
        "O5.cluster": goal(
            ratio,
            "<= 1.5 x one honest account",
            ratio <= 1.5,
            note="simulated: a thousand fresh accounts of one cluster beside twenty honest ones",
        ),
        "O10.minutes": goal(
            week.paid_minutes_down,
            "0 minutes with paid under 0.95",
            week.paid_minutes_down == 0,
            note=f"simulated: {days} days, {week.minutes} minutes, {week.outcome.num_turns} turns",
        ),
    }

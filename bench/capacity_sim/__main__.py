"""Every scenario of `fireside simulate`, with what it is compared with, into one file.

python -m bench.capacity_sim --traces ../shared/traces --out bench/results/capacity_sim.json
"""

from __future__ import annotations

import argparse
import platform
import time
from pathlib import Path

import msgspec

from fireside.capacity.policy import default_policy
from fireside.capacity.simulation import scenarios, trials
from fireside.capacity.simulation.modelled import REFERENCE
from fireside.capacity.simulation.scenarios import SCENARIOS, Stage
from fireside.capacity.simulation.traces import Traces

MULTIPLES = ("chat-1x", "chat-2x", "chat-5x", "chat-10x", "code-2x", "arena-2x", "clients-2x")
LONG = ("week", "fleet")


def main() -> None:
    """Run them and write the figures, each with the processor time of one turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--traces", type=Path, default=Path("../shared/traces"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--long", action="store_true", help="the week and the fleet as well")
    given = parser.parse_args()
    traces = Traces(given.traces if given.traces.is_dir() else None, given.seed)
    policy = default_policy()
    found: dict[str, object] = {}
    for name in (*MULTIPLES, *SCENARIOS):
        if name in LONG and not given.long:
            continue
        plan = scenarios.plan(name, Stage(traces, None, given.seed))
        began = time.process_time()
        outcome = trials.gate("gate", plan, policy, REFERENCE, given.seed)
        took_s = time.process_time() - began
        compared = {}
        if name not in LONG:
            for each, line in trials.baselines(plan, policy).items():
                compared[each] = trials.compared(
                    each, plan, policy, REFERENCE, line, given.seed
                ).outcome
        cpu_us = took_s / max(1, outcome.outcome.num_turns) * 1e6
        found[name] = {
            "gate": outcome.outcome,
            "paid_minutes_down": outcome.paid_minutes_down,
            "minutes": outcome.minutes,
            "cpu_us_per_turn": round(cpu_us, 1),
            "compared": compared,
        }
        print(
            f"{name:12} goodput {outcome.outcome.goodput:.3f}  {cpu_us:.0f} us a turn", flush=True
        )
    made = {"machine": platform.platform(), "seed": given.seed, "notes": traces.notes}
    given.out.write_bytes(msgspec.json.format(msgspec.json.encode(made | {"scenarios": found})))


if __name__ == "__main__":
    main()

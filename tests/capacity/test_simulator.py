"""The gate on modelled engines: what it keeps its word on, against a queue and against priority."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from click.testing import CliRunner

from fireside.capacity.policy import default_policy
from fireside.capacity.simulation import plotting, scenarios, trials
from fireside.capacity.simulation.arrivals import QUANTILE_MARKS, chat_rows, inverse, three_humps
from fireside.capacity.simulation.modelled import REFERENCE, ModelledEngine
from fireside.capacity.simulation.scenarios import SCENARIOS, ScenarioUnknown, Stage
from fireside.capacity.simulation.traces import TraceRefused, Traces, read_trace
from fireside.capacity.simulation.trials import Trial
from fireside.cli.simulate import simulate

TRACES = Path(__file__).resolve().parents[3] / "shared" / "traces"
POLICY = default_policy()


def stage(duration_s: float, num_engines: int | None = None) -> Stage:
    return Stage(Traces(None), num_engines, 0, REFERENCE, duration_s)


def gate(name: str, duration_s: float, num_engines: int | None = None) -> Trial:
    made = scenarios.plan(name, stage(duration_s, num_engines))
    return trials.gate("gate", made, POLICY, REFERENCE)


@pytest.mark.parametrize("multiple", ["2x", "10x"])
def test_above_capacity_the_gate_serves_what_can_be_served(multiple: str) -> None:
    made = scenarios.plan(f"chat-{multiple}", stage(600.0))
    found = trials.gate("gate", made, POLICY, REFERENCE).outcome
    assert found.goodput >= 0.8
    assert found.groups["paid"].attainment >= 0.985
    assert found.refused_late <= 0.01
    assert found.coverage is not None
    fifo = trials.baselines(made, POLICY)["fifo"]
    assert trials.compared("fifo", made, POLICY, REFERENCE, fifo).outcome.goodput < 0.25


def test_below_capacity_nobody_is_refused() -> None:
    found = gate("quiet", 1800.0).outcome
    assert found.refused < 0.001
    assert found.groups["paid"].attainment >= 0.995


def test_one_client_with_half_of_all_load_costs_the_others_little() -> None:
    made = scenarios.plan("abuser", stage(900.0))
    beside = trials.gate("gate", made, POLICY, REFERENCE).outcome.groups["others"].attainment
    alone = trials.gate_without("alone", made, POLICY, REFERENCE).outcome
    assert alone.groups["others"].attainment - beside <= 0.03


def test_a_thousand_accounts_of_one_cluster_get_what_one_person_gets() -> None:
    groups = gate("sybils", 900.0).outcome.groups
    assert groups["cluster"].work <= 1.5 * groups["honest"].work / 20


def test_after_a_storm_everything_is_as_before() -> None:
    found = gate("storm", 600.0).outcome
    assert all(group.attainment >= 0.98 for group in found.groups.values())
    assert found.asks_per_turn <= 1.1


def test_when_an_engine_dies_what_it_was_saying_goes_on_elsewhere() -> None:
    found = gate("engine-loss", 900.0).outcome
    assert found.groups["paid"].attainment >= 0.98
    assert found.groups["paid"].refused <= 0.01


def test_conversations_go_where_their_beginning_is() -> None:
    made = scenarios.plan("affinity", stage(400.0))
    found = trials.gate("gate", made, POLICY, REFERENCE).outcome
    line = trials.baselines(made, POLICY)["fifo"]
    least_loaded = trials.compared("fifo", made, POLICY, REFERENCE, line).outcome
    assert found.cached >= 2 * least_loaded.cached
    assert found.balance <= 1.15


def test_a_run_is_the_same_every_time() -> None:
    assert gate("chat-2x", 120.0).outcome == gate("chat-2x", 120.0).outcome


def test_every_scenario_says_what_it_is_and_can_be_run_short() -> None:
    for name, make in SCENARIOS.items():
        assert make.__doc__
        engines = 4 if name == "fleet" else None
        assert gate(name, 60.0, engines).minutes > 0 or name in {"abuser", "sybils", "storm"}


@pytest.mark.parametrize("name", ["chat", "chat-0x", "chat-9999999x", "gold-2x", "", "../chat-2x"])
def test_a_scenario_that_is_none_is_refused_by_name(name: str) -> None:
    with pytest.raises(ScenarioUnknown):
        scenarios.plan(name, stage(60.0))


@pytest.mark.skipif(not TRACES.is_dir(), reason="the traces are not beside the source")
@pytest.mark.parametrize("name", ["chat", "code", "arena", "burst", "days", "hours", "pictures"])
def test_every_trace_can_be_run(name: str) -> None:
    made = scenarios.plan(f"{name}-2x", Stage(Traces(TRACES), None, 0, REFERENCE, 60.0))
    assert trials.gate("gate", made, POLICY, REFERENCE).outcome.num_turns > 20


@pytest.mark.parametrize(
    "text",
    [
        "when,size\n1,2\n",
        "t_s,prompt_tokens,output_tokens\n5,1,1\n4,1,1\n",
        "t_s,prompt_tokens,output_tokens\nx,1,1\n",
    ],
)
def test_a_file_that_is_no_trace_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(text)
    with pytest.raises(TraceRefused):
        list(read_trace(path))


def test_quantile_rows_are_read_backwards() -> None:
    values = tuple(100 * mark for mark in QUANTILE_MARKS)
    assert inverse(values, 0.0) == 1.0
    assert inverse(values, 0.5) == pytest.approx(50.0)
    assert inverse(values, 0.97) == pytest.approx(97.0)
    assert inverse(values, 1.0) == 99.0


def test_made_up_demand_has_the_statistics_of_the_public_trace() -> None:
    rows = chat_rows(20_000, 1)
    assert sum(row.prompt_tokens for row in rows) / 20_000 == pytest.approx(1155, rel=0.05)
    assert sum(row.output_tokens for row in rows) / 20_000 == pytest.approx(211, rel=0.05)
    assert rows[-1].t_s / 20_000 == pytest.approx(0.18, rel=0.05)


def test_a_day_has_three_humps() -> None:
    levels = [three_humps(minute * 60.0) for minute in range(24 * 60)]
    peaks = [n for n in range(1, len(levels) - 1) if levels[n - 1] < levels[n] >= levels[n + 1]]
    assert len(peaks) == 3
    assert max(levels) == pytest.approx(1.0, abs=0.01)


def test_a_modelled_engine_is_as_fast_as_it_says() -> None:
    engine = ModelledEngine("e", REFERENCE)
    first_at, cached = engine.start(1, 1000, 100, "c", 0.0)
    assert (first_at, cached) == (pytest.approx(0.1 + 0.0186), 0)
    end = engine.next_end()
    assert end is not None
    assert end[0] == pytest.approx(0.1 + 100 * 0.0186)
    assert engine.remove(1, 0.1 + 40 * 0.0186) == 60
    assert engine.start(2, 1200, 10, "c", 5.0)[1] == 1100


def test_the_plot_can_be_read(tmp_path: Path) -> None:
    root = ElementTree.fromstring(plotting.svg("a < b", [gate("chat-2x", 60.0)]))
    assert root.tag.endswith("svg")
    assert any("a < b" in (each.text or "") for each in root.iter())


def test_the_command_prints_a_table_or_json_and_writes_a_plot(tmp_path: Path) -> None:
    trace = tmp_path / "mine.csv"
    lines = [f"{n * 0.5},300,50,c{n % 3}" for n in range(200)]
    trace.write_text("t_s,prompt_tokens,output_tokens,client\n" + "\n".join(lines))
    policy = tmp_path / "policy.json"
    policy.write_bytes(msgspec.json.encode(POLICY))
    svg = tmp_path / "plot.svg"
    given = ["--trace", str(trace), "--duration", "60", "--svg", str(svg), "--policy", str(policy)]
    done = CliRunner().invoke(simulate, [*given, "--baseline"])
    assert done.exit_code == 0, done.output
    assert "strict priority" in done.output
    assert svg.read_text().startswith("<svg")
    done = CliRunner().invoke(simulate, [*given, "--json"])
    assert json.loads(done.output)["trials"][0]["outcome"]["num_turns"] > 0
    assert "chat-Nx" in CliRunner().invoke(simulate, ["--list"]).output

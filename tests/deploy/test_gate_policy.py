"""How many replicas there should be: by load, by forecast, and when the forecast is nonsense."""

from __future__ import annotations

import importlib.util
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace

import msgspec
import pytest

from fireside.capacity.outlook import ForecastError, HourOutlook, Outlook

FILE = Path(__file__).resolve().parents[2] / "deploy" / "ray" / "gate_policy.py"
NOW = datetime(2026, 11, 22, 17, 50, tzinfo=UTC)


@pytest.fixture
def gate_policy() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gate_policy", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def hour(begins: datetime, slots: object) -> dict[str, object]:
    return {"at": begins.isoformat(), "slots_needed": slots}


def test_the_hour_to_come_counts_a_quarter_of_an_hour_ahead(gate_policy: ModuleType) -> None:
    this, following = NOW.replace(minute=0), NOW.replace(minute=0) + timedelta(hours=1)
    later, past = following + timedelta(hours=1), this - timedelta(hours=1)
    hours = {"hours": [hour(past, 99), hour(this, 4), hour(following, 12), hour(later, 50)]}
    assert gate_policy.slots_needed(hours, NOW) == 12
    assert gate_policy.slots_needed(hours, NOW.replace(minute=30)) == 4
    assert gate_policy.slots_needed(hours, NOW + timedelta(days=9)) == 0
    assert gate_policy.slots_needed({"slots_needed": 7.5}, NOW) == 7.5
    assert gate_policy.slots_needed({"hours": [hour(this, None)]}, NOW) == 0


@pytest.mark.parametrize(
    "nonsense",
    [
        None, [], "x", {}, {"hours": 3}, {"hours": [{}]}, {"hours": [{"at": "yesterday"}]},
        {"slots_needed": -1}, {"slots_needed": "many"}, {"slots_needed": 1e999},
        {"slots_needed": None}, {"hours": [hour(NOW, -3)]},
    ],
)  # fmt: skip
def test_nonsense_is_refused(gate_policy: ModuleType, nonsense: object) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        gate_policy.slots_needed(nonsense, NOW)


def test_the_larger_need_decides(gate_policy: ModuleType, tmp_path: Path) -> None:
    forecast = tmp_path / "forecast.json"
    forecast.write_text(json.dumps({"slots_needed": 65}))
    policy = gate_policy.GatePolicy(slots=32, forecast=str(forecast))
    idle, busy = SimpleNamespace(total_num_requests=0.0), SimpleNamespace(total_num_requests=130.0)
    deadline_s = time.monotonic() + 10
    while policy(idle)[0] == 0 and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert policy(idle) == (3, {"by_load": 0, "by_forecast": 3})
    assert policy(busy) == (5, {"by_load": 5, "by_forecast": 3})
    policy._read_at_s -= gate_policy.STALE_S
    assert policy(idle) == (0, {"by_load": 0, "by_forecast": 0}), "an old forecast is none"


def test_without_a_forecast_the_load_decides(
    gate_policy: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "forecast.json"
    broken.write_text("{")
    policy = gate_policy.GatePolicy(slots=4, forecast=str(broken))
    deadline_s = time.monotonic() + 10
    said = ""
    while not said and time.monotonic() < deadline_s:
        time.sleep(0.01)
        said = capfd.readouterr().err
    assert "forecast cannot be read" in said
    assert policy(SimpleNamespace(total_num_requests=5.0))[0] == 2


def test_it_reads_the_forecast_that_fireside_gives(gate_policy: ModuleType) -> None:
    begins = NOW.replace(minute=0)
    hours = [
        HourOutlook(at=begins - timedelta(hours=1), expected=1, low=1, high=1, actual=1),
        HourOutlook(at=begins, expected=50, low=1, high=9, actual=None, slots_needed=6),
    ]
    said = msgspec.json.encode(Outlook(error=ForecastError(), hours=hours))
    assert gate_policy.slots_needed(json.loads(said), NOW) == 6

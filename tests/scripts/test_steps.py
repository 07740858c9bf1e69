"""Steps are skipped when nothing changed, end in time, and fail with what was said."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def steps(tmp_path: Path) -> ModuleType:
    """scripts/steps.py at work in an empty checkout."""
    spec = importlib.util.spec_from_file_location("house_steps", ROOT / "scripts" / "steps.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.ROOT = tmp_path  # type: ignore[attr-defined]
    module.STAMPS = tmp_path / ".stamps"  # type: ignore[attr-defined]
    return module


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A child that ended and was not waited for by init yet is not alive either.
    return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"


def test_a_step_is_done_until_its_inputs_or_outputs_change(
    steps: ModuleType, tmp_path: Path
) -> None:
    source, output = tmp_path / "source", tmp_path / "output"
    source.write_text("1")
    output.write_text("made")
    key = steps.digest(source)
    assert not steps.is_done("step", key, [output])
    steps.mark_done("step", key)
    assert steps.is_done("step", key, [output])
    source.write_text("2")
    assert not steps.is_done("step", steps.digest(source), [output])
    output.unlink()
    assert not steps.is_done("step", key, [output])


def test_parts_of_a_digest_do_not_run_together(steps: ModuleType) -> None:
    assert steps.digest("ab", "c") != steps.digest("a", "bc")


def test_a_failed_step_shows_the_end_of_what_it_said(steps: ModuleType) -> None:
    script = "print('early'); print('WARNING: Location x is ignored'); print('late'); exit(3)"
    with pytest.raises(steps.StepFailed) as failed:
        steps.run(
            "step", [sys.executable, "-c", script], limit_s=30, cwd=steps.ROOT, hint="Do this."
        )
    assert "code 3" in str(failed.value)
    assert "late" in str(failed.value)
    assert "WARNING: Location" not in str(failed.value)
    assert failed.value.hint == "Do this."


def test_a_step_that_hangs_is_ended_with_its_children(steps: ModuleType) -> None:
    script = (
        "import subprocess, sys, time;"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        "open('child', 'w').write(str(p.pid)); time.sleep(600)"
    )
    with pytest.raises(steps.StepFailed, match="took over 2 s"):
        steps.run("step", [sys.executable, "-c", script], limit_s=2, cwd=steps.ROOT)
    pid = int((steps.ROOT / "child").read_text())
    deadline = time.monotonic() + 10
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(pid)


def test_a_failure_becomes_plain_lines_and_an_exit_code(
    steps: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise steps.StepFailed("It broke.", "Mend it.")

    assert steps.main(fail) == 1
    said = capsys.readouterr().err
    assert "It broke." in said
    assert "Mend it." in said
    assert steps.main(lambda: None) == 0

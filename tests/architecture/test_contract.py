"""The order of the rooms is written in .importlinter and holds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.architecture.source import PACKAGE, ROOT


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "lint-imports"
    command = [sys.executable, program, "--no-cache", "--config", ROOT / ".importlinter"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_rooms_import_only_what_is_below_them() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_room_with_a_domain_is_under_the_order_inside_rooms() -> None:
    contract = (ROOT / ".importlinter").read_text()
    inside = contract.partition("[importlinter:contract:inside]")[2].partition("layers =")[0]
    rooms = {path.parent.name for path in PACKAGE.glob("*/service.py")}
    rooms |= {path.parent.name for path in PACKAGE.glob("*/domain.py")}
    assert {room for room in rooms if f"fireside.{room}\n" not in inside} == set()

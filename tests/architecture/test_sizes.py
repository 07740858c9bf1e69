"""Files stay small enough to be read in one sitting."""

from __future__ import annotations

from tests.architecture.source import ROOT, allowlist, modules, num_lines, relative

STOP = 600
COMPONENT_STOP = 200

# What a newcomer reads in the first hour, in this order.
FIRST_HOUR = [
    "README.md",
    "ARCHITECTURE.md",
    "fireside/conversation/message.py",
    "fireside/conversation/event.py",
    "fireside/chat/service.py",
    "fireside/chat/turn.py",
    "fireside/app.py",
]


def web_files(*suffixes: str) -> list[str]:
    found = (path for suffix in suffixes for path in (ROOT / "web" / "src").rglob(f"*{suffix}"))
    return sorted(relative(path) for path in found)


def test_no_file_passes_the_budget_without_a_written_reason() -> None:
    files = [relative(path) for path in modules()]
    files += [relative(path) for path in (ROOT / "tests").rglob("*.py")]
    files += [relative(path) for path in (ROOT / "scripts").rglob("*.py")]
    files += [name for name in web_files(".ts", ".tsx") if not name.endswith(".d.ts")]
    allowed = allowlist("size_allowlist.txt")
    over = {name: num_lines(ROOT / name) for name in files if num_lines(ROOT / name) > STOP}
    assert {name: lines for name, lines in over.items() if name not in allowed} == {}
    assert all(reason for reason in allowed.values()), "every line gives a reason and a plan"
    assert sorted(allowed) == sorted(set(allowed) & set(over)), "remove lines no longer needed"


def test_components_fit_on_a_few_screens() -> None:
    names = [name for name in web_files(".tsx") if ".test." not in name]
    over = {name: num_lines(ROOT / name) for name in names}
    assert {name: lines for name, lines in over.items() if lines > COMPONENT_STOP} == {}


def test_the_first_hour_of_reading_stays_under_1500_lines() -> None:
    lines = {name: num_lines(ROOT / name) for name in FIRST_HOUR}
    assert sum(lines.values()) < 1500, lines

"""What is installed is what was reviewed, and nothing is installed for nothing."""

from __future__ import annotations

import ast
import re
import tomllib

from tests.architecture.source import ROOT, modules, tree

PIN = re.compile(r"^([a-z0-9._-]+)==([^ \\]+)", re.MULTILINE)

# Packages that are used without being imported, and who uses them.
USED_BY_NAME = {
    "aiosqlite": "SQLAlchemy's SQLite driver",
    "asyncpg": "SQLAlchemy's PostgreSQL driver",
    "uvloop": "uvicorn's event loop",
}
IMPORT_NAMES = {"argon2-cffi": "argon2", "prometheus-client": "prometheus_client"}


def pins(name: str) -> dict[str, str]:
    return dict(PIN.findall((ROOT / name).read_text()))


def project() -> dict[str, list[str]]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_development_lock_holds_every_pin_of_the_other() -> None:
    dev = pins("requirements-dev.lock")
    assert {
        name: pin for name, pin in pins("requirements.lock").items() if dev.get(name) != pin
    } == {}


def test_every_pin_is_checked_against_hashes() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        blocks = re.split(r"\n(?=[a-z0-9])", (ROOT / name).read_text().strip())
        assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []


def test_every_dependency_is_locked_and_used() -> None:
    imported = set()
    for path in modules(migrations=True):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Import):
                imported |= {each.name.partition(".")[0] for each in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                imported.add(node.module.partition(".")[0])
    wanted = {re.split(r"[<>=\[]", each)[0] for each in project()["dependencies"]}
    assert wanted - set(pins("requirements.lock")) == set(), "run `make lock`"
    unused = {
        name
        for name in wanted - set(USED_BY_NAME)
        if IMPORT_NAMES.get(name, name.replace("-", "_")) not in imported
    }
    assert unused == set()

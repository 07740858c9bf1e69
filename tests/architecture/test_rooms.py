"""Rooms look alike: the same file names, none that could hold anything."""

from __future__ import annotations

import re

from tests.architecture.source import PACKAGE, ROOT, modules, relative

CATCH_ALLS = {"util", "utils", "helper", "helpers", "manager", "managers", "common", "misc"}
CATCH_ALLS |= {"stuff", "handler", "handlers", "processor", "core", "lib", "shared"}
# The word means language models; tables and API shapes have other names (docs/glossary.md).
MAY_BE_CALLED_MODELS = {"fireside/api/openai/models.py"}
SUBJECT = re.compile(r"^(__init__|__main__|[a-z][a-z0-9]*(_[a-z0-9]+){0,2})$")


def rooms() -> set[str]:
    return {path.parent.name for path in PACKAGE.glob("*/__init__.py")}


def test_no_file_is_named_so_that_anything_fits_into_it() -> None:
    named = {relative(path): set(path.stem.split("_")) for path in modules()}
    assert {name for name, words in named.items() if words & CATCH_ALLS} == set()
    assert {name for name, words in named.items() if "models" in words} <= MAY_BE_CALLED_MODELS


def test_files_and_folders_have_short_subject_names() -> None:
    odd = {relative(path) for path in modules() if not SUBJECT.match(path.stem)}
    odd |= {relative(path) for path in modules() if re.search(r"part\d|\D\d$", path.stem)}
    assert odd == set()


def test_every_room_says_what_it_is() -> None:
    silent = set()
    for room in rooms():
        text = (PACKAGE / room / "__init__.py").read_text()
        if not text.startswith('"""'):
            silent.add(room)
    assert silent == set()


def test_the_readme_has_a_line_for_every_room() -> None:
    readme = (ROOT / "README.md").read_text()
    tops = rooms() | {path.name for path in PACKAGE.glob("*.py")} - {"__init__.py", "__main__.py"}
    assert {name for name in tops if f"`{name}" not in readme} == set()

"""Rules that a linter does not know."""

from __future__ import annotations

import ast

from tests.architecture.source import allowlist, functions, modules, relative, tree

# The three places that may catch everything: a request, a job, a tool call.
MAX_BROAD_EXCEPTS = 3


def untyped(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    annotations = [each.annotation for each in every] + [function.returns]
    shown = [ast.unparse(each) for each in annotations if each is not None]
    catch_all = arguments.kwarg.annotation if arguments.kwarg else None
    return any("dict[str, Any]" in text or "dict[str, object]" in text for text in shown) or (
        catch_all is not None and "Any" in ast.unparse(catch_all)
    )


def test_no_untyped_dict_travels_through_a_new_signature() -> None:
    found = set()
    for path in modules():
        # Repositories hand SQLAlchemy the columns of a row as a dict.
        if "wire" in path.parts or path.name in {"ports.py", "repository.py", "rows.py"}:
            continue
        found |= {f"{relative(path)}:{name}" for name, node in functions(path) if untyped(node)}
    allowed = allowlist("untyped_signatures.txt")
    assert found - set(allowed) == set(), "give the value a type, or say why in the allowlist"
    assert set(allowed) - found == set(), "remove lines no longer needed"
    assert all(allowed.values()), "every line gives a reason"


def test_at_most_three_places_catch_everything() -> None:
    marked = [
        f"{relative(path)}:{number}"
        for path in modules(migrations=True)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if "noqa" in line and "BLE001" in line
    ]
    assert len(marked) <= MAX_BROAD_EXCEPTS, marked


def test_only_settings_reads_the_environment() -> None:
    readers = set()
    for path in modules(migrations=True):
        for node in ast.walk(tree(path)):
            is_environ = isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
            is_name = isinstance(node, ast.ImportFrom) and node.module == "os"
            is_name = is_name and any(each.name in {"environ", "getenv"} for each in node.names)
            if is_environ or is_name:
                readers.add(relative(path))
    assert readers <= {"fireside/settings.py"}


def test_nothing_is_switched_off_for_a_whole_file() -> None:
    blanket = {
        relative(path)
        for path in modules()
        for line in path.read_text().splitlines()
        if line.strip().startswith(("# ruff: noqa", "# mypy: ignore-errors", "# type: ignore"))
    }
    assert blanket == set()


def test_every_module_says_what_it_is_for() -> None:
    silent = {
        relative(path) for path in modules(migrations=True) if not ast.get_docstring(tree(path))
    }
    assert silent == set()

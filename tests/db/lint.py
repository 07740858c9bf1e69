"""Finds operations in a migration that are not safe beside the release before it.

Judged by reading the file, so an operation in a branch that is never taken counts too. A line that
is right all the same says so: `# safe: <reason>`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

_NEVER = {
    "drop_table": "the release before still reads it; drop it two releases later",
    "drop_column": "the release before still writes it; drop it two releases later",
    "rename_table": "the release before knows the old name; add a new one and copy",
    "batch_alter_table": "rebuilds the table; add a new column instead",
    "drop_constraint": "the release before may rely on it",
    "drop_index": "the release before may rely on it",
}
_ALTERS = {
    "new_column_name": "the release before knows the old name; add a new column and copy",
    "type_": "rewrites the table under a lock; add a new column and copy",
    "nullable": "scans the table under a lock; add a CHECK ... NOT VALID and validate it later",
}
_ON_EXISTING = {
    "create_index": "blocks writers: build it CONCURRENTLY, in a migration of its own",
    "create_unique_constraint": "blocks writers: build a unique index CONCURRENTLY first",
    "create_foreign_key": "checks all rows under a lock: add it NOT VALID, validate it later",
    "create_check_constraint": "checks all rows under a lock: add it NOT VALID, validate it later",
}
_SQL = re.compile(
    r"\b(DROP\s+(TABLE|COLUMN|INDEX|CONSTRAINT)|RENAME|SET\s+NOT\s+NULL|ALTER\s+COLUMN\s+\S+\s+TYPE"
    r"|UPDATE\s+\w+\s+SET|DELETE\s+FROM|TRUNCATE|LOCK\s+TABLE|VACUUM|CLUSTER)\b",
    re.IGNORECASE,
)
_SMALL = {"Integer", "SmallInteger", "INTEGER", "SMALLINT", "Serial"}


def problems(source: str) -> list[str]:
    """`line N: what, why` for each operation that is not safe."""
    tree = ast.parse(source)
    lines = source.splitlines()
    new_tables = {_argument(call, 0) for call in _calls(tree) if _name(call) == "create_table"}
    found: list[str] = []
    for call in _calls(tree):
        for what in _unsafe(call, new_tables):
            if "# safe: " not in lines[call.lineno - 1]:
                found.append(f"line {call.lineno}: {what}")
    for node in _small_types(tree):
        found.append(f"line {node.lineno}: keys and counters have 64 bits (BigInt)")
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == "downgrade":
            found.append(f"line {node.lineno}: downgrade: migrations only go forward")
    return found


def _unsafe(call: ast.Call, new_tables: set[str]) -> Iterator[str]:
    name = _name(call)
    keywords = {each.arg: each.value for each in call.keywords}
    if name in _NEVER:
        yield f"{name}: {_NEVER[name]}"
    elif name == "alter_column":
        yield from (
            f"alter_column {each}: {why}" for each, why in _ALTERS.items() if each in keywords
        )
    elif name in _ON_EXISTING and _argument(call, 1) not in new_tables:
        yield f"{name} on a table with rows: {_ON_EXISTING[name]}"
    elif name == "add_column":
        yield from _unsafe_column(call)
    elif name == "execute" and (match := _SQL.search(_text(call))):
        yield f"SQL {match[0]}: say it in steps that old code survives"


def _unsafe_column(call: ast.Call) -> Iterator[str]:
    for column in call.args:
        if not isinstance(column, ast.Call) or _name(column) != "Column":
            continue
        keywords = {each.arg: each.value for each in column.keywords}
        nullable = keywords.get("nullable")
        refuses_null = isinstance(nullable, ast.Constant) and nullable.value is False
        if refuses_null and "server_default" not in keywords:
            yield "add_column NOT NULL without a default: the release before does not write it"


def _small_types(tree: ast.AST) -> Iterator[ast.expr]:
    """Types of 32 bits, but for `.with_variant(Integer(), "sqlite")`: INTEGER has 64 bits there."""
    of_sqlite = {
        id(node)
        for call in _calls(tree)
        if _name(call) == "with_variant"
        for node in ast.walk(call.args[0])
    }
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name) | ast.Name(id=name) if name in _SMALL:
                if id(node) not in of_sqlite:
                    yield node


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _name(call: ast.Call) -> str:
    match call.func:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case _:
            return ""


def _argument(call: ast.Call, index: int) -> str:
    """The string in that place, if there is one."""
    found = call.args[index] if index < len(call.args) else None
    return found.value if isinstance(found, ast.Constant) and isinstance(found.value, str) else ""


def _text(call: ast.Call) -> str:
    return " ".join(
        node.value
        for node in ast.walk(call)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )

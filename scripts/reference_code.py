"""The pages about settings, commands, events and errors, read off the code itself."""

from __future__ import annotations

import ast
import inspect
import json
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import msgspec
from steps import ROOT

# The data directory comes before all other settings: the settings file lies in it.
NAMES = {"FIRESIDE__DATA_DIR": ("FIRESIDE_DATA_DIR", "`./data`")}


def settings() -> str:
    """Every setting with its variable, type, default and meaning."""
    from fireside.settings import Settings

    lines = [
        "# Settings",
        "",
        "Precedence: command-line flag, environment variable, file, default. "
        "`fireside settings explain` prints each value and where it came from.",
    ]
    for section, field, path in _sections(Settings, "FIRESIDE"):
        if field is None:
            lines += ["", f"## {section}", ""]
            lines += ["| variable | type | default | meaning |", "| --- | --- | --- | --- |"]
        else:
            kind, limits, meaning = _described(field.type)
            path, default = NAMES.get(path, (path, _shown_default(field)))
            cells = [f"`{path}`", kind + limits, default, meaning or "**undocumented**"]
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def commands() -> str:
    """Every command with its arguments and options."""
    from fireside.cli import main

    lines = ["# Commands", ""]
    for name, command in _walk(main, "fireside"):
        help_text = inspect.cleandoc(command.help or "**undocumented**")
        lines += [f"## `{name}`", "", help_text, ""]
        rows = [_parameter(each) for each in command.params if not getattr(each, "hidden", False)]
        if rows:
            lines += ["| parameter | type | default | meaning |", "| --- | --- | --- | --- |"]
            lines += [*rows, ""]
    return "\n".join(lines).rstrip() + "\n"


def events() -> str:
    """Every event of a stream with its fields."""
    from fireside.conversation import event

    grammar = inspect.cleandoc(event.__doc__ or "")
    lines = ["# Stream events", "", *_as_markdown(grammar), ""]
    for kind in typing.get_args(event.StreamEvent):
        tag = kind.__struct_config__.tag
        lines += [f"## `{tag}`", "", inspect.cleandoc(kind.__doc__ or "**undocumented**"), ""]
        lines += ["| field | type | default |", "| --- | --- | --- |"]
        for field in msgspec.structs.fields(kind):
            shown = _type_name(field.type).replace("|", "\\|")
            lines.append(f"| `{field.encode_name}` | {shown} | {_shown_default(field)} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def errors() -> str:
    """Every error code with its kind, what it says and what to do next."""
    from fireside import errors as tree

    lines = ["# Errors", "", *_as_markdown(inspect.cleandoc(tree.__doc__ or "")), ""]
    lines += ["| code | kind | message | what to do |", "| --- | --- | --- | --- |"]
    rows = {}
    for found in raised_errors():
        rows.setdefault((found.code, found.kind), found)
    for key in sorted(rows):
        found = rows[key]
        cells = (f"`{found.code}`", f"`{found.kind}`", found.message, found.hint)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class RaisedError:
    """A place where an error of the tree is made."""

    code: str
    kind: str
    message: str
    hint: str
    where: str


def raised_errors() -> list[RaisedError]:
    """Every call in the package that makes an error of the tree with a literal code."""
    parsed = {
        path: ast.parse(path.read_text())
        for path in sorted((ROOT / "fireside").rglob("*.py"))
        if "__pycache__" not in path.parts
    }
    kinds = _error_classes(list(parsed.values()))
    found = []
    for path, module in parsed.items():
        for node in ast.walk(module):
            if isinstance(node, ast.ClassDef) and node.name in kinds:
                supers = [each for each in ast.walk(node) if _is_super_init(each)]
                found += [_read_error(each, node.name, path) for each in supers]
            elif isinstance(node, ast.Call) and _called(node) in kinds:
                found.append(_read_error(node, _called(node), path))
    return [each for each in found if each is not None]


def _error_classes(modules: list[ast.Module]) -> set[str]:
    kinds = {"FiresideError"}
    classes = [
        node for each in modules for node in ast.walk(each) if isinstance(node, ast.ClassDef)
    ]
    for _ in range(6):
        kinds |= {
            node.name
            for node in classes
            if any(isinstance(base, ast.Name) and base.id in kinds for base in node.bases)
        }
    return kinds


def _is_super_init(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "__init__"
        and isinstance(node.func.value, ast.Call)
        and _called(node.func.value) == "super"
    )


def _called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Name):
        return node.func.id
    return node.func.attr if isinstance(node.func, ast.Attribute) else ""


def _read_error(node: ast.AST, kind: str, path: Path) -> RaisedError | None:
    assert isinstance(node, ast.Call)
    named = {each.arg: each.value for each in node.keywords}
    code = node.args[0] if node.args else named.get("code")
    if not (isinstance(code, ast.Constant) and isinstance(code.value, str)) or " " in code.value:
        return None
    message = node.args[1] if len(node.args) > 1 else named.get("message")
    where = path.relative_to(ROOT).as_posix()
    return RaisedError(code.value, kind, _spoken(message), _spoken(named.get("hint")), where)


def _spoken(node: ast.expr | None) -> str:
    """A string expression as a person would read it, with {name} for what is filled in."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(_spoken(each) for each in values)
        case ast.FormattedValue(value=value):
            names = [each.id for each in ast.walk(value) if isinstance(each, ast.Name)]
            is_simple = isinstance(value, ast.Name | ast.Attribute)
            return f"{{{ast.unparse(value) if is_simple else ', '.join(names[-1:]) or '...'}}}"
        case ast.BinOp(left=left, right=right):
            return _spoken(left) + _spoken(right)
        case _:
            return ""


def _sections(
    struct: type, path: str
) -> Iterator[tuple[str, msgspec.structs.FieldInfo | None, str]]:
    """Each section's title followed by its plain fields, then the sections inside it."""
    fields = msgspec.structs.fields(struct)
    plain = [each for each in fields if not _is_struct(each.type)]
    doc = inspect.cleandoc(struct.__doc__ or "").splitlines()[0]
    if plain:
        yield doc.rstrip("."), None, path
        for field in plain:
            yield "", field, f"{path}__{field.name.upper()}"
    for field in fields:
        if _is_struct(field.type):
            yield from _sections(field.type, f"{path}__{field.name.upper()}")


def _is_struct(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _described(kind: object) -> tuple[str, str, str]:
    """(type, limits, description) of an annotated field."""
    limits, meaning, inner = [], "", kind
    if typing.get_origin(kind) is typing.Annotated:
        inner, *metas = typing.get_args(kind)
        for meta in metas:
            if isinstance(meta, msgspec.Meta):
                meaning = meta.description or meaning
                signs = (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<"))
                bounds = [(sign, getattr(meta, name)) for name, sign in signs]
                limits += [f"{sign} {value}" for sign, value in bounds if value is not None]
    return _type_name(inner), f", {', '.join(limits)}" if limits else "", meaning


def _type_name(kind: object) -> str:
    origin = typing.get_origin(kind)
    if origin is typing.Annotated:
        return _type_name(typing.get_args(kind)[0])
    if origin is typing.Literal:
        return " or ".join(f"`{value}`" for value in typing.get_args(kind))
    if isinstance(kind, type) and origin is None:
        return kind.__name__
    if origin is typing.Union or type(kind).__name__ == "UnionType":
        return " or ".join(_type_name(each) for each in typing.get_args(kind))
    if origin is not None:
        inner = ", ".join(
            "..." if each is ... else _type_name(each) for each in typing.get_args(kind)
        )
        return f"{origin.__name__}[{inner}]"
    return str(getattr(kind, "__name__", kind))


def _shown_default(field: msgspec.structs.FieldInfo) -> str:
    if field.default is not msgspec.NODEFAULT:
        default = field.default
    elif field.default_factory is not msgspec.NODEFAULT:
        default = field.default_factory()
    else:
        return "required"
    if default in ("", None, (), [], {}):
        return "empty"
    value = msgspec.to_builtins(default, enc_hook=str)
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _walk(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for each in command.list_commands(context):
            found = command.get_command(context, each)
            if found is not None and not found.hidden:
                yield from _walk(found, f"{name} {each}")


def _parameter(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Option):
        shown, meaning = ", ".join(parameter.opts + parameter.secondary_opts), parameter.help or ""
    else:
        shown, meaning = (parameter.human_readable_name or "").upper(), ""
    kind = "flag" if getattr(parameter, "is_flag", False) else parameter.type.name
    default = parameter.default
    is_plain = isinstance(default, str | int | float) and not isinstance(default, bool)
    cells = [f"`{shown}`", kind, f"`{default}`" if is_plain and default != "" else "", meaning]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _as_markdown(text: str) -> list[str]:
    """A docstring with its indented drawings fenced."""
    lines, is_drawing = [], False
    for line in text.splitlines():
        starts = line.startswith("    ")
        if starts != is_drawing and line.strip():
            lines.append("```")
            is_drawing = starts
        lines.append(line[4:] if is_drawing else line)
    return [*lines, "```"] if is_drawing else lines

"""Jupyter notebooks (nbformat 4.5), both ways: a path is a row of cells and runs as a notebook.

Text and reasoning are Markdown cells; Python code, and a call of the tool `python`, are code cells
with the result that follows as their outputs. Every other part is a Markdown cell that tells it in
words, its value kept in the cell's metadata. `metadata.fireside` says which message a cell belongs
to, so `parse(emit(c)) == c` for every conversation without branches. What a person edits in the
source of a text, reasoning or code cell counts, and so do outputs and new, moved and deleted cells.

A notebook written elsewhere becomes one message a cell by the user. Only the path to the head is
written; outputs of one cell are put in the order streams, text, displays, error.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from fireside.conversation.message import (
    Author,
    Code,
    ConversationId,
    Message,
    MessageId,
    Part,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolResult,
    UserId,
)
from fireside.conversation.tree import Conversation, path
from fireside.conversation.wire.entry import decode
from fireside.conversation.wire.markdown import part_text, python_source
from fireside.conversation.wire.notebook_outputs import Output, outputs_of, result_of
from fireside.errors import UserError
from fireside.kit.ids import NewId

FORMAT = "notebook"
_PYTHON = frozenset({"", "py", "python", "python3", "ipython"})


class Owner(msgspec.Struct, omit_defaults=True):
    """The message something belongs to; whole, but for its parts, on its first cell only."""

    id: MessageId
    role: Role
    message: Message | None = None


class Mark(msgspec.Struct, omit_defaults=True):
    """What Fireside notes on a cell.

    `part` holds what the cell's source does not tell. `result` names the call whose result the
    outputs are, and `result_owner` its message where that is not the cell's own.
    """

    owner: Owner
    part: Part | None = None
    result: ToolResult | None = None
    result_owner: Owner | None = None
    empty: bool = False


class CellMetadata(msgspec.Struct, omit_defaults=True):
    """A cell's metadata; what others note there is not kept."""

    fireside: Mark | None = None
    tags: list[str] = []


class Cell(msgspec.Struct, omit_defaults=True):
    """A cell; `source` may come as a list of lines."""

    cell_type: str
    source: str | list[str] = ""
    metadata: CellMetadata = msgspec.field(default_factory=CellMetadata)
    id: str = ""
    outputs: list[Output] | None = None
    attachments: dict[str, Any] | None = None

    def text(self) -> str:
        """The source as one text."""
        return self.source if isinstance(self.source, str) else "".join(self.source)


class _Kept(msgspec.Struct):
    conversation: Conversation


class _Language(msgspec.Struct):
    name: str = "python"


class _Metadata(msgspec.Struct):
    fireside: _Kept | None = None
    language_info: _Language = msgspec.field(default_factory=_Language)


class _Notebook(msgspec.Struct):
    cells: list[Cell]
    nbformat: int
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


def emit(conversation: Conversation, head: MessageId | None = None) -> bytes:
    """The path to `head` (default: the conversation's own) as an .ipynb file.

    Raises InexpressiblePart for a tool's display that no notebook can hold.
    """
    cells: list[dict[str, Any]] = []
    for message in path(conversation, head):
        _emit_message(message, cells)
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
        cell["metadata"] = msgspec.to_builtins(cell["metadata"])
    bare = msgspec.structs.replace(conversation, messages={}, head=None)
    notebook = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python"},
            "fireside": {"conversation": bare},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return msgspec.json.format(msgspec.json.encode(notebook), indent=1) + b"\n"


def _emit_message(message: Message, cells: list[dict[str, Any]]) -> None:
    skeleton = msgspec.structs.replace(message, parts=(), parent_id=None)
    owner = Owner(message.id, message.author.role, skeleton)
    if not message.parts:
        cells.append(_cell("markdown", "", Mark(owner, empty=True)))
    for part in message.parts:
        if not (isinstance(part, ToolResult) and _attach(part, owner, cells)):
            cells.append(_emit_part(part, owner))
        owner = Owner(message.id, message.author.role)


def _emit_part(part: Part, owner: Owner) -> dict[str, Any]:
    match part:
        case Text(text=text):
            return _cell("markdown", text, Mark(owner))
        case Reasoning(text=text):
            return _cell("markdown", text, Mark(owner, Reasoning()))
        case Code(language=language, source=source) if language in _PYTHON:
            return _cell("code", source, Mark(owner, Code(language)))
        case ToolResult(call_id=call_id, name=name):
            mark = Mark(owner, result=ToolResult(call_id, name))
            return _cell("code", "", mark, outputs_of(part))
        case ToolCall() if (called := python_source(part)) is not None:
            return _cell("code", called, Mark(owner, part))
        case _:
            return _cell("markdown", part_text(part), Mark(owner, part))


def _attach(result: ToolResult, owner: Owner, cells: list[dict[str, Any]]) -> bool:
    """Make `result` the outputs of the last cell, if that is the code it belongs to."""
    if not cells or cells[-1]["cell_type"] != "code":
        return False
    mark: Mark = cells[-1]["metadata"].fireside
    called = mark.part.id if isinstance(mark.part, ToolCall) else result.call_id
    if mark.result is not None or called != result.call_id:
        return False
    mark.result = ToolResult(result.call_id, result.name)
    mark.result_owner = owner if owner.id != mark.owner.id else None
    cells[-1]["outputs"] = outputs_of(result)
    return True


def _cell(
    kind: str, source: str, mark: Mark, outputs: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    metadata = CellMetadata(mark, [mark.owner.role.value])
    cell = {"cell_type": kind, "id": "", "metadata": metadata, "source": source}
    return cell | {"execution_count": None, "outputs": outputs or []} if kind == "code" else cell


def parse(data: bytes, owner_id: UserId, new_id: NewId) -> Conversation:
    """The conversation in an .ipynb file; ids come from the file where it has them.

    Raises BrokenExport when it is no notebook, UserError when it is not of format 4.
    """
    notebook = decode(data, _Notebook)
    if notebook.nbformat != 4:
        raise UserError(
            "old_notebook",
            f"This notebook is of format {notebook.nbformat}; only format 4 is read.",
            hint="Open it in Jupyter and save it again.",
        )
    chain: list[Message] = []
    skeletons: dict[MessageId, Message] = {}
    current: MessageId | None = None
    for owner, parts in _owned_parts(notebook, new_id):
        if owner.id != current:
            current = owner.id
            # A message whose cells were torn apart goes on under an id of its own.
            own = MessageId(new_id()) if owner.id in skeletons else owner.id
            skeleton = owner.message or skeletons.get(owner.id) or _unknown(owner)
            skeletons.setdefault(owner.id, skeleton)
            above = chain[-1].id if chain else None
            chain.append(msgspec.structs.replace(skeleton, id=own, parent_id=above, parts=()))
        chain[-1] = msgspec.structs.replace(chain[-1], parts=(*chain[-1].parts, *parts))
    kept = notebook.metadata.fireside
    blank = Conversation(ConversationId(new_id()), owner_id, provider_data={"source": FORMAT})
    return msgspec.structs.replace(
        kept.conversation if kept is not None else blank,
        owner_id=owner_id,
        messages={message.id: message for message in chain},
        head=chain[-1].id if chain else None,
    )


def _unknown(owner: Owner) -> Message:
    return Message(owner.id, Author(owner.role))


def _owned_parts(notebook: _Notebook, new_id: NewId) -> Iterator[tuple[Owner, tuple[Part, ...]]]:
    for cell in notebook.cells:
        mark = cell.metadata.fireside
        if mark is None:
            yield _foreign(cell, MessageId(new_id()), notebook.metadata.language_info.name)
            continue
        part = None if mark.empty and not cell.text() else _part(cell, mark)
        yield mark.owner, () if part is None else (part,)
        if mark.result is not None or cell.outputs:
            bare = mark.result or ToolResult(mark.owner.id, "python")
            result = result_of(cell.outputs or [], bare)
            yield mark.result_owner or mark.owner, (result,)


def _part(cell: Cell, mark: Mark) -> Part | None:
    text = cell.text()
    match mark.part:
        case None if mark.result is not None and not text:
            return None
        case None:
            return Text(text) if cell.cell_type != "code" else Code("python", text)
        case Reasoning():
            return Reasoning(text)
        case Code(language=language) if cell.cell_type == "code":
            return Code(language, text)
        case ToolCall() as call if cell.cell_type == "code" and python_source(call) != text:
            arguments = msgspec.json.encode({"code": text}).decode()
            return msgspec.structs.replace(call, arguments=arguments)
        case part:
            return part


def _foreign(cell: Cell, id: MessageId, language: str) -> tuple[Owner, tuple[Part, ...]]:
    """A cell that Fireside did not write, as a message by the user."""
    kept: dict[str, Any] = {}
    if cell.cell_type not in {"markdown", "code"}:
        kept["cell_type"] = cell.cell_type
    if cell.attachments:
        kept["attachments"] = cell.attachments
    owner = Owner(id, Role.USER, Message(id, Author(Role.USER), provider_data=kept))
    if cell.cell_type != "code":
        return owner, (Text(cell.text()),)
    code = Code(language, cell.text())
    if not cell.outputs:
        return owner, (code,)
    return owner, (code, result_of(cell.outputs, ToolResult(id, "python")))

"""Hugging Face chat templates (out only): the model's own Jinja in a sandbox, with its helpers.

Lossy like `openai_chat`, whose rows these are, and text only: pictures raise InexpressiblePart.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from jinja2 import TemplateError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from fireside.conversation.message import Message, Role
from fireside.conversation.wire import openai_chat
from fireside.conversation.wire.errors import InexpressiblePart
from fireside.errors import UserError

_MAX_SOURCE_CHARS = 256 * 1024  # the longest in use have 30,000
_RAISED = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError)


class TemplateRefused(UserError):
    """The template cannot be used, or does not take this conversation."""

    def __init__(self, why: str) -> None:
        super().__init__(
            "template_refused",
            f"The model's chat template does not take this conversation: {why}",
            hint="Check the order of roles, or use a model with another template.",
        )


Tools = Sequence[Mapping[str, Any]]
"""Tools as OpenAI's request lists them."""


class TemplateRow(msgspec.Struct, frozen=True):
    """One dict for the template; `weight` is that of the message it came from."""

    role: Role
    fields: dict[str, Any]
    weight: float


class ChatTemplate:
    """A compiled template. `now` is the time that templates with a date in them print."""

    def __init__(
        self,
        source: str,
        now: datetime,
        *,
        bos_token: str = "",
        eos_token: str = "",
    ) -> None:
        """Raises TemplateRefused when `source` is no template."""
        if len(source) > _MAX_SOURCE_CHARS:
            raise TemplateRefused("it is too long.")
        self.bos_token = bos_token
        self._knows_developers = "developer" in source
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.loopcontrols", _Generation],
        )
        environment.filters["tojson"] = _tojson
        environment.globals |= {
            "raise_exception": _raise_exception,
            "strftime_now": now.strftime,
            "bos_token": bos_token,
            "eos_token": eos_token,
        }
        try:
            self._template = environment.from_string(source)
        except (TemplateError, *_RAISED) as error:
            raise TemplateRefused(f"it does not compile ({type(error).__name__}).") from error

    def render(
        self,
        rows: Sequence[TemplateRow],
        tools: Tools = (),
        *,
        add_generation_prompt: bool,
    ) -> str:
        """The text of `rows`.

        A developer speaks as the system where the template knows no developers, as llama.cpp has
        it. Raises TemplateRefused.
        """
        try:
            return self._template.render(
                messages=[self._fields(row) for row in rows],
                tools=list(tools) or None,
                add_generation_prompt=add_generation_prompt,
            )
        except TemplateError as error:
            raise TemplateRefused(f"{error.message or type(error).__name__}.") from error
        except _RAISED as error:
            raise TemplateRefused(f"it failed with {type(error).__name__}.") from error

    def _fields(self, row: TemplateRow) -> dict[str, Any]:
        if row.role is Role.DEVELOPER and not self._knows_developers:
            return {**row.fields, "role": "system"}
        return row.fields


def rows_of(line: Sequence[Message]) -> list[TemplateRow]:
    """The rows of a path; one message may become several. Raises InexpressiblePart."""
    rows: list[TemplateRow] = []
    for message in line:
        for fields in openai_chat.emit([message]):
            if isinstance(fields["content"], list):
                raise InexpressiblePart("chat template", "image", "it holds text only")
            # Templates add up texts, and write a call's arguments as JSON themselves.
            fields["content"] = fields["content"] or ""
            for call in fields.get("tool_calls", ()):
                call["function"]["arguments"] = _object(call["function"]["arguments"])
            rows.append(TemplateRow(Role(fields["role"]), fields, message.weight))
    return rows


def _object(arguments: str) -> dict[str, Any] | str:
    try:
        return msgspec.json.decode(arguments or "{}", type=dict[str, Any])
    except msgspec.DecodeError:
        return arguments


class _Generation(Extension):
    """`{% generation %}` marks replies for other trainers; here it has no effect."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """The body alone."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _raise_exception(message: str) -> None:
    raise TemplateError(message)


def _tojson(  # Jinja's own escapes HTML, which no model expects
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )

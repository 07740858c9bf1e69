"""Hugging Face chat templates: the model's own Jinja in a sandbox, with the helpers it may call."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

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
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]] = (),
        *,
        add_generation_prompt: bool,
    ) -> str:
        """The text of `messages`, dicts as Hugging Face has them.

        A developer speaks as the system where the template knows no developers. Raises
        TemplateRefused.
        """
        if not self._knows_developers:
            messages = [
                {**message, "role": "system"} if message["role"] == "developer" else message
                for message in messages
            ]
        try:
            return self._template.render(
                messages=messages,
                tools=list(tools) or None,
                add_generation_prompt=add_generation_prompt,
            )
        except TemplateError as error:
            raise TemplateRefused(f"{error.message or type(error).__name__}.") from error
        except _RAISED as error:
            raise TemplateRefused(f"it failed with {type(error).__name__}.") from error


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

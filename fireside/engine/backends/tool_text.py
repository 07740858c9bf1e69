"""Small models often write a tool call as bare JSON, without the tags their template asks for.

llama.cpp then takes it for text. Where tools were offered, a reply that begins like such JSON is
held back until it is clear: a call of an offered tool becomes a tool call, all else stays text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from fireside.conversation.event import (
    Finish,
    PartEnd,
    PartStart,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
)
from fireside.conversation.message import FinishReason, Text, ToolCall
from fireside.engine.ports import ChatPrompt, ToolChoice

MAX_HELD_CHARS = 16_384
_OPENING = re.compile(r"\s*(```(json)?\s*|<tool_call>\s*)?\{")
_MAY_OPEN = re.compile(r"\s*(`{0,3}|```j?s?o?n?\s*|<t?o?o?l?_?c?a?l?l?>?\s*)")
_BETWEEN = re.compile(r"(\s|,|```(json)?|</?tool_call>)*")


class _Call(msgspec.Struct):
    name: str
    arguments: dict[str, Any]


_decode = msgspec.json.Decoder(_Call).decode


class ToolTextReader:
    """Rewrites the events of one reply. Pass every event through `read`."""

    def __init__(self, prompt: ChatPrompt, new_call_id: Callable[[], str]) -> None:
        self._offered = {tool.name for tool in prompt.tools}
        # Who must call a tool means nothing by what comes after the call.
        self._must = prompt.tool_choice is not ToolChoice.AUTO
        self._new_call_id = new_call_id
        self._held: list[StreamEvent] = []
        self._text = ""
        self._holding = False
        self._shift = 0  # how many more parts there are than the engine made
        self._num_calls = 0

    @staticmethod
    def concerns(prompt: ChatPrompt) -> bool:
        """Whether a reply to `prompt` may call tools."""
        return bool(prompt.tools) and prompt.tool_choice is not ToolChoice.NONE

    def read(self, event: StreamEvent) -> Sequence[StreamEvent]:
        """What to pass on when `event` comes."""
        if isinstance(event, PartStart) and isinstance(event.part, Text) and not self._num_calls:
            self._holding, self._text, self._held = True, event.part.text, [event]
            return ()
        if self._holding and isinstance(event, TextDelta):
            self._held.append(event)
            self._text += event.text
            return () if self._may_be_a_call() else self._let_go()
        if self._holding and isinstance(event, PartEnd):
            self._held.append(event)
            calls = self._calls()
            return self._as_calls(event.index, calls) if calls else self._let_go()
        if isinstance(event, Finish):
            rest = self._let_go()
            reason = FinishReason.TOOL_CALLS if self._num_calls else event.reason
            return (*rest, Finish(reason))
        return (self._shifted(event),)

    def _may_be_a_call(self) -> bool:
        if len(self._text) > MAX_HELD_CHARS:
            return False
        return bool(_OPENING.match(self._text) or _MAY_OPEN.fullmatch(self._text))

    def _let_go(self) -> list[StreamEvent]:
        held, self._held, self._holding = self._held, [], False
        return [self._shifted(event) for event in held]

    def _as_calls(self, index: int, calls: list[_Call]) -> list[StreamEvent]:
        self._held, self._holding = [], False
        self._num_calls = len(calls)
        self._shift = len(calls) - 1
        events: list[StreamEvent] = []
        for place, call in enumerate(calls, index):
            arguments = msgspec.json.encode(call.arguments).decode()
            events.append(PartStart(place, ToolCall(self._new_call_id(), call.name)))
            events.append(ToolCallDelta(place, arguments))
            events.append(PartEnd(place))
        return events

    def _calls(self) -> list[_Call]:
        """The calls that the held text consists of; none when it is anything else."""
        calls: list[_Call] = []
        rest = self._text
        while rest := rest[_match_end(rest) :]:
            end = _object_end(rest)
            try:
                call = _decode(rest[:end])
            except msgspec.DecodeError:
                break
            if call.name not in self._offered:
                break
            calls.append(call)
            rest = rest[end:]
            if self._must:
                return calls
        return [] if rest.strip() else calls

    def _shifted(self, event: StreamEvent) -> StreamEvent:
        if self._shift and isinstance(event, PartStart | PartEnd | TextDelta | ToolCallDelta):
            return msgspec.structs.replace(event, index=event.index + self._shift)
        return event


def _match_end(text: str) -> int:
    found = _BETWEEN.match(text)
    return found.end() if found else 0


def _object_end(text: str) -> int:
    """Where the JSON object that `text` begins with ends; 0 when it does not."""
    depth, in_string, escaped = 0, False, False
    for at, char in enumerate(text):
        if escaped:
            escaped = False
        elif in_string:
            in_string, escaped = char != '"', char == "\\"
        elif char == '"':
            in_string = True
        elif char in "{[":
            depth += 1
        elif char in "}]":
            depth -= 1
            if depth == 0:
                return at + 1
    return 0

"""The frames of a streamed chat completion.

A frame differs from the next one only in a few bytes, so everything around them is built once for
each request: relaying a token costs the JSON escaping of its text and one concatenation.
"""

from __future__ import annotations

from typing import assert_never

import msgspec

from fireside.api.openai.replies import finish_word, logprobs_out, usage_out
from fireside.conversation.event import (
    Failure,
    Finish,
    MessageStart,
    PartEnd,
    PartStart,
    Snapshot,
    StreamEvent,
    TextDelta,
    TitleChanged,
    ToolCallDelta,
    UsageReport,
)
from fireside.conversation.message import FinishReason, Part, Reasoning, Text, ToolCall, Usage
from fireside.errors import BackendFailed, Bug

DONE = b"data: [DONE]\n\n"

_json = msgspec.json.Encoder().encode


class ChatFrames:
    """What all frames of one response share."""

    def __init__(
        self, id: str, created: int, model: str, release: str | None, *, include_usage: bool
    ) -> None:
        fixed = {
            "id": id,
            "object": "chat.completion.chunk",
            "created": created,
            "model": model,
            "system_fingerprint": release or None,
        }
        self._head = b"data: " + _json(fixed)[:-1] + b',"choices":['
        self._tail = b'],"usage":null}\n\n' if include_usage else b"]}\n\n"
        self._include_usage = include_usage

    def choice(self, index: int) -> ChatChoiceFrames:
        """The frames of choice `index`."""
        return ChatChoiceFrames(self._head + b'{"index":%d,"delta":' % index, self._tail)

    def end(self, usage: Usage) -> bytes:
        """What follows the last choice."""
        if not self._include_usage:
            return DONE
        return self._head + b'],"usage":' + _json(usage_out(usage)) + b"}\n\n" + DONE


class ChatChoiceFrames:
    """Turns the events of one generation into frames."""

    def __init__(self, head: bytes, tail: bytes) -> None:
        self._head = head
        self._tail = b',"logprobs":null,"finish_reason":null}' + tail
        self._last_tail = tail
        self._text_head = head + b'{"content":'
        self._text_tail = b"}" + self._tail
        self._reasoning = False  # whether the open part is reasoning
        self._num_calls = 0
        self._finish: FinishReason | None = None

    def begin(self) -> bytes:
        """The frame that names the role, before all others."""
        role = b'{"role":"assistant","content":"","refusal":null}'
        return self._head + role + self._tail

    def feed(self, event: StreamEvent) -> bytes:
        """The frame for `event`, or nothing. Raises BackendFailed when the engine reports it."""
        match event:
            case TextDelta(text=text, logprobs=logprobs):
                if logprobs:
                    return self._with_logprobs(event)
                if self._reasoning:
                    return self._delta({"reasoning_content": text})
                return self._text_head + _json(text) + self._text_tail
            case ToolCallDelta(arguments=arguments):
                call = {"index": self._num_calls - 1, "function": {"arguments": arguments}}
                return self._delta({"tool_calls": [call]})
            case PartStart(part=part):
                return self._open(part)
            case Finish(reason=reason):
                self._finish = reason
            case Failure(code=code, message=message, hint=hint):
                raise BackendFailed(code, message, hint=hint)
            case PartEnd() | UsageReport():
                pass
            case MessageStart() | Snapshot() | TitleChanged():
                raise Bug("unexpected_event", "An engine emitted an event that is not its own.")
            case _:
                assert_never(event)
        return b""

    def finish(self) -> bytes:
        """The frame with the finish reason. Raises BackendFailed when there is none."""
        reason = _json(finish_word(self._finish))
        return self._head + b'{},"logprobs":null,"finish_reason":' + reason + b"}" + self._last_tail

    def _open(self, part: Part) -> bytes:
        self._reasoning = isinstance(part, Reasoning)
        match part:
            case Text(text=text):
                return self._delta({"content": text}) if text else b""
            case Reasoning(text=text):
                return self._delta({"reasoning_content": text}) if text else b""
            case ToolCall(id=id, name=name, arguments=arguments):
                self._num_calls += 1
                function = {"name": name, "arguments": arguments}
                call = {
                    "index": self._num_calls - 1,
                    "id": id,
                    "type": "function",
                    "function": function,
                }
                return self._delta({"tool_calls": [call]})
            case _:
                raise Bug("unexpected_part", "An engine emitted a part that no model writes.")

    def _delta(self, delta: object) -> bytes:
        return self._head + _json(delta) + self._tail

    def _with_logprobs(self, event: TextDelta) -> bytes:
        key = "reasoning_content" if self._reasoning else "content"
        logprobs = _json(logprobs_out(event.logprobs))
        delta = _json({key: event.text})
        return (
            self._head
            + delta
            + b',"logprobs":'
            + logprobs
            + b',"finish_reason":null}'
            + self._last_tail
        )

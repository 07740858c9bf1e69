"""The frames of a streamed text completion; built like those of a chat completion."""

from __future__ import annotations

import msgspec

from fireside.api.openai.chat_stream import DONE
from fireside.api.openai.replies import finish_word, text_logprobs_out, usage_out
from fireside.conversation.event import Failure, Finish, PartStart, StreamEvent, TextDelta
from fireside.conversation.message import FinishReason, Text, Usage
from fireside.errors import BackendFailed

_json = msgspec.json.Encoder().encode


class TextFrames:
    """What all frames of one response share."""

    def __init__(
        self, id: str, created: int, model: str, release: str | None, *, include_usage: bool
    ) -> None:
        fixed = {
            "id": id,
            "object": "text_completion",
            "created": created,
            "model": model,
            "system_fingerprint": release or None,
        }
        self._head = b"data: " + _json(fixed)[:-1] + b',"choices":['
        self._tail = b'],"usage":null}\n\n' if include_usage else b"]}\n\n"
        self._include_usage = include_usage

    def choice(self, index: int) -> TextChoiceFrames:
        """The frames of choice `index`."""
        return TextChoiceFrames(self._head + b'{"index":%d,"text":' % index, self._tail)

    def end(self, usage: Usage) -> bytes:
        """What follows the last choice."""
        if not self._include_usage:
            return DONE
        return self._head + b'],"usage":' + _json(usage_out(usage)) + b"}\n\n" + DONE


class TextChoiceFrames:
    """Turns the events of one generation into frames. Reasoning and tool calls have no place."""

    def __init__(self, head: bytes, tail: bytes) -> None:
        self._head = head
        self._last_tail = tail
        self._tail = b',"logprobs":null,"finish_reason":null}' + tail
        self._num_chars = 0  # of the text so far: where the next token begins
        self._finish: FinishReason | None = None

    def begin(self) -> bytes:
        """Nothing comes before the first token."""
        return b""

    def feed(self, event: StreamEvent) -> bytes:
        """The frame for `event`, or nothing. Raises BackendFailed when the engine reports it."""
        match event:
            case TextDelta(text=text, logprobs=logprobs):
                told = b"null"
                if logprobs:
                    told = _json(text_logprobs_out(logprobs, self._num_chars))
                self._num_chars += len(text)
                return (
                    self._head
                    + _json(text)
                    + b',"logprobs":'
                    + told
                    + b',"finish_reason":null}'
                    + self._last_tail
                )
            case PartStart(part=Text(text=text)) if text:
                self._num_chars += len(text)
                return self._head + _json(text) + self._tail
            case Finish(reason=reason):
                self._finish = reason
            case Failure(code=code, message=message, hint=hint):
                raise BackendFailed(code, message, hint=hint)
            case _:
                pass
        return b""

    def finish(self) -> bytes:
        """The frame with the finish reason. Raises BackendFailed when there is none."""
        reason = _json(finish_word(self._finish))
        return self._head + b'"","logprobs":null,"finish_reason":' + reason + b"}" + self._last_tail

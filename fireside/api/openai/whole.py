"""Collecting a generation into the finished answer of a request without `stream`."""

from __future__ import annotations

import msgspec

from fireside.api.openai.replies import (
    ChatChoiceOut,
    ChatMessageOut,
    FunctionOut,
    TextChoiceOut,
    ToolCallOut,
    finish_word,
    logprobs_out,
    text_logprobs_out,
)
from fireside.conversation.event import (
    Failure,
    Finish,
    PartStart,
    StreamEvent,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
)
from fireside.conversation.message import FinishReason, Reasoning, Text, ToolCall
from fireside.errors import BackendFailed


class Collected:
    """What one generation said. `feed` takes its events in order."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[ToolCall] = []
        self._arguments: list[list[str]] = []
        self._logprobs: list[TokenLogprob] = []
        self._open = self._text
        self._finish: FinishReason | None = None

    def feed(self, event: StreamEvent) -> None:
        """Take one event. Raises BackendFailed when the engine reports a failure."""
        match event:
            case TextDelta(text=text, logprobs=logprobs):
                self._open.append(text)
                if logprobs:
                    self._logprobs.extend(logprobs)
            case ToolCallDelta(arguments=arguments):
                self._arguments[-1].append(arguments)
            case PartStart(part=Text(text=text)):
                self._open = self._text
                self._text.append(text)
            case PartStart(part=Reasoning(text=text)):
                self._open = self._reasoning
                self._reasoning.append(text)
            case PartStart(part=ToolCall(arguments=arguments) as call):
                self._calls.append(call)
                self._arguments.append([arguments])
            case Finish(reason=reason):
                self._finish = reason
            case Failure(code=code, message=message, hint=hint):
                raise BackendFailed(code, message, hint=hint)
            case _:
                pass

    def chat_choice(self, index: int) -> ChatChoiceOut:
        """The choice of a chat completion. Raises BackendFailed when it never finished."""
        text = "".join(self._text)
        reasoning = "".join(self._reasoning)
        calls = [
            ToolCallOut(call.id, FunctionOut(call.name, "".join(pieces)))
            for call, pieces in zip(self._calls, self._arguments, strict=True)
        ]
        message = ChatMessageOut(
            text if text or not calls else None,
            tool_calls=calls or msgspec.UNSET,
            reasoning_content=reasoning or msgspec.UNSET,
        )
        logprobs = logprobs_out(self._logprobs) if self._logprobs else None
        return ChatChoiceOut(index, message, logprobs, finish_word(self._finish))

    def text_choice(self, index: int) -> TextChoiceOut:
        """The choice of a text completion. Raises BackendFailed when it never finished."""
        logprobs = text_logprobs_out(self._logprobs, 0) if self._logprobs else None
        return TextChoiceOut(index, "".join(self._text), logprobs, finish_word(self._finish))

"""How long a prompt is, as far as can be told without a tokenizer."""

from __future__ import annotations

from fireside.conversation.message import Reasoning, Text, ToolCall, ToolResult
from fireside.engine.catalog import Route
from fireside.engine.ports import ChatPrompt, GenerationRequest
from fireside.errors import UserError

CHARS_PER_TOKEN = 4
"""Rule of thumb for English; used only where an engine was stopped before it told its usage."""

MAX_CHARS_PER_TOKEN = 32
"""No prompt that people write averages more; only runs of blanks have longer tokens."""


def num_chars(request: GenerationRequest) -> int:
    """Characters of text in the prompt."""
    prompt = request.prompt
    if not isinstance(prompt, ChatPrompt):
        return len(prompt.text) + len(prompt.suffix or "")
    total = 0
    for message in prompt.messages:
        for part in message.parts:
            match part:
                case Text(text=text) | Reasoning(text=text) | ToolResult(text=text):
                    total += len(text)
                case ToolCall(arguments=text):
                    total += len(text)
                case _:
                    pass
    return total


def check_length(route: Route, request: GenerationRequest) -> None:
    """Raise UserError for a prompt that cannot fit into the model's context window.

    The engine counts exactly and refuses what is only a little too long. What is absurdly too long
    is refused here: tokenizing 10 MB takes an engine half a minute in which nobody is served.
    """
    max_tokens = route.model.context_tokens
    if max_tokens <= 0:
        return
    length = num_chars(request)
    if length > max_tokens * MAX_CHARS_PER_TOKEN:
        raise UserError(
            "context_length_exceeded",
            f"This model's maximum context length is {max_tokens} tokens, but your request holds "
            f"{length} characters, at least {length // MAX_CHARS_PER_TOKEN} tokens.",
            hint="Shorten the prompt.",
            param="messages" if isinstance(request.prompt, ChatPrompt) else "prompt",
        )

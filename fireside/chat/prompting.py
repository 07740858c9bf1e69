"""Pure: which part of a conversation the model is shown.

A prompt's beginning should stay the same from turn to turn, so that the engine's prefix cache is
hit. While everything fits, everything is sent. When it no longer fits, the beginning moves forward
once by half the window, and then stays there for many turns: the `anchor` names where it begins.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fireside.conversation.message import (
    Audio,
    Citation,
    Code,
    File,
    Image,
    Message,
    MessageId,
    Part,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolResult,
    text_message,
)
from fireside.conversation.tree import prompt_messages

CHARS_PER_TOKEN = 3.2
"""Cautious for English prose (4.2 on the bundled model) and for code (3.3)."""

TOKENS_PER_MESSAGE = 8
IMAGE_TOKENS = 600


class PromptWindow(msgspec.Struct, frozen=True):
    """The messages to send and the first of them that is not the system message."""

    messages: tuple[Message, ...]
    anchor: MessageId | None
    num_tokens: int


def estimate_tokens(message: Message) -> int:
    """About how many tokens a message takes; errs on the high side for English."""
    return TOKENS_PER_MESSAGE + sum(_part_tokens(part) for part in message.parts)


def _part_tokens(part: Part) -> int:
    match part:
        case Text(text=text) | Reasoning(text=text):
            chars = len(text.encode()) if not text.isascii() else len(text)
        case Code(source=source):
            chars = len(source)
        case ToolCall(name=name, arguments=arguments):
            chars = len(name) + len(arguments)
        case ToolResult(text=text, stdout=stdout, stderr=stderr):
            chars = len(text) + len(stdout) + len(stderr)
        case File(extracted_text=text, name=name):
            chars = len(text or "") + len(name)
        case Audio(transcript=transcript):
            chars = len(transcript)
        case Image():
            return IMAGE_TOKENS
        case Citation(quote=quote):
            chars = len(quote)
    return int(chars / CHARS_PER_TOKEN) + 1


def build(
    line: Sequence[Message],
    system: str,
    budget_tokens: int,
    anchor: MessageId | None = None,
) -> PromptWindow:
    """The prompt for the path `line` (oldest first, ending in what is to be answered).

    `anchor` is where the previous turn's prompt began; it is kept while it fits. The last message
    is always included, however long: the engine refuses it in words the person can act on.
    """
    shown = prompt_messages(line)
    preface = (text_message("system", Role.SYSTEM, system),) if system.strip() else ()
    sizes = [estimate_tokens(message) for message in shown]
    budget = max(0, budget_tokens - sum(estimate_tokens(m) for m in preface))
    ids = [message.id for message in shown]
    start = ids.index(anchor) if anchor in ids else 0
    if sum(sizes[start:]) > budget:
        start = _later_start(shown, sizes, budget // 2)
    kept = shown[start:]
    return PromptWindow(
        messages=(*preface, *kept),
        anchor=kept[0].id if kept else None,
        num_tokens=sum(sizes[start:]) + sum(estimate_tokens(m) for m in preface),
    )


def _later_start(shown: Sequence[Message], sizes: Sequence[int], budget: int) -> int:
    """The earliest person's message from which everything fits in `budget`."""
    start = last_user = len(shown) - 1
    total = 0
    for index in range(len(shown) - 1, -1, -1):
        total += sizes[index]
        if total > budget and index < len(shown) - 1:
            break
        start = index
        if shown[index].author.role is Role.USER:
            last_user = index
    return last_user if shown[start].author.role is not Role.USER else start


def system_text(base: str, about: str, style: str, instructions: str) -> str:
    """The system message from the operator's, the person's and the conversation's words."""
    sections = [base.strip()]
    if about.strip():
        sections.append(f"About the person you are talking to:\n{about.strip()}")
    if style.strip():
        sections.append(f"How they would like you to answer:\n{style.strip()}")
    if instructions.strip():
        sections.append(instructions.strip())
    return "\n\n".join(section for section in sections if section)

"""Pure decisions of a turn: how one resumes that was left unfinished."""

from __future__ import annotations

from enum import StrEnum

from fireside.conversation.message import FinishReason, Message, Role, Status, Text


class TurnState(StrEnum):
    """A turn is `running` until its reply is closed; what the reply became is on the message."""

    RUNNING = "running"
    ENDED = "ended"


class Resumption(StrEnum):
    """What to do with a reply that a stopped process left unfinished."""

    CONTINUE = "continue"
    RESTART = "restart"
    INTERRUPT = "interrupt"


def resumption(message: Message, attempts: int, max_attempts: int) -> Resumption:
    """Go on writing after whole text, begin again where nothing was said, give up otherwise.

    A begun tool call cannot be continued half-way, and after `max_attempts` runs the reply itself
    may be what brings the process down.
    """
    if attempts >= max_attempts:
        return Resumption.INTERRUPT
    if not message.parts:
        return Resumption.RESTART
    return Resumption.CONTINUE if can_continue(message) else Resumption.INTERRUPT


def can_continue(message: Message) -> bool:
    """Whether a model can go on where this reply stands."""
    if message.author.role is not Role.ASSISTANT or not message.parts:
        return False
    return isinstance(message.parts[-1], Text)


def was_cut_short(message: Message) -> bool:
    """Whether a person may ask for more of this reply."""
    stopped = message.status is Status.INTERRUPTED or message.finish_reason is FinishReason.LENGTH
    return (stopped or message.status is Status.FAILED) and can_continue(message)

"""Errors of the turn."""

from __future__ import annotations

from fireside.errors import Conflict, NotFound, UserError


class UnknownTurn(NotFound):
    """No such turn, or somebody else's."""

    def __init__(self) -> None:
        super().__init__(
            "unknown_turn",
            "This reply is not there any more.",
            hint="Reload the conversation to see its present state.",
        )


class DeclaredDead(Conflict):
    """Other processes took this one for dead, and its turns with it. It never reaches a caller."""

    def __init__(self) -> None:
        super().__init__("declared_dead", "This process was silent for too long.")


class NothingToContinue(Conflict):
    """Only a reply that was cut short can be continued."""

    def __init__(self) -> None:
        super().__init__(
            "nothing_to_continue",
            "This reply is complete; there is nothing to continue.",
            hint="Regenerate it, or send another message.",
        )


class EmptyMessage(UserError):
    """A message needs words."""

    def __init__(self) -> None:
        super().__init__(
            "empty_message", "The message is empty.", hint="Write something first.", param="text"
        )


class MessageTooLong(UserError):
    """A single message is longer than the operator allows."""

    def __init__(self, num_chars: int, max_chars: int) -> None:
        super().__init__(
            "message_too_long",
            f"The message has {num_chars:,} characters; at most {max_chars:,} are allowed.",
            hint="Shorten it, or split it over several messages.",
            param="text",
        )


class NotAReply(UserError):
    """The operation needs a message that the assistant wrote."""

    def __init__(self) -> None:
        super().__init__(
            "not_a_reply",
            "This message was not written by the assistant.",
            hint="Name a reply of the assistant.",
            param="message_id",
        )


class CannotContinue(UserError):
    """The model cannot go on with a reply that was begun."""

    def __init__(self, model: str) -> None:
        super().__init__(
            "cannot_continue",
            f"The model {model} cannot go on with a reply that was cut short.",
            hint="Regenerate the reply, perhaps with another model.",
        )

"""How a reply says that it is less than usual, and why. Pure."""

from __future__ import annotations

import msgspec

from fireside.capacity.customers import Degradation
from fireside.conversation.message import Message


class Degraded(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a reply does without; shown quietly under it."""

    kind: str = ""
    why: str = ""
    max_tokens: int | None = None


class Own(msgspec.Struct, frozen=True):
    """What Fireside itself keeps of a reply, besides the fields of a message."""

    degraded: Degraded = Degraded()


class Label(msgspec.Struct, frozen=True):
    """A reply's `provider_data`."""

    fireside: Own = Own()


def label(less: Degradation) -> Label:
    """What goes into the reply's `provider_data`."""
    return Label(Own(Degraded(less.kind, less.why, less.max_tokens)))


def max_tokens(reply: Message) -> int | None:
    """The length that the label of a reply promises, if any."""
    try:
        return msgspec.convert(reply.provider_data, Label).fireside.degraded.max_tokens
    except msgspec.ValidationError:  # somebody else's data under our name
        return None

"""Pure: a stored window of a conversation, with the replies that are being written put into it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from fireside.chat.views import RunningTurn
from fireside.conversation.message import Message, MessageId
from fireside.feedback.domain import Thumb
from fireside.history.domain import ConversationView, MessageView, Window


class OpenConversation(msgspec.Struct, frozen=True):
    """A conversation as a reader finds it.

    A message still being written holds what `turns` says up to its `offset`: follow the turn from
    there. `thumbs` are the reader's own.
    """

    conversation: ConversationView
    messages: list[MessageView]
    has_earlier: bool
    turns: list[RunningTurn]
    thumbs: dict[MessageId, Thumb]


def read_open_conversation(
    window: Window,
    running: Mapping[MessageId, tuple[RunningTurn, Message]],
    thumbs: Mapping[MessageId, Thumb],
) -> OpenConversation:
    """The window as it stands now."""
    messages = [
        MessageView(running[view.message.id][1], view.siblings)
        if view.message.id in running
        else view
        for view in window.messages
    ]
    turns = [turn for turn, _message in running.values()]
    return OpenConversation(
        conversation=msgspec.structs.replace(
            window.conversation, running=[turn.turn_id for turn in turns]
        ),
        messages=messages,
        has_earlier=window.has_earlier,
        turns=turns,
        thumbs=dict(thumbs),
    )

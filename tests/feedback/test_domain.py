"""What may be said about a reply."""

from __future__ import annotations

import pytest

from fireside.conversation.message import Message, Role, text_message
from fireside.errors import UserError
from fireside.feedback.domain import (
    PRAISE,
    Reason,
    Thumb,
    Writer,
    check_alternatives,
    check_reasons,
    writer_of,
)


def reply(id: str, parent_id: str = "question", **fields: object) -> Message:
    return text_message(id, Role.ASSISTANT, "text", parent_id=parent_id, **fields)


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_goes_with_the_thumb_it_is_meant_for(reason: Reason) -> None:
    fitting = Thumb.UP if reason in PRAISE else Thumb.DOWN
    check_reasons(fitting, (reason,))
    with pytest.raises(UserError, match="does not go with"):
        check_reasons(Thumb.NONE, (reason,))
    if reason is not Reason.OTHER:
        other = Thumb.DOWN if fitting is Thumb.UP else Thumb.UP
        with pytest.raises(UserError, match="does not go with"):
            check_reasons(other, (reason,))


def test_a_reason_is_named_once() -> None:
    with pytest.raises(UserError, match="twice"):
        check_reasons(Thumb.DOWN, (Reason.STYLE, Reason.STYLE))


def test_the_writer_is_the_release_and_adapter_at_the_time_of_writing() -> None:
    message = reply("a", model="small", release="small@1", adapter="tone")
    assert writer_of(message) == Writer("small", "small@1", "tone")


@pytest.mark.parametrize(
    "message",
    [text_message("q", Role.USER, "text"), reply("a", deleted=True)],
    ids=["a question", "deleted"],
)
def test_only_replies_that_are_there_have_a_writer(message: Message) -> None:
    with pytest.raises(UserError, match="Only replies"):
        writer_of(message)


def test_alternatives_are_two_replies_at_one_place() -> None:
    check_alternatives(reply("a"), reply("b"))
    for other in (reply("a"), reply("b", "another question")):
        with pytest.raises(UserError, match="two different replies"):
            check_alternatives(reply("a"), other)

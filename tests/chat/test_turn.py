from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.chat.turn import (
    Resumption,
    can_continue,
    resumption,
    was_cut_short,
)
from fireside.conversation.event import Finish, MessageStart, PartStart, TextDelta, UsageReport
from fireside.conversation.fold import fold
from fireside.conversation.message import (
    Author,
    FinishReason,
    Message,
    MessageId,
    Reasoning,
    Role,
    Status,
    Text,
    ToolCall,
    Usage,
)
from fireside.conversation.placement import Placement, total_usage
from fireside.errors import Bug


def reply(*parts, status=Status.STREAMING, finish_reason=None, role=Role.ASSISTANT) -> Message:
    return Message(
        id=MessageId("m"),
        author=Author(role),
        parts=parts,
        status=status,
        finish_reason=finish_reason,
    )


def placed(message: Message, events) -> Message:
    placement = Placement(message.parts)
    moved = [placement.place(event) for event in events]
    return fold(message, [event for event in moved if event is not None])


@given(st.lists(st.text(min_size=1), min_size=1), st.integers(min_value=0))
def test_text_that_is_continued_reads_as_if_it_had_never_been_cut(pieces, cut):
    whole = "".join(pieces)
    at = cut % (len(whole) + 1)
    events = [PartStart(0, Text()), TextDelta(0, whole[at:]), Finish(FinishReason.STOP)]
    message = placed(reply(Text(whole[:at])), events)
    assert message.parts == (Text(whole),)
    assert message.status is Status.COMPLETE


def test_a_continued_part_that_begins_with_text_keeps_that_text():
    message = placed(reply(Text("one ")), [PartStart(0, Text("two")), TextDelta(0, " three")])
    assert message.parts == (Text("one two three"),)


def test_a_different_kind_of_part_goes_behind_the_others():
    events = [
        PartStart(0, Reasoning()),
        TextDelta(0, "hm"),
        PartStart(1, Text()),
        TextDelta(1, "so"),
    ]
    message = placed(reply(Text("before")), events)
    assert message.parts == (Text("before"), Reasoning("hm"), Text("so"))


def test_an_engine_may_not_start_messages():
    with pytest.raises(Bug):
        Placement(()).place(MessageStart(reply()))


@pytest.mark.parametrize(
    ("message", "attempts", "decision"),
    [
        (reply(), 1, Resumption.RESTART),
        (reply(Text("half a sen")), 1, Resumption.CONTINUE),
        (reply(Text("half a sen")), 3, Resumption.INTERRUPT),
        (reply(Text("I will look."), ToolCall("c", "search", '{"q":')), 1, Resumption.INTERRUPT),
        (reply(), 3, Resumption.INTERRUPT),
    ],
)
def test_what_becomes_of_a_reply_that_a_stopped_process_left(message, attempts, decision):
    assert resumption(message, attempts, max_attempts=3) is decision


def test_only_a_reply_that_was_cut_short_can_be_continued():
    assert was_cut_short(reply(Text("a"), status=Status.INTERRUPTED))
    assert was_cut_short(
        reply(Text("a"), status=Status.COMPLETE, finish_reason=FinishReason.LENGTH)
    )
    assert was_cut_short(reply(Text("a"), status=Status.FAILED))
    assert not was_cut_short(
        reply(Text("a"), status=Status.COMPLETE, finish_reason=FinishReason.STOP)
    )
    assert not can_continue(reply(Text("a"), role=Role.USER))


def test_usage_adds_up_over_the_runs_of_a_reply_and_the_first_wait_counts():
    first = Usage(prompt_tokens=10, completion_tokens=5, ttft_ms=100.0)
    second = Usage(prompt_tokens=15, cached_tokens=10, completion_tokens=7, ttft_ms=50.0)
    assert total_usage(first, second) == Usage(25, 10, 12, 100.0, None)
    assert total_usage(None, second) is second


def test_usage_reports_pass_through():
    event = UsageReport(Usage())
    assert Placement((Text("x"),)).place(event) is event

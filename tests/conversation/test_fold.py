"""Folding events gives the message that was streamed, however it was cut up."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.conversation.event import (
    Finish,
    MessageStart,
    PartEnd,
    PartStart,
    Snapshot,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    decode_event,
    encode_event,
)
from fireside.conversation.fold import Fold, fold
from fireside.conversation.message import (
    Author,
    FinishReason,
    Message,
    MessageId,
    Part,
    Role,
    Status,
    Text,
    ToolCall,
)
from fireside.errors import Bug
from tests.conversation.strategies import parts, streams

STREAMS = Path(__file__).parents[1] / "golden" / "streams"
NOTHING = Message(MessageId("0"), Author(Role.ASSISTANT), status=Status.STREAMING)


@pytest.mark.parametrize("name", sorted(path.stem for path in STREAMS.glob("*.jsonl")))
def test_a_golden_stream_folds_into_its_golden_message(name: str) -> None:
    lines = (STREAMS / f"{name}.jsonl").read_bytes().splitlines()
    expected = (STREAMS / f"{name}.message.json").read_bytes()
    folded = fold(NOTHING, [decode_event(line) for line in lines])
    assert folded == msgspec.json.decode(expected, type=Message)
    assert msgspec.json.decode(msgspec.json.encode(folded)) == msgspec.json.decode(expected)


@pytest.mark.parametrize("name", sorted(path.stem for path in STREAMS.glob("*.jsonl")))
def test_a_golden_stream_is_written_as_it_was_read(name: str) -> None:
    lines = (STREAMS / f"{name}.jsonl").read_bytes().split(b"\n")[:-1]
    assert [encode_event(decode_event(line)) for line in lines] == lines


def test_every_golden_stream_has_its_message() -> None:
    streams = {path.stem for path in STREAMS.glob("*.jsonl")}
    messages = {path.name.removesuffix(".message.json") for path in STREAMS.glob("*.message.json")}
    assert streams == messages != set()


@pytest.mark.parametrize(
    "events",
    [
        [PartStart(1, Text())],
        [TextDelta(0, "a")],
        [PartStart(0, Text()), TextDelta(1, "a")],
        [PartStart(0, Text()), PartStart(1, Text()), TextDelta(0, "a")],
        [PartStart(0, ToolCall("c", "f")), TextDelta(0, "a")],
        [PartStart(0, Text()), ToolCallDelta(0, "{")],
        [PartEnd(0)],
        [PartEnd(-1)],
        [PartStart(0, Text()), PartEnd(1)],
        [Finish(FinishReason.STOP), PartStart(0, Text())],
        [Finish(FinishReason.STOP), MessageStart(NOTHING)],
    ],
)
def test_an_event_that_does_not_fit_is_refused(events: list[StreamEvent]) -> None:
    with pytest.raises(Bug):
        fold(NOTHING, events)


def test_a_message_can_be_looked_at_in_mid_stream() -> None:
    state = Fold(NOTHING)
    state.apply(PartStart(0, Text("a")))
    state.apply(TextDelta(0, "b"))
    assert state.message().parts == (Text("ab"),)
    state.apply(TextDelta(0, "c"))
    assert state.message().parts == (Text("abc"),)
    assert state.message().status is Status.STREAMING


@given(st.data(), st.lists(parts, max_size=4).map(tuple))
def test_however_a_message_is_cut_into_deltas_it_folds_to_the_same(
    data: st.DataObject, said: tuple[Part, ...]
) -> None:
    folded = fold(NOTHING, data.draw(streams(said)))
    assert folded.parts == said
    assert folded.status is Status.COMPLETE


@given(st.data(), st.lists(parts, max_size=4).map(tuple))
def test_a_stream_can_be_left_and_taken_up_again_from_a_snapshot(
    data: st.DataObject, said: tuple[Part, ...]
) -> None:
    events = data.draw(streams(said))
    seen = data.draw(st.integers(0, len(events) - 1))
    half = fold(NOTHING, events[:seen])
    over_the_wire = decode_event(encode_event(Snapshot(half)))
    assert fold(NOTHING, [over_the_wire, *events[seen:]]) == fold(NOTHING, events)

"""Laws 1, 4 and 5: append only, two tabs at once, ids that sort by time."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.conversation.message import (
    Author,
    Message,
    MessageId,
    Role,
    Status,
    Text,
    text_message,
)
from fireside.conversation.tree import (
    Conversation,
    append,
    build,
    children,
    latest_leaf,
    merge,
    path,
    prompt_messages,
    siblings,
    tombstone,
)
from fireside.errors import Bug, Conflict, NotFound
from fireside.kit.ids import NewId, Uuid7Factory, is_uuid
from tests.conversation.strategies import START, conversations, messages, new_ids, placed


def edit(conversation: Conversation, data: st.DataObject, new_id: NewId) -> Conversation:
    """One thing a person does in a tab: a message at the end, an edit, a regeneration."""
    places = [None, *conversation.messages]
    parent = data.draw(st.sampled_from([conversation.head, *places]), label="parent")
    return append(conversation, placed(data.draw(messages()), new_id(), parent))


@given(st.data(), conversations())
def test_law_1_whatever_is_done_every_message_stays_as_it_was(
    data: st.DataObject, conversation: Conversation
) -> None:
    new_id = new_ids(start_ms=1_800_000_000_000)
    for _ in range(data.draw(st.integers(1, 6), label="edits")):
        before = dict(conversation.messages)
        after = edit(conversation, data, new_id)
        assert conversation.messages == before
        assert {id: after.messages[id] for id in before} == before
        assert len(after.messages) == len(before) + 1
        assert path(after)[-1].id == after.head
        conversation = after


@given(st.data(), conversations())
def test_law_1_a_tombstone_keeps_its_place_and_all_around_it(
    data: st.DataObject, conversation: Conversation
) -> None:
    if not conversation.messages:
        return
    gone = data.draw(st.sampled_from(list(conversation.messages)))
    after = tombstone(conversation, gone)
    assert after.messages[gone].deleted
    assert after.messages[gone].parts == ()
    others = {id: message for id, message in conversation.messages.items() if id != gone}
    assert {id: after.messages[id] for id in others} == others
    assert [message.id for message in path(after)] == [message.id for message in path(conversation)]
    assert gone not in {message.id for message in prompt_messages(path(after))}


@given(st.data(), conversations())
def test_law_4_any_interleaving_of_two_tabs_holds_what_both_wrote(
    data: st.DataObject, start: Conversation
) -> None:
    new_id = new_ids(start_ms=1_800_000_000_000)
    tabs = [start, start]
    for tab in data.draw(st.lists(st.integers(0, 1), max_size=6), label="tabs"):
        tabs[tab] = edit(tabs[tab], data, new_id)
    left, right = tabs
    written = left.messages | right.messages
    server = start
    for id in sorted(written.keys() - start.messages.keys()):  # ids are in the order of writing
        server = append(server, written[id])
    assert server.messages == written
    for tab in (tab for tab in tabs if tab.head is not None):
        assert path(server, tab.head) == path(tab)
    merged = merge(left, right)
    assert merged.messages == merge(right, left).messages == written
    assert merged.head == merge(right, left).head
    assert build(merged, merged.messages.values()) == merged


@st.composite
def stages(draw: st.DrawFn) -> Message:
    """One message as some tab last saw it."""
    text = draw(st.text("ab", max_size=2))
    return Message(
        MessageId("m"),
        Author(Role.ASSISTANT),
        (Text(text),) if text else (),
        status=draw(st.sampled_from(Status)),
        updated_at=draw(st.sampled_from([None, START, START + timedelta(milliseconds=500)])),
        deleted=draw(st.booleans()),
    )


@given(stages(), stages(), stages(), conversations())
def test_law_4_copies_can_be_merged_in_any_order_and_any_number_of_times(
    a: Message, b: Message, c: Message, empty: Conversation
) -> None:
    x, y, z = (build(msgspec.structs.replace(empty, head=None), [each]) for each in (a, b, c))
    assert merge(x, y).messages == merge(y, x).messages
    assert merge(merge(x, y), z).messages == merge(x, merge(y, z)).messages
    assert merge(x, x).messages == x.messages


def test_a_finished_reply_is_not_put_back_by_a_tab_that_saw_half_of_it() -> None:
    half = text_message("m", Role.ASSISTANT, "Half an", status=Status.STREAMING, updated_at=START)
    whole = text_message("m", Role.ASSISTANT, "Whole.", updated_at=START)
    x, y = (build(Conversation("c", "o"), [each]) for each in (half, whole))
    assert merge(x, y).messages["m"] == merge(y, x).messages["m"] == whole


def test_an_id_that_is_taken_by_another_message_is_refused() -> None:
    conversation = append(Conversation("c", "o"), text_message("m", Role.USER, "a"))
    assert append(conversation, text_message("m", Role.USER, "a")) is conversation
    with pytest.raises(Conflict):
        append(conversation, text_message("m", Role.USER, "b"))
    with pytest.raises(Conflict):
        build(conversation, [text_message("m", Role.USER, "a")] * 2)


def test_a_parent_that_is_not_there_is_refused() -> None:
    orphan = text_message("m", Role.USER, "a", parent_id="nobody")
    with pytest.raises(NotFound):
        append(Conversation("c", "o"), orphan)
    with pytest.raises(NotFound):
        build(Conversation("c", "o"), [orphan])
    with pytest.raises(NotFound):
        path(Conversation("c", "o"), MessageId("nobody"))


def test_messages_in_a_circle_are_refused() -> None:
    circle = [
        text_message("a", Role.USER, "", parent_id="b"),
        text_message("b", Role.USER, "", parent_id="a"),
    ]
    with pytest.raises(Bug):
        build(Conversation("c", "o"), circle)
    broken = Conversation("c", "o", messages={each.id: each for each in circle})
    with pytest.raises(Bug):
        path(broken, MessageId("a"))


def test_a_thread_of_a_hundred_thousand_messages_is_walked_without_recursion() -> None:
    ids = [f"{number:06}" for number in range(100_000)]
    line = [
        text_message(id, Role.USER, "", parent_id=above)
        for id, above in zip(ids, [None, *ids], strict=False)
    ]
    conversation = build(Conversation("c", "o"), line)
    assert len(path(conversation)) == len(line)
    assert latest_leaf(conversation, MessageId(ids[0])) == ids[-1]


@given(conversations())
def test_siblings_are_the_versions_at_one_place_oldest_first(conversation: Conversation) -> None:
    below = children(conversation.messages)
    assert sum(map(len, below.values())) == len(conversation.messages)
    for message in conversation.messages.values():
        versions = siblings(conversation, message.id)
        assert message.id in versions
        assert versions == sorted(versions)
        leaf = latest_leaf(conversation, message.id)
        assert leaf not in below
        assert message in path(conversation, leaf)


clock_readings = st.lists(st.integers(0, 253_402_300_799_999), min_size=1, max_size=20)


@given(clock_readings, st.binary(min_size=10, max_size=10), st.integers(1, 400))
def test_law_5_ids_rise_whatever_the_clock_does(
    readings: list[int], noise: bytes, per_reading: int
) -> None:
    ticks = [reading for reading in readings for _ in range(per_reading)]
    state = iter(ticks)
    new_id = Uuid7Factory(lambda: next(state), lambda size: noise)
    made = [new_id() for _ in ticks]
    assert made == sorted(set(made))
    assert all(is_uuid(id) and id[14] == "7" and id[19] in "89ab" for id in made)


@given(st.integers(0, 253_402_300_799_998), st.binary(min_size=10, max_size=10))
def test_law_5_an_id_of_a_later_millisecond_sorts_after(ms: int, noise: bytes) -> None:
    earlier = Uuid7Factory(lambda: ms, lambda size: b"\xff" * size)()
    later = Uuid7Factory(lambda: ms + 1, lambda size: noise)()
    assert earlier < later
    assert int(earlier.replace("-", "")[:12], 16) == ms


def test_law_5_a_full_millisecond_runs_over_into_the_next() -> None:
    new_id = Uuid7Factory(lambda: 1_767_225_600_000, lambda size: b"\xff" * size)
    made = [new_id() for _ in range(10_000)]
    assert made == sorted(set(made))

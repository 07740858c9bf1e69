from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from fireside.chat import prompting
from fireside.conversation.message import MessageId, Role, Status, text_message


def line_of(sizes: list[int]):
    messages = []
    for i, size in enumerate(sizes):
        role = Role.USER if i % 2 == 0 else Role.ASSISTANT
        messages.append(text_message(f"m{i:04d}", role, "x" * size))
    return messages


def test_everything_is_sent_while_it_fits():
    line = line_of([10, 20, 30])
    window = prompting.build(line, "Be kind.", 1000)
    assert [m.id for m in window.messages] == ["system", "m0000", "m0001", "m0002"]
    assert window.anchor == "m0000"


def test_the_last_message_is_sent_however_long_it_is():
    window = prompting.build(line_of([10, 10, 100_000]), "", 500)
    assert [m.id for m in window.messages] == ["m0002"]


def test_a_reply_that_failed_without_a_word_is_not_shown_to_the_model():
    failed = text_message("f", Role.ASSISTANT, "", status=Status.FAILED)
    empty = prompting.prompt_messages([failed])
    assert empty == (failed,)  # it has a part, though an empty one
    assert prompting.prompt_messages([msgspec.structs.replace(failed, parts=())]) == ()


@settings(max_examples=200)
@given(
    st.lists(st.integers(min_value=1, max_value=900), min_size=1, max_size=60),
    st.integers(min_value=300, max_value=3000),
)
def test_growing_conversations_keep_their_prefix_and_fit_the_window(sizes, budget):
    line = line_of(sizes)
    anchor: MessageId | None = None
    previous: tuple[str, ...] = ()
    moves = 0
    turns = 0
    for end in range(1, len(line) + 1, 2):
        window = prompting.build(line[:end], "system words", budget, anchor)
        ids = tuple(m.id for m in window.messages)
        assert ids[-1] == line[end - 1].id
        if window.num_tokens > budget:
            assert len(ids) == 2  # only the last message alone may be over
        if previous:
            turns += 1
            moves += ids[: len(previous)] != previous
        previous, anchor = ids, window.anchor
    # A move frees half the window, so it pays for itself before the next one.
    total = sum(prompting.estimate_tokens(m) for m in line)
    assert moves <= total // max(1, budget // 4) + 1


def test_a_prompt_begins_with_a_person():
    line = line_of([400] * 9)
    window = prompting.build(line, "", 600)
    assert window.messages[0].author.role is Role.USER


def test_instructions_come_in_a_fixed_order():
    text = prompting.system_text("Base.", "I garden.", "Short.", "Speak as a pirate.")
    assert text.index("Base.") < text.index("I garden.") < text.index("Short.")
    assert text.endswith("Speak as a pirate.")
    assert prompting.system_text("", "", "", "") == ""

"""Hypothesis strategies for parts, messages, trees and event streams, for every room's tests."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import strategies as st

from fireside.conversation.event import (
    Finish,
    PartEnd,
    PartStart,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
)
from fireside.conversation.message import (
    Audio,
    Author,
    BlobRef,
    Channel,
    Citation,
    Code,
    ConversationId,
    DisplayData,
    File,
    FinishReason,
    Image,
    Message,
    MessageError,
    MessageId,
    Part,
    Reasoning,
    Role,
    Status,
    Text,
    ToolCall,
    ToolError,
    ToolResult,
    Usage,
    UserId,
)
from fireside.conversation.tree import AssistantSettings, Conversation, build
from fireside.kit.ids import NewId, Uuid7Factory

BLOB = BlobRef("0" * 64, "image/png", 1)
START = datetime(2026, 1, 1, tzinfo=UTC)
OWNER = UserId("019b8d5a-0000-7000-8000-000000000001")

words = st.text(max_size=30)
some_words = st.text(min_size=1, max_size=30)
names = st.text("abcdefgh_", min_size=1, max_size=8)
moments = st.integers(0, 10**9).map(lambda seconds: START + timedelta(seconds=seconds))
counts = st.integers(0, 2**31)
finite = st.floats(allow_nan=False, allow_infinity=False)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | finite | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
json_objects = st.dictionaries(words, json_values, max_size=3)


def new_ids(start_ms: int = 1_767_225_600_000) -> NewId:
    """Ids that are the same in every run."""
    state = iter(range(1, 10**9))
    return Uuid7Factory(lambda: start_ms + next(state), lambda size: b"\x5a" * size)


blobs = st.builds(
    BlobRef,
    st.text("0123456789abcdef", min_size=64, max_size=64),
    st.sampled_from(["image/png", "audio/wav", "application/pdf"]),
    counts,
)
texts = st.builds(Text, words)
reasonings = st.builds(Reasoning, words)
codes = st.builds(Code, st.sampled_from(["", "python", "javascript", "c++"]), words)
images = st.builds(Image, st.none() | blobs, st.none() | words, words, st.none() | names)
audios = st.builds(Audio, blobs, words)
files = st.builds(File, blobs, words, st.none() | words)
calls = st.builds(ToolCall, some_words, names, words)
displays = st.builds(
    DisplayData,
    st.dictionaries(st.sampled_from(["text/plain", "text/html", "image/png"]), words, max_size=2)
    | st.fixed_dictionaries({"application/json": json_values}),
) | st.builds(
    DisplayData,
    st.dictionaries(st.just("text/plain"), words, max_size=1),
    st.just("execute_result"),
    st.none() | counts,
)
tool_errors = st.builds(ToolError, words, words, st.lists(words, max_size=2).map(tuple))
results = st.builds(
    ToolResult,
    words,
    words,
    words,
    words,
    words,
    st.lists(displays, max_size=2).map(tuple),
    st.none() | tool_errors,
)
citations = st.builds(
    Citation, some_words, words, words, words, st.none() | counts, st.none() | counts
)
parts: st.SearchStrategy[Part] = st.one_of(
    texts, reasonings, codes, images, audios, files, calls, results, citations
)
usages = st.builds(Usage, counts, counts, counts, st.none() | finite, st.none() | finite)


def messages(
    parts: st.SearchStrategy[Part] = parts, roles: st.SearchStrategy[Role] | None = None
) -> st.SearchStrategy[Message]:
    """Messages with every field in use; ids and parents are for the caller to set."""
    return st.builds(
        Message,
        id=st.just(MessageId("")),
        author=st.builds(Author, roles or st.sampled_from(Role), st.none() | names),
        parts=st.lists(parts, max_size=4).map(tuple),
        recipient=st.sampled_from(["all", "python", "browser.search"]),
        channel=st.sampled_from(Channel),
        status=st.sampled_from(Status),
        end_turn=st.none() | st.booleans(),
        weight=st.sampled_from([0.0, 0.5, 1.0]),
        model=st.none() | names,
        release=st.none() | names,
        usage=st.none() | usages,
        finish_reason=st.none() | st.sampled_from(FinishReason),
        error=st.none() | st.builds(MessageError, names, words, words),
        created_at=st.none() | moments,
        updated_at=st.none() | moments,
        deleted=st.booleans(),
        provider_data=json_objects,
    )


def placed(message: Message, id: str, parent_id: str | None) -> Message:
    """The message at its place in a tree."""
    parent = MessageId(parent_id) if parent_id is not None else None
    return msgspec.structs.replace(message, id=MessageId(id), parent_id=parent)


@st.composite
def chains(
    draw: st.DrawFn, each: st.SearchStrategy[Message], min_size: int = 0, max_size: int = 6
) -> tuple[Message, ...]:
    """A path: each message the parent of the next."""
    new_id = new_ids()
    line: list[Message] = []
    for message in draw(st.lists(each, min_size=min_size, max_size=max_size)):
        line.append(placed(message, new_id(), line[-1].id if line else None))
    return tuple(line)


@st.composite
def conversations(
    draw: st.DrawFn, each: st.SearchStrategy[Message] | None = None, *, branching: bool = True
) -> Conversation:
    """A valid tree of up to 5 messages with any head, or a single path to its head."""
    new_id = new_ids()
    line: list[Message] = []
    for message in draw(st.lists(messages() if each is None else each, max_size=5)):
        above = [None, *(earlier.id for earlier in line)]
        parent = draw(st.sampled_from(above)) if branching else above[-1]
        line.append(placed(message, new_id(), parent))
    head = draw(st.sampled_from([message.id for message in line])) if line else None
    bare = Conversation(
        id=ConversationId(new_id()),
        owner_id=OWNER,
        title=draw(words),
        model=draw(st.none() | names),
        settings=AssistantSettings(draw(words), draw(st.none() | finite)),
        head=head if branching else None,
        created_at=draw(st.none() | moments),
        archived=draw(st.booleans()),
        provider_data=draw(json_objects),
    )
    return build(bare, line)


@st.composite
def cut(draw: st.DrawFn, text: str) -> list[str]:
    """The text in pieces, cut anywhere between characters; pieces may be empty."""
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=6)))
    edges = [0, *places, len(text)]
    return [text[left:right] for left, right in itertools.pairwise(edges)]


@st.composite
def streams(draw: st.DrawFn, message_parts: tuple[Part, ...]) -> list[StreamEvent]:
    """One of the many event streams that tell these parts, ended by a stop."""
    events: list[StreamEvent] = []
    for index, part in enumerate(message_parts):
        match part:
            case Text(text=text) | Reasoning(text=text):
                first, *rest = draw(cut(text))
                events.append(PartStart(index, msgspec.structs.replace(part, text=first)))
                events += [TextDelta(index, piece) for piece in rest]
            case Code(source=source):
                first, *rest = draw(cut(source))
                events.append(PartStart(index, msgspec.structs.replace(part, source=first)))
                events += [TextDelta(index, piece) for piece in rest]
            case ToolCall(arguments=arguments):
                first, *rest = draw(cut(arguments))
                events.append(PartStart(index, msgspec.structs.replace(part, arguments=first)))
                events += [ToolCallDelta(index, piece) for piece in rest]
            case _:
                events.append(PartStart(index, part))
        if draw(st.booleans()):
            events.append(PartEnd(index))
    return [*events, Finish(FinishReason.STOP)]

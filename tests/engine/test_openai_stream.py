"""Chunks of many servers become the same events."""

from __future__ import annotations

from itertools import count

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.conversation.event import Finish, StreamEvent, TextDelta, TokenLogprob, UsageReport
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
from fireside.engine.backends.openai_stream import MAX_TOOL_CALLS, ChunkReader


def reader(**options: bool) -> ChunkReader:
    numbers = count(1)
    return ChunkReader(lambda: f"new-{next(numbers)}", **options)


def frame(chunk: object) -> bytes:
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


def said(delta: object, **choice: object) -> bytes:
    return frame({"id": "x", "choices": [{"index": 0, "delta": delta, **choice}]})


def parts(events: list[StreamEvent]) -> tuple[object, ...]:
    skeleton = Message(MessageId("r"), Author(Role.ASSISTANT), status=Status.STREAMING)
    return fold(skeleton, events).parts


def run(*frames: bytes, **options: bool) -> list[StreamEvent]:
    chunks = reader(**options)
    events = chunks.feed(list(frames))
    if chunks.failure is not None:
        raise chunks.failure
    return events + chunks.end(None, None)


def test_both_words_for_reasoning_are_understood() -> None:
    for word in ("reasoning_content", "reasoning"):
        events = run(said({word: "so "}), said({word: "then"}), said({"content": "Yes."}))
        assert parts(events) == (Reasoning("so then"), Text("Yes."))


def test_a_refusal_is_text() -> None:
    assert parts(run(said({"refusal": "No."}))) == (Text("No."),)


def test_tool_calls_grow_piece_by_piece() -> None:
    def piece(index: int, arguments: str, **start: str) -> bytes:
        function = {"arguments": arguments} | ({"name": start["name"]} if start else {})
        id = {"id": start["id"]} if start else {}
        return said({"tool_calls": [{"index": index, **id, "function": function}]})

    events = run(
        piece(0, "", id="a", name="find"),
        piece(0, '{"q":'),
        piece(0, "1}"),
        piece(1, "{}", id="b", name="look"),
        said({}, finish_reason="tool_calls"),
    )
    assert parts(events) == (ToolCall("a", "find", '{"q":1}'), ToolCall("b", "look", "{}"))
    assert events[-1] == Finish(FinishReason.TOOL_CALLS)


def test_calls_that_are_all_number_0_are_told_apart_by_id() -> None:
    def whole(id: str) -> bytes:
        call = {"index": 0, "id": id, "function": {"name": "f", "arguments": "{}"}}
        return said({"tool_calls": [call]})

    events = run(whole("a"), whole("b"), said({}, finish_reason="stop"))
    assert parts(events) == (ToolCall("a", "f", "{}"), ToolCall("b", "f", "{}"))
    assert events[-1] == Finish(FinishReason.TOOL_CALLS)


def test_a_call_without_an_id_gets_one() -> None:
    call = {"index": 0, "function": {"name": "f", "arguments": "{}"}}
    assert parts(run(said({"tool_calls": [call]}))) == (ToolCall("new-1", "f", "{}"),)


@pytest.mark.parametrize(
    "calls",
    [
        [{"index": 0, "function": {"arguments": "{}"}}],
        [{"index": n, "id": str(n), "function": {"name": "f"}} for n in range(MAX_TOOL_CALLS + 1)],
    ],
    ids=["no beginning", "too many"],
)
def test_impossible_calls_are_a_failure(calls: list[object]) -> None:
    with pytest.raises(ValueError, match="tool call"):
        run(said({"tool_calls": calls}))


@pytest.mark.parametrize(
    ("logprobs", "expected"),
    [
        (
            {
                "content": [
                    {
                        "id": 1,
                        "token": "a",
                        "logprob": -0.5,
                        "bytes": [97],
                        "top_logprobs": [{"token": "b", "logprob": -2.0, "bytes": [98]}],
                    }
                ]
            },
            TokenLogprob("a", -0.5, [97], (TokenLogprob("b", -2.0, [98]),)),
        ),
        (
            {
                "tokens": ["a"],
                "token_logprobs": [-0.5],
                "top_logprobs": [{"b": -2.0}],
                "text_offset": [0],
            },
            TokenLogprob("a", -0.5, None, (TokenLogprob("b", -2.0),)),
        ),
        ({"tokens": ["a"], "token_logprobs": [None]}, TokenLogprob("a", 0.0)),
    ],
    ids=["chat", "older text", "first token"],
)
def test_log_probabilities_of_either_shape(logprobs: object, expected: TokenLogprob) -> None:
    events = run(frame({"choices": [{"text": "a", "logprobs": logprobs}]}))
    (delta,) = [event for event in events if isinstance(event, TextDelta)]
    assert delta.logprobs == (expected,)


def test_counts_come_from_usage_then_timings_then_what_was_seen() -> None:
    def counted(*frames: bytes) -> Usage:
        (report,) = [e for e in run(*frames) if isinstance(e, UsageReport)]
        return report.usage

    two = (said({"content": "a"}), said({"content": "b"}))
    timings = frame({"choices": [], "timings": {"cache_n": 4, "prompt_n": 6, "predicted_n": 3}})
    usage = frame({
        "choices": [],
        "usage": {
            "prompt_tokens": 20,
            "completion_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 8},
        },
    })
    assert counted(*two) == Usage(0, 0, 2)
    assert counted(*two, timings) == Usage(10, 4, 3)
    assert counted(*two, timings, usage) == Usage(20, 8, 5)


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("stop", FinishReason.STOP),
        ("length", FinishReason.LENGTH),
        ("function_call", FinishReason.TOOL_CALLS),
        ("content_filter", FinishReason.CONTENT_FILTER),
        ("abort", FinishReason.ABORT),
        ("</s>", FinishReason.STOP),
    ],
)
def test_finish_reasons(reason: str, expected: FinishReason) -> None:
    assert run(said({"content": "a"}), said({}, finish_reason=reason))[-1] == Finish(expected)


def test_text_in_the_last_chunk_is_not_lost() -> None:
    events = run(said({"content": "a"}), said({"content": "b"}, finish_reason="length"))
    assert parts(events) == (Text("ab"),)
    assert events[-1] == Finish(FinishReason.LENGTH)


def test_llama_cpps_infill_stream() -> None:
    last = {"content": "", "stop": True, "stop_type": "limit"}
    timings = {"prompt_n": 5, "cache_n": 0, "predicted_n": 2}
    events = run(
        frame({"content": "x", "stop": False}),
        frame({"content": "y", "stop": False}),
        frame({**last, "timings": timings}),
        infill=True,
    )
    assert parts(events) == (Text("xy"),)
    assert events[-2:] == [UsageReport(Usage(5, 0, 2)), Finish(FinishReason.LENGTH)]


def test_how_far_a_prompt_is_read_is_progress_and_no_event() -> None:
    chunks = reader()
    progress = {"total": 100, "cache": 0, "processed": 64, "time_ms": 9}
    frames = [frame({"choices": [{"delta": {"content": None}}], "prompt_progress": progress})]
    assert chunks.feed(frames) == []
    assert (chunks.num_read, chunks.num_deltas) == (64, 0)


@given(st.lists(st.text(min_size=1), min_size=1, max_size=8), st.integers(1, 7))
def test_where_the_bytes_are_cut_does_not_matter(texts: list[str], step: int) -> None:
    body = b"".join(said({"content": text}) for text in texts) + b"data: [DONE]\n\n"
    chunks = reader()
    events = chunks.feed([body[at : at + step] for at in range(0, len(body), step)])
    assert chunks.done
    assert parts(events + chunks.end(None, None)) == (Text("".join(texts)),)


@given(st.binary(max_size=300))
def test_garbage_never_raises_out_of_the_reader(garbage: bytes) -> None:
    for infill in (False, True):
        chunks = reader(infill=infill)
        chunks.feed([b"data: " + garbage + b"\n\n"])
        chunks.feed_whole([garbage])

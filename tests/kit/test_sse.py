from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.errors import BackendFailed
from fireside.kit import sse

payloads = st.lists(
    st.binary(max_size=40).filter(lambda b: b"\n" not in b and b"\r" not in b), max_size=12
)


@given(payloads, st.data(), st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_a_stream_cut_anywhere_gives_back_what_was_sent(sent, data, newline):
    stream = b"".join(sse.encode(payload, i) + sse.COMMENT for i, payload in enumerate(sent))
    stream = stream.replace(b"\n", newline)
    splitter = sse.Splitter()
    received: list[bytes] = []
    while stream:
        cut = data.draw(st.integers(min_value=1, max_value=len(stream)))
        received += splitter.feed(stream[:cut])
        stream = stream[cut:]
    received += splitter.feed(b"\n" if newline == b"\r" else b"")
    assert received == sent


def test_several_data_lines_are_one_payload():
    assert sse.Splitter().feed(b"event: x\ndata: a\ndata:b\ndata\n\n") == [b"a\nb\n"]


def test_a_frame_that_never_ends_is_refused():
    splitter = sse.Splitter()
    with pytest.raises(BackendFailed):
        for _ in range(9):
            splitter.feed(b"x" * (1 << 20))

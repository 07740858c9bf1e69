from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.errors import UserError
from fireside.kit.pagination import decode_cursor, encode_cursor


@given(st.lists(st.text(max_size=30), min_size=1, max_size=4))
def test_a_cursor_gives_back_its_keys(keys):
    assert decode_cursor(encode_cursor(*keys), len(keys)) == keys


@given(st.text(max_size=60))
def test_nonsense_is_refused_and_nothing_else_is_raised(text):
    try:
        decode_cursor(text, 2)
    except UserError as error:
        assert error.code == "bad_cursor"


def test_a_cursor_of_another_list_is_refused():
    with pytest.raises(UserError):
        decode_cursor(encode_cursor("one"), 2)

from __future__ import annotations

import threading
import uuid

from hypothesis import given
from hypothesis import strategies as st

from fireside.kit.ids import Uuid7Factory, is_uuid


@given(st.lists(st.integers(min_value=0, max_value=2**48 - 2), min_size=1, max_size=50))
def test_ids_rise_strictly_whatever_the_clock_does(times):
    clock = iter(times)
    make = Uuid7Factory(now_ms=lambda: next(clock))
    ids = [make() for _ in times]
    assert ids == sorted(set(ids))


def test_more_ids_than_fit_in_a_millisecond_still_rise():
    make = Uuid7Factory(now_ms=lambda: 1_700_000_000_000)
    ids = [make() for _ in range(20_000)]
    assert ids == sorted(set(ids))


def test_an_id_is_a_version_7_uuid_that_tells_its_time():
    parsed = uuid.UUID(Uuid7Factory(now_ms=lambda: 1_700_000_000_123)())
    assert parsed.version == 7
    assert parsed.variant == uuid.RFC_4122
    assert parsed.int >> 80 == 1_700_000_000_123


def test_threads_never_get_the_same_id():
    make = Uuid7Factory()
    found: list[list[str]] = [[] for _ in range(4)]

    def work(into: list[str]) -> None:
        into.extend(make() for _ in range(2_000))

    threads = [threading.Thread(target=work, args=(each,)) for each in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id for each in found for id in each}) == 8_000


def test_only_the_canonical_form_is_a_uuid():
    assert is_uuid("01a203a6-fac9-750c-8dbd-da1b834cc07d")
    for text in (
        "",
        "x",
        "01A203A6-FAC9-750C-8DBD-DA1B834CC07D",
        "01a203a6fac9750c8dbdda1b834cc07d",
    ):
        assert not is_uuid(text)

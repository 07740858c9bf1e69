"""The figures of the operator's page."""

from __future__ import annotations

import pytest

from fireside.api.live import Live
from fireside.billing.domain import Feature, UsageEntry
from fireside.conversation.message import Usage, UserId
from fireside.kit.clock import FakeClock


def entry(clock: FakeClock, tokens: int, ttft_ms: float, inter_token_ms: float) -> UsageEntry:
    """A generation that ends now."""
    return UsageEntry(
        user_id=UserId("u"),
        model="m",
        release="r",
        engine="e",
        feature=Feature.CHAT,
        usage=Usage(completion_tokens=tokens, ttft_ms=ttft_ms, inter_token_ms=inter_token_ms),
        at=clock.now(),
    )


def test_nothing_has_happened_yet(clock: FakeClock) -> None:
    seen = Live(clock).summary()
    assert (seen.tokens_per_s, seen.requests_per_s, seen.ttft_ms_p50) == (0, 0, None)
    assert len(seen.series) == 60
    assert {step.at.second % 5 for step in seen.series} == {0}


def test_requests_are_counted_in_the_five_seconds_in_which_they_came(clock: FakeClock) -> None:
    live = Live(clock)
    for _ in range(10):
        live.count_request()
    clock.advance(5)
    live.count_request()
    live.note_running(3)
    live.note_running(2)
    clock.advance(5)
    seen = live.summary()
    assert [step.requests_per_s for step in seen.series[-3:]] == [0, 2, 0.2]
    assert seen.series[-1].running == 3
    assert seen.series[-1].at < clock.now()
    assert seen.requests_per_s == pytest.approx(11 / 60)
    assert live.uptime_s == 10


def test_the_tokens_of_a_long_reply_are_spread_over_its_time(clock: FakeClock) -> None:
    live = Live(clock)
    clock.advance(29)
    live.observe(entry(clock, tokens=201, ttft_ms=80, inter_token_ms=100))  # 20 s
    clock.advance(6)
    steps = [step.tokens_per_s for step in live.summary().series[-7:]]
    assert steps[:1] == [0]
    assert steps[-1] == 0
    assert [round(x * 5 * 5) for x in steps[1:6]] == [201] * 5


def test_the_first_token_times_are_those_of_the_last_five_minutes(clock: FakeClock) -> None:
    live = Live(clock)
    live.observe(entry(clock, 1, ttft_ms=9999, inter_token_ms=0))
    clock.advance(400)
    for ttft_ms in range(1, 101):
        live.observe(entry(clock, 1, ttft_ms=ttft_ms, inter_token_ms=0))
    seen = live.summary()
    assert (seen.ttft_ms_p50, seen.ttft_ms_p95) == (51, 96)


def test_what_is_older_than_the_series_is_forgotten(clock: FakeClock) -> None:
    live = Live(clock)
    for _ in range(1000):
        live.count_request()
        live.observe(entry(clock, 1, ttft_ms=1, inter_token_ms=1))
        clock.advance(5)
    assert len(live._requests) <= 121
    assert len(live._tokens) <= 121
    assert [step.requests_per_s for step in live.summary().series] == [0.2] * 60

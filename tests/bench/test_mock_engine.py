"""The mock engine and the load generator agree, so that what stands between them can be judged."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.gateway.cost import CostModel
from bench.gateway.load import spoken
from bench.gateway.measure import Engine
from bench.gateway.process import call
from bench.gateway.targets import mock_engine
from bench.gateway.words import reply


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    process, port = mock_engine(tmp_path)
    try:
        yield Engine(port)
    finally:
        process.stop()


def load(engine: Engine, **spec: Any) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.gateway.load"],
        input=json.dumps({"port": engine.port, "sample_every": 1, **spec}).encode(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def ask(engine: Engine, *messages: tuple[str, str], **more: Any) -> str:
    body = {"messages": [{"role": r, "content": c} for r, c in messages], **more}
    _status, answer = call(engine.port, "POST", "/v1/chat/completions", json.dumps(body).encode())
    return spoken(answer, stream=bool(more.get("stream")))


@pytest.mark.parametrize("stream", [True, False])
def test_every_reply_carries_the_text_that_belongs_to_its_prompt(
    engine: Engine, stream: bool
) -> None:
    report = load(engine, stream=stream, concurrency=4, duration_s=0.3, sizes=[[20, 30]])

    assert report["num_ok"] == report["num_checked"] > 0
    assert report["num_wrong_texts"] == 0
    assert report["errors"] == {}


def test_a_reply_that_was_begun_goes_on_where_it_stopped(engine: Engine) -> None:
    whole = ask(engine, ("user", "hello"), max_tokens=12)
    begun = reply("hello", 5)

    rest = ask(
        engine,
        ("user", "hello"),
        ("assistant", begun),
        max_tokens=7,
        continue_final_message=True,
        add_generation_prompt=False,
    )

    assert begun + rest == whole == reply("hello", 12)


def test_a_client_that_leaves_stops_its_generation(engine: Engine) -> None:
    engine.paced()
    report = load(
        engine,
        concurrency=4,
        duration_s=0.5,
        drain_s=1,
        sizes=[[20, 900]],
        abort_after_events=3,
        want_records=True,
    )
    records = engine.records()

    assert all(records[seen[0]].aborted_at >= seen[4] > 0 for seen in report["records"])
    assert engine.stats()["running"] == 0
    assert engine.stats()["aborted"] == report["num_requests"]


def test_a_connection_that_dies_in_mid_stream_is_counted_as_cut(engine: Engine) -> None:
    engine.fault(kind="die", at_token=5, times=1)

    report = load(engine, concurrency=1, duration_s=0.2)

    assert report["errors"] == {"cut": 1}
    assert report["num_wrong_texts"] == 0


def test_a_dripping_stream_is_whole_in_the_end(engine: Engine) -> None:
    engine.fault(kind="drip", at_token=1, times=1)

    assert ask(engine, ("user", "drop by drop"), stream=True, max_tokens=3) == reply(
        "drop by drop", 3
    )


def test_an_engine_of_32_slots_gives_608_tokens_a_second_on_a_chat_services_sizes() -> None:
    cost = CostModel()
    decoding_ms = 211 * cost.iteration_s(32, 0) * 1000 / 32
    prefill_ms = 1155 * cost.per_prefill_token_ms

    assert 211 / (decoding_ms + prefill_ms) * 1000 == pytest.approx(608, rel=0.08)

"""Logs never hold anybody up and never hold user text."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec
import pytest
import structlog

from fireside.api.logs import LogWriter, configure_logging
from tests.api.conftest import KEY, USER, Server, scripted

SECRET = "the secret of the sea"


@dataclass
class Log:
    """A log file being written."""

    path: Path
    writer: LogWriter

    def lines(self) -> list[dict[str, object]]:
        """What was logged, once the writer is closed."""
        self.writer.close()
        return [msgspec.json.decode(line) for line in self.path.read_bytes().splitlines()]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    """The whole process's log goes into a file while the test runs."""
    root = logging.getLogger()
    before = structlog.get_config(), root.handlers[:], root.level
    path = tmp_path / "log"
    fd = os.open(path, os.O_CREAT | os.O_WRONLY)
    writer = LogWriter(fd)
    writer.start()
    configure_logging(writer)
    yield Log(path, writer)
    structlog.configure(**before[0])
    root.handlers[:] = before[1]
    root.setLevel(before[2])
    writer.close()
    os.close(fd)


def test_a_log_that_nobody_reads_holds_nobody_up() -> None:
    readable, writable = os.pipe()
    writer = LogWriter(writable)
    writer.start()
    for _ in range(30_000):
        writer.write(b"x" * 100)
    writer.close(timeout_s=0.1)
    assert writer.num_dropped > 10_000
    os.close(readable)  # the write that hangs fails now
    writer.close(timeout_s=10)
    os.close(writable)


def test_a_log_that_is_gone_is_counted_as_lost() -> None:
    readable, writable = os.pipe()
    os.close(readable)
    writer = LogWriter(writable)
    writer.start()
    for _ in range(3):
        writer.write(b"x")
    writer.close(timeout_s=10)
    os.close(writable)
    assert writer.num_dropped == 3


def test_log_lines_are_json_and_never_hold_an_error_s_words(log: Log) -> None:
    structlog.get_logger("test").info("thing_happened", count=3, odd=object())
    try:
        raise ValueError(SECRET)
    except ValueError:
        logging.getLogger("library").exception("It broke.")
    logging.getLogger("asyncio").error("A task was lost\nfuture: ValueError(%r)", SECRET)
    first, second, third = log.lines()
    assert third["event"] == "A task was lost"
    assert (first["event"], first["count"], first["level"], first["odd"]) == (
        "thing_happened", 3, "info", "object"
    )  # fmt: skip
    assert (second["event"], second["error"], second["logger"]) == (
        "It broke.", "ValueError", "library"
    )  # fmt: skip
    assert second["frames"]
    assert SECRET not in log.path.read_text()


def test_a_request_is_one_line_that_says_who_what_and_how_long(
    log: Log, logging_server: Server
) -> None:
    server = logging_server
    server.engine.script = scripted(RuntimeError(SECRET))
    ask = {"model": "able", "messages": [{"role": "user", "content": SECRET}]}
    reply = httpx.post(
        f"{server.url}/v1/chat/completions?{SECRET}",
        json=ask,
        headers={"authorization": f"Bearer {KEY}"},
    )
    failed, request = log.lines()
    assert (request["event"], request["method"], request["route"], request["status"]) == (
        "request", "POST", "/v1/chat/completions", 500
    )  # fmt: skip
    assert (request["user_id"], request["request_id"]) == (USER, reply.headers["x-request-id"])
    assert float(str(request["ms"])) > 0
    assert (failed["event"], failed["code"], failed["error"], failed["request_id"]) == (
        "request_failed", "internal_error", "RuntimeError", reply.headers["x-request-id"]
    )  # fmt: skip
    assert SECRET not in log.path.read_text()
    assert SECRET not in reply.text

"""Structured logs: one JSON object a line on stderr, without user text.

Failure policy: fail open. Lines are handed to a thread through a bounded queue; when stderr is not
read (a full disk, a stuck pipe) lines are dropped and counted, and no request ever waits for one.
"""

from __future__ import annotations

import logging
import os
import threading
import traceback
from collections import deque
from collections.abc import MutableMapping
from typing import Any

import msgspec
import structlog

MAX_LINES = 10_000
INTERVAL_S = 0.2

_encode = msgspec.json.Encoder(enc_hook=lambda value: type(value).__name__).encode


class LogWriter:
    """Writes lines to a file descriptor from a thread of its own."""

    def __init__(self, fd: int = 2) -> None:
        self._fd = fd
        self._lines: deque[bytes] = deque()
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self.num_dropped = 0

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def write(self, line: bytes, *, urgent: bool = False) -> None:
        """Queue a line, or drop it when too many wait. Never blocks."""
        if len(self._lines) >= MAX_LINES:
            self.num_dropped += 1
            return
        self._lines.append(line)
        if urgent:
            self._wake.set()

    def close(self, timeout_s: float = 1.0) -> None:
        """Write what waits, for at most `timeout_s`."""
        self._closing = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            self._wake.wait(INTERVAL_S)
            self._wake.clear()
            closing = self._closing
            while self._lines:
                num_lines = min(len(self._lines), 500)
                chunk = b"\n".join(self._lines.popleft() for _ in range(num_lines)) + b"\n"
                if not self._written(chunk):
                    self.num_dropped += num_lines
            if closing:
                return

    def _written(self, chunk: bytes) -> bool:
        try:
            while chunk:
                chunk = chunk[os.write(self._fd, chunk) :]
        except OSError:  # stderr is gone or its disk is full; there is nowhere to say so
            return False
        return True


def configure_logging(writer: LogWriter, *, level: int = logging.INFO) -> None:
    """Send everything that is logged in this process to `writer` as JSON."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_names: _Lines(writer),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_Forward(writer)]
    root.setLevel(logging.WARNING)


def _render(_logger: object, _method: str, event: MutableMapping[str, Any]) -> bytes:
    return _encode(event)


class _Lines:
    """What structlog hands rendered lines to."""

    def __init__(self, writer: LogWriter) -> None:
        self._writer = writer

    def debug(self, line: bytes) -> None:
        self._writer.write(line)

    info = debug

    def warning(self, line: bytes) -> None:
        self._writer.write(line, urgent=True)

    error = critical = exception = warn = warning


class _Forward(logging.Handler):
    """Libraries' log records: their first line, and of an exception only its kind and place.

    Later lines quote values: asyncio prints the exception of a lost task there.
    """

    def __init__(self, writer: LogWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        line: dict[str, object] = {
            "event": record.getMessage().partition("\n")[0],
            "logger": record.name,
            "level": record.levelname.lower(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__qualname__
            frames = traceback.extract_tb(record.exc_info[2])[-20:]
            line["frames"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        self._writer.write(_encode(line), urgent=True)

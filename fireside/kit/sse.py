"""Server-sent events: encoding frames and splitting a byte stream back into them.

Source: the WHATWG HTML standard, section 9.2 (server-sent events).
"""

from __future__ import annotations

from fireside.errors import BackendFailed

MAX_FRAME_BYTES = 8 * 1024 * 1024


def encode(data: bytes, event_id: int | None = None) -> bytes:
    """One frame. `data` must hold no newline (JSON never does)."""
    if event_id is None:
        return b"data: " + data + b"\n\n"
    return b"id: %d\ndata: " % event_id + data + b"\n\n"


COMMENT = b": keep-alive\n\n"
"""A frame that every reader skips; sent so that proxies do not close a quiet stream."""


class Splitter:
    """Turns chunks of bytes, cut anywhere, into the `data` payloads of whole frames.

    Comments and the fields `event`, `id` and `retry` are dropped; several `data` lines of one
    frame are joined by a newline. Raises BackendFailed when a frame exceeds `MAX_FRAME_BYTES`.
    """

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The payloads that `chunk` completes, in order."""
        buffer = self._rest + chunk
        if b"\r" in buffer:
            held = buffer.endswith(b"\r")  # a CRLF may be cut in two
            body = buffer[:-1] if held else buffer
            buffer = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n") + (b"\r" if held else b"")
        *frames, self._rest = buffer.split(b"\n\n")
        if len(self._rest) > MAX_FRAME_BYTES:
            raise BackendFailed("frame_too_long", "A stream event exceeded 8 MiB without ending.")
        payloads: list[bytes] = []
        for frame in frames:
            if frame.startswith(b"data: ") and b"\n" not in frame:  # the common shape
                payloads.append(frame[6:])
                continue
            lines = [_value(x) for x in frame.split(b"\n") if x.startswith(b"data")]
            if lines:
                payloads.append(b"\n".join(lines))
        return payloads

    def rest(self) -> bytes:
        """What has arrived of a frame that never ended."""
        return self._rest


def _value(line: bytes) -> bytes:
    value = line[5:] if line.startswith(b"data:") else b""
    return value[1:] if value.startswith(b" ") else value

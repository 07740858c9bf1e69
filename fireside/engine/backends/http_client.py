"""A pooled HTTP/1.1 client for one engine, made for relaying tokens.

A generation through it costs 9 us of CPU per event and 45 us per request, all included; aiohttp
takes 10.5 and 100 before an event is even made (bench/results/engine_client.json). The parser is
llhttp in C, body pieces go from the socket to the reader without a task, a stream object or a
timeout context in between; the read deadline is one timer, moved by writing an attribute.

Closing a reply before its end resets the connection, so that the engine's next write fails and it
stops within one step. Failure policy: fail closed, with the exceptions of this module.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable, Mapping
from typing import cast
from urllib.parse import SplitResult, urlsplit

import httptools

from fireside.errors import UserError

MAX_HEAD_BYTES = 64 * 1024
HIGH_WATER_BYTES = 1024 * 1024
IDLE_S = 4.0  # uvicorn and llama.cpp close idle connections after 5 s
MAX_IDLE = 256
TAIL_S = 1.0


class HttpError(Exception):
    """Base of what can go wrong on the way; says nothing about the answer's status."""


class ConnectFailed(HttpError):
    """No connection in time: refused, unreachable, unknown host, bad certificate."""


class ConnectionLost(HttpError):
    """The peer hung up before its answer was complete. `begun`: some of it had arrived."""

    def __init__(self, *, begun: bool) -> None:
        super().__init__("connection lost")
        self.begun = begun


class ReadTimeout(HttpError):
    """Nothing that counts arrived before the deadline."""


class NotHttp(HttpError):
    """What arrived is not HTTP/1.1, or its head or body is over a limit."""


class _Connection(asyncio.Protocol):
    """One socket; serves one reply at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.transport: asyncio.Transport
        self.lost = False
        self.idle_since_s = 0.0
        self._reset()

    def _reset(self) -> None:
        self.deadline_s = 0.0
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.pieces: list[bytes] = []
        self.complete = False
        self._keep_alive = False
        self.error: HttpError | None = None
        self._head_bytes = 0
        self._queued_bytes = 0
        self._paused = False
        self._begun = False
        self._when_complete: Callable[[_Connection], None] | None = None

    def send(self, request: bytes, deadline_s: float) -> None:
        """Write a whole request and expect its reply before `deadline_s` (loop time)."""
        self._reset()
        self.deadline_s = deadline_s
        self.transport.write(request)

    def close(self) -> None:
        """Drop the connection at once; the peer sees a reset, not an orderly end."""
        if not self.lost:
            sock = self.transport.get_extra_info("socket")
            if sock is not None and self.transport.get_extra_info("sslcontext") is None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
        self.lost = True
        self.disarm()

    def disarm(self) -> None:
        """Forget the deadline."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def shorten(self, deadline_s: float) -> None:
        """Set a deadline that may lie before the present one; later ones are just assigned."""
        self.deadline_s = deadline_s
        self.disarm()

    def finish_later(self, then: Callable[[_Connection], None]) -> None:
        """Skip what little is left of the body, then call `then`; closes if it takes long."""
        self.take()
        self._when_complete = then
        self.disarm()
        self._timer = self._loop.call_later(TAIL_S, self.close)

    async def wait(self) -> None:
        """Until something happened; raises what went wrong, ReadTimeout at the deadline."""
        if self.error is not None:
            raise self.error
        if self._timer is None:
            self._timer = self._loop.call_at(self.deadline_s, self._check_deadline)
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def take(self) -> list[bytes]:
        """The body pieces that have arrived."""
        pieces, self.pieces = self.pieces, []
        self._queued_bytes = 0
        if self._paused:
            self._paused = False
            self.transport.resume_reading()
        return pieces

    @property
    def reusable(self) -> bool:
        """Whether another request may go out on this connection."""
        return self.complete and not self.lost and self._keep_alive

    def _check_deadline(self) -> None:
        self._timer = None
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        if self._loop.time() < self.deadline_s:
            self._timer = self._loop.call_at(self.deadline_s, self._check_deadline)
        else:
            waiter.set_exception(ReadTimeout())

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        if self.error is not None:
            waiter.set_exception(self.error)
        else:
            waiter.set_result(None)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop has classes of its own

    def data_received(self, data: bytes) -> None:
        if self.complete:  # nobody asked for this
            self.close()
            return
        self._begun = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade, NotHttp):
            self.error = self.error or NotHttp("not HTTP/1.1")
            self.close()
        if self._when_complete is not None:
            self.pieces.clear()
            if self.complete:
                self._when_complete(self)
        elif self.pieces or self.complete or self.status or self.error is not None:
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self.disarm()
        if self.complete:
            return
        framed = b"content-length" in self.headers or b"transfer-encoding" in self.headers
        if self.status and not framed and exc is None:
            self.complete = True  # HTTP/1.0 style: the end of the connection ends the body
        else:
            self.error = self.error or ConnectionLost(begun=self._begun)
        self._wake()

    # httptools callbacks

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MAX_HEAD_BYTES:
            raise NotHttp("head too long")
        self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200:
            self.status = status

    def on_body(self, body: bytes) -> None:
        self.pieces.append(body)
        self._queued_bytes += len(body)
        if self._queued_bytes > HIGH_WATER_BYTES and not self._paused:
            self._paused = True
            self.transport.pause_reading()

    def on_message_complete(self) -> None:
        if self.status:
            self.complete = True
            self._keep_alive = self._parser.should_keep_alive()  # known only inside this call
        else:
            self.headers.clear()  # 100 Continue and its like


class Reply:
    """A response whose head has arrived. Close it when done, read to the end or not."""

    def __init__(self, client: HttpClient, connection: _Connection) -> None:
        self._client = client
        self._connection = connection
        self.status = connection.status

    def header(self, name: bytes) -> bytes:
        """A header by its lower-case name; empty when absent."""
        return self._connection.headers.get(name, b"")

    def expect_within(self, seconds: float) -> None:
        """Set the deadline to `seconds` from now; it may come sooner than the present one."""
        loop = asyncio.get_running_loop()
        self._connection.shorten(loop.time() + seconds)

    def extend(self, deadline_s: float) -> None:
        """Move the deadline to a later loop time; costs one attribute."""
        self._connection.deadline_s = deadline_s

    async def read_some(self) -> list[bytes]:
        """The next pieces of the body; empty at its end. Raises HttpError."""
        connection = self._connection
        while not connection.pieces:
            if connection.complete:
                return []
            await connection.wait()
        return connection.take()

    async def read(self, limit_bytes: int) -> bytes:
        """The rest of the body. Raises NotHttp when it is longer than `limit_bytes`."""
        body = bytearray()
        while pieces := await self.read_some():
            for piece in pieces:
                body += piece
            if len(body) > limit_bytes:
                raise NotHttp("body too long")
        return bytes(body)

    def close(self, *, ended: bool = False) -> None:
        """Give the connection back if the reply was read to its end, else reset it.

        `ended`: the message is over, only the transfer's own end may still be on the way.
        """
        connection = self._connection
        if ended and not connection.complete and not connection.lost:
            connection.finish_later(self._client.release)
        else:
            self._client.release(connection)


class HttpClient:
    """Connections to one origin. `base_url` may carry a path that is put before every path."""

    def __init__(
        self, base_url: str, *, headers: Mapping[str, str], connect_timeout_s: float
    ) -> None:
        parts = split_url(base_url)
        self._host = parts.hostname or ""
        self._tls = parts.scheme == "https"
        self._port = parts.port or (443 if self._tls else 80)
        self._path = parts.path.rstrip("/")
        self._connect_timeout_s = connect_timeout_s
        self._ssl: ssl.SSLContext | None = None
        self._idle: list[_Connection] = []
        self._closed = False
        lines = {"host": parts.netloc, "accept-encoding": "identity", "user-agent": "fireside"}
        lines |= headers
        self._head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        if any(char in value for value in lines.values() for char in "\r\n\0"):
            raise UserError("bad_header", "A header holds a line break.")

    async def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        timeout_s: float,
        headers: Mapping[str, str] = {},
    ) -> Reply:
        """Send, and wait up to `timeout_s` for the head of the reply. Raises HttpError.

        A pooled connection that turns out to be closed is replaced by a new one, once and without
        a trace: nothing had been answered on it.
        """
        extra = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"{method} {self._path}{path} HTTP/1.1\r\n{self._head}{extra}"
        if body:
            head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        message = head.encode("latin-1") + b"\r\n" + body
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + timeout_s
        while True:
            connection = self._take_idle(loop.time())
            pooled = connection is not None
            if connection is None:
                connection = await self._connect(loop)
            connection.send(message, deadline_s)
            try:
                while not connection.status:
                    await connection.wait()
            except ConnectionLost as error:
                if pooled and not error.begun:
                    continue
                raise
            except BaseException:
                connection.close()
                raise
            return Reply(self, connection)

    def release(self, connection: _Connection) -> None:
        """Keep the connection for the next request, if it can be."""
        connection.disarm()
        if connection.reusable and not self._closed and len(self._idle) < MAX_IDLE:
            connection.idle_since_s = asyncio.get_running_loop().time()
            self._idle.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        """Close every idle connection; the ones in use close when they are released."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _take_idle(self, now_s: float) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.lost and now_s - connection.idle_since_s < IDLE_S:
                return connection
            connection.close()
        return None

    async def _connect(self, loop: asyncio.AbstractEventLoop) -> _Connection:
        if self._tls and self._ssl is None:
            self._ssl = ssl.create_default_context()
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                _, connection = await loop.create_connection(
                    lambda: _Connection(loop), self._host, self._port, ssl=self._ssl
                )
        except (OSError, TimeoutError) as error:
            raise ConnectFailed(type(error).__name__) from error
        return connection


def split_url(base_url: str) -> SplitResult:
    """The parts of an engine's address. Raises UserError when it is not one."""
    try:
        parts = urlsplit(base_url)
        valid = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid or any(ord(char) <= 32 or ord(char) == 127 for char in base_url):
        raise _bad_url("An engine's address begins with http:// or https:// and names a host.")
    if parts.username is not None or parts.password is not None:
        raise _bad_url("An engine's address must not hold a name or password; give its key apart.")
    if parts.query or parts.fragment:
        raise _bad_url("An engine's address has no ? or #.")
    return parts


def _bad_url(message: str) -> UserError:
    return UserError(
        "bad_engine_url", message, hint="For example http://127.0.0.1:8000/v1.", param="base_url"
    )

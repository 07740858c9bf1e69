"""The HTTP client against servers that are only just, or not at all, HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from fireside.engine.backends.http_client import (
    ConnectFailed,
    ConnectionLost,
    HttpClient,
    NotHttp,
    ReadTimeout,
)
from fireside.errors import UserError

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Peer:
    """Answers the n-th request with the n-th reply; None hangs up."""

    def __init__(self, *replies: bytes | None, pieces_of: int = 0, close_after: bool = False):
        self.replies = list(replies)
        self.requests: list[bytes] = []
        self.num_connections = 0
        self._pieces_of = pieces_of
        self._close_after = close_after

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[HttpClient]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()[:2]
        client = HttpClient(f"http://{host}:{port}/base", headers={}, connect_timeout_s=2)
        yield client
        client.close()
        server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.num_connections += 1
        try:
            while True:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                reply = self.replies.pop(0)
                if reply is None:
                    break
                step = self._pieces_of or len(reply) or 1
                for at in range(0, len(reply), step):
                    writer.write(reply[at : at + step])
                    await writer.drain()
                    if self._pieces_of:
                        await asyncio.sleep(0)
                if self._close_after:
                    break
        except (asyncio.IncompleteReadError, ConnectionError, IndexError):
            pass
        writer.close()


async def get(client: HttpClient, timeout_s: float = 5.0) -> tuple[int, bytes]:
    reply = await client.request("GET", "/x", timeout_s=timeout_s)
    try:
        return reply.status, await reply.read(1000)
    finally:
        reply.close()


@pytest.mark.parametrize("pieces_of", [0, 1, 3])
@pytest.mark.parametrize(
    "reply",
    [
        OK,
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\na: b\r\n\r\n",
    ],
    ids=["length", "continue", "chunked", "trailer"],
)
async def test_a_body_arrives_whole_however_it_is_cut(reply: bytes, pieces_of: int) -> None:
    peer = Peer(reply, reply, pieces_of=pieces_of)
    async with peer.serving() as client:
        assert await get(client) == (200, b"ok")
        assert await get(client) == (200, b"ok")
    assert peer.num_connections == 1
    assert peer.requests[0].startswith(b"GET /base/x HTTP/1.1\r\n")


async def test_a_body_that_ends_with_the_connection_is_whole() -> None:
    async with Peer(b"HTTP/1.0 200 OK\r\n\r\nok", close_after=True).serving() as client:
        assert await get(client) == (200, b"ok")


async def test_a_body_cut_short_is_not_taken_for_whole() -> None:
    reply = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok"
    async with Peer(reply, close_after=True).serving() as client:
        with pytest.raises(ConnectionLost) as caught:
            await get(client)
    assert caught.value.begun


async def test_a_connection_closed_while_idle_is_replaced_without_a_trace() -> None:
    peer = Peer(OK, None, OK)
    async with peer.serving() as client:
        assert await get(client) == (200, b"ok")
        assert await get(client) == (200, b"ok")
    assert peer.num_connections == 2


async def test_a_fresh_connection_that_breaks_is_not_tried_again() -> None:
    peer = Peer(None, OK)
    async with peer.serving() as client:
        with pytest.raises(ConnectionLost):
            await get(client)
    assert peer.num_connections == 1


@pytest.mark.parametrize(
    "reply",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2000\r\n\r\n" + b"a" * 2000,
    ],
    ids=["another protocol", "endless head", "bad chunk", "over the limit"],
)
async def test_what_is_not_http_or_too_much_is_refused(reply: bytes) -> None:
    async with Peer(reply).serving() as client:
        with pytest.raises(NotHttp):
            await get(client)


async def test_a_peer_that_says_nothing_runs_into_the_deadline() -> None:
    async with Peer(b"").serving() as client:
        with pytest.raises(ReadTimeout):
            await get(client, timeout_s=0.1)


async def test_nobody_there_is_a_failed_connection() -> None:
    client = HttpClient("http://127.0.0.1:1", headers={}, connect_timeout_s=1)
    with pytest.raises(ConnectFailed):
        await get(client)


async def test_a_reader_that_pauses_gets_everything_in_the_end() -> None:
    size = 8 * 1024 * 1024
    head = f"HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n".encode()
    async with Peer(head + b"a" * size).serving() as client:
        reply = await client.request("GET", "/x", timeout_s=20)
        await asyncio.sleep(0.2)
        total = 0
        while pieces := await reply.read_some():
            total += sum(map(len, pieces))
        reply.close()
    assert total == size


def test_a_header_with_a_line_break_is_refused() -> None:
    with pytest.raises(UserError):
        HttpClient("http://h", headers={"authorization": "a\r\nx: y"}, connect_timeout_s=1)

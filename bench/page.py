"""What the page does, without a page: sign in, send, follow a reply, read a conversation."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec

from fireside.conversation.event import StreamEvent, decode_event
from fireside.conversation.message import Message
from fireside.kit.sse import Splitter

LOST = (aiohttp.ClientError, ConnectionError, TimeoutError)
"""What a client sees when the server is gone."""


class MessageView(msgspec.Struct):
    """A message and the ids of all at its place."""

    message: Message
    siblings: list[str] = []


class ConversationView(msgspec.Struct):
    """As much of a conversation as is needed here."""

    id: str
    head: str | None = None
    running: list[str] = []


class Started(msgspec.Struct):
    """The answer to a send: acknowledged, so it must survive."""

    turn_id: str
    message: MessageView
    conversation: ConversationView | None = None
    user_message: MessageView | None = None


class RunningTurn(msgspec.Struct):
    """A reply that is being written."""

    turn_id: str
    message_id: str
    offset: int


class Opened(msgspec.Struct):
    """A conversation with its path to the head."""

    conversation: ConversationView
    messages: list[MessageView]
    turns: list[RunningTurn] = []


class ConversationPage(msgspec.Struct):
    """Some conversations, newest first."""

    items: list[ConversationView]
    next_cursor: str | None = None


class Refused(Exception):
    """The server answered, but not with what was asked for."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"{status}: {body[:300]}")
        self.status = status


class Frame(msgspec.Struct):
    """One event of a turn as it came."""

    number: int
    data: bytes
    at: float

    def event(self) -> StreamEvent:
        """What it says."""
        event: StreamEvent = decode_event(self.data)
        return event


class Page:
    """One signed-in browser."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._session = aiohttp.ClientSession(
            f"http://127.0.0.1:{port}",
            headers={"Sec-Fetch-Site": "same-origin", "Origin": f"http://127.0.0.1:{port}"},
            cookie_jar=aiohttp.CookieJar(unsafe=True),
            timeout=aiohttp.ClientTimeout(total=None, connect=2, sock_read=20),
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
        )

    async def sign_in(self, email: str, password: str) -> None:
        """Get the cookie."""
        await self._json("POST", "/api/auth/sign-in", {"email": email, "password": password})

    async def send(
        self, request_id: str, text: str, conversation_id: str | None, parent_id: str | None
    ) -> Started:
        """Send a message; when this returns, it is acknowledged."""
        ask = {
            "kind": "send",
            "request_id": request_id,
            "text": text,
            "conversation_id": conversation_id,
            "parent_id": parent_id,
        }
        return msgspec.json.decode(await self._json("POST", "/api/turns", ask), type=Started)

    async def conversation(self, conversation_id: str) -> Opened:
        """The whole path to the head."""
        body = await self._json("GET", f"/api/conversations/{conversation_id}?limit=200")
        return msgspec.json.decode(body, type=Opened)

    async def conversation_ids(self) -> list[str]:
        """All of them."""
        found: list[str] = []
        query = ""
        while True:
            body = await self._json("GET", f"/api/conversations{query}")
            page = msgspec.json.decode(body, type=ConversationPage)
            found += [x.id for x in page.items]
            if not page.next_cursor:
                return found
            query = f"?cursor={page.next_cursor}"

    async def follow(self, turn_id: str, after: int = 0) -> AsyncIterator[Frame]:
        """A turn's events until the server closes. Raises Refused, or one of `LOST`."""
        async with self.raw_events(turn_id, after) as response:
            splitter = NumberedSplitter()
            async for chunk in response.content.iter_any():
                at = time.monotonic()
                for number, data in splitter.feed(chunk):
                    yield Frame(number, data, at)

    @asynccontextmanager
    async def raw_events(self, turn_id: str, after: int) -> AsyncIterator[aiohttp.ClientResponse]:
        """The response that carries a turn's events."""
        path = f"/api/turns/{turn_id}/events?after={after}"
        async with self._session.get(path) as response:
            if response.status != 200:
                raise Refused(response.status, await response.text())
            yield response

    async def close(self) -> None:
        """Drop all connections."""
        await self._session.close()

    async def _json(self, method: str, path: str, body: dict[str, Any] | None = None) -> bytes:
        async with self._session.request(method, path, json=body) as response:
            data = await response.read()
            if response.status >= 400:
                raise Refused(response.status, data.decode(errors="replace"))
            return data


class NumberedSplitter:
    """Frames with their numbers, from bytes that are cut anywhere."""

    def __init__(self) -> None:
        self._rest = b""
        self._plain = Splitter()

    def feed(self, chunk: bytes) -> list[tuple[int, bytes]]:
        """The (number, data) pairs that `chunk` completes.

        Comments are dropped, and so are passing remarks, which have a name and no number.
        """
        *frames, self._rest = (self._rest + chunk).split(b"\n\n")
        found = []
        for frame in frames:
            number = 0
            for line in frame.split(b"\n"):
                if line.startswith(b"id: "):
                    number = int(line[4:])
            if not frame.startswith(b"event:"):
                found += [(number, data) for data in self._plain.feed(frame + b"\n\n")]
        return found

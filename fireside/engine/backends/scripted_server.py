"""The scripted engine as an OpenAI-compatible server on loopback, with all the ways to misbehave.

    python -m fireside.engine.backends.scripted_server --port 8499 --delay 0.02

Enough HTTP for clients that behave; not for the open network.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import msgspec

from fireside.conversation.event import (
    Finish,
    PartStart,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    UsageReport,
)
from fireside.conversation.message import Reasoning, ToolCall
from fireside.conversation.wire.openai_chat import ChatMessageIn, parse
from fireside.engine.backends.openai_stream import (
    CallDelta,
    Choice,
    Chunk,
    Delta,
    FunctionDelta,
    PromptDetails,
    WireError,
    WireUsage,
)
from fireside.engine.backends.scripted import (
    Call,
    End,
    Garble,
    HangUp,
    Performance,
    Refuse,
    Say,
    ScriptedEngine,
    Stall,
    Step,
    Think,
    Wait,
)
from fireside.engine.errors import ContextTooLong, ModelNotFound
from fireside.engine.ports import ChatPrompt, GenerationRequest, Sampling, TextPrompt
from fireside.errors import UserError

MAX_BODY_BYTES = 64 * 1024 * 1024
PING_S = 0.05


class _Body(msgspec.Struct):
    model: str = ""
    messages: list[ChatMessageIn] | None = None
    prompt: str = ""
    suffix: str | None = None
    input: list[str] = []
    stream: bool = False
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stop: list[str] = []
    logprobs: bool | int | None = None
    continue_final_message: bool = False


class Received(msgspec.Struct):
    """What came in, as it was on the wire."""

    path: str
    headers: dict[str, str]
    body: bytes


class ScriptedServer:
    """Serves `engine`. `owner` is what its listing says, by which clients know its flavour."""

    def __init__(self, engine: ScriptedEngine, *, owner: str = "vllm", api_key: str = "") -> None:
        self.engine = engine
        self.received: list[Received] = []
        self.num_streams = 0  # open now
        self.num_left = 0  # clients that left in mid-reply
        self.num_connections = 0  # ever made
        self.url = ""
        self.pages: dict[str, str] = {}  # what other paths answer, as text
        self._open: set[asyncio.StreamWriter] = set()
        self._owner = owner
        self._api_key = api_key

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[str]:
        """The base URL, while it serves."""
        server = await asyncio.start_server(self._connection, "127.0.0.1", port, limit=1 << 20)
        host, port = server.sockets[0].getsockname()[:2]
        self.url = f"http://{host}:{port}/v1"
        try:
            yield self.url
        finally:
            server.close()
            for writer in list(self._open):
                writer.transport.abort()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.num_connections += 1
        self._open.add(writer)
        try:
            while await self._exchange(reader, _Out(reader, writer)):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, out: _Out) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        request_line, *lines = head.rstrip().split("\r\n")
        _, path, _ = request_line.split(" ")
        headers = {
            name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)
        }
        length = int(headers.get("content-length", "0"))
        body = await reader.readexactly(min(length, MAX_BODY_BYTES))
        self.received.append(Received(path, headers, body))
        if self._api_key and headers.get("authorization") != f"Bearer {self._api_key}":
            await out.error(401, "bad_key", "This key is not mine.")
        elif path == "/v1/models":
            await out.json(200, await self._listing())
        elif path == "/v1/embeddings":
            await out.json(200, await self._embeddings(body))
        elif path in {"/v1/chat/completions", "/v1/completions"}:
            return await self._generate(body, out, chat="chat" in path)
        elif page := self.pages.get(path):
            await out.text(page)
        else:
            await out.error(404, None, "")
        return True

    async def _listing(self) -> object:
        return {
            "object": "list",
            "data": [
                {"id": each.name, "owned_by": self._owner, "max_model_len": each.context_tokens}
                for each in await self.engine.models()
            ],
        }

    async def _embeddings(self, body: bytes) -> object:
        asked = msgspec.json.decode(body, type=_Body)
        made = await self.engine.embed(asked.model, asked.input)
        data = [{"index": at, "embedding": each} for at, each in enumerate(made.vectors)]
        return {"data": data[::-1], "usage": {"prompt_tokens": made.prompt_tokens}}

    async def _generate(self, body: bytes, out: _Out, *, chat: bool) -> bool:
        try:
            asked = msgspec.json.decode(body, type=_Body)
            request = _request(asked)
            steps = self.engine.play(request)
        except ContextTooLong as error:
            await out.error(400, "context_length_exceeded", error.message)
            return True
        except ModelNotFound as error:
            await out.error(404, error.code, error.message)
            return True
        except (UserError, msgspec.DecodeError) as error:
            await out.error(400, "invalid_request", str(error))
            return True
        self.num_streams += 1
        try:
            reply = _Reply(out, request, chat=chat, stream=asked.stream)
            for step in steps:
                if not await reply.perform(step):
                    return False
                if reply.performance.ended:
                    break
            await reply.finish()
        except ConnectionError:
            self.num_left += 1
            return False
        finally:
            self.num_streams -= 1
        return True


class _Reply:
    """One reply on the wire."""

    def __init__(self, out: _Out, request: GenerationRequest, *, chat: bool, stream: bool) -> None:
        self._out = out
        self._chat = chat
        self._stream = stream
        self._begun = False
        self._num_calls = -1
        self._reasoning = False
        self._whole: list[Delta] = []
        self.performance = Performance(request)

    async def perform(self, step: Step) -> bool:
        """Do one step; False when the connection is to be dropped."""
        match step:
            case Wait(seconds=seconds):
                await self._out.pause(seconds)
            case Stall():
                await self._begin()
                while True:
                    await self._out.pause(PING_S)
                    await self._out.chunk(b": still here\n\n")
            case Refuse() if not self._begun:
                await self._out.error(step.status, step.code, step.message)
                return False
            case Refuse():
                await self._send(Chunk(error=WireError(step.message, code=step.code)))
                return False
            case Garble(text=text):
                await self._begin()
                await self._out.chunk(text.encode())
                return False
            case HangUp():
                self._out.abort()
                return False
            case Say() | Think() | Call() | End():
                delay_s = step.delay_s if isinstance(step, Say) else 0.0
                for event in self.performance.speak(step):
                    await self._tell(event, delay_s)
        return True

    async def finish(self) -> None:
        """The last chunks."""
        *_, report, end = self.performance.end()
        assert isinstance(report, UsageReport)
        assert isinstance(end, Finish)
        usage = WireUsage(
            report.usage.prompt_tokens,
            report.usage.completion_tokens,
            PromptDetails(report.usage.cached_tokens),
        )
        reason = end.reason.value
        if not self._stream:
            whole = _joined(self._whole)
            choice = (
                Choice(message=whole, finish_reason=reason)
                if self._chat
                else Choice(text=whole.content or "", finish_reason=reason)
            )
            await self._out.json(200, Chunk([choice], usage))
            return
        await self._choice(Delta(), reason)
        await self._send(Chunk([], usage))
        await self._out.chunk(b"data: [DONE]\n\n")
        await self._out.end()

    async def _tell(self, event: StreamEvent, delay_s: float) -> None:
        match event:
            case PartStart(part=ToolCall(id=id, name=name)):
                self._num_calls += 1
                await self._delta(_call(self._num_calls, FunctionDelta(name, ""), id))
            case PartStart(part=part):
                self._reasoning = isinstance(part, Reasoning)
            case TextDelta(text=text):
                await self._out.pause(delay_s)
                said = Delta(reasoning_content=text) if self._reasoning else Delta(content=text)
                await self._delta(said)
            case ToolCallDelta(arguments=arguments):
                await self._delta(_call(self._num_calls, FunctionDelta(None, arguments)))
            case _:
                pass

    async def _delta(self, delta: Delta) -> None:
        if self._stream:
            await self._choice(delta, None)
        else:
            self._whole.append(delta)

    async def _choice(self, delta: Delta, reason: str | None) -> None:
        text = None if self._chat else delta.content or ""
        choice = Choice(delta if self._chat else None, None, text, reason)
        await self._send(Chunk([choice]))

    async def _send(self, chunk: Chunk) -> None:
        await self._begin()
        await self._out.chunk(b"data: " + msgspec.json.encode(chunk) + b"\n\n")

    async def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            await self._out.begin_stream()


class _Out:
    """The answering side of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def json(self, status: int, body: object) -> None:
        """A whole response."""
        encoded = msgspec.json.encode(body)
        head = f"HTTP/1.1 {status} .\r\ncontent-type: application/json\r\n"
        self._writer.write(f"{head}content-length: {len(encoded)}\r\n\r\n".encode() + encoded)
        await self._writer.drain()

    async def text(self, text: str) -> None:
        """A whole response of plain text."""
        encoded = text.encode()
        head = f"HTTP/1.1 200 .\r\ncontent-type: text/plain\r\ncontent-length: {len(encoded)}"
        self._writer.write(head.encode() + b"\r\n\r\n" + encoded)
        await self._writer.drain()

    async def error(self, status: int, code: str | None, message: str) -> None:
        """An error response; without a code, one without a body."""
        if code is None:
            self._writer.write(f"HTTP/1.1 {status} .\r\ncontent-length: 0\r\n\r\n".encode())
            await self._writer.drain()
        else:
            await self.json(status, {"error": {"code": code, "message": message}})

    async def begin_stream(self) -> None:
        """The head of a stream."""
        self._writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )
        await self._writer.drain()

    async def chunk(self, data: bytes) -> None:
        """A piece of a stream. Raises ConnectionError when the client has left."""
        self._check()
        self._writer.write(b"%x\r\n%s\r\n" % (len(data), data))
        await self._writer.drain()

    async def end(self) -> None:
        """The end of a stream."""
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    async def pause(self, seconds: float) -> None:
        """Wait; notices within a moment that the client left."""
        deadline = anyio.current_time() + seconds
        while (left := deadline - anyio.current_time()) > 0:
            await anyio.sleep(min(left, PING_S))
            self._check()

    def abort(self) -> None:
        """Hang up."""
        self._writer.transport.abort()

    def _check(self) -> None:
        if self._writer.transport.is_closing() or self._reader.at_eof():
            raise ConnectionResetError


def _call(index: int, function: FunctionDelta, id: str | None = None) -> Delta:
    return Delta(tool_calls=[CallDelta(index, id, function)])


def _joined(deltas: list[Delta]) -> Delta:
    """The message that the pieces make."""
    calls: dict[int, CallDelta] = {}
    for piece in [call for delta in deltas for call in delta.tool_calls or ()]:
        begun = calls.get(piece.index, piece)
        added = "" if begun is piece else (piece.function or FunctionDelta()).arguments or ""
        function = begun.function or FunctionDelta()
        said = FunctionDelta(function.name, (function.arguments or "") + added)
        calls[piece.index] = CallDelta(piece.index, begun.id, said)
    return Delta(
        content="".join(delta.content or "" for delta in deltas) or None,
        reasoning_content="".join(delta.reasoning_content or "" for delta in deltas) or None,
        tool_calls=list(calls.values()) or None,
    )


def _request(asked: _Body) -> GenerationRequest:
    sampling = Sampling(
        max_tokens=asked.max_completion_tokens or asked.max_tokens, stop=tuple(asked.stop)
    )
    if asked.messages is None:
        return GenerationRequest(asked.model, TextPrompt(asked.prompt, asked.suffix), sampling)
    line = parse(asked.messages)
    prompt = ChatPrompt(line, continue_final=asked.continue_final_message)
    return GenerationRequest(asked.model, prompt, sampling)


async def _serve(port: int, delay_s: float) -> None:
    server = ScriptedServer(ScriptedEngine(token_delay_s=delay_s))
    async with server.serving(port):
        await anyio.sleep_forever()


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="An engine that echoes what it is told.")
    parser.add_argument("--port", type=int, default=8499)
    parser.add_argument("--delay", type=float, default=0.02, help="seconds between two tokens")
    options = parser.parse_args()
    anyio.run(_serve, options.port, options.delay)


if __name__ == "__main__":
    main()

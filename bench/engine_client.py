"""CPU that relaying costs on the engine's side of the server: our client beside aiohttp.

    python -m bench.engine_client [--out bench/results/engine_client.json]

Both read the same stream of the same upstream, a process of its own, and decode every chunk. CPU
time is counted, not wall time, so a busy machine changes the figures little.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import platform
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import msgspec
import uvloop

from fireside.conversation.message import Role, text_message
from fireside.engine.backends.openai_compatible import OpenAICompatibleEngine
from fireside.engine.backends.openai_request import Flavour
from fireside.engine.backends.openai_stream import decode_chunk
from fireside.engine.ports import ChatPrompt, GenerationRequest, Sampling
from fireside.engine.settings import EngineSettings
from fireside.kit.sse import Splitter

STREAMS = 64
CHUNK = (
    b'data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":" word"}}],'
    b'"created":1795355963,"id":"chatcmpl-xQXedbup4iKdyUxHQV87IGFxx69LIucc","model":"m",'
    b'"system_fingerprint":"b0","object":"chat.completion.chunk"}\n\n'
)
LAST = (
    b'data: {"choices":[{"finish_reason":"length","index":0,"delta":{}}]}\n\n'
    b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":100}}\n\n'
    b"data: [DONE]\n\n"
)


class Figures(msgspec.Struct):
    """Microseconds of CPU."""

    us_per_event: float
    us_per_request: float


class Result(msgspec.Struct):
    """One run of this file."""

    command: str
    commit: str
    machine: str
    ours: Figures
    aiohttp: Figures


def chunked(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Streams as many events as the path says, one write each, a little apart."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
            await reader.readexactly(length)
            num_events = int(head.split(b"/")[1])
            writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            for _ in range(num_events):
                writer.write(chunked(CHUNK))
                if num_events > 1:
                    await asyncio.sleep(0.005)
            writer.write(chunked(LAST) + b"0\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def upstream(port: multiprocessing.Queue[int]) -> None:
    async def serve() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1024)
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(serve())


Ask = Callable[[int], Awaitable[None]]


async def cpu_us(ask: Ask, num_events: int, num_requests: int) -> float:
    """CPU per request with `STREAMS` of them at once."""
    left = num_requests

    async def work() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await ask(num_events)

    await ask(num_events)
    before = time.process_time()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(STREAMS):
            tasks.create_task(work())
    return (time.process_time() - before) / num_requests * 1e6


async def figures(ask: Ask) -> Figures:
    one = await cpu_us(ask, 1, 6000)
    hundred = await cpu_us(ask, 101, 640)
    return Figures(round((hundred - one) / 100, 2), round(one, 1))


async def measure(port: int) -> tuple[Figures, Figures]:
    prompt = ChatPrompt((text_message("1", Role.USER, "hello"),))
    request = GenerationRequest("m", prompt, Sampling(max_tokens=5))
    engines: dict[int, OpenAICompatibleEngine] = {}

    async def ours(num_events: int) -> None:
        if num_events not in engines:
            url = f"http://127.0.0.1:{port}/{num_events}/v1"
            engines[num_events] = OpenAICompatibleEngine(
                "e", url, EngineSettings(), flavour=Flavour.VLLM
            )
        async for _ in engines[num_events].generate(request):
            pass

    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def theirs(num_events: int) -> None:
        url = f"http://127.0.0.1:{port}/{num_events}/v1/chat/completions"
        async with session.post(url, data=b"{}") as reply:
            splitter = Splitter()
            async for piece in reply.content.iter_any():
                for payload in splitter.feed(piece):
                    if payload != b"[DONE]":
                        decode_chunk(payload)

    measured = await figures(ours), await figures(theirs)
    await session.close()
    for engine in engines.values():
        await engine.aclose()
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    port: multiprocessing.Queue[int] = multiprocessing.Queue()
    process = multiprocessing.Process(target=upstream, args=(port,), daemon=True)
    process.start()
    ours, theirs = uvloop.run(measure(port.get()))
    process.kill()
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    result = Result(
        command="python -m bench.engine_client",
        commit=commit.stdout.strip(),
        machine=f"{platform.processor() or platform.machine()}, Python {platform.python_version()}",
        ours=ours,
        aiohttp=theirs,
    )
    text = msgspec.json.format(msgspec.json.encode(result)).decode()
    print(text)
    if options.out is not None:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()

"""A mock OpenAI-compatible engine in its own process, fast enough never to be what is measured.

    python -m bench.gateway.mock_engine --port 9100 --mode paced --compression 5

Besides /v1/models and /v1/chat/completions it has /mock/stats, /mock/records (when each request
came, got its first token and ended or was given up; CLOCK_MONOTONIC seconds), /mock/reset,
/mock/mode (a `Mode`), /mock/fault (`{"kind": "die", "at_token": 5, "times": 1, "match": ""}`) and
/mock/faults (a list of them). /metrics says as much as is needed of what vLLM's says.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections import deque
from typing import Any, cast

import msgspec
import uvloop

from bench.gateway.cost import INSTANT, CostModel
from bench.gateway.replica import Replica
from bench.gateway.reply import ChatRequest, Fault, Record, Reply

MAX_RECORDS = 200_000


class Mode(msgspec.Struct):
    """How fast the engine is, at once or by the cost model, and when it has said all."""

    mode: str = "instant"
    reply_tokens: int = 1000
    slots: int = 32
    replicas: int = 1
    compression: float = 1.0
    prefix_tokens: int = 0


class Mock:
    """What all connections share."""

    def __init__(self, args: argparse.Namespace, mode: Mode) -> None:
        self.args = args
        self.set_mode(mode)
        self.faults: list[Fault] = []
        self.records: deque[Record] = deque(maxlen=MAX_RECORDS)
        self.num_requests = self.num_aborted = self.num_cached = 0

    def set_mode(self, mode: Mode) -> None:
        """Change the speed; what is under way ends at the old one."""
        loop = asyncio.get_running_loop()
        self.reply_tokens = mode.reply_tokens
        self.instant = mode.mode == "instant"
        cost = CostModel(slots=mode.slots, compression=mode.compression)
        self.replicas = [
            Replica(loop, INSTANT if self.instant else cost, self.args.seed, mode.prefix_tokens)
            for _ in range(mode.replicas)
        ]

    def replica(self) -> Replica:
        """The least loaded one."""
        if len(self.replicas) == 1:
            return self.replicas[0]
        return min(self.replicas, key=lambda x: x.num_running + x.num_waiting)

    def take_fault(self, text: str, begun: bool) -> Fault | None:
        """The fault meant for this request, counted down."""
        for fault in self.faults:
            if fault.match in text and not (begun and fault.only_fresh):
                fault.times -= 1
                if fault.times <= 0:
                    self.faults.remove(fault)
                return fault
        return None

    def stats(self) -> dict[str, float]:
        """Counters since the last reset."""
        for each in self.replicas:
            each.count()
        return {
            "requests": self.num_requests,
            "aborted": self.num_aborted,
            "running": sum(x.num_running for x in self.replicas),
            "waiting": sum(x.num_waiting for x in self.replicas),
            "tokens": sum(x.num_tokens for x in self.replicas),
            "prefilled": sum(x.num_prefilled for x in self.replicas),
            "cached": self.num_cached,
            "running_s": sum(x.running_s for x in self.replicas),
            "waiting_s": sum(x.waiting_s for x in self.replicas),
            "most_waiting": max(x.most_waiting for x in self.replicas),
            "busiest": max(x.num_tokens + 0.1 * x.num_prefilled for x in self.replicas),
            "cpu_s": time.process_time(),
        }

    def reset(self) -> None:
        """Forget counters, records and faults."""
        self.records.clear()
        self.faults.clear()
        self.num_requests = self.num_aborted = self.num_cached = 0
        for replica in self.replicas:
            replica.forget()

    def metrics(self) -> bytes:
        """What Prometheus would be told."""
        stats = self.stats()
        return b"".join(
            b'vllm:%s{model_name="mock"} %d\n' % (name, stats[key])
            for name, key in (
                (b"num_requests_running", "running"),
                (b"num_requests_waiting", "waiting"),
                (b"prompt_tokens_total", "prefilled"),
                (b"generation_tokens_total", "tokens"),
                (b"prefix_cache_hits_total", "cached"),
            )
        )


_decode_request = msgspec.json.Decoder(ChatRequest).decode


class Connection(asyncio.Protocol):
    """One client: HTTP/1.1 with keep-alive, one request at a time."""

    def __init__(self, mock: Mock) -> None:
        self.mock = mock
        self._buffer = b""
        self._reply: Reply | None = None
        self.write: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass
        self.write = self._transport.write

    def connection_lost(self, exc: Exception | None) -> None:
        reply = self._reply
        if reply is not None:
            reply.cancelled = True
            reply.record.aborted_at = time.monotonic()
            reply.record.num_tokens = reply.index - reply.begin
            self.mock.num_aborted += 1
            self._reply = None

    def pause_writing(self) -> None:
        if self._reply is not None:
            self._reply.paused = True

    def resume_writing(self) -> None:
        if self._reply is not None:
            self._reply.paused = False

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._buffer and self._reply is None:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._buffer[:end]
            size = _content_length(head)
            if len(self._buffer) < end + 4 + size:
                return
            body = self._buffer[end + 4 : end + 4 + size]
            self._buffer = self._buffer[end + 4 + size :]
            self._route(head, body)

    def ready(self) -> None:
        """The reply is written; take the next request."""
        self._reply = None
        if self._buffer:
            self.data_received(b"")

    def cut(self) -> None:
        """Close without an end."""
        self._reply = None
        self._transport.abort()

    def drip(self) -> None:
        """Write the next byte, every 10 ms."""
        reply = self._reply
        if reply is None:
            return
        if reply.dripping:
            self.write(reply.dripping.popleft())
        elif reply.record.ended_at:
            self.ready()
            return
        asyncio.get_running_loop().call_later(0.01, self.drip)

    def reply_json(self, body: bytes, status: bytes = b"200 OK") -> None:
        """Write a whole response."""
        self.write(
            b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (status, len(body), body)
        )

    def _route(self, head: bytes, body: bytes) -> None:
        target = head[: head.find(b" HTTP/")]
        if target == b"POST /v1/chat/completions":
            self._chat(body)
            return
        mock = self.mock
        match target:
            case b"GET /v1/models" | b"GET /models":
                self.reply_json(
                    b'{"object":"list","data":[{"id":"mock","object":"model","created":1767225600,'
                    b'"owned_by":"%s","max_model_len":%d}]}'
                    % (mock.args.flavour.encode(), mock.args.context_tokens)
                )
            case b"GET /mock/stats":
                self.reply_json(msgspec.json.encode(mock.stats()))
            case b"GET /mock/records":
                self.reply_json(msgspec.json.encode(list(mock.records)))
            case b"POST /mock/reset":
                mock.reset()
                self.reply_json(b"{}")
            case b"POST /mock/mode":
                mock.set_mode(msgspec.json.decode(body, type=Mode))
                self.reply_json(b"{}")
            case b"POST /mock/fault":
                mock.faults.append(msgspec.json.decode(body, type=Fault))
                self.reply_json(b"{}")
            case b"POST /mock/faults":
                mock.faults = msgspec.json.decode(body, type=list[Fault])
                self.reply_json(b"{}")
            case b"GET /metrics":
                self.reply_json(mock.metrics())
            case b"GET /health" | b"GET /":
                self.reply_json(b"{}")
            case _:
                self._refuse(b"404 Not Found", "There is nothing here.")

    def _chat(self, body: bytes) -> None:
        try:
            request = _decode_request(body)
        except msgspec.MsgspecError as error:
            self._refuse(b"400 Bad Request", str(error))
            return
        mock = self.mock
        mock.num_requests += 1
        begun = request.begun(mock.args.flavour)
        fault = None
        if mock.faults:
            fault = mock.take_fault(request.last_user_text(), bool(begun))
        reply = self._reply = Reply(self, request, fault, mock.reply_tokens, begun)
        mock.records.append(reply.record)
        if reply.index >= reply.limit:
            reply.on_end()
        elif mock.instant and not request.stream and reply.fault is None:
            reply.run_at_once(mock.args.seed)
        else:
            replica = mock.replica()
            if replica.prefixes.enabled:
                self._look_up(reply, replica)
            replica.submit(reply)

    def _look_up(self, reply: Reply, replica: Replica) -> None:
        """Spare the reply what its replica has read before."""
        request = reply.request
        pieces = (f"{x.role}: {x.text()}" for x in request.messages)
        cached = min(
            replica.prefixes.read(pieces, request.cache_salt or ""), reply.prefill_left - 1
        )
        reply.prefill_left -= cached
        reply.record.cached_tokens = cached
        self.mock.num_cached += cached

    def _refuse(self, status: bytes, message: str) -> None:
        error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
        self.reply_json(msgspec.json.encode({"error": error}), status)


def _content_length(head: bytes) -> int:
    at = head.find(b"ontent-")
    while at >= 0:
        if head[at + 7 : at + 14].lower() == b"length:":
            end = head.find(b"\r\n", at)
            return int(head[at + 14 : end if end >= 0 else len(head)])
        at = head.find(b"ontent-", at + 7)
    return 0


async def serve(args: argparse.Namespace) -> None:
    """Run until the process is told to stop, or `--lifetime-s` is over."""
    mode = Mode(
        args.mode,
        args.reply_tokens,
        args.slots,
        args.replicas,
        args.compression,
        args.prefix_tokens,
    )
    mock = Mock(args, mode)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(mock), "127.0.0.1", args.port, backlog=2048
    )
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    async with server:
        await asyncio.sleep(args.lifetime_s)


def main() -> None:
    """Parse the flags and serve; the port is printed as the first line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--mode", choices=["instant", "paced"], default="instant")
    parser.add_argument("--slots", type=int, default=32, help="sequences at a time, per replica")
    parser.add_argument("--replicas", type=int, default=1, help="simulated servers behind one port")
    parser.add_argument("--compression", type=float, default=1.0, help="how much faster time runs")
    parser.add_argument("--reply-tokens", type=int, default=1000, help="when it has said all")
    parser.add_argument("--context-tokens", type=int, default=131_072)
    parser.add_argument("--flavour", default="vllm", help="whose server it says it is")
    parser.add_argument("--prefix-tokens", type=int, default=0, help="of the cache, per replica")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cpu", type=int, default=None, help="the one core to run on")
    parser.add_argument("--lifetime-s", type=float, default=3600.0)
    args = parser.parse_args()
    if args.cpu is not None:
        os.sched_setaffinity(0, {args.cpu})
    uvloop.run(serve(args))


if __name__ == "__main__":
    main()

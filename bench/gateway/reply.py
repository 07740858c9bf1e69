"""What one request to the mock engine says, and the reply that is written to it."""

from __future__ import annotations

import os
import re
import time
from collections import deque
from typing import Protocol

import msgspec

from bench.gateway.replica import Sequence
from bench.gateway.words import VOCABULARY, prompt_hash, token_at

_WHOLE_LENGTH = re.compile(r"~(\d{1,6})~")
"""In front of a prompt: after how many tokens the reply to it is over."""

WORDS = tuple(word.encode() for word in VOCABULARY)


class ContentPart(msgspec.Struct):
    """A part of a message's content, where it is a list."""

    text: str = ""


class ChatMessage(msgspec.Struct):
    """As much of a message as the mock reads."""

    role: str
    content: str | list[ContentPart] | None = None

    def text(self) -> str:
        """The content as one string."""
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content)
        return self.content or ""


class StreamOptions(msgspec.Struct):
    """Whether a usage chunk is wanted."""

    include_usage: bool = False


class ChatRequest(msgspec.Struct):
    """As much of a request as the mock reads."""

    messages: list[ChatMessage]
    model: str = "mock"
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    continue_final_message: bool | None = None
    priority: int | None = None
    cache_salt: str | None = None

    def wanted(self) -> int | None:
        """How many tokens at most."""
        return self.max_completion_tokens or self.max_tokens

    def last_user_text(self) -> str:
        """What the reply is a function of."""
        return next((x.text() for x in reversed(self.messages) if x.role == "user"), "")

    def begun(self, flavour: str) -> str:
        """What the reply that is asked for has said already.

        vLLM goes on with an assistant's message only when it is told to; llama.cpp always does.
        """
        last = self.messages[-1] if self.messages else None
        if last is None or last.role != "assistant":
            return ""
        return last.text() if self.continue_final_message or flavour != "vllm" else ""


class Fault(msgspec.Struct):
    """Something that goes wrong at `at_token` of the next `times` requests that hold `match`.

    die: the connection is cut; exit: the whole process is gone; stall: no more tokens; garbage: an
    event that is no JSON, then the end; drip: from there on bytes come one by one. With
    `only_fresh` a reply that was begun elsewhere is left alone.
    """

    kind: str
    at_token: int = 0
    times: int = 1
    match: str = ""
    only_fresh: bool = False


class Record(msgspec.Struct, array_like=True):
    """One request's life, times by CLOCK_MONOTONIC; 0 where it did not happen."""

    prompt: str
    arrived_at: float
    first_at: float = 0.0
    ended_at: float = 0.0
    aborted_at: float = 0.0
    num_tokens: int = 0
    begin: int = 0  # how many tokens had been said before
    prompt_tokens: int = 0
    cached_tokens: int = 0
    priority: int | None = None
    salt: str | None = None


STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


class Owner(Protocol):
    """The connection that a reply is written to."""

    def write(self, data: bytes) -> None:
        """Send bytes."""

    def reply_json(self, body: bytes) -> None:
        """Send a whole response."""

    def ready(self) -> None:
        """The reply is written; take the next request."""

    def cut(self) -> None:
        """Close without an end."""

    def drip(self) -> None:
        """Go on with the bytes that are held back, slowly."""


class Reply(Sequence):
    """One chat completion being written to its connection."""

    def __init__(
        self,
        owner: Owner,
        request: ChatRequest,
        fault: Fault | None,
        reply_tokens: int,
        begun: str = "",
    ) -> None:
        num_chars = sum(len(x.text()) for x in request.messages)
        begin = len(begun.split())  # a reply that was begun goes on where it stopped
        text = request.last_user_text()
        if found := _WHOLE_LENGTH.match(text):
            reply_tokens = min(reply_tokens, int(found[1]))
        limit = min(begin + (request.wanted() or reply_tokens), reply_tokens)
        super().__init__(prompt_hash(text), max(1, num_chars // 4), begin, limit)
        self.owner = owner
        self.request = request
        self.num_prompt_tokens = self.prefill_left
        self.begin = begin
        self.finish_reason = b"stop" if limit == reply_tokens else b"length"
        self.fault = fault
        self.pieces: list[bytes] = []
        self.dripping: deque[bytes] = deque()
        self.record = Record(
            f"{self.prompt:016x}",
            time.monotonic(),
            begin=begin,
            prompt_tokens=self.num_prompt_tokens,
            priority=request.priority,
            salt=request.cache_salt,
        )
        fields = b'"id":"chatcmpl-%016x","created":1767225600,"model":%s' % (
            self.prompt,
            msgspec.json.encode(request.model),
        )
        self.chunk_head = b'data: {"object":"chat.completion.chunk",' + fields + b',"choices":['
        self.fields = fields
        start = self.chunk_head + b'{"index":0,"delta":{"content":"'
        end = b'"},"finish_reason":null}]}\n\n'
        size = len(start) + len(end) + len(WORDS[0])
        self.start = b"%x\r\n" % size + start
        self.end = end + b"\r\n"

    def on_token(self, word: int) -> None:
        if self.fault is not None and self.index - self.begin > self.fault.at_token:
            self._break(self.fault)
            if self.cancelled or self.stalled:
                return
        if not self.request.stream:
            self.pieces.append(WORDS[word])
            return
        data = self.start + WORDS[word] + self.end
        if self.record.first_at == 0.0:
            self.record.first_at = time.monotonic()
            data = self._head() + data
        self._write(data)

    def on_end(self) -> None:
        self.record.ended_at = time.monotonic()
        self.record.num_tokens = self.index - self.begin
        if not self.request.stream:
            self.owner.reply_json(self._completion())
        else:
            finish = b'{"index":0,"delta":{},"finish_reason":"%s"}]}\n\n' % self.finish_reason
            if self.record.first_at == 0.0:  # nothing was left to say
                self._write(self._head())
            tail = self.chunk_head + finish
            options = self.request.stream_options
            if options is not None and options.include_usage:
                tail += self.chunk_head + b'],"usage":' + self._usage() + b"}\n\n"
            tail += b"data: [DONE]\n\n"
            self._write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(tail), tail))
        if not self.dripping:
            self.owner.ready()

    def run_at_once(self, seed: int) -> None:
        """Instant mode without a stream: no iterations are needed."""
        self.record.first_at = time.monotonic()
        self.pieces = [WORDS[token_at(self.prompt, seed, i)] for i in range(self.begin, self.limit)]
        self.index = self.limit
        self.on_end()

    def _head(self) -> bytes:
        role = self.chunk_head
        role += b'{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}\n\n'
        return STREAM_HEAD + b"%x\r\n%s\r\n" % (len(role), role)

    def _usage(self) -> bytes:
        used = self.index - self.begin
        return b'{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}' % (
            self.num_prompt_tokens,
            used,
            self.num_prompt_tokens + used,
        )

    def _completion(self) -> bytes:
        return (
            b'{"object":"chat.completion",%s,"choices":[{"index":0,"message":{"role":"assistant",'
            b'"content":"%s"},"finish_reason":"%s"}],"usage":%s}'
            % (self.fields, b"".join(self.pieces), self.finish_reason, self._usage())
        )

    def _break(self, fault: Fault) -> None:
        match fault.kind:
            case "die":
                self.cancelled = True
                self.owner.cut()
            case "exit":
                os._exit(1)
            case "stall":
                self.stalled = True
            case "garbage":
                self.cancelled = True
                self._write(b'15\r\ndata: {"choices": [\n\n\r\n0\r\n\r\n')
                self.owner.ready()
            case "drip":
                self.fault = None
                self.dripping.append(b"")
                self.owner.drip()
            case _:
                raise ValueError(f"There is no fault named {fault.kind}.")

    def _write(self, data: bytes) -> None:
        if self.dripping:
            self.dripping.extend(data[i : i + 1] for i in range(len(data)))
        else:
            self.owner.write(data)

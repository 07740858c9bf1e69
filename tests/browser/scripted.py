"""An engine that says what a test wrote, at the pace the test sets: an OpenAI-compatible server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HELD_S = 60.0


@dataclass
class Reply:
    """What to say. With `hold_after`, that many characters come and the rest waits for `go`.

    With `every_s`, a piece comes that often until `go`; then the rest at once.
    """

    text: str
    piece: int = 8
    hold_after: int | None = None
    every_s: float = 0.0
    finish_reason: str = "stop"
    go: threading.Event = field(default_factory=threading.Event)
    held: threading.Event = field(default_factory=threading.Event)
    gone: threading.Event = field(default_factory=threading.Event)
    """The reader left before the end."""

    def pieces(self) -> Iterator[str]:
        """The text, piece by piece; waits where it is told to."""
        for at in range(0, len(self.text), self.piece):
            if self.hold_after is not None and at >= self.hold_after and not self.go.is_set():
                self.held.set()
                self.go.wait(HELD_S)
            if self.every_s and at > 0:
                self.go.wait(self.every_s)
            yield self.text[at : at + self.piece]


@dataclass
class ScriptedEngine:
    """Replies by a word in the last user message; what has no reply is answered with `default`."""

    url: str = ""
    replies: dict[str, Reply] = field(default_factory=dict)
    default: str = "It is a calm evening by the fire."
    asked: list[dict[str, Any]] = field(default_factory=list)

    def says(self, word: str, text: str, **pace: Any) -> Reply:
        """Answer messages that hold `word` with `text`."""
        self.replies[word] = Reply(text, **pace)
        return self.replies[word]

    def reply_for(self, body: dict[str, Any]) -> Reply:
        """The reply to a request; one that continues gives what is still missing."""
        self.asked.append(body)
        messages = body["messages"]
        last = next(m["content"] for m in reversed(messages) if m["role"] == "user")
        found = next((reply for word, reply in self.replies.items() if word in last), None)
        reply = found or Reply(self.default)
        if messages[-1]["role"] == "assistant":
            said = messages[-1]["content"]
            return Reply(reply.text[len(said) :] if reply.text.startswith(said) else reply.text)
        return reply


@contextmanager
def scripted_engine() -> Iterator[ScriptedEngine]:
    """A running engine for the length of a block."""
    engine = ScriptedEngine()
    server = _Server(("127.0.0.1", 0), _handler(engine))
    server.daemon_threads = True
    engine.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield engine
    finally:
        for reply in engine.replies.values():
            reply.go.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A reader that hangs up is part of the tests."""


def _handler(engine: ScriptedEngine) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            models = [
                {"id": name, "object": "model", "owned_by": "vllm", "max_model_len": 32768}
                for name in ("ember", "hearth")
            ]
            if self.path.endswith("/models"):
                self._json(200, {"object": "list", "data": models})
            else:
                self._json(404, {"error": {"message": "There is nothing here."}})

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", "0"))
            body = json.loads(self.rfile.read(length))
            reply = engine.reply_for(body)
            if not body.get("stream"):
                message = {"role": "assistant", "content": reply.text}
                choice = {"index": 0, "message": message, "finish_reason": "stop"}
                usage = {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6}
                self._json(200, {"id": "x", "choices": [choice], "usage": usage})
                return
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("connection", "close")
            self.end_headers()
            self.close_connection = True
            try:
                for text in reply.pieces():
                    self._event({"index": 0, "delta": {"content": text}, "finish_reason": None})
                end = {"index": 0, "delta": {}, "finish_reason": reply.finish_reason}
                self._event(end, {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6})
                self.wfile.write(b"data: [DONE]\n\n")
            except (BrokenPipeError, ConnectionResetError):
                reply.gone.set()

        def _event(self, choice: dict[str, Any], usage: dict[str, int] | None = None) -> None:
            chunk = {"id": "x", "object": "chat.completion.chunk", "choices": [choice]}
            if usage is not None:
                chunk["usage"] = usage
            self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
            self.wfile.flush()

        def _json(self, status: int, body: dict[str, Any]) -> None:
            encoded = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        def log_message(self, format: str, *args: object) -> None:
            """Tests read what the server logs, not what this does."""

    return Handler

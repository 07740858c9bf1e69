"""What an OpenAI-compatible server's refusals mean here; pure.

A refusal's words are passed on to the person who sent the request, cut to a line; they may quote
the request and are never logged.
"""

from __future__ import annotations

import re

import msgspec

from fireside.engine.backends.openai_stream import WireError, as_error
from fireside.engine.errors import ContextTooLong, EngineUnreachable, GarbledReply, ModelNotFound
from fireside.errors import BackendFailed, CapacityExhausted, FiresideError, TooLarge, UserError

MAX_WORDS = 300
MAX_RETRY_AFTER_S = 3600.0


class _Body(msgspec.Struct, frozen=True):
    """The bodies in use: OpenAI's, older vLLM's flat one, FastAPI's `detail`."""

    error: WireError | str | None = None
    message: str | None = None
    detail: msgspec.Raw | None = None
    type: str | None = None
    code: str | int | None = None


_decode = msgspec.json.Decoder(_Body).decode

BUSY = re.compile(
    r"currently busy|queue is full|backlog limit|maximum pending requests", re.IGNORECASE
)
"""How vLLM, SGLang and Ollama say, with status 503, that their queues are full."""

CONTEXT_CODES = {"context_length_exceeded", "exceed_context_size_error"}
MAX_TOKENS_PATTERNS = (
    re.compile(r"context length (?:is|of)(?: only)? (?P<max>\d+)", re.IGNORECASE),
    re.compile(r"context length \((?P<max>\d+) tokens\)", re.IGNORECASE),
    re.compile(r"context size \((?P<max>\d+) tokens\)", re.IGNORECASE),
)
NUM_TOKENS_PATTERNS = (
    re.compile(r"you requested (?P<num>\d+) tokens", re.IGNORECASE),
    re.compile(r"request needs (?P<num>\d+)", re.IGNORECASE),
    re.compile(r"resulted in (?P<num>\d+) tokens", re.IGNORECASE),
    re.compile(r"passed (?P<num>\d+) input tokens", re.IGNORECASE),
    re.compile(r"(?:input|request|prompt) \((?P<num>\d+) tokens\)", re.IGNORECASE),
)


def parse_error(body: bytes) -> WireError | None:
    """The error object in a response body; None when there is none that can be read."""
    try:
        parsed = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if parsed.error is not None:
        return as_error(parsed.error)
    if parsed.message is not None:
        return WireError(message=parsed.message, type=parsed.type, code=parsed.code)
    if parsed.detail is not None:
        return WireError(message=bytes(parsed.detail).decode().strip('"'))
    return None


def refusal(
    engine: str, status: int, error: WireError | None, model: str, retry_after: str = ""
) -> FiresideError:
    """The exception for an answer with `status` that is not 2xx.

    `retry_after` is the header as it came; dates in it are ignored.
    """
    failure: FiresideError
    words = _words(error)
    match status:
        case _ if too_long := context_error(error):
            failure = too_long
        case 401 | 403:
            failure = BackendFailed(
                "engine_key_refused",
                f"The engine {engine} did not accept the key that Fireside has for it.",
                hint="The operator must give the engine's current key.",
            )
        case 404 if error is not None:
            failure = ModelNotFound(model, hint=f"The engine {engine} no longer serves it.")
        case 404 | 405:
            failure = BackendFailed(
                "engine_misconfigured",
                f"The engine {engine} does not offer this kind of request at its address.",
                hint="The operator should check the engine's address; it usually ends in /v1.",
            )
        case 413:
            words = words or "The engine found the request too large."
            failure = TooLarge("request_too_large", words, hint="Send less.")
        case 429 | 503 if status == 429 or BUSY.search(words):
            failure = CapacityExhausted(
                "engine_busy",
                f"The engine {engine} has no room right now.",
                hint="Try again in a moment.",
                retry_after_s=_seconds(retry_after),
            )
        case 400 | 422 | 501:
            failure = UserError(
                "refused_by_engine",
                words or "The engine refused this request.",
                hint="Change the request, or choose another model.",
                param=error.param if error is not None else None,
            )
        case 502 | 503 | 504:
            failure = EngineUnreachable(engine, "is not ready")
        case _ if 300 <= status < 400:
            failure = BackendFailed(
                "engine_misconfigured",
                f"The engine {engine} sends its requests elsewhere.",
                hint="The operator should enter the address it redirects to.",
            )
        case _:
            failure = BackendFailed(
                "engine_failed",
                f"The engine {engine} failed with status {status}.",
                hint="Try again; if it happens again, the operator should look at that engine.",
                retryable=True,
            )
    return failure


def stream_failure(engine: str, error: WireError, model: str) -> FiresideError:
    """The exception for an error object that came in a stream instead of a status."""
    code = error.code
    status = code if isinstance(code, int) else 0
    if isinstance(code, str) and code.isdigit():
        status = int(code)
    if context_error(error) is not None or 400 <= status < 500:
        return refusal(engine, status, error, model)
    return GarbledReply(engine, "reported an error in the middle of its answer")


def refuses_priority(error: FiresideError) -> bool:
    """Whether the refusal is of the field `priority`, which vLLM may take only if told so."""
    return error.code == "refused_by_engine" and "priority" in error.message.lower()


def begins_with_error(pieces: list[bytes]) -> bool:
    """Whether a stream opens with an error object, as vLLM's do for what it checks late."""
    start = b"".join(pieces)[:200].lstrip().removeprefix(b"data:").lstrip()
    return start.startswith((b'{"error"', b'{"object":"error"', b'{"object": "error"'))


def context_error(error: WireError | None) -> ContextTooLong | None:
    """ContextTooLong when that is what `error` says, with the numbers it names."""
    if error is None:
        return None
    if error.n_ctx is not None and error.n_prompt_tokens is not None:
        return ContextTooLong(error.n_prompt_tokens, error.n_ctx)
    max_tokens = _number(MAX_TOKENS_PATTERNS, error.message)
    if max_tokens is None and not {error.code, error.type} & CONTEXT_CODES:
        return None
    return ContextTooLong(_number(NUM_TOKENS_PATTERNS, error.message), max_tokens)


def _number(patterns: tuple[re.Pattern[str], ...], text: str) -> int | None:
    for pattern in patterns:
        if found := pattern.search(text[:4000]):
            return int(found[1][:18])
    return None


def _words(error: WireError | None) -> str:
    if error is None:
        return ""
    line = " ".join(error.message.split())
    return line if len(line) <= MAX_WORDS else line[: MAX_WORDS - 1] + "…"


def _seconds(header: str) -> float | None:
    try:
        seconds = float(header)
    except ValueError:
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S) if seconds == seconds else None

"""The one table that turns errors into HTTP: status, OpenAI-shaped body, Retry-After.

    what was raised                                   status   type
    ------------------------------------------------  -------  ---------------------
    SignInNeeded                                      401      authentication_error
    Denied                                            403      permission_error
    NotFound                                          404      invalid_request_error
    Conflict                                          409      invalid_request_error
    TooLarge                                          413      invalid_request_error
    UserError, a body that does not decode            400      invalid_request_error
    LimitReached                                      429      rate_limit_error
    CapacityExhausted                                 429      rate_limit_error
    BackendFailed                                     502/503  server_error (503: try again)
    an HTTP error of the framework (404, 405, 413)    its own  invalid_request_error
    Bug, anything else                                500      server_error

A few codes have a status of their own, see `STATUS_BY_CODE`. The body is everywhere
{"error": {"message", "type", "param", "code", "hint"}}; nothing of an unexpected error gets out.
"""

from __future__ import annotations

import math
import re
import traceback
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
import structlog
from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException, SerializationException, ValidationException
from litestar.types import Scope

from fireside.errors import (
    BackendFailed,
    Bug,
    CapacityExhausted,
    Conflict,
    Denied,
    FiresideError,
    LimitReached,
    NotFound,
    SignInNeeded,
    TooLarge,
    UserError,
)
from fireside.kit.clock import Clock

log = structlog.get_logger("fireside.api")


class ErrorType(StrEnum):
    """The classes of error that OpenAI's clients tell apart."""

    INVALID_REQUEST = "invalid_request_error"
    AUTHENTICATION = "authentication_error"
    PERMISSION = "permission_error"
    RATE_LIMIT = "rate_limit_error"
    SERVER = "server_error"


class ErrorBody(msgspec.Struct, frozen=True):
    """What went wrong, which request field is at fault, and what to do next."""

    message: str
    type: ErrorType
    param: str | None
    code: str
    hint: str


class ErrorEnvelope(msgspec.Struct, frozen=True):
    """The body of every error response."""

    error: ErrorBody


class ErrorReply(msgspec.Struct, frozen=True):
    """A whole error response."""

    status: int
    error: ErrorBody
    headers: Mapping[str, str] = {}

    def encode(self) -> bytes:
        """The JSON body."""
        return msgspec.json.encode(ErrorEnvelope(self.error))


KINDS: tuple[tuple[type[FiresideError], int, ErrorType], ...] = (
    (SignInNeeded, 401, ErrorType.AUTHENTICATION),
    (Denied, 403, ErrorType.PERMISSION),
    (NotFound, 404, ErrorType.INVALID_REQUEST),
    (Conflict, 409, ErrorType.INVALID_REQUEST),
    (TooLarge, 413, ErrorType.INVALID_REQUEST),
    (UserError, 400, ErrorType.INVALID_REQUEST),
    (LimitReached, 429, ErrorType.RATE_LIMIT),
    (CapacityExhausted, 429, ErrorType.RATE_LIMIT),
    (BackendFailed, 502, ErrorType.SERVER),
)
"""First match wins: subclasses stand before their bases. What is missing here is a 500."""

STATUS_BY_CODE = {
    "model_not_found": (404, ErrorType.INVALID_REQUEST),
    "engine_busy": (429, ErrorType.RATE_LIMIT),  # an engine's own 429
    "unsupported_media_type": (415, ErrorType.INVALID_REQUEST),
}
"""Codes whose status differs from their class's, because the original API answers so."""

DEFAULT_RETRY_AFTER_S = 2.0

INTERNAL = ErrorReply(
    500,
    ErrorBody(
        "The server had an error while processing your request.",
        ErrorType.SERVER,
        None,
        "internal_error",
        "Try again; if it goes on, give the x-request-id of this response to the operator.",
    ),
)
NOT_JSON = ErrorReply(
    400,
    ErrorBody(
        "We could not parse the JSON body of your request.",
        ErrorType.INVALID_REQUEST,
        None,
        "invalid_json",
        "Send valid JSON, encoded as UTF-8, without NaN, Infinity or half of a surrogate pair.",
    ),
)
EMPTY_BODY = ErrorReply(
    400,
    ErrorBody(
        "The body of your request is empty.",
        ErrorType.INVALID_REQUEST,
        None,
        "invalid_json",
        "Send a JSON object with Content-Type: application/json.",
    ),
)
TOO_DEEP = ErrorReply(
    400,
    ErrorBody(
        "The JSON body of your request is nested too deeply.",
        ErrorType.INVALID_REQUEST,
        None,
        "nested_too_deeply",
        "Flatten it: a few hundred levels are enough for any schema.",
    ),
)


def explain(error: Exception, now: datetime) -> ErrorReply:
    """The response for `error`. `now` dates the Retry-After of allowances."""
    reply = INTERNAL
    match error:
        case Bug():
            pass
        case FiresideError():
            reply = _explain_ours(error, now)
        case ValidationException():
            reply = _invalid_fields(error)
        case HTTPException(status_code=status) if status < 500:
            reply = _explain_http(error)
        case msgspec.ValidationError():
            reply = _bad_value(str(error))
        case msgspec.DecodeError() | UnicodeError():
            reply = NOT_JSON
        case RecursionError():
            reply = TOO_DEEP
    return reply


def exception_handlers(
    clock: Clock,
) -> dict[int | type[Exception], Callable[[Request[Any, Any, Any], Any], Response[Any]]]:
    """What the application registers: every exception goes through the table."""

    def handle(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        reply = explain(error, clock.now())
        log_failure(error, reply, request.scope)
        if reply.error.code in _CODES_BY_STATUS.values():
            reply = _name_the_route(reply, request.method, request.url.path)
        return Response(
            reply.encode(),
            status_code=reply.status,
            headers=dict(reply.headers),
            media_type=MediaType.JSON,
        )

    return {Exception: handle}


def log_failure(error: Exception, reply: ErrorReply, scope: Scope) -> None:
    """Note a 5xx: where it was raised, never its words, which may quote a person."""
    if reply.status < 500:
        return
    frames = traceback.extract_tb(error.__traceback__)
    log.error(
        "request_failed",
        request_id=scope["state"].get("request_id"),
        route=scope.get("path_template", ""),
        status=reply.status,
        code=reply.error.code,
        error=type(error).__qualname__,
        cause=type(error.__cause__).__qualname__ if error.__cause__ else None,
        frames=[f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-20:]],
    )


def _explain_ours(error: FiresideError, now: datetime) -> ErrorReply:
    status, kind = next(
        ((status, kind) for cls, status, kind in KINDS if isinstance(error, cls)),
        (500, ErrorType.SERVER),
    )
    retry_after_s = error.retry_after_s
    match error:
        case LimitReached(resets_at=resets_at):
            retry_after_s = max((resets_at - now).total_seconds(), 0.0)
        case CapacityExhausted():
            retry_after_s = retry_after_s or DEFAULT_RETRY_AFTER_S
        case BackendFailed(retryable=True):
            status = 503
            retry_after_s = retry_after_s or DEFAULT_RETRY_AFTER_S
    status, kind = STATUS_BY_CODE.get(error.code, (status, kind))
    headers: dict[str, str] = {}
    if retry_after_s is not None:
        headers["retry-after"] = str(max(1, math.ceil(retry_after_s)))
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    if isinstance(error, BackendFailed) and not error.retryable:
        headers["x-should-retry"] = "false"  # the official clients retry every 5xx otherwise
    body = ErrorBody(error.message, kind, error.param, error.code, error.hint)
    return ErrorReply(status, body, headers)


_CODES_BY_STATUS = {404: "unknown_url", 405: "method_not_allowed"}


def _explain_http(error: HTTPException) -> ErrorReply:
    code = _CODES_BY_STATUS.get(error.status_code)
    if error.status_code == 413:
        code, message = "request_too_large", "The body of your request is too large."
    elif isinstance(error.__cause__, SerializationException):
        return NOT_JSON
    else:
        message = error.detail
    body = ErrorBody(message, ErrorType.INVALID_REQUEST, None, code or "invalid_request", "")
    return ErrorReply(error.status_code, body, dict(error.headers or {}))


def _name_the_route(reply: ErrorReply, method: str, path: str) -> ErrorReply:
    if reply.status == 404:
        message = f"Unknown request URL: {method} {path}."
    else:
        message = f"Not allowed to {method} on {path}."
    hint = "Check the method and the path; GET /openapi.json lists what there is."
    return msgspec.structs.replace(
        reply, error=msgspec.structs.replace(reply.error, message=message, hint=hint)
    )


def _invalid_fields(error: ValidationException) -> ErrorReply:
    """What Litestar found wrong with a handler's arguments; `data` is its word for the body."""
    if isinstance(error.__cause__, msgspec.ValidationError):
        reply = _bad_value(str(error.__cause__).replace("`$.data", "`$", 1))
        return EMPTY_BODY if reply.error.param == "data" else reply
    if isinstance(error.__cause__, KeyError):
        name = str(error.__cause__.args[0])
        return _missing(name)
    return _bad_request("invalid_request", error.detail, "")


_AT = re.compile(r" - at (?:`key` in )?`\$\.?(?P<path>[^`]*?)(?:\[\.\.\.\])?`$")
_UNKNOWN = re.compile(r"unknown field `(?P<name>[^`]*)`")


def _bad_value(text: str, param: str | None = None) -> ErrorReply:
    """msgspec's sentence about one value, with the field it is about taken out of it."""
    if at := _AT.search(text):
        text, param = text[: at.start()], at["path"] or param
    if unknown := _UNKNOWN.search(text):
        name = f"{param}.{unknown['name']}" if param else unknown["name"]
        return _bad_request(
            "unknown_parameter",
            f"Unrecognized request argument supplied: {name}",
            "Remove it, or check its spelling.",
            name,
        )
    if text.startswith("Object missing required field"):
        name = text.split("`")[1]
        return _missing(f"{param}.{name}" if param else name)
    code = "invalid_type" if ", got `" in text else "invalid_value"
    what = f"Invalid value for '{param}': {text}." if param else f"Invalid request: {text}."
    return _bad_request(code, what, "", param)


def _missing(name: str) -> ErrorReply:
    message = f"Missing required parameter: '{name}'."
    return _bad_request("missing_required_parameter", message, "", name)


def _bad_request(code: str, message: str, hint: str, param: str | None = None) -> ErrorReply:
    return ErrorReply(400, ErrorBody(message, ErrorType.INVALID_REQUEST, param, code, hint))

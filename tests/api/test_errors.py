"""The table from errors to responses, and what the framework's own errors become."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import httpx
import msgspec
import pytest
from litestar import Litestar, get, post
from litestar.params import FromQuery, JSONBody

from fireside.api.errors import exception_handlers, explain
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
from fireside.kit.clock import SystemClock

NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (UserError("c", "m"), 400, "invalid_request_error"),
        (SignInNeeded("c", "m"), 401, "authentication_error"),
        (Denied("c", "m"), 403, "permission_error"),
        (NotFound("c", "m"), 404, "invalid_request_error"),
        (UserError("model_not_found", "m"), 404, "invalid_request_error"),
        (Conflict("c", "m"), 409, "invalid_request_error"),
        (TooLarge("c", "m"), 413, "invalid_request_error"),
        (CapacityExhausted("c", "m"), 429, "rate_limit_error"),
        (CapacityExhausted("engine_busy", "m"), 429, "rate_limit_error"),
        (BackendFailed("c", "m"), 502, "server_error"),
        (BackendFailed("c", "m", retryable=True), 503, "server_error"),
        (FiresideError("c", "m"), 500, "server_error"),
    ],
)
def test_every_class_of_error_has_its_status_and_type(
    error: FiresideError, status: int, kind: str
) -> None:
    reply = explain(error, NOW)
    assert (reply.status, reply.error.type, reply.error.message) == (status, kind, "m")


def test_the_hint_and_the_field_at_fault_are_told() -> None:
    reply = explain(UserError("c", "m", hint="h", param="p"), NOW)
    assert reply.encode() == (
        b'{"error":{"message":"m","type":"invalid_request_error","param":"p","code":"c","hint":"h"}}'
    )


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (CapacityExhausted("c", "m"), "2"),
        (CapacityExhausted("c", "m", retry_after_s=0.2), "1"),
        (BackendFailed("c", "m", retryable=True, retry_after_s=61.5), "62"),
        (LimitReached("m", limit="day", value=3, resets_at=NOW + timedelta(hours=1)), "3600"),
        (LimitReached("m", limit="day", value=3, resets_at=NOW - timedelta(hours=1)), "1"),
    ],
)
def test_every_refusal_for_lack_of_room_says_when_to_come_back(
    error: FiresideError, seconds: str
) -> None:
    assert explain(error, NOW).headers["retry-after"] == seconds


@pytest.mark.parametrize("error", [ValueError("SECRET"), Bug("odd", "SECRET"), OSError("SECRET")])
def test_nothing_of_an_unexpected_error_gets_out(error: Exception) -> None:
    reply = explain(error, NOW)
    assert (reply.status, reply.error.code) == (500, "internal_error")
    assert b"SECRET" not in reply.encode()


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    """A part of the body."""

    count: int


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    """A body."""

    name: Annotated[str, msgspec.Meta(max_length=3)] = ""
    inner: list[Inner] = []


@post("/outer", status_code=200)
async def take(data: JSONBody[Outer]) -> None:
    """A route like those of the other rooms."""


@get("/page")
async def page(limit: FromQuery[int]) -> int:
    """Another."""
    return limit


@pytest.fixture
async def client() -> httpx.AsyncClient:
    app = Litestar(
        [take, page],
        exception_handlers=exception_handlers(SystemClock()),
        logging_config=None,
        openapi_config=None,
        request_max_body_size=1000,
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test")


@pytest.mark.parametrize(
    ("content", "status", "code", "param"),
    [
        (b"", 400, "invalid_json", None),
        (b"{", 400, "invalid_json", None),
        (b'{"name":"\xff"}', 400, "invalid_json", None),
        (b"[]", 400, "invalid_type", None),
        (b'{"nmae":""}', 400, "unknown_parameter", "nmae"),
        (b'{"name":"long"}', 400, "invalid_value", "name"),
        (b'{"name":[]}', 400, "invalid_type", "name"),
        (b'{"inner":[{}]}', 400, "missing_required_parameter", "inner[0].count"),
        (b'{"inner":[{"count":1,"x":2}]}', 400, "unknown_parameter", "inner[0].x"),
        (b'{"name":"' + b"x" * 2000 + b'"}', 413, "request_too_large", None),
    ],
)
async def test_bodies_that_the_framework_refuses_look_like_all_others(
    client: httpx.AsyncClient, content: bytes, status: int, code: str, param: str | None
) -> None:
    headers = {"content-type": "application/json"}
    reply = await client.post("/outer", content=content, headers=headers)
    error = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code", "hint"}
    assert (reply.status_code, error["code"], error["param"]) == (status, code, param)


@pytest.mark.parametrize(
    ("query", "code"), [("", "missing_required_parameter"), ("?limit=x", "invalid_type")]
)
async def test_wrong_query_parameters_are_named(
    client: httpx.AsyncClient, query: str, code: str
) -> None:
    error = (await client.get(f"/page{query}")).json()["error"]
    assert (error["code"], error["param"]) == (code, "limit")

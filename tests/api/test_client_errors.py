"""What the official client sees when something is wrong, and what a hang-up stops."""

from __future__ import annotations

import threading

import anyio
import httpx
import openai
import pytest

from fireside.billing.domain import UsageStatus
from fireside.conversation.event import PartStart, TextDelta
from fireside.conversation.message import Text
from fireside.engine.errors import NoEngine
from fireside.errors import BackendFailed, Bug, CapacityExhausted
from tests.api.conftest import KEY, OTHER_SCOPE_KEY, Server, endless, scripted

ASK = [{"role": "user", "content": "Hi"}]


def create(client: openai.OpenAI, **fields: object) -> object:
    """A chat completion of the plainest kind."""
    return client.chat.completions.create(
        **{"model": "able", "messages": ASK, **fields}  # type: ignore[call-overload]
    )


def test_a_wrong_key_is_refused_in_words_the_client_understands(server: Server) -> None:
    with (
        server.client(api_key="fs-wrong") as client,
        pytest.raises(openai.AuthenticationError) as e,
    ):
        create(client)
    assert e.value.status_code == 401
    assert e.value.type == "authentication_error"
    assert server.engine.asked == []


def test_a_key_without_the_scope_is_refused(server: Server) -> None:
    with (
        server.client(api_key=OTHER_SCOPE_KEY) as client,
        pytest.raises(openai.PermissionDeniedError) as e,
    ):
        create(client)
    assert (e.value.code, e.value.type) == ("missing_scope", "permission_error")


def test_an_unknown_model_is_not_found(server: Server) -> None:
    with server.client() as client, pytest.raises(openai.NotFoundError) as e:
        create(client, model="gpt-9")
    assert (e.value.code, e.value.param, e.value.type) == (
        "model_not_found", "model", "invalid_request_error"
    )  # fmt: skip
    assert "gpt-9" in e.value.message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tools", [{"type": "function", "function": {"name": "f"}}]),
        ("logprobs", True),
        ("response_format", {"type": "json_object"}),
        (
            "messages",
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}
                    ],
                }
            ],
        ),
    ],
)
def test_what_a_model_cannot_do_is_refused_by_name(
    server: Server, field: str, value: object
) -> None:
    with server.client() as client, pytest.raises(openai.BadRequestError) as e:
        create(client, model="plain", **{field: value})
    assert (e.value.code, e.value.param) == ("unsupported_by_model", field)
    assert server.engine.asked == []


def test_too_long_a_prompt_is_refused_with_the_numbers(server: Server) -> None:
    huge = "word " * 2_000_000
    with server.client() as client, pytest.raises(openai.BadRequestError) as e:
        create(client, messages=[{"role": "user", "content": huge}], stream=True)
    assert e.value.code == "context_length_exceeded"
    assert "1000 tokens" in e.value.message
    assert "10000000 characters" in e.value.message
    assert server.engine.asked == []


def test_a_prompt_a_little_too_long_is_refused_with_the_engine_s_own_count(server: Server) -> None:
    with server.client() as client, pytest.raises(openai.BadRequestError) as e:
        create(client, messages=[{"role": "user", "content": "word " * 1000}])
    assert e.value.code == "context_length_exceeded"
    assert "1250" in e.value.message
    assert len(server.engine.asked) == 1


def test_no_engine_is_a_503_that_says_when_to_come_back(server: Server) -> None:
    server.catalog.replace([], excuse=NoEngine("The model is being fetched."))
    with server.client() as client, pytest.raises(openai.InternalServerError) as e:
        create(client)
    assert (e.value.status_code, e.value.code) == (503, "no_engine")
    assert e.value.response.headers["retry-after"] == "2"


def test_no_capacity_is_a_429_here_or_at_the_engine(server: Server) -> None:
    server.engine.script = scripted(CapacityExhausted("capacity", "Full.", retry_after_s=7.2))
    with server.client() as client, pytest.raises(openai.RateLimitError) as e:
        create(client, stream=True)
    assert (e.value.status_code, e.value.response.headers["retry-after"]) == (429, "8")
    server.engine.script = scripted(CapacityExhausted("engine_busy", "Slow down."))
    with server.client() as client, pytest.raises(openai.RateLimitError) as limited:
        create(client)
    assert limited.value.type == "rate_limit_error"
    assert limited.value.response.headers["retry-after"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("retryable", "status"), [(True, 503), (False, 502)])
def test_an_engine_that_fails_before_its_first_token_gives_a_status(
    server: Server, stream: bool, retryable: bool, status: int
) -> None:
    server.engine.script = scripted(BackendFailed("engine_down", "Gone.", retryable=retryable))
    with server.client() as client, pytest.raises(openai.InternalServerError) as e:
        create(client, stream=stream)
    assert (e.value.status_code, e.value.code) == (status, "engine_down")
    assert e.value.response.headers.get("x-should-retry") == (None if retryable else "false")
    assert server.entries == []


def test_a_failure_in_mid_stream_comes_as_an_error_the_client_raises(server: Server) -> None:
    server.engine.script = scripted(
        PartStart(0, Text()), TextDelta(0, "Hel"), BackendFailed("engine_down", "Gone.")
    )
    words = []
    with server.client() as client, pytest.raises(openai.APIError) as e:
        for chunk in create(client, stream=True):  # type: ignore[attr-defined]
            words.append(chunk.choices[0].delta.content)
    assert words == ["", "Hel"]
    assert (e.value.code, e.value.type) == ("engine_down", "server_error")
    assert [entry.status for entry in server.entries] == [UsageStatus.FAILED]
    assert server.entries[0].usage.completion_tokens == 1


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize(
    "broken", [RuntimeError("SECRET"), Bug("odd", "SECRET"), KeyError("SECRET")]
)
def test_an_unexpected_error_says_nothing_of_itself(
    server: Server, broken: Exception, n: int
) -> None:
    server.engine.script = scripted(PartStart(0, Text()), TextDelta(0, "Hel"), broken)
    with server.client() as client:
        with pytest.raises(openai.InternalServerError) as whole:
            create(client, n=n)
        with pytest.raises(openai.APIError) as streamed:
            list(create(client, stream=True, n=n))  # type: ignore[call-overload]
    for error in (whole.value, streamed.value):
        assert error.code == "internal_error"
        assert "SECRET" not in str(error.body)
    assert whole.value.status_code == 500


def test_an_engine_that_stops_without_a_reason_is_an_error(server: Server) -> None:
    server.engine.script = scripted(PartStart(0, Text()), TextDelta(0, "Hel"))
    with server.client() as client, pytest.raises(openai.InternalServerError) as e:
        create(client)
    assert e.value.code == "stream_ended"


async def until(condition: object) -> None:
    """Wait until `condition()` holds; the test's own timeout ends a wait in vain."""
    while not condition():  # type: ignore[operator]
        await anyio.sleep(0.01)


@pytest.mark.parametrize("n", [1, 2])
async def test_a_client_that_leaves_stops_the_generation_and_pays_for_what_it_got(
    server: Server, n: int
) -> None:
    server.engine.script = endless
    async with server.async_client() as client:
        stream = await client.chat.completions.create(model="able", messages=ASK, stream=True, n=n)
        num_chunks = 0
        async for _ in stream:
            num_chunks += 1
            if num_chunks == 10:
                break
        await stream.close()
    with anyio.fail_after(20):
        await until(lambda: len(server.engine.stopped) == n and server.entries)
    entry = server.entries[0]
    assert entry.status is UsageStatus.ABORTED
    assert 5 <= entry.usage.completion_tokens <= sum(server.engine.stopped)
    assert entry.usage.prompt_tokens == 1
    assert server.metrics.num_running == 0


async def test_a_client_that_leaves_before_the_whole_answer_stops_it_too(server: Server) -> None:
    server.engine.script = endless
    async with server.async_client(timeout=httpx.Timeout(30, read=1.0)) as client:
        with pytest.raises(openai.APITimeoutError):
            await client.chat.completions.create(model="able", messages=ASK)
    with anyio.fail_after(20):
        await until(lambda: server.engine.stopped and server.entries)
    assert server.entries[0].status is UsageStatus.ABORTED


def test_a_hundred_clients_that_leave_at_once_leave_nothing_behind(server: Server) -> None:
    server.engine.script = endless

    def leave_early() -> None:
        body = {"model": "able", "messages": ASK, "stream": True}
        headers = {"authorization": f"Bearer {KEY}"}
        url = f"{server.url}/v1/chat/completions"
        with httpx.stream("POST", url, json=body, headers=headers) as reply:
            next(reply.iter_raw())

    clients = [threading.Thread(target=leave_early) for _ in range(100)]
    for each in clients:
        each.start()
    for each in clients:
        each.join(60)
    anyio.run(until, lambda: len(server.engine.stopped) == 100 and len(server.entries) == 100)
    assert server.metrics.num_running == 0


def test_the_model_list_of_an_empty_catalogue_is_empty(server: Server) -> None:
    server.catalog.replace([])
    with server.client() as client:
        assert list(client.models.list()) == []


def test_every_answer_carries_a_request_id_and_a_sane_one_of_the_caller_is_kept(
    server: Server,
) -> None:
    def ask(path: str, **headers: str) -> str:
        reply = httpx.get(f"{server.url}{path}", headers=headers)
        return reply.headers["x-request-id"]

    assert ask("/v1/models", **{"x-request-id": "trace-0123456789"}) == "trace-0123456789"
    assert ask("/nowhere", **{"x-request-id": "trace-0123456789"}) == "trace-0123456789"
    made = ask("/healthz")
    assert made != ask("/healthz")
    for odd in ("x", "a" * 200, 'quote"quote"', "white space"):
        assert ask("/healthz", **{"x-request-id": odd}) != odd
    with server.client() as client:
        answer = client.chat.completions.create(model="able", messages=ASK)
    assert answer._request_id
    assert server.engine.asked[-1].request_id == answer._request_id

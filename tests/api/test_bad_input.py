"""Whatever is sent, the answer is a stated 4xx in the original's shape, and the server goes on."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest

from tests.api.conftest import KEY, Server

HEADERS = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
CHAT = "/v1/chat/completions"


def body(**fields: object) -> bytes:
    """A valid request with `fields` in it."""
    valid = {"model": "able", "messages": [{"role": "user", "content": "Hi"}]}
    return msgspec.json.encode({**valid, **fields})


def nested(levels: int) -> bytes:
    """A schema of so many levels."""
    return (
        b'{"model":"able","messages":[{"role":"user","content":"Hi"}],"tools":[{"type":"function",'
        b'"function":{"name":"f","parameters":' + b'{"a":' * levels + b"1" + b"}" * levels + b"}}]}"
    )


def with_temperature(text: bytes) -> bytes:
    """A request whose temperature is written as `text`."""
    return body()[:-1] + b',"temperature":' + text + b"}"


CASES = {
    "empty body": (b"", 400, "invalid_json", None),
    "half a body": (b'{"model":', 400, "invalid_json", None),
    "no JSON": (b"model=able", 400, "invalid_json", None),
    "two objects": (body() + b"{}", 400, "invalid_json", None),
    "not UTF-8": (b'{"model":"\xff"}', 400, "invalid_json", None),
    "UTF-16": (body().decode().encode("utf-16"), 400, "invalid_json", None),
    "half of a surrogate pair": (
        b'{"model":"able","messages":[{"role":"user","content":"\\ud800 tail"}]}',
        400, "invalid_json", None,
    ),
    "NaN": (with_temperature(b"NaN"), 400, "invalid_json", None),
    "Infinity": (with_temperature(b"Infinity"), 400, "invalid_json", None),
    "a number out of range": (with_temperature(b"1e999"), 400, "invalid_value", "temperature"),
    "nested too deeply": (nested(50_000), 400, "nested_too_deeply", None),
    "a list": (b"[]", 400, "invalid_type", None),
    "null": (b"null", 400, "invalid_type", None),
    "no model": (b'{"messages":[]}', 400, "missing_required_parameter", "model"),
    "model of a wrong type": (body(model=3), 400, "invalid_type", "model"),
    "unknown model": (body(model="nope"), 404, "model_not_found", "model"),
    "endless model name": (body(model="m" * 5000), 400, "invalid_value", "model"),
    "no messages": (b'{"model":"able"}', 400, "missing_required_parameter", "messages"),
    "empty messages": (body(messages=[]), 400, "empty_array", "messages"),
    "messages of a wrong type": (body(messages="Hi"), 400, "invalid_type", "messages"),
    "message without role": (
        body(messages=[{"content": "Hi"}]), 400, "missing_required_parameter", "messages[0].role",
    ),
    "unknown role": (
        body(messages=[{"role": "wizard", "content": "Hi"}]),
        400, "invalid_value", "messages[0].role",
    ),
    "message without content": (
        body(messages=[{"role": "user"}]), 400, "invalid_message", "messages[0].content",
    ),
    "tool message without its call": (
        body(messages=[{"role": "tool", "content": "x"}]),
        400, "invalid_message", "messages[0].tool_call_id",
    ),
    "sound": (
        body(messages=[{"role": "user", "content": [
            {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]}]),
        400, "inexpressible_part", "messages[0].content",
    ),
    "unknown content": (
        body(messages=[{"role": "user", "content": [{"type": "smell"}]}]),
        400, "invalid_value", "messages[0].content[0].type",
    ),
    "unknown field": (body(tempreature=1), 400, "unknown_parameter", "tempreature"),
    "field of a tool": (
        body(tools=[{"type": "function", "function": {"name": "f", "x": 1}}]),
        400, "unknown_parameter", "tools[0].function.x",
    ),
    "too hot": (body(temperature=2.1), 400, "invalid_value", "temperature"),
    "temperature as text": (body(temperature="1"), 400, "invalid_type", "temperature"),
    "top_p": (body(top_p=1.1), 400, "invalid_value", "top_p"),
    "penalty": (body(presence_penalty=-3), 400, "invalid_value", "presence_penalty"),
    "negative n": (body(n=-1), 400, "invalid_value", "n"),
    "no n": (body(n=0), 400, "invalid_value", "n"),
    "too many": (body(n=9), 400, "invalid_value", "n"),
    "fraction of n": (body(n=1.5), 400, "invalid_type", "n"),
    "max_tokens": (body(max_tokens=0), 400, "invalid_value", "max_tokens"),
    "enormous max_tokens": (body(max_tokens=10**30), 400, "invalid_value", "max_tokens"),
    "both maxima": (
        body(max_tokens=1, max_completion_tokens=2),
        400, "invalid_parameter_combination", "max_tokens",
    ),
    "seed": (body(seed=2**70), 400, "invalid_value", "seed"),
    "bias": (body(logit_bias={"5": 101}), 400, "invalid_value", "logit_bias"),
    "bias of no token": (body(logit_bias={"hello": 1}), 400, "invalid_value", "logit_bias"),
    "five stops": (body(stop=list("abcde")), 400, "array_above_max_length", "stop"),
    "empty stop": (body(stop=[""]), 400, "invalid_value", "stop"),
    "top_logprobs alone": (body(top_logprobs=2), 400, "invalid_value", "top_logprobs"),
    "stream_options alone": (
        body(stream_options={"include_usage": True}), 400, "invalid_value", "stream_options",
    ),
    "tool_choice alone": (body(tool_choice="required"), 400, "invalid_value", "tool_choice"),
    "choice of no tool": (
        body(tools=[{"type": "function", "function": {"name": "f"}}],
             tool_choice={"type": "function", "function": {"name": "g"}}),
        400, "invalid_value", "tool_choice",
    ),
    "odd tool name": (
        body(tools=[{"type": "function", "function": {"name": "a b"}}]),
        400, "invalid_value", "tools[0].function.name",
    ),
    "odd response_format": (
        body(response_format={"type": "xml"}), 400, "invalid_value", "response_format.type",
    ),
}  # fmt: skip


def test_every_kind_of_bad_request_gets_its_answer_and_the_server_goes_on(server: Server) -> None:
    wrong = {}
    with httpx.Client(base_url=server.url, headers=HEADERS) as client:
        for name, (content, status, code, param) in CASES.items():
            reply = client.post(CHAT, content=content)
            error = reply.json()["error"]
            assert set(error) == {"message", "type", "param", "code", "hint"}
            assert error["type"] == "invalid_request_error"
            if (reply.status_code, error["code"], error["param"]) != (status, code, param):
                wrong[name] = (reply.status_code, error)
            assert client.post(CHAT, content=body()).status_code == 200
    assert wrong == {}
    assert len(server.engine.asked) == len(CASES)


def test_the_original_wording_names_an_unknown_field(server: Server) -> None:
    reply = httpx.post(server.url + CHAT, content=body(x=1), headers=HEADERS)
    assert reply.json()["error"]["message"] == "Unrecognized request argument supplied: x"


def test_an_error_never_repeats_what_a_person_wrote(server: Server) -> None:
    secret = "the secret of the sea"
    for content in (
        body(messages=[{"role": "user", "content": secret, "tool_calls": 3}]),
        body(messages=[{"role": "user", "content": [secret]}]),
        body(messages=[{"role": "user", "content": secret}])[:-1],
    ):
        reply = httpx.post(server.url + CHAT, content=content, headers=HEADERS)
        assert reply.status_code == 400
        assert secret not in reply.text


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x", ""])
def test_another_content_type_is_refused(server: Server, kind: str) -> None:
    headers = {**HEADERS, "content-type": kind}
    reply = httpx.post(server.url + CHAT, content=body(), headers=headers)
    assert (reply.status_code, reply.json()["error"]["code"]) == (415, "unsupported_media_type")


def test_json_with_a_charset_or_without_any_type_is_read(server: Server) -> None:
    for headers in ({"content-type": "application/json; charset=utf-8"}, {}):
        with httpx.Client(headers={"authorization": HEADERS["authorization"], **headers}) as client:
            assert client.post(server.url + CHAT, content=body()).status_code == 200


def test_a_body_over_the_limit_is_refused_however_it_comes(server: Server) -> None:
    huge = body(user="x" * 13_000_000)
    stated = httpx.post(server.url + CHAT, content=huge, headers=HEADERS)
    pieces = (huge[i : i + 1_000_000] for i in range(0, len(huge), 1_000_000))
    chunked = httpx.post(server.url + CHAT, content=pieces, headers=HEADERS)
    for reply in (stated, chunked):
        assert (reply.status_code, reply.json()["error"]["code"]) == (413, "request_too_large")
    assert httpx.post(server.url + CHAT, content=body(), headers=HEADERS).status_code == 200


@pytest.mark.parametrize("value", ["[" + "[]," * 150_000 + "[]]", '{"a":"' + "x," * 150_000 + '"}'])
def test_a_body_of_very_many_values_is_refused_before_it_is_decoded(
    server: Server, value: str
) -> None:
    content = body()[:-1] + f',"prediction":{{"a":{value}}}}}'.encode()
    reply = httpx.post(server.url + CHAT, content=content, headers=HEADERS)
    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "request_too_complex")


def test_more_messages_than_the_original_takes_are_refused(server: Server) -> None:
    many = [{"role": "user", "content": "Hi"}] * 2049
    reply = httpx.post(server.url + CHAT, content=body(messages=many), headers=HEADERS)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "messages")


def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_sent(server: Server) -> None:
    at = urlsplit(server.url)
    head = f"POST {CHAT} HTTP/1.1\r\nHost: {at.netloc}\r\nAuthorization: Bearer {KEY}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n"
    with socket.create_connection((str(at.hostname), at.port or 0), 10) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_client_that_hangs_up_while_sending_leaves_nothing_behind(server: Server) -> None:
    at = urlsplit(server.url)
    head = f"POST {CHAT} HTTP/1.1\r\nHost: {at.netloc}\r\nAuthorization: Bearer {KEY}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
    for _ in range(20):
        with socket.create_connection((str(at.hostname), at.port or 0), 10) as connection:
            connection.sendall(head.encode())
    assert httpx.post(server.url + CHAT, content=body(), headers=HEADERS).status_code == 200
    assert len(server.engine.asked) == 1


def test_an_unknown_address_and_a_wrong_method_are_named(server: Server) -> None:
    missing = httpx.get(server.url + "/v1/nothing", headers=HEADERS)
    wrong = httpx.get(server.url + CHAT, headers=HEADERS)
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "unknown_url")
    assert missing.json()["error"]["message"] == "Unknown request URL: GET /v1/nothing."
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "method_not_allowed")
    assert "POST" in wrong.headers["allow"]

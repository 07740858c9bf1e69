"""The official Python client against a real server."""

from __future__ import annotations

from tests.api.conftest import Server


def test_a_chat_is_answered_whole(server: Server) -> None:
    with server.client() as client:
        answer = client.chat.completions.create(
            model="able", messages=[{"role": "user", "content": "Hi"}]
        )
    assert answer.choices[0].message.content == "Hello, you!"
    print(answer)


def test_a_chat_is_streamed(server: Server) -> None:
    with server.client() as client:
        for chunk in client.chat.completions.create(
            model="able",
            messages=[{"role": "user", "content": "Hi"}],
            stream=True,
            stream_options={"include_usage": True},
            n=2,
        ):
            print(chunk)

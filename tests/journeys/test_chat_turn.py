"""A person's turns over HTTP: only the engine is scripted, everything between is real.

What is asserted is the exact next request that the engine receives, and what is stored.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import msgspec
import pytest

from fireside.conversation.event import Finish, decode_event
from fireside.conversation.fold import Fold
from fireside.conversation.message import FinishReason, Message
from fireside.kit.ids import new_id
from fireside.kit.sse import Splitter
from tests.browser.scripted import ScriptedEngine, scripted_engine
from tests.browser.site import Site, serve


@pytest.fixture(scope="module")
def engine() -> Iterator[ScriptedEngine]:
    with scripted_engine() as running:
        yield running


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    data_dir = tmp_path_factory.mktemp("journey")
    with serve(data_dir, FIRESIDE__CHAT__TITLES="false") as running:
        yield running


@pytest.fixture(scope="module")
def person(site: Site, engine: ScriptedEngine) -> Iterator[httpx.Client]:
    """The administrator, who has added the engine."""
    with httpx.Client(base_url=site.url, headers={"origin": site.url}, timeout=20) as client:
        who = {"email": "ada@example.org", "password": "correct horse", "name": "Ada"}
        assert client.post("/api/auth/sign-up", json=who).status_code == 201
        added = client.post("/api/admin/engines", json={"name": "told", "base_url": engine.url})
        assert added.status_code == 201, added.text
        deadline = time.monotonic() + 10
        while client.get("/api/models").json()["default"] is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield client


def turn(person: httpx.Client, **ask: object) -> dict:
    """Start a turn and read it to its end; the started turn with the folded `reply`."""
    started = person.post("/api/turns", json={"request_id": new_id(), **ask})
    assert started.status_code == 201, started.text
    body = started.json()
    events = read(person, body["turn_id"])
    assert events[-1] == Finish(FinishReason.STOP)
    state = Fold(msgspec.convert(body["message"]["message"], Message))
    for event in events:
        state.apply(event)
    return {**body, "reply": state.message()}


def read(person: httpx.Client, turn_id: str, after: int = 0) -> list:
    with person.stream("GET", f"/api/turns/{turn_id}/events", params={"after": after}) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        splitter = Splitter()
        return [decode_event(p) for chunk in stream.iter_bytes() for p in splitter.feed(chunk)]


def test_each_turn_extends_the_prompt_of_the_one_before(
    person: httpx.Client, engine: ScriptedEngine
) -> None:
    engine.says("sea", "The sea is wide.")
    engine.says("deep", "Eleven kilometres at the deepest.")
    engine.asked.clear()
    first = turn(person, kind="send", text="Tell me of the sea")
    conversation = first["conversation"]["id"]
    second = turn(
        person,
        kind="send",
        text="How deep is it?",
        conversation_id=conversation,
        parent_id=first["reply"].id,
    )
    before, after = (request["messages"] for request in engine.asked)
    assert [m["role"] for m in before] == ["system", "user"]
    assert after == [
        *before,
        {"role": "assistant", "content": "The sea is wide."},
        {"role": "user", "content": "How deep is it?"},
    ]
    stored = person.get(f"/api/conversations/{conversation}").json()
    texts = [view["message"]["parts"][0]["text"] for view in stored["messages"]]
    assert texts == [
        "Tell me of the sea",
        "The sea is wide.",
        "How deep is it?",
        "Eleven kilometres at the deepest.",
    ]
    assert stored["conversation"]["head"] == second["reply"].id
    assert stored["turns"] == []


def test_an_edit_is_a_branch_and_both_stay(person: httpx.Client, engine: ScriptedEngine) -> None:
    first = turn(person, kind="send", text="A sea question")
    conversation = first["conversation"]["id"]
    edited = turn(person, kind="send", text="A deep one", conversation_id=conversation)
    ids = [first["user_message"]["message"]["id"], edited["user_message"]["message"]["id"]]
    assert edited["user_message"]["siblings"] == ids
    engine.asked.clear()
    old = person.get(f"/api/conversations/{conversation}", params={"head": ids[0]}).json()
    assert [view["message"]["id"] for view in old["messages"]] == [ids[0], first["reply"].id]
    assert old["messages"][0]["siblings"] == ids


def test_custom_instructions_reach_the_model_and_only_while_they_are_on(
    person: httpx.Client, engine: ScriptedEngine
) -> None:
    me = person.get("/api/me").json()
    wishes = {"about": "I keep bees.", "style": "Rhyme.", "enabled": True}
    changed = {**me["preferences"], "custom_instructions": wishes}
    assert person.patch("/api/me", json={"preferences": changed}).status_code == 200
    engine.asked.clear()
    turn(person, kind="send", text="Hello")
    changed["custom_instructions"] = {**wishes, "enabled": False}
    assert person.patch("/api/me", json={"preferences": changed}).status_code == 200
    turn(person, kind="send", text="Hello")
    told, untold = (request["messages"][0]["content"] for request in engine.asked)
    assert "I keep bees." in told
    assert "Rhyme." in told
    assert "bees" not in untold


def test_a_reply_is_stopped_on_the_engine_at_once(
    person: httpx.Client, engine: ScriptedEngine
) -> None:
    held = engine.says("endless", "word " * 200, piece=5, hold_after=20)
    started = person.post(
        "/api/turns", json={"request_id": new_id(), "kind": "send", "text": "endless"}
    ).json()
    assert held.held.wait(10)
    assert person.post(f"/api/turns/{started['turn_id']}/stop").status_code == 204
    events = read(person, started["turn_id"])
    assert events[-1] == Finish(FinishReason.ABORT)
    held.go.set()
    assert held.gone.wait(10)


def test_nonsense_is_answered_in_words(person: httpx.Client, site: Site) -> None:
    bad = [
        ({}, 400),
        ({"kind": "sing", "request_id": new_id()}, 400),
        ({"kind": "send", "request_id": "1", "text": "x"}, 400),
        ({"kind": "send", "request_id": new_id(), "text": 7}, 400),
        ({"kind": "send", "request_id": new_id(), "text": "   "}, 400),
        ({"kind": "send", "request_id": new_id(), "text": "x", "model": "nobody"}, 404),
        ({"kind": "send", "request_id": new_id(), "text": "x", "parent_id": new_id()}, 404),
        ({"kind": "send", "request_id": new_id(), "text": "x", "folder_id": new_id()}, 404),
        ({"kind": "regenerate", "request_id": new_id(), "conversation_id": new_id()}, 400),
    ]
    for body, status in bad:
        answer = person.post("/api/turns", json=body)
        assert answer.status_code == status, (body, answer.text)
        assert answer.json()["error"]["message"]
    assert person.get(f"/api/turns/{new_id()}/events").status_code == 404
    assert person.get(f"/api/turns/{new_id()}/events", params={"after": -1}).status_code == 400
    assert person.get("/healthz").status_code == 200

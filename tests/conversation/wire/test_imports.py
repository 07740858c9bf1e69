"""Exports from elsewhere: whole trees in, every broken thing told apart and told clearly."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.conversation.message import (
    Message,
    Role,
    Status,
    Text,
    ToolCall,
    ToolResult,
    text_message,
)
from fireside.conversation.tree import Conversation, build, children, path, siblings
from fireside.conversation.wire import native
from fireside.conversation.wire.archive import ImportLimits
from fireside.conversation.wire.detect import ImportFormat, detect, read_export
from fireside.conversation.wire.entry import ImportProblem
from fireside.conversation.wire.errors import BrokenExport, ExportTooLarge
from fireside.errors import FiresideError, UserError
from tests.conversation.strategies import OWNER, conversations, json_values, messages, new_ids
from tests.golden import wires

FORMATS = {
    "chatgpt.json": ImportFormat.CHATGPT,
    "open_webui.json": ImportFormat.OPEN_WEBUI,
    "sharegpt.json": ImportFormat.SHAREGPT,
    "openai.jsonl": ImportFormat.OPENAI,
    "foreign.ipynb": ImportFormat.NOTEBOOK,
}
CHATGPT = (wires.WIRES / "chatgpt.json").read_bytes()
OPEN_WEBUI = (wires.WIRES / "open_webui.json").read_bytes()
LATER_MS = 1_800_000_000_000


def read(source: Path | bytes, limits: ImportLimits | None = None) -> list[Any]:
    return list(read_export(source, OWNER, new_ids(LATER_MS), limits or ImportLimits()))


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/").replace("_json", ".json"), content)
    return buffer.getvalue()


def texts(line: Sequence[Message]) -> list[str]:
    return [message.text() for message in line if message.text()]


# --- golden files --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "content"), list(wires.files()), ids=lambda value: getattr(value, "name", "")
)
def test_a_golden_file_is_read_and_written_as_it_was_agreed(file: Path, content: bytes) -> None:
    assert content.decode() == file.read_text()


@pytest.mark.parametrize("name", wires.IMPORTS)
def test_the_format_of_every_golden_file_is_recognised(name: str) -> None:
    assert detect((wires.WIRES / name).read_bytes()) is FORMATS[name]


@pytest.mark.parametrize("name", wires.IMPORTS)
def test_what_is_read_is_a_valid_tree_with_ids_in_the_order_of_time(name: str) -> None:
    for conversation in read(wires.WIRES / name):
        assert build(conversation, conversation.messages.values()) == conversation
        assert conversation.owner_id == OWNER
        assert conversation.title
        assert list(conversation.messages) == sorted(conversation.messages)
        for message in conversation.messages.values():
            assert message.parent_id is None or message.parent_id < message.id


def test_chatgpt_branches_stay_and_the_thread_is_the_one_that_was_on_screen() -> None:
    bees = read(CHATGPT)[0]
    line = path(bees)
    assert line[-1].provider_data["source_id"] == "aaa00019"
    edited = next(m for m in line if m.text().startswith("How many"))
    versions = [bees.messages[id].text()[:40] for id in siblings(bees, edited.id)]
    assert versions == [
        "How many bees live in a hive?",
        "How many bees live in a hive in winter? ",
    ]
    leaves = set(bees.messages) - set(children(bees.messages))
    assert len(leaves) == 3


def test_chatgpt_keeps_weights_recipients_channels_and_what_was_hidden() -> None:
    by_source = {
        message.provider_data["source_id"]: message
        for message in read(CHATGPT)[0].messages.values()
    }
    assert "aaa00001" not in by_source  # nothing was said in it
    context = by_source["aaa00002"]
    assert (context.weight, context.provider_data["hidden"]) == (0.0, True)
    assert context.author.role is Role.SYSTEM
    code = by_source["aaa00008"]
    assert (code.recipient, code.channel, code.end_turn) == ("python", "commentary", False)
    (result,) = by_source["aaa00009"].parts
    assert isinstance(result, ToolResult)
    assert result.call_id == code.id
    assert by_source["aaa00017"].status is Status.INTERRUPTED


def test_a_chatgpt_part_of_an_unknown_kind_is_kept_and_can_be_read() -> None:
    by_source = {
        message.provider_data["source_id"]: message
        for message in read(CHATGPT)[0].messages.values()
    }
    widget = by_source["aaa00018"]
    assert "super_widget" in widget.text()
    assert "Look for eggs" in widget.text()
    assert widget.provider_data["content"]["widget"]["kind"] == "checklist"


def test_open_webui_markup_becomes_parts_again() -> None:
    chat = read(OPEN_WEBUI)[0]
    reply = next(m for m in chat.messages.values() if m.provider_data["source_id"] == "a1")
    kinds = [type(part).__name__ for part in reply.parts]
    assert kinds == ["Reasoning", "Text", "ToolCall", "ToolResult", "Text", "Citation"]
    assert ToolCall("call_9", "calculator", '{"expression": "6*7"}') in reply.parts
    assert chat.settings.temperature == 0.2


# --- archives ------------------------------------------------------------------------------------


def test_the_zip_that_chatgpt_sends_is_read_as_it_is(tmp_path: Path) -> None:
    archive = zipped(user_json=b"{}", chat_html=b"<html>", conversations_json=CHATGPT)
    assert read(archive) == read(CHATGPT)
    file = tmp_path / "export.zip"
    file.write_bytes(archive)
    assert read(file) == read(CHATGPT)


def test_a_large_chatgpt_export_comes_in_numbered_files() -> None:
    first, second = json.loads(CHATGPT)
    archive = zipped(**{
        "a__conversations-000_json": json.dumps([first]).encode(),
        "a__conversations-001_json": json.dumps([second]).encode(),
    })
    assert [each.title for each in read(archive)] == ["Bees in winter", "New chat"]


def test_a_broken_file_among_several_does_not_lose_the_others() -> None:
    archive = zipped(**{"conversations-000_json": b"[{", "conversations-001_json": CHATGPT})
    problem, *rest = read(archive)
    assert isinstance(problem, ImportProblem)
    assert problem.title == "conversations-000.json"
    assert [each.title for each in rest] == ["Bees in winter", "New chat"]


def test_any_file_that_can_be_read_is_found_in_an_archive_without_conversations() -> None:
    archive = zipped(settings_json=b'{"theme":"dark"}', chats_json=OPEN_WEBUI)
    assert [each.title for each in read(archive)] == ["Six times seven", "Old chat"]


def test_a_zip_bomb_is_refused_before_it_is_unpacked() -> None:
    archive = zipped(conversations_json=b" " * 50_000_000)
    assert len(archive) < 100_000
    with pytest.raises(ExportTooLarge) as caught:
        read(archive, ImportLimits(max_file_bytes=1_000_000))
    assert "1 MiB" in str(caught.value) or "0 MiB" in str(caught.value)


def test_a_zip_that_lies_about_its_size_is_refused() -> None:
    archive = bytearray(zipped(conversations_json=b"[" + b" " * 3_000_000 + b"]"))
    size = (3_000_002).to_bytes(4, "little")
    while (at := archive.find(size)) >= 0:
        archive[at : at + 4] = (10).to_bytes(4, "little")
    with pytest.raises(UserError):
        read(bytes(archive), ImportLimits(max_file_bytes=1_000_000))


def test_all_files_of_an_archive_count_together() -> None:
    one = json.dumps(json.loads(CHATGPT)).encode()
    archive = zipped(**{"conversations-0_json": one, "conversations-1_json": one})
    limits = ImportLimits(max_unpacked_bytes=len(one) + 10)
    *found, problem = read(archive, limits)
    assert [each.title for each in found] == ["Bees in winter", "New chat"]
    assert isinstance(problem, ImportProblem)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_an_archive_cut_off_in_the_download_says_so(kept: float) -> None:
    archive = zipped(conversations_json=CHATGPT)
    with pytest.raises(BrokenExport, match="not complete"):
        read(archive[: int(len(archive) * kept)])


def test_an_archive_without_conversations_says_so() -> None:
    with pytest.raises(BrokenExport, match=r"no conversations\.json"):
        read(zipped(picture_png=b"x"))


# --- broken and odd files ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["chatgpt.json", "open_webui.json", "sharegpt.json", "foreign.ipynb"]
)
@given(data=st.data())
def test_a_file_cut_off_anywhere_is_told_from_a_whole_one(name: str, data: st.DataObject) -> None:
    whole = (wires.WIRES / name).read_bytes().strip()
    at = data.draw(st.integers(1, len(whole) - 1))
    with pytest.raises(BrokenExport) as caught:
        read(whole[:at])
    assert caught.value.hint


@pytest.mark.parametrize(
    "body", [b"", b"  ", b"hello", b"<html>", b"\x00\x01", b'{"a":1}', b"[1,2]"]
)
def test_a_file_in_no_known_format_is_refused_with_a_way_on(body: bytes) -> None:
    with pytest.raises(UserError) as caught:
        read(body)
    assert caught.value.code == "unknown_export"
    assert "ChatGPT" in caught.value.hint


def test_one_broken_chat_does_not_lose_the_others() -> None:
    good, other = json.loads(CHATGPT)
    wrong_type = {"title": "Wrong", "mapping": {"a": {"message": 5}}}
    circle = {
        "title": "Round",
        "mapping": {
            "a": {"parent": "b", "children": ["b"]},
            "b": {"parent": "a", "children": ["a"]},
        },
    }
    found = read(json.dumps([good, wrong_type, 17, circle, {"title": None}, other]).encode())
    problems = [each for each in found if isinstance(each, ImportProblem)]
    assert [each.title for each in found if isinstance(each, Conversation)] == [
        "Bees in winter",
        "New chat",
    ]
    assert [problem.title for problem in problems] == [
        "Wrong",
        "Conversation 3",
        "Round",
        "Conversation 5",
    ]
    assert "$.mapping[...].message" in problems[0].reason
    assert "circle" in problems[2].reason


def test_a_broken_line_does_not_lose_the_other_lines() -> None:
    lines = (wires.WIRES / "openai.jsonl").read_bytes().splitlines()
    found = read(b"\n".join([lines[0], b'{"messages":[', lines[1]]))
    assert [type(each) for each in found] == [Conversation, ImportProblem, Conversation]


def test_an_empty_export_holds_nothing() -> None:
    assert read(b"[]") == []
    assert read(b"\xef\xbb\xbf []\n") == []


def test_characters_that_no_database_stores_are_marked() -> None:
    chat = json.loads(OPEN_WEBUI)[1]
    chat["chat"]["messages"][0]["content"] = "NUL:\0 half:\ud83d whole:\U0001f600 slash:\\u0000"
    (found,) = read(json.dumps([chat]).encode())
    assert path(found)[0].parts == (Text("NUL:\ufffd half:\ufffd whole:\U0001f600 slash:\\u0000"),)


def test_a_chat_of_a_hundred_thousand_messages_needs_no_deep_stack() -> None:
    mapping: dict[str, Any] = {}
    for number in range(100_000):
        content = {"content_type": "text", "parts": [f"{number}"]}
        mapping[f"{number}"] = {
            "message": {"id": f"{number}", "author": {"role": "user"}, "content": content},
            "parent": f"{number - 1}" if number else None,
            "children": [f"{number + 1}"],
        }
    (found,) = read(json.dumps([{"title": "Long", "mapping": mapping}]).encode())
    line = path(found)
    assert [line[0].text(), line[-1].text(), len(line)] == ["0", "99999", 100_000]


def test_json_nested_without_end_is_refused() -> None:
    deep = b'[{"mapping":' + b"[" * 100_000 + b"]" * 100_000 + b"}]"
    with pytest.raises(BrokenExport, match="nested too deeply"):
        read(deep)


def test_a_file_over_the_limit_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "large.json"
    file.write_bytes(CHATGPT)
    for source in (file, CHATGPT):
        with pytest.raises(ExportTooLarge):
            read(source, ImportLimits(max_file_bytes=100))


def test_a_reply_that_was_running_when_the_file_was_written_is_not_running_here() -> None:
    half = text_message("m", Role.ASSISTANT, "Hal", status=Status.STREAMING)
    data = native.encode(build(Conversation("c", "someone"), [half]))
    (found,) = read(data)
    (message,) = found.messages.values()
    assert message.status is Status.INTERRUPTED
    assert found.owner_id == OWNER


@given(conversations(messages(st.builds(Text, st.text(max_size=3)))))
def test_a_fireside_file_keeps_the_shape_of_every_tree(conversation: Conversation) -> None:
    if b"\\u0000" in (data := native.encode(conversation)):
        return
    (found,) = read(data)
    assert found.title == conversation.title
    assert _shape(found, found.head) == _shape(conversation, conversation.head)


def _shape(conversation: Conversation, head: str | None) -> list[tuple[int, tuple[Any, ...], bool]]:
    """Depth, parts and headship of every message, walked in the order of siblings."""
    below = children(conversation.messages)
    seen: list[tuple[int, tuple[Any, ...], bool]] = []
    stack = [(id, 0) for id in reversed(below.get(None, []))]
    while stack:
        id, depth = stack.pop()
        seen.append((depth, conversation.messages[id].parts, id == head))
        stack += [(child, depth + 1) for child in reversed(below.get(id, []))]
    return seen


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """The file with one value somewhere in it replaced by another."""
    document = json.loads(whole)
    at: Any = document
    while True:
        keys = list(range(len(at))) if isinstance(at, list) else list(at)
        key = draw(st.sampled_from(keys))
        inside = at[key]
        if not isinstance(inside, list | dict) or not inside or draw(st.integers(0, 3)) == 0:
            at[key] = draw(json_values)
            return json.dumps(document).encode()
        at = inside


@pytest.mark.parametrize(
    "name", ["chatgpt.json", "open_webui.json", "sharegpt.json", "foreign.ipynb"]
)
@given(data=st.data())
def test_a_damaged_value_anywhere_never_breaks_the_import(name: str, data: st.DataObject) -> None:
    whole = (wires.WIRES / name).read_bytes()
    try:
        found = read(data.draw(damaged(whole)))
    except FiresideError as error:
        assert error.hint
        return
    for each in found:
        if isinstance(each, ImportProblem):
            assert each.reason
        else:
            assert build(each, each.messages.values()) == each
            assert native.decode(native.encode(each)) == each

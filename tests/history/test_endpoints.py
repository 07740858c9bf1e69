"""What a person does with their conversations, through the door."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from fireside.conversation.message import ConversationId, Reasoning, Role, Text, text_message
from fireside.conversation.wire import native
from fireside.db.database import Database
from fireside.history.domain import PAGE_SIZE
from fireside.kit.clock import FakeClock
from fireside.kit.ids import new_id
from tests.history.room import Person, Room


@pytest.fixture
def room(database: Database, clock: FakeClock) -> Room:
    return Room(database, clock)


@pytest.fixture
async def ada(room: Room) -> Person:
    return await room.person("ada")


@pytest.fixture
async def bob(room: Room, ada: Person) -> Person:
    return await room.person("bob")


def titles(page: Any) -> list[str]:
    return [item["title"] for item in page["items"]]


class TestListing:
    async def test_pinned_conversations_come_first_and_only_on_the_first_page(
        self, ada: Person
    ) -> None:
        made = [(await ada.talk(title=f"t{n}"))[0] for n in range(PAGE_SIZE + 3)]
        pinned = made[0]
        await ada.send("PATCH", f"/api/conversations/{pinned.id}", {"pinned": True})
        first = await ada.get("/api/conversations")
        second = await ada.get("/api/conversations", cursor=first["next_cursor"])
        newest_first = [each.title for each in reversed(made[1:])]
        assert titles(first) == ["t0", *newest_first[:PAGE_SIZE]]
        assert titles(second) == newest_first[PAGE_SIZE:]
        assert second["next_cursor"] is None

    async def test_archived_ones_and_folders_are_lists_of_their_own(self, ada: Person) -> None:
        _, (archived, _), (filed, _) = [await ada.talk(title=t) for t in ("k", "a", "f")]
        folder = await ada.send("POST", "/api/folders", {"name": "Work"}, 201)
        await ada.send("PATCH", f"/api/conversations/{archived.id}", {"archived": True})
        view = await ada.send(
            "PATCH", f"/api/conversations/{filed.id}", {"folder_id": folder["id"]}
        )
        assert view["folder_id"] == folder["id"]
        assert titles(await ada.get("/api/conversations")) == ["f", "k"]
        assert titles(await ada.get("/api/conversations", archived="true")) == ["a"]
        assert titles(await ada.get("/api/conversations", folder_id=folder["id"])) == ["f"]

    @pytest.mark.parametrize("cursor", ["nonsense", "bm9uZQ", "WyIyMDI2IiwieCJd", ""])
    async def test_a_cursor_that_was_not_given_is_refused(self, ada: Person, cursor: str) -> None:
        assert await ada.refused("GET", "/api/conversations", params={"cursor": cursor}) == (
            400,
            "bad_cursor",
        )


class TestChanging:
    async def test_only_what_is_named_changes(self, ada: Person) -> None:
        conversation, line = await ada.talk("one", "two", title="before")
        path = f"/api/conversations/{conversation.id}"
        view = await ada.send("PATCH", path, {"title": "  new\n name ", "model": "small"})
        assert (view["title"], view["model"], view["head"]) == ("new name", "small", line[-1].id)
        view = await ada.send("PATCH", path, {"model": None, "settings": {"temperature": 0.5}})
        assert (view["title"], view["model"]) == ("new name", None)
        assert view["settings"]["temperature"] == 0.5

    async def test_a_head_is_followed_down_to_its_newest_leaf(self, ada: Person) -> None:
        conversation, line = await ada.talk("one", "two", "three")
        path = f"/api/conversations/{conversation.id}"
        assert (await ada.send("PATCH", path, {"head": line[0].id}))["head"] == line[2].id

    @pytest.mark.parametrize(
        ("patch", "status"),
        [
            ({"title": " \n"}, 400),
            ({"title": "x" * 400}, 400),
            ({"title": None}, 400),
            ({"head": "nonsense"}, 400),
            ({"head": "01a203a1-0da2-7079-a812-15aa347ab9c0"}, 404),
            ({"folder_id": "01a203a1-0da2-7079-a812-15aa347ab9c0"}, 404),
            ({"owner_id": "somebody"}, 400),
            ({"settings": {"temperature": 9}}, 400),
            ({"pinned": "yes"}, 400),
        ],
    )
    async def test_what_does_not_fit_is_refused(self, ada: Person, patch: Any, status: int) -> None:
        conversation, _ = await ada.talk("one")
        path = f"/api/conversations/{conversation.id}"
        before = (await ada.get("/api/conversations"))["items"]
        assert (await ada.refused("PATCH", path, json=patch))[0] == status
        assert (await ada.get("/api/conversations"))["items"] == before

    async def test_deleted_ones_can_be_restored(self, ada: Person) -> None:
        conversation, _ = await ada.talk("one", title="back")
        path = f"/api/conversations/{conversation.id}"
        await ada.send("DELETE", path, status=204)
        assert titles(await ada.get("/api/conversations")) == []
        assert await ada.refused("DELETE", path) == (404, "unknown_conversation")
        assert (await ada.send("POST", f"{path}/restore"))["title"] == "back"
        assert titles(await ada.get("/api/conversations")) == ["back"]

    async def test_open_tabs_are_told_after_each_change(self, ada: Person, bob: Person) -> None:
        conversation, _ = await ada.talk("one")
        path = f"/api/conversations/{conversation.id}"
        with ada.room.broker.subscribe(f"user:{ada.id}") as tabs:
            with ada.room.broker.subscribe(f"user:{bob.id}") as elsewhere:
                view = await ada.send("PATCH", path, {"title": "new"})
                await ada.send("DELETE", path, status=204)
                assert ada.told(tabs) == [
                    {"type": "conversation", "conversation": view},
                    {"type": "conversation_deleted", "id": conversation.id},
                ]
                assert bob.told(elsewhere) == []


class TestWindows:
    async def test_a_window_shows_the_branch_with_its_siblings(self, ada: Person) -> None:
        conversation, line = await ada.talk("question", "first answer")
        other = text_message(new_id(), Role.ASSISTANT, "second answer", parent_id=line[0].id)
        room = ada.room
        async with room.db.write() as tx:
            await room.repository.insert_message(tx, conversation.id, ada.id, other)
        async with room.db.read() as tx:
            window = await room.history.open_window(tx, ada.id, conversation.id)
            branch = await room.history.open_window(tx, ada.id, conversation.id, head=other.id)
            newest = await room.history.open_window(tx, ada.id, conversation.id, head=line[0].id)
        assert [view.message.id for view in window.messages] == [line[0].id, line[1].id]
        assert window.messages[1].siblings == [line[1].id, other.id]
        assert [view.message.id for view in branch.messages] == [line[0].id, other.id]
        assert newest.messages == branch.messages

    async def test_a_long_thread_is_read_from_its_end(self, ada: Person) -> None:
        conversation, line = await ada.talk(*(f"line {n}" for n in range(10)))
        room = ada.room
        shown: list[str] = []
        before = None
        async with room.db.read() as tx:
            while True:
                window = await room.history.open_window(
                    tx, ada.id, conversation.id, before=before, limit=4
                )
                shown[:0] = [view.message.id for view in window.messages]
                if not window.has_earlier:
                    break
                before = window.messages[0].message.id
        assert shown == [message.id for message in line]

    async def test_an_empty_conversation_has_an_empty_window(self, ada: Person) -> None:
        conversation, _ = await ada.talk()
        async with ada.room.db.read() as tx:
            window = await ada.room.history.open_window(tx, ada.id, conversation.id)
        assert (window.messages, window.has_earlier) == ([], False)

    async def test_running_turns_are_shown_where_they_run(
        self, database: Database, clock: FakeClock
    ) -> None:
        class Running:
            async def running_in(
                self, tx: object, owner_id: str, conversation_ids: Any
            ) -> dict[Any, list[str]]:
                return {conversation_ids[0]: ["turn-1"]}

        ada = await Room(database, clock, running=Running()).person("ada")
        await ada.talk("one")
        await ada.talk("two")
        page = await ada.get("/api/conversations")
        assert [item["running"] for item in page["items"]] == [["turn-1"], []]


class TestSharing:
    async def test_everybody_reads_what_was_shared_and_nothing_said_later(
        self, ada: Person
    ) -> None:
        conversation, line = await ada.talk("question", "answer", title="Shown")
        path = f"/api/conversations/{conversation.id}"
        shared = await ada.send("POST", f"{path}/share", status=201)
        later = text_message(new_id(), Role.USER, "secret", parent_id=line[-1].id)
        async with ada.room.db.write() as tx:
            await ada.room.repository.insert_message(tx, conversation.id, ada.id, later)
            await ada.room.repository.update_conversation(
                tx, ada.id, conversation.id, head=later.id
            )
        async with ada.room.client() as nobody:
            page = (await nobody.get(f"/api/shared/{shared['slug']}")).json()
            assert page["title"] == "Shown"
            assert [each["id"] for each in page["messages"]] == [each.id for each in line]
            again = await ada.send("POST", f"{path}/share", status=201)
            assert again["slug"] == shared["slug"]
            page = (await nobody.get(f"/api/shared/{shared['slug']}")).json()
            assert page["messages"][-1]["id"] == later.id

    async def test_a_shared_page_tells_no_more_than_what_was_said(self, ada: Person) -> None:
        conversation, line = await ada.talk("question", title="Shown")
        system = text_message(new_id(), Role.SYSTEM, "my address is")
        reply = msgspec.structs.replace(
            text_message(new_id(), Role.ASSISTANT, "", parent_id=line[0].id),
            parts=(Reasoning("thinking"), Text("answer")),
            provider_data={"note": "private"},
        )
        async with ada.room.db.write() as tx:
            for message in (system, reply):
                await ada.room.repository.insert_message(tx, conversation.id, ada.id, message)
            await ada.room.repository.update_conversation(
                tx, ada.id, conversation.id, head=reply.id
            )
        slug = (await ada.send("POST", f"/api/conversations/{conversation.id}/share", status=201))[
            "slug"
        ]
        answer = await ada.client.get(f"/api/shared/{slug}")
        for hidden in ("thinking", "private", "address", ada.id, "example.org"):
            assert hidden not in answer.text
        assert "answer" in answer.text

    async def test_a_page_is_down_once_it_is_unshared_or_its_conversation_deleted(
        self, ada: Person
    ) -> None:
        conversation, _ = await ada.talk("question")
        path = f"/api/conversations/{conversation.id}"
        slug = (await ada.send("POST", f"{path}/share", status=201))["slug"]
        await ada.send("DELETE", path, status=204)
        assert await ada.refused("GET", f"/api/shared/{slug}") == (404, "unknown_share")
        assert (await ada.send("POST", f"{path}/restore"))["share_slug"] == slug
        await ada.send("DELETE", f"{path}/share", status=204)
        assert await ada.refused("GET", f"/api/shared/{slug}") == (404, "unknown_share")

    async def test_nothing_said_is_nothing_to_share(self, ada: Person) -> None:
        conversation, _ = await ada.talk()
        path = f"/api/conversations/{conversation.id}/share"
        assert await ada.refused("POST", path) == (400, "nothing_to_share")


class TestSearching:
    async def test_titles_come_before_messages_in_pages_that_do_not_overlap(
        self, ada: Person
    ) -> None:
        for number in range(15):
            await ada.talk(f"an apple a day {number}", title=f"Apple {number}")
        found: list[tuple[str, str | None]] = []
        cursor = None
        while True:
            page = await ada.get("/api/search", q="appl", **({"cursor": cursor} if cursor else {}))
            found += [(hit["title"], hit["message_id"]) for hit in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        newest_first = [f"Apple {number}" for number in reversed(range(15))]
        assert [title for title, _ in found] == newest_first * 2
        assert [id is None for _, id in found] == [True] * 15 + [False] * 15

    async def test_a_snippet_marks_what_was_found(self, ada: Person) -> None:
        text = "word " * 100 + "the Zürich\nlake is deep " + "word " * 100
        await ada.talk(text)
        (hit,) = (await ada.get("/api/search", q='"zurich lake"'))["items"]
        marked = [segment["text"] for segment in hit["snippet"] if segment["hit"]]
        assert marked == ["Zürich lake"]
        shown = "".join(segment["text"] for segment in hit["snippet"])
        assert shown.startswith("…") and shown.endswith("…") and len(shown) < 300

    @pytest.mark.parametrize("query", ["", "   ", "???", '""'])
    async def test_a_query_without_a_word_finds_nothing(self, ada: Person, query: str) -> None:
        await ada.talk("anything")
        assert await ada.get("/api/search", q=query) == {"items": [], "next_cursor": None}

    async def test_a_query_that_is_too_long_or_missing_is_refused(self, ada: Person) -> None:
        assert (await ada.refused("GET", "/api/search", params={"q": "x" * 501}))[0] == 400
        assert (await ada.refused("GET", "/api/search"))[0] == 400


class TestFolders:
    async def test_a_folder_is_made_renamed_and_deleted_without_its_conversations(
        self, ada: Person
    ) -> None:
        folder = await ada.send("POST", "/api/folders", {"name": " Work "}, 201)
        assert folder["name"] == "Work"
        conversation, _ = await ada.talk("one", title="kept")
        path = f"/api/conversations/{conversation.id}"
        await ada.send("PATCH", path, {"folder_id": folder["id"]})
        renamed = await ada.send("PATCH", f"/api/folders/{folder['id']}", {"name": "Play"})
        assert await ada.get("/api/folders") == [renamed]
        await ada.send("DELETE", f"/api/folders/{folder['id']}", status=204)
        assert await ada.get("/api/folders") == []
        (item,) = (await ada.get("/api/conversations"))["items"]
        assert (item["title"], item["folder_id"]) == ("kept", None)

    async def test_a_folder_needs_a_name(self, ada: Person) -> None:
        assert await ada.refused("POST", "/api/folders", json={"name": "\t"}) == (400, "empty_name")
        assert (await ada.refused("POST", "/api/folders", json={"name": "x" * 150}))[0] == 400


class TestExporting:
    @pytest.mark.parametrize("format", ["fireside", "markdown", "openai", "sharegpt", "ipynb"])
    async def test_a_conversation_comes_as_a_file(self, ada: Person, format: str) -> None:
        conversation, _ = await ada.talk("question", "answer", title="My talk")
        answer = await ada.client.get(
            f"/api/conversations/{conversation.id}/export", params={"format": format}
        )
        assert answer.status_code == 200
        assert "answer" in answer.text
        assert 'attachment; filename="my-talk.' in answer.headers["content-disposition"]

    async def test_an_unknown_format_is_refused(self, ada: Person) -> None:
        conversation, _ = await ada.talk("question")
        path = f"/api/conversations/{conversation.id}/export"
        assert (await ada.refused("GET", path, params={"format": "docx"}))[0] == 400

    async def test_everything_comes_as_one_archive_that_imports_again(
        self, database: Database, clock: FakeClock
    ) -> None:
        class Account:
            file_name = "account.json"

            async def read(self, owner_id: str) -> AsyncIterator[bytes]:
                yield b'{"id":'
                yield b'"%s"}' % owner_id.encode()

        ada = await Room(database, clock, sections=[Account()]).person("ada")
        talks = [await ada.talk(*("x" for _ in range(n)), title=f"t{n}") for n in (0, 1, 450)]
        deleted, _ = await ada.talk("gone", title="gone")
        await ada.send("DELETE", f"/api/conversations/{deleted.id}", status=204)
        answer = await ada.client.get("/api/me/export")
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert archive.testzip() is None
            assert msgspec.json.decode(archive.read("account.json")) == {"id": ada.id}
            entries = native.entries_of(archive.read("conversations.json"))
        read = {each.id: each for each in map(native._decode, entries)}
        assert set(read) == {conversation.id for conversation, _ in talks}
        for conversation, line in talks:
            whole = msgspec.structs.replace(conversation, messages={m.id: m for m in line})
            assert read[conversation.id] == whole

        bob = await ada.room.person("bob")
        report = await bob.send_file(answer.content)
        assert report == {"num_imported": 3, "num_skipped": 0, "problems": []}
        assert set(titles(await bob.get("/api/conversations"))) == {"t0", "t1", "t450"}

    async def test_a_person_without_conversations_gets_an_empty_archive(self, ada: Person) -> None:
        answer = await ada.client.get("/api/me/export")
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert native.entries_of(archive.read("conversations.json")) == []


GOLDEN = Path("tests/golden/wires")


class TestImporting:
    @pytest.mark.parametrize("name", ["chatgpt.json", "open_webui.json", "sharegpt.json"])
    async def test_the_same_file_again_is_skipped(self, ada: Person, name: str) -> None:
        data = (GOLDEN / name).read_bytes()
        first = await ada.send_file(data)
        assert first["num_imported"] >= 1
        assert first["num_skipped"] == 0
        again = await ada.send_file(data)
        assert again["num_imported"] == 0
        assert again["num_skipped"] == first["num_imported"]
        assert again["problems"] == first["problems"]

    async def test_another_person_imports_the_same_file(self, ada: Person, bob: Person) -> None:
        data = (GOLDEN / "chatgpt.json").read_bytes()
        assert await ada.send_file(data) == await bob.send_file(data)

    async def test_a_broken_entry_is_named_and_the_others_go_in(self, ada: Person) -> None:
        good = {"id": "g", "title": "good", "conversations": [{"from": "human", "value": "hi"}]}
        bad = {"id": "b", "title": "bad", "conversations": [{"from": 7}]}
        report = await ada.send_file(msgspec.json.encode([good, bad]))
        assert report["num_imported"] == 1
        assert [problem["title"] for problem in report["problems"]] == ["bad"]

    @pytest.mark.parametrize(
        "data", [b"", b"hello", b"PK\x03\x04broken", b'[{"mapping": {"a": {', b"\x00\xff", b"42"]
    )
    async def test_a_file_that_is_no_export_is_refused(self, ada: Person, data: bytes) -> None:
        answer = await ada.client.post("/api/import", content=data)
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] in {"unknown_export", "broken_export"}
        assert titles(await ada.get("/api/conversations")) == []

    async def test_a_conversation_that_grew_elsewhere_grows_here(self, ada: Person) -> None:
        conversation, line = await ada.talk("question", "answer", title="grows")
        export = f"/api/conversations/{conversation.id}/export"
        before = (await ada.client.get(export)).content
        bob = await ada.room.person("bob")
        assert (await bob.send_file(before))["num_imported"] == 1
        more = text_message(new_id(), Role.USER, "more", parent_id=line[-1].id)
        async with ada.room.db.write() as tx:
            await ada.room.repository.insert_message(tx, conversation.id, ada.id, more)
            await ada.room.repository.update_conversation(tx, ada.id, conversation.id, head=more.id)
        after = (await ada.client.get(export)).content
        assert (await bob.send_file(after))["num_imported"] == 1
        assert (await bob.send_file(before))["num_skipped"] == 1
        (item,) = (await bob.get("/api/conversations"))["items"]
        async with bob.room.db.read() as tx:
            whole = await bob.room.repository.load(tx, bob.id, ConversationId(item["id"]))
        assert sorted(m.text() for m in whole.messages.values()) == ["answer", "more", "question"]
        assert whole.head is not None
        assert whole.messages[whole.head].text() == "more"

    async def test_a_deleted_conversation_comes_back(self, ada: Person) -> None:
        conversation, _ = await ada.talk("question", title="back")
        path = f"/api/conversations/{conversation.id}"
        file = (await ada.client.get(f"{path}/export")).content
        assert (await ada.send_file(file))["num_skipped"] == 1
        await ada.send("DELETE", path, status=204)
        assert (await ada.send_file(file))["num_imported"] == 1
        assert [item["id"] for item in (await ada.get("/api/conversations"))["items"]] == [
            conversation.id
        ]

    async def test_a_long_conversation_is_seen_only_when_it_is_whole(self, ada: Person) -> None:
        conversation, line = await ada.talk(*(f"line {n}" for n in range(450)), title="long")
        file = (await ada.client.get(f"/api/conversations/{conversation.id}/export")).content
        bob = await ada.room.person("bob")
        repository = bob.room.repository
        insert, num_calls = repository.insert_messages, 0

        async def breaks_down(*given: Any) -> None:
            nonlocal num_calls
            num_calls += 1
            if num_calls == 2:
                raise ConnectionError
            await insert(*given)

        repository.insert_messages = breaks_down  # type: ignore[method-assign]
        assert (await bob.refused("POST", "/api/import", content=file))[0] == 503
        repository.insert_messages = insert  # type: ignore[method-assign]
        assert titles(await bob.get("/api/conversations")) == []
        assert (await bob.send_file(file))["num_imported"] == 1
        (item,) = (await bob.get("/api/conversations"))["items"]
        async with bob.room.db.read() as tx:
            window = await bob.room.history.open_window(
                tx, bob.id, ConversationId(item["id"]), limit=1000
            )
        assert [v.message.text() for v in window.messages] == [m.text() for m in line]

    async def test_imported_conversations_keep_their_times_and_are_found(self, ada: Person) -> None:
        await ada.send_file((GOLDEN / "chatgpt.json").read_bytes())
        items = (await ada.get("/api/conversations"))["items"]
        items += (await ada.get("/api/conversations", archived="true"))["items"]
        read = msgspec.json.decode((GOLDEN / "chatgpt.read.json").read_bytes())
        assert [each["created_at"] for each in items] == [
            each["created_at"] for each in read["conversations"]
        ]
        word = items[0]["title"].split()[0]
        assert (await ada.get("/api/search", q=word))["items"]


STEPS = [
    ("PATCH", "", {"json": {"title": "taken"}}),
    ("DELETE", "", {}),
    ("POST", "/restore", {}),
    ("POST", "/share", {}),
    ("DELETE", "/share", {}),
    ("GET", "/export", {}),
]


@pytest.mark.parametrize(("method", "what", "given"), STEPS)
async def test_nobody_gets_at_somebody_elses_conversation(
    ada: Person, bob: Person, method: str, what: str, given: Any
) -> None:
    conversation, _ = await ada.talk("private", title="private")
    path = f"/api/conversations/{conversation.id}{what}"
    assert await bob.refused(method, path, **given) == (404, "unknown_conversation")
    (item,) = (await ada.get("/api/conversations"))["items"]
    assert (item["title"], item["share_slug"]) == ("private", None)


async def test_nobody_gets_at_somebody_elses_folders_or_words(ada: Person, bob: Person) -> None:
    await ada.talk("private", title="private")
    folder = await ada.send("POST", "/api/folders", {"name": "Mine"}, 201)
    path = f"/api/folders/{folder['id']}"
    assert await bob.refused("PATCH", path, json={"name": "x"}) == (404, "unknown_folder")
    assert await bob.refused("DELETE", path) == (404, "unknown_folder")
    assert await bob.get("/api/folders") == []
    assert titles(await bob.get("/api/conversations", folder_id=folder["id"])) == []
    assert (await bob.get("/api/search", q="private"))["items"] == []


async def test_what_was_deleted_long_ago_is_purged(ada: Person, clock: FakeClock) -> None:
    conversation, _ = await ada.talk("gone")
    path = f"/api/conversations/{conversation.id}"
    await ada.send("DELETE", path, status=204)
    clock.advance(timedelta(days=31).total_seconds())
    with anyio.move_on_after(0.5):
        await ada.room.history.run(ada.room.db)
    async with ada.room.db.write() as tx:
        assert (await ada.room.history.totals(tx)).num_messages == 0

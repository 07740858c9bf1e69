"""A person talks with a model on the page: real server, real browser, scripted engine."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.conftest import NewContext
from tests.browser.scripted import ScriptedEngine, scripted_engine
from tests.browser.site import (
    PHONE,
    Site,
    is_wider_than_the_screen,
    sign_in,
    sign_up,
    start,
    violations,
)

pytestmark = pytest.mark.browser

EMAIL = "ada@example.org"
CHAT_ADDRESS = re.compile(r"/c/[0-9a-f-]{36}$")
LONG = "".join(f"Sentence number {n} of a longer reply. " for n in range(40))


@pytest.fixture(scope="module")
def engine() -> Iterator[ScriptedEngine]:
    with scripted_engine() as running:
        yield running


@pytest.fixture
def ada(new_context: NewContext, site: Site, engine: ScriptedEngine) -> BrowserContext:
    """A browser in which Ada, the administrator, is signed in, with the scripted engine at hand."""
    context = new_context()
    if sign_in(context, site, EMAIL) != 200:
        sign_up(context, site, EMAIL)
        connect_engine(context, site.url, engine)
    return context


@pytest.fixture
def page(ada: BrowserContext, site: Site) -> Iterator[Page]:
    """A page on which nothing may be reported as an error or fetched from elsewhere."""
    opened = ada.new_page()
    errors: list[str] = []
    foreign: list[str] = []
    opened.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    opened.on("request", lambda r: foreign.append(r.url) if is_foreign(r.url, site) else None)
    yield opened
    assert errors == []
    assert foreign == []


def is_foreign(url: str, site: Site) -> bool:
    return not url.startswith((site.url, "data:", "blob:"))


def connect_engine(
    context: BrowserContext, url: str, engine: ScriptedEngine, slots: int | None = None
) -> None:
    """Add the scripted engine as an administrator does, and wait until it is ready."""
    answer = context.request.post(
        f"{url}/api/admin/engines",
        data={"name": "scripted", "base_url": engine.url, **({"slots": slots} if slots else {})},
        headers={"origin": url},
    )
    assert answer.status == 201, answer.text()
    for _ in range(200):
        models = context.request.get(f"{url}/api/models").json()["models"]
        if any(model["ready"] for model in models):
            return
        threading.Event().wait(0.05)
    pytest.fail("The engine never became ready.")


def field(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Message", exact=True)


def replies(page: Page) -> Locator:
    return page.get_by_role("article", name="Assistant")


def mine(page: Page) -> Locator:
    return page.get_by_role("article", name="You")


def ask(page: Page, text: str) -> None:
    """Write a message and send it."""
    field(page).fill(text)
    page.keyboard.press("Enter")


def ask_and_wait(page: Page, text: str) -> None:
    """Ask, and wait until the reply is complete."""
    ask(page, text)
    expect(replies(page).last).to_have_attribute("data-status", "complete")


def test_the_cursor_waits_in_an_empty_composer_and_a_starter_is_answered(page: Page) -> None:
    page.goto("/")
    expect(field(page)).to_be_focused()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Ada")
    page.get_by_role("button", name="Explain something").click()
    expect(replies(page)).to_contain_text("It is a calm evening by the fire.")
    expect(page).to_have_url(CHAT_ADDRESS)
    expect(field(page)).to_be_focused()


def test_a_reply_appears_while_it_is_being_written(page: Page, engine: ScriptedEngine) -> None:
    reply = engine.says("slowly", LONG, hold_after=200)
    page.goto("/")
    ask(page, "Answer slowly")
    expect(replies(page)).to_contain_text("Sentence number 3")
    expect(replies(page)).to_have_attribute("aria-busy", "true")
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    expect(replies(page)).not_to_contain_text("number 39")
    reply.go.set()
    expect(replies(page)).to_contain_text("Sentence number 39 of a longer reply.")
    expect(page.get_by_role("button", name="Good reply")).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="Reply finished")).to_have_count(1)


def test_markdown_code_tables_and_formulas_are_drawn(page: Page, engine: ScriptedEngine) -> None:
    engine.says(
        "rich",
        "## A heading\n\n| a | b |\n|---|---|\n| 1 | **2** |\n\n```python\nprint('hi')\n```\n\n"
        "Euler: \\(e^{i\\pi}\\) and\n\n$$x^2$$\n\n[a link](https://example.org/x)",
    )
    page.goto("/")
    ask_and_wait(page, "Something rich")
    reply = replies(page)
    expect(reply.get_by_role("heading", name="A heading")).to_be_visible()
    expect(reply.get_by_role("cell", name="2")).to_be_visible()
    expect(reply.locator(".katex")).to_have_count(2)
    expect(reply.locator("pre span[style*='--fs-shiki-token']").first).to_be_visible()
    link = reply.get_by_role("link", name="a link")
    expect(link).to_have_attribute("rel", re.compile("noopener"))
    expect(link).to_have_attribute("target", "_blank")


def test_code_is_copied_as_it_was_written(page: Page, ada: BrowserContext, site: Site) -> None:
    ada.grant_permissions(["clipboard-read", "clipboard-write"], origin=site.url)
    page.goto("/")
    ask_and_wait(page, "Something rich again")
    page.get_by_role("button", name="Copy code").click()
    assert page.evaluate("navigator.clipboard.readText()") == "print('hi')"


def test_stop_keeps_what_was_said_and_continue_goes_on(page: Page, engine: ScriptedEngine) -> None:
    reply = engine.says("stoppable", LONG, hold_after=120)
    page.goto("/")
    ask(page, "Something stoppable")
    expect(replies(page)).to_contain_text("Sentence number 2")
    page.keyboard.press("Escape")
    expect(replies(page)).to_have_attribute("data-status", "interrupted")
    expect(replies(page)).to_contain_text("Stopped here.")
    reply.go.set()
    page.get_by_role("button", name="Continue").click()
    expect(replies(page)).to_have_attribute("data-status", "complete")
    expect(replies(page)).to_contain_text("Sentence number 39")
    said = replies(page).locator(".fs-prose").all_inner_texts()
    assert "".join(said).count("Sentence number 2 ") == 1


def test_an_edit_makes_a_branch_and_both_can_be_walked(page: Page) -> None:
    page.goto("/")
    ask_and_wait(page, "First wording")
    field(page).press("ArrowUp")
    edit = page.get_by_role("textbox", name="Edit your message")
    expect(edit).to_have_value("First wording")
    edit.fill("Second wording")
    edit.press("Enter")
    expect(mine(page)).to_contain_text("Second wording")
    expect(replies(page)).to_have_attribute("data-status", "complete")
    versions = page.get_by_role("group", name="Versions")
    expect(versions).to_contain_text("Version 2 of 2")
    mine(page).hover()
    versions.get_by_role("button", name="Previous version").click()
    expect(mine(page)).to_contain_text("First wording")
    page.reload()
    expect(mine(page)).to_contain_text("First wording")


def test_a_second_reply_is_compared_with_the_first(page: Page, engine: ScriptedEngine) -> None:
    engine.says("compare", "The first answer.")
    page.goto("/")
    ask_and_wait(page, "Please compare")
    engine.says("compare", "The second answer.")
    page.get_by_role("button", name="Try again").click()
    page.get_by_role("menuitem", name="hearth").click()
    card = page.get_by_role("region", name="Which reply is better?")
    expect(card.get_by_role("region", name="Earlier reply")).to_contain_text("The first answer.")
    expect(card.get_by_role("region", name="New reply")).to_contain_text("The second answer.")
    assert violations(page) == []
    with page.expect_request("**/api/feedback") as sent:
        card.get_by_role("button", name="This one is better").first.click()
    assert sent.value.post_data_json["kind"] == "choice"
    expect(replies(page)).to_contain_text("The first answer.")
    expect(page.get_by_role("group", name="Versions")).to_contain_text("Version 1 of 2")


def test_a_thumb_counts_at_once_takes_reasons_and_can_be_taken_back(page: Page) -> None:
    page.goto("/")
    ask_and_wait(page, "A thumb please")
    down = page.get_by_role("button", name="Bad reply")
    down.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="What went wrong?")
    dialog.get_by_role("button", name="Not correct").press("Space")
    dialog.get_by_role("textbox").fill("It is a lie.")
    assert violations(page) == []
    with page.expect_response("**/api/feedback") as saved:
        dialog.get_by_role("button", name="Send").click()
    assert saved.value.status == 201
    expect(down).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(down).to_have_attribute("aria-pressed", "true")
    with page.expect_response("**/api/feedback"):
        down.click()
    expect(down).to_have_attribute("aria-pressed", "false")


def test_a_reload_in_mid_answer_loses_and_doubles_nothing(
    page: Page, engine: ScriptedEngine
) -> None:
    reply = engine.says("reload", LONG, hold_after=600)
    page.goto("/")
    ask(page, "I will reload")
    expect(replies(page)).to_contain_text("Sentence number 10")
    page.reload()
    expect(replies(page)).to_contain_text("Sentence number 10")
    expect(replies(page)).to_have_attribute("aria-busy", "true")
    reply.go.set()
    expect(replies(page)).to_have_attribute("data-status", "complete")
    assert replies(page).locator(".fs-prose").inner_text().split() == LONG.split()


def test_a_closed_tab_finds_the_whole_reply_when_it_comes_back(
    page: Page, ada: BrowserContext, engine: ScriptedEngine
) -> None:
    reply = engine.says("closing", LONG, hold_after=300)
    other = ada.new_page()
    other.goto("/")
    ask(other, "I am closing the tab")
    expect(replies(other)).to_contain_text("Sentence number 5")
    expect(other).to_have_url(CHAT_ADDRESS)
    address = other.url
    other.close()
    reply.go.set()
    page.goto(address)
    expect(replies(page)).to_have_attribute("data-status", "complete")
    assert replies(page).locator(".fs-prose").inner_text().split() == LONG.split()


def test_a_dropped_network_is_said_and_the_reply_is_picked_up(
    ada: BrowserContext, engine: ScriptedEngine
) -> None:
    reply = engine.says("network", LONG, hold_after=300)
    page = ada.new_page()
    page.goto("/")
    ask(page, "The network will drop")
    expect(replies(page)).to_contain_text("Sentence number 5")
    ada.set_offline(True)
    expect(page.get_by_text("You are offline.")).to_be_visible()
    reply.go.set()
    ada.set_offline(False)
    expect(replies(page)).to_have_attribute("data-status", "complete", timeout=30_000)
    assert replies(page).locator(".fs-prose").inner_text().split() == LONG.split()


def test_a_second_tab_follows_what_the_first_one_asks(page: Page, ada: BrowserContext) -> None:
    page.goto("/")
    ask_and_wait(page, "Two tabs")
    other = ada.new_page()
    other.goto(page.url)
    expect(replies(other)).to_have_count(1)
    ask_and_wait(page, "And once more")
    expect(mine(other).last).to_contain_text("And once more")
    expect(replies(other).last).to_have_attribute("data-status", "complete")
    expect(replies(other)).to_have_count(2)


def test_a_draft_stays_through_a_reload_and_a_refused_message(
    ada: BrowserContext, site: Site
) -> None:
    page = ada.new_page()
    page.goto("/")
    field(page).fill("Not sent yet")
    page.reload()
    expect(field(page)).to_have_value("Not sent yet")
    page.route("**/api/turns", lambda route: route.fulfill(status=503, body="busy"))
    page.keyboard.press("Enter")
    expect(page.get_by_text("Your message was not sent").first).to_be_visible()
    expect(field(page)).to_have_value("Not sent yet")
    page.unroute("**/api/turns")
    page.keyboard.press("Enter")
    expect(replies(page)).to_have_attribute("data-status", "complete")
    page.goto("/")
    expect(field(page)).to_have_value("")


def test_a_temporary_chat_is_answered_and_stored_nowhere(page: Page, site: Site) -> None:
    page.goto("/")
    before = page.request.get(f"{site.url}/api/conversations").json()["items"]
    page.get_by_role("button", name="Temporary chat").click()
    expect(page.get_by_role("heading", name="Temporary chat")).to_be_visible()
    ask_and_wait(page, "Tell nobody")
    ask_and_wait(page, "And this too")
    expect(replies(page)).to_have_count(2)
    assert page.url == f"{site.url}/"
    after = page.request.get(f"{site.url}/api/conversations").json()["items"]
    assert [one["id"] for one in after] == [one["id"] for one in before]
    assert "Tell nobody" not in page.evaluate("JSON.stringify(localStorage)")
    page.reload()
    expect(page.get_by_text("Tell nobody")).to_have_count(0)


def test_conversations_are_renamed_pinned_archived_and_deleted_with_undo(page: Page) -> None:
    page.goto("/")
    ask_and_wait(page, "Something to keep in order")
    page.get_by_role("button", name="Actions for").last.click()
    page.get_by_role("menuitem", name="Rename").click()
    page.get_by_label("Title of the conversation").fill("Kept in order")
    page.get_by_role("button", name="Save").click()
    sidebar = page.get_by_role("navigation", name="Conversations")
    row = sidebar.get_by_role("link", name="Kept in order")
    expect(row).to_be_visible()
    row.hover()
    sidebar.get_by_role("button", name="Actions for Kept in order").click()
    page.get_by_role("menuitem", name="Pin", exact=True).click()
    expect(sidebar.get_by_role("region", name="Pinned").get_by_role("link")).to_have_count(1)
    row.hover()
    sidebar.get_by_role("button", name="Actions for Kept in order").click()
    page.get_by_role("menuitem", name="Delete").click()
    expect(row).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(row).to_be_visible()


def test_search_finds_words_by_keyboard_and_leads_to_the_message(page: Page) -> None:
    page.goto("/")
    ask_and_wait(page, "Where does the quetzal live?")
    page.goto("/")
    expect(field(page)).to_be_focused()
    page.keyboard.press("Control+k")
    page.get_by_role("combobox").fill("quetzal")
    option = page.get_by_role("option").first
    expect(option.locator("mark").first).to_have_text(re.compile("quetzal", re.IGNORECASE))
    assert violations(page) == []
    page.keyboard.press("Enter")
    expect(page).to_have_url(CHAT_ADDRESS)
    expect(mine(page)).to_contain_text("quetzal")


def test_a_shared_link_shows_what_was_there_then_until_it_is_revoked(
    page: Page, new_context: NewContext
) -> None:
    page.goto("/")
    ask_and_wait(page, "Worth sharing")
    page.get_by_role("button", name="Share…").click()
    page.get_by_role("button", name="Create link").click()
    link = page.get_by_role("textbox", name="Link").input_value()
    assert violations(page) == []
    page.keyboard.press("Escape")
    ask_and_wait(page, "A secret afterwards")
    stranger = new_context().new_page()
    stranger.goto(link)
    expect(stranger.get_by_text("Worth sharing").last).to_be_visible()
    expect(stranger.get_by_text("A secret afterwards")).to_have_count(0)
    assert violations(stranger) == []
    page.get_by_role("button", name="Share…").click()
    page.get_by_role("button", name="Revoke the link").click()
    expect(page.get_by_text("The link does not work any more", exact=True)).to_be_visible()
    stranger.reload()
    expect(stranger.get_by_text("This link leads nowhere")).to_be_visible()


def test_folders_are_made_filled_and_emptied(page: Page) -> None:
    page.goto("/")
    ask_and_wait(page, "Into a folder")
    page.get_by_role("button", name="New folder").click()
    page.get_by_role("textbox", name="Name of the folder").fill("Kitchen")
    page.keyboard.press("Enter")
    folder = page.get_by_role("button", name="Kitchen", exact=True)
    expect(folder).to_be_visible()
    page.get_by_role("main").get_by_role("button", name="Actions for").click()
    page.get_by_role("menuitem", name="Move to folder").press("ArrowRight")
    page.get_by_role("menuitem", name="Kitchen").press("Enter")
    folder.click()
    inside = page.locator("[id^=folder-]").get_by_role("link")
    expect(inside).to_have_count(1)
    page.get_by_role("button", name="Actions for the folder Kitchen").click()
    page.get_by_role("menuitem", name="Delete folder").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(folder).to_have_count(0)
    expect(page.locator("nav a[aria-current=page]")).to_be_visible()


def test_the_page_is_whole_on_a_phone_in_the_dark(new_context: NewContext, site: Site) -> None:
    context = new_context(viewport={"width": 360, "height": 640}, color_scheme="dark")
    assert sign_in(context, site, EMAIL) == 200
    page = context.new_page()
    page.goto("/")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert not is_wider_than_the_screen(page)
    assert violations(page) == []
    ask_and_wait(page, "Something rich on a phone")
    assert not is_wider_than_the_screen(page)
    assert violations(page) == []
    page.get_by_role("button", name="Open the sidebar").click()
    drawer = page.get_by_role("dialog", name="Conversations")
    expect(drawer).to_be_visible()
    assert violations(page) == []
    drawer.get_by_role("button", name="New chat").click()
    expect(drawer).to_have_count(0)
    expect(page).to_have_url(f"{site.url}/")
    page.set_viewport_size(PHONE)
    assert not is_wider_than_the_screen(page)


def test_all_is_reached_without_a_mouse_and_axe_finds_nothing(page: Page) -> None:
    page.goto("/")
    expect(field(page)).to_be_focused()
    assert violations(page) == []
    ask_and_wait(page, "Keys only")
    assert violations(page) == []
    page.keyboard.press("Control+Shift+O")
    expect(page).to_have_url(re.compile(r"/$"))
    page.locator("body").click(position={"x": 700, "y": 30})
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.keyboard.press("Shift+Escape")
    expect(field(page)).to_be_focused()
    page.reload()
    page.keyboard.press("Tab")
    page.goto("/")


def test_a_restarted_server_finishes_the_reply_on_the_open_page(
    new_context: NewContext, tmp_path: Path
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with scripted_engine() as engine:
        reply = engine.says("restart", LONG, hold_after=300)
        first = start(tmp_path, port)
        try:
            context = new_context(base_url=first.url)
            sign_up(context, first, EMAIL)
            connect_engine(context, first.url, engine)
            page = context.new_page()
            page.goto("/")
            ask(page, "You will restart")
            expect(replies(page)).to_contain_text("Sentence number 5")
            first.stop(9)
            reply.go.set()
        finally:
            first.stop(9)
        second = start(tmp_path, port)
        try:
            expect(replies(page)).to_have_attribute("data-status", "complete", timeout=30_000)
            said = replies(page).locator(".fs-prose").all_inner_texts()
            assert " ".join(said).split() == LONG.split()
        finally:
            second.stop()

"""A person comes in, makes the place theirs, and leaves no trace when they go."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import NewContext
from tests.browser.site import (
    DESKTOP,
    PASSWORD,
    PHONE,
    Site,
    is_wider_than_the_screen,
    sign_in,
    sign_up,
    violations,
)

pytestmark = pytest.mark.browser

SECTIONS = ["profile", "appearance", "assistant", "data", "keys", "security"]
EMAIL = "ada@example.org"


@pytest.fixture
def context(new_context: NewContext, site: Site) -> BrowserContext:
    """A browser in which Ada is signed in."""
    made = new_context(accept_downloads=True)
    if sign_in(made, site, EMAIL) != 200:
        sign_up(made, site, EMAIL)
    return made


def test_the_first_person_is_told_that_they_will_be_the_administrator(
    page: Page, site: Site
) -> None:
    page.goto("/")
    expect(page.get_by_text("You will be the administrator")).to_be_visible()
    assert violations(page) == []
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_text("Say what to call you.")).to_be_visible()
    expect(page.get_by_label("Your name")).to_be_focused()
    page.get_by_label("Your name").fill("Ada Lindqvist")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{site.url}/")
    assert page.request.get(f"{site.url}/api/me").json()["role"] == "admin"


def test_a_wrong_password_is_said_and_the_right_one_leads_back_to_where_one_was(
    context: BrowserContext, new_context: NewContext, site: Site
) -> None:
    page = new_context().new_page()
    page.goto("/settings/data")
    expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password", exact=True).fill("wrong horse")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("administrator can make a link")
    assert violations(page) == []
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/settings/data")
    expect(page.get_by_role("heading", name="Data", exact=True)).to_be_visible()


def test_a_theme_shows_at_once_and_comes_along_to_another_browser(
    context: BrowserContext, new_context: NewContext, site: Site
) -> None:
    page = context.new_page()
    page.goto("/settings/appearance")
    with page.expect_response("**/api/me"):
        page.get_by_text("Dark", exact=True).click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    elsewhere = new_context().new_page()
    elsewhere.goto("/sign-in")
    elsewhere.get_by_label("E-mail").fill(EMAIL)
    elsewhere.get_by_label("Password", exact=True).fill(PASSWORD)
    elsewhere.keyboard.press("Enter")
    expect(elsewhere.locator("html")).to_have_attribute("data-theme", "dark")
    with page.expect_response("**/api/me"):
        page.get_by_text("System", exact=True).click()


def test_custom_instructions_are_there_after_a_reload(context: BrowserContext) -> None:
    page = context.new_page()
    page.goto("/settings/assistant")
    page.get_by_label("What should it know about you?").fill("I teach physics.")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved", exact=True)).to_be_visible()
    page.reload()
    expect(page.get_by_label("What should it know about you?")).to_have_value("I teach physics.")


def test_improving_the_model_is_off_until_the_person_agrees(
    context: BrowserContext, site: Site
) -> None:
    page = context.new_page()
    page.goto("/settings/data")
    switch = page.get_by_role("switch", name="Help improve the model")
    expect(switch).not_to_be_checked()
    with page.expect_response("**/api/me"):
        switch.click()
    assert page.request.get(f"{site.url}/api/me").json()["preferences"]["improve_model"] is True


def test_a_key_is_shown_once_works_and_is_refused_when_revoked(
    context: BrowserContext, site: Site
) -> None:
    page = context.new_page()
    page.goto("/settings/keys")
    page.get_by_role("button", name="New key").click()
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    page.get_by_label("Name", exact=True).fill("Notebook")
    page.get_by_role("button", name="Create key").click()
    key = page.get_by_label("Key", exact=True).input_value()
    assert key.startswith("fs-")
    assert violations(page) == []
    page.get_by_role("button", name="I have copied it").click()
    expect(page.get_by_role("listitem").filter(has_text="Notebook")).to_be_visible()
    assert key not in page.content()
    bearer = {"authorization": f"Bearer {key}"}
    assert page.request.get(f"{site.url}/v1/models", headers=bearer).status == 200
    page.get_by_role("button", name="Revoke Notebook").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("No keys yet")).to_be_visible()
    assert page.request.get(f"{site.url}/v1/models", headers=bearer).status == 401


def test_another_device_is_signed_out_at_once(
    context: BrowserContext, new_context: NewContext, site: Site
) -> None:
    phone = new_context(user_agent="Mozilla/5.0 (iPhone; CPU iPhone OS 19_0) Version/19 Safari/604")
    assert sign_in(phone, site, EMAIL) == 200
    page = context.new_page()
    page.goto("/settings/security")
    expect(page.get_by_text("This device")).to_have_count(1)
    page.get_by_role("button", name="Sign out Safari on iPhone").first.click()
    expect(page.get_by_text("Signed out.", exact=True)).to_be_visible()
    assert phone.request.get(f"{site.url}/api/me").status == 401
    assert context.request.get(f"{site.url}/api/me").status == 200


def test_a_new_password_needs_the_present_one_and_ends_other_sessions(
    new_context: NewContext, context: BrowserContext, site: Site
) -> None:
    other = new_context()
    assert sign_in(other, site, EMAIL) == 200
    page = context.new_page()
    page.goto("/settings/security")
    page.get_by_label("Present password").fill("not this one")
    page.get_by_label("New password").fill("a new long password")
    page.get_by_role("button", name="Set password").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Present password").fill(PASSWORD)
    page.get_by_role("button", name="Set password").click()
    expect(page.get_by_text("Your new password is set.", exact=True)).to_be_visible()
    assert other.request.get(f"{site.url}/api/me").status == 401
    page.get_by_label("Present password").fill("a new long password")
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_role("button", name="Set password").click()
    expect(page.get_by_label("Present password")).to_have_value("")


def test_everything_can_be_taken_along(context: BrowserContext, tmp_path: Path) -> None:
    page = context.new_page()
    page.goto("/settings/data")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download").click()
    path = tmp_path / "export.zip"
    waiting.value.save_as(path)
    with zipfile.ZipFile(path) as archive:
        assert {"account.json", "conversations.json"} <= set(archive.namelist())
        assert EMAIL in archive.read("account.json").decode()


def chatgpt_export(title: str) -> list[dict[str, object]]:
    """The smallest ChatGPT export: one question and its answer."""

    def message(role: str, text: str) -> dict[str, object]:
        content = {"content_type": "text", "parts": [text]}
        return {"id": role, "author": {"role": role}, "content": content, "create_time": 1.0}

    return [
        {
            "title": title,
            "create_time": 1.0,
            "update_time": 2.0,
            "current_node": "b",
            "mapping": {
                "root": {"id": "root", "parent": None, "children": ["a"], "message": None},
                "a": {
                    "id": "a",
                    "parent": "root",
                    "children": ["b"],
                    "message": message("user", "Why is the sky blue?"),
                },
                "b": {
                    "id": "b",
                    "parent": "a",
                    "children": [],
                    "message": message("assistant", "Scattering."),
                },
            },
        }
    ]


def test_a_chatgpt_export_is_brought_in_and_a_broken_file_is_explained(
    context: BrowserContext, site: Site, tmp_path: Path
) -> None:
    page = context.new_page()
    page.goto("/settings/data")
    good = tmp_path / "conversations.json"
    good.write_text(json.dumps(chatgpt_export("Blue skies")))
    page.locator("main input[type=file]").set_input_files(good)
    expect(page.get_by_text("1 conversation was imported.")).to_be_visible()
    listed = page.request.get(f"{site.url}/api/conversations").json()["items"]
    assert "Blue skies" in [each["title"] for each in listed]
    broken = tmp_path / "broken.json"
    broken.write_text('[{"title": "cut o')
    page.locator("main input[type=file]").set_input_files(broken)
    expect(page.get_by_role("alert")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_every_section_is_readable_for_everybody(
    new_context: NewContext, site: Site, scheme: str, size: str
) -> None:
    viewport = DESKTOP if size == "desktop" else PHONE
    context = new_context(viewport=viewport, color_scheme=scheme)
    if sign_in(context, site, EMAIL) != 200:
        sign_up(context, site, EMAIL)
    page = context.new_page()
    for section in SECTIONS:
        page.goto(f"/settings/{section}")
        expect(page.get_by_role("heading", level=2).first).to_be_visible()
        assert violations(page) == [], section
        assert not is_wider_than_the_screen(page), section


def test_sections_are_walked_with_the_keyboard_alone(context: BrowserContext) -> None:
    page = context.new_page()
    page.goto("/settings/profile")
    link = page.get_by_role("navigation", name="Sections").get_by_role("link", name="API keys")
    for _ in range(60):
        page.keyboard.press("Tab")
        if link.evaluate("element => element === document.activeElement"):
            break
    expect(link).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="API keys", level=2)).to_be_visible()
    expect(link).to_have_attribute("aria-current", "page")


def test_an_account_is_erased_with_its_password_and_not_without(
    new_context: NewContext, context: BrowserContext, site: Site
) -> None:
    # Ada administers the place and so stays; Bo has an account and goes.
    admin = context.request
    invite = admin.post(
        f"{site.url}/api/admin/users",
        data={"email": "bo@example.org", "name": "Bo", "role": "member"},
        headers={"origin": site.url},
    ).json()
    token = invite["reset_link"].partition("token=")[2]
    bo = new_context()
    bo.request.post(
        f"{site.url}/api/auth/reset",
        data={"token": token, "password": PASSWORD},
        headers={"origin": site.url},
    )
    assert sign_in(bo, site, "bo@example.org") == 200
    page = bo.new_page()
    page.goto("/settings/profile")
    page.get_by_role("button", name="Delete account").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Present password").fill("a guess")
    dialog.get_by_role("button", name="Delete everything").click()
    expect(dialog.get_by_role("alert")).to_be_visible()
    dialog.get_by_label("Present password").fill(PASSWORD)
    dialog.get_by_role("button", name="Delete everything").click()
    page.wait_for_url("**/sign-in**")
    assert sign_in(new_context(), site, "bo@example.org") == 401

"""What an administrator decides takes effect at once, in front of the person it is about."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator

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

ADMIN = "ada@example.org"
SECTIONS = ["overview", "people", "models", "engines"]


@pytest.fixture
def admin(new_context: NewContext, site: Site) -> BrowserContext:
    """A browser in which the administrator is signed in."""
    made = new_context()
    if sign_in(made, site, ADMIN) != 200:
        sign_up(made, site, ADMIN)
    return made


@pytest.fixture
def page(admin: BrowserContext) -> Page:
    """The administrator's page."""
    return admin.new_page()


def add_member(admin: BrowserContext, site: Site, email: str, name: str) -> None:
    """An account with the usual password, made by the administrator."""
    origin = {"origin": site.url}
    made = admin.request.post(
        f"{site.url}/api/admin/users",
        data={"email": email, "name": name, "role": "member"},
        headers=origin,
    ).json()
    token = made["reset_link"].partition("token=")[2]
    admin.request.post(
        f"{site.url}/api/auth/reset", data={"token": token, "password": PASSWORD}, headers=origin
    )


class _Models(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"object": "list", "data": [{"id": "big-one", "object": "model"}]})
        self.send_response(200 if self.path == "/v1/models" else 404)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def engine_url() -> Iterator[str]:
    """A server that lists one model the OpenAI way."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Models)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_member_finds_no_administration(
    admin: BrowserContext, new_context: NewContext, site: Site
) -> None:
    add_member(admin, site, "mia@example.org", "Mia")
    member = new_context()
    assert sign_in(member, site, "mia@example.org") == 200
    page = member.new_page()
    page.goto("/admin/people")
    expect(page.get_by_text("There is nothing here")).to_be_visible()
    assert member.request.get(f"{site.url}/api/admin/users").status == 403


def test_the_overview_shows_live_figures(page: Page) -> None:
    page.goto("/admin/overview")
    expect(page.get_by_role("img", name="Tokens per second over the last")).to_be_visible()
    expect(page.get_by_text("Up for")).to_be_visible()
    expect(page.get_by_text("Conversations", exact=True).first).to_be_visible()


def test_an_invite_link_makes_one_account_and_is_then_used_up(
    page: Page, new_context: NewContext, site: Site
) -> None:
    page.goto("/admin/people")
    page.get_by_role("radio", name="With an invite").check()
    expect(page.get_by_text("Saved.", exact=True)).to_be_visible()
    page.get_by_role("button", name="Invite", exact=True).click()
    page.get_by_label("E-mail (optional)").fill("eve@example.org")
    page.get_by_role("button", name="Make the link").click()
    link = page.get_by_label("Link", exact=True).input_value()
    page.get_by_role("button", name="Done").click()

    guest = new_context().new_page()
    guest.goto("/sign-up")
    expect(guest.get_by_text("You need an invite link")).to_be_visible()
    guest.goto("about:blank")
    guest.goto(link)
    expect(guest.get_by_role("heading", name="You are invited")).to_be_visible()
    assert violations(guest) == []
    guest.get_by_label("Your name").fill("Eve")
    guest.get_by_label("E-mail").fill("eve@example.org")
    guest.get_by_label("Password", exact=True).fill(PASSWORD)
    guest.get_by_role("button", name="Create account").click()
    guest.wait_for_url(f"{site.url}/")

    page.reload()
    row = page.get_by_role("list", name="Invites").get_by_role("listitem").first
    expect(row).to_contain_text("Used")
    expect(page.get_by_role("list", name="Accounts").get_by_text("eve@example.org")).to_be_visible()


def test_a_closed_place_says_so_at_its_door(
    page: Page, new_context: NewContext, site: Site
) -> None:
    page.goto("/admin/people")
    page.get_by_role("radio", name="Nobody").check()
    expect(page.get_by_text("Saved.", exact=True)).to_be_visible()
    guest = new_context().new_page()
    guest.goto("/sign-up")
    expect(guest.get_by_text("made by the administrators")).to_be_visible()
    page.get_by_role("radio", name="Anyone").check()


def test_a_disabled_person_is_out_at_once_and_can_come_back(
    page: Page, admin: BrowserContext, new_context: NewContext, site: Site
) -> None:
    add_member(admin, site, "bo@example.org", "Bo Chen")
    member = new_context()
    assert sign_in(member, site, "bo@example.org") == 200
    page.goto("/admin/people")
    page.get_by_role("searchbox", name="Find by name").fill("bo chen")
    expect(page.get_by_role("list", name="Accounts").get_by_role("listitem")).to_have_count(1)
    page.get_by_role("button", name="What to do about Bo Chen").click()
    page.get_by_role("menuitem", name="Disable").click()
    expect(page.get_by_text("Disabled", exact=True)).to_be_visible()
    assert member.request.get(f"{site.url}/api/me").status == 401
    page.get_by_role("button", name="What to do about Bo Chen").click()
    page.get_by_role("menuitem", name="Enable").click()
    expect(page.get_by_text("Disabled", exact=True)).to_have_count(0)
    assert sign_in(member, site, "bo@example.org") == 200


def test_a_password_link_works_once(
    page: Page, admin: BrowserContext, new_context: NewContext, site: Site
) -> None:
    add_member(admin, site, "cy@example.org", "Cy Forgetful")
    page.goto("/admin/people")
    page.get_by_role("button", name="What to do about Cy Forgetful").click()
    page.get_by_role("menuitem", name="Make a password link").click()
    link = page.get_by_label("Link", exact=True).input_value()
    guest = new_context().new_page()
    guest.goto(link)
    assert violations(guest) == []
    guest.get_by_label("New password").fill("short")
    guest.get_by_role("button", name="Set password").click()
    expect(guest.get_by_text("At least 8 characters, please.")).to_be_visible()
    guest.get_by_label("New password").fill("remembered this time")
    guest.get_by_role("button", name="Set password").click()
    expect(guest.get_by_text("Your new password is set. Sign in").first).to_be_visible()
    assert sign_in(new_context(), site, "cy@example.org", "remembered this time") == 200
    guest.goto("about:blank")
    guest.goto(link)
    guest.get_by_label("New password").fill("remembered again")
    guest.get_by_role("button", name="Set password").click()
    expect(guest.get_by_role("alert")).to_contain_text("used already")


def test_an_engine_is_added_switched_off_and_removed(
    page: Page, engine_url: str, site: Site
) -> None:
    page.goto("/admin/engines")
    page.get_by_role("button", name="Add an engine").first.click()
    page.get_by_label("Name", exact=True).fill("workstation")
    page.get_by_label("Address").fill(engine_url)
    page.get_by_role("button", name="Add", exact=True).click()
    row = page.get_by_role("listitem").filter(has_text="workstation")
    expect(row.get_by_text("Well")).to_be_visible()
    expect(row.get_by_text("big-one")).to_be_visible()
    assert violations(page) == []
    page.get_by_role("button", name="What to do about workstation").click()
    page.get_by_role("menuitem", name="Switch off").click()
    expect(row.get_by_text("Switched off")).to_be_visible()
    page.get_by_role("button", name="What to do about workstation").click()
    page.get_by_role("menuitem", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(row).to_have_count(0)


def test_the_library_names_size_and_licence_of_each_model(page: Page) -> None:
    page.goto("/admin/models")
    row = page.get_by_role("listitem").filter(has_text="smollm2-135m")
    expect(row).to_contain_text("Apache-2.0")
    expect(row).to_contain_text("MB")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_every_section_is_readable_for_everybody(
    new_context: NewContext, site: Site, scheme: str, size: str
) -> None:
    viewport = DESKTOP if size == "desktop" else PHONE
    context = new_context(viewport=viewport, color_scheme=scheme)
    if sign_in(context, site, ADMIN) != 200:
        sign_up(context, site, ADMIN)
    page = context.new_page()
    for section in SECTIONS:
        page.goto(f"/admin/{section}")
        expect(page.get_by_role("heading", level=2).first).to_be_visible()
        expect(page.get_by_role("status").filter(has_text="Loading")).to_have_count(0)
        assert violations(page) == [], section
        assert not is_wider_than_the_screen(page), section

"""What people see of the gate: their place in line, the status page, the policy, their plan."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.browser.conftest import NewContext
from tests.browser.scripted import ScriptedEngine, scripted_engine
from tests.browser.site import (
    DESKTOP,
    PHONE,
    Site,
    is_wider_than_the_screen,
    serve,
    sign_in,
    sign_up,
    violations,
)
from tests.browser.test_admin import add_member
from tests.browser.test_chat import ask, connect_engine, field, mine, replies

pytestmark = pytest.mark.browser

ADMIN = "ada@example.org"
SMALLER = {"kind": "smaller_model", "model": "ember", "title": "Ember", "wait_s": 0.0}
LATER = {"kind": "later"}


@pytest.fixture(scope="module")
def engine() -> Iterator[ScriptedEngine]:
    with scripted_engine() as running:
        yield running


@pytest.fixture
def admin(new_context: NewContext, site: Site, engine: ScriptedEngine) -> BrowserContext:
    """A browser in which the administrator is signed in, with the scripted engine at hand."""
    return signed_in(new_context(), site, engine)


@pytest.fixture
def page(admin: BrowserContext) -> Page:
    return admin.new_page()


def signed_in(context: BrowserContext, site: Site, engine: ScriptedEngine) -> BrowserContext:
    if sign_in(context, site, ADMIN) != 200:
        sign_up(context, site, ADMIN)
        connect_engine(context, site.url, engine)
    return context


def queue_frame(place: int = 3, mode: str = "waiting", **change: Any) -> str:
    """A frame of the line, as the server sends it before a reply begins."""
    frame = {
        "place": place,
        "low_s": 4.0,
        "likely_s": 7.5,
        "high_s": 12.0,
        "mode": mode,
        "reason": None,
        "choices": [SMALLER, LATER],
        **change,
    }
    return f"event: queue\ndata: {json.dumps(frame)}\n\n"


def in_line(page: Page, frames: list[str], then: str | None = None) -> list[dict[str, Any]]:
    """Let every turn of the page stand in line as `frames` says, one after the other, and the last
    one for ever, or `then` once a choice was made. An empty frame lets the reply through. Gives the
    choices that were made."""
    chosen: list[dict[str, Any]] = []

    def events(route: Route) -> None:
        frame = frames.pop(0) if len(frames) > 1 else frames[0]
        if frame == "":
            route.continue_()
        else:
            route.fulfill(content_type="text/event-stream", body=frame)

    def choose(route: Route) -> None:
        chosen.append(json.loads(route.request.post_data or "{}"))
        if then is not None:
            frames[:] = [then]
        route.fulfill(status=204)

    page.route("**/api/turns/*/events?*", events)
    page.route("**/api/turns/*/choose", choose)
    return chosen


def card(page: Page) -> Any:
    return page.get_by_role("region", name="Waiting for an answer")


def answer_with(body: object, status: int = 200) -> Callable[[Route], None]:
    def answer(route: Route) -> None:
        route.fulfill(status=status, content_type="application/json", body=json.dumps(body))

    return answer


def test_a_question_that_waits_says_its_place_and_goes_when_the_answer_comes(page: Page) -> None:
    frames = [queue_frame(3), queue_frame(1, low_s=0.6, likely_s=1.0, high_s=2.0), ""]
    in_line(page, frames)
    page.goto("/")
    ask(page, "Anything new by the fire?")
    expect(card(page)).to_contain_text("You are number 3 in line")
    expect(card(page)).to_contain_text("Expected wait: about 4")
    expect(page.get_by_role("status").filter(has_text="You are number 3 in line")).to_have_count(1)
    expect(replies(page)).to_contain_text("It is a calm evening by the fire.")
    expect(card(page)).to_have_count(0)


def test_nothing_jumps_when_the_wait_is_over(page: Page, engine: ScriptedEngine) -> None:
    engine.says("at length", "A line of a long answer.\n\n" * 40)
    page.goto("/")
    ask(page, "Speak at length")
    expect(replies(page)).to_have_attribute("data-status", "complete")
    frames = [queue_frame()]
    in_line(page, frames)
    ask(page, "Now a short one")
    expect(card(page)).to_be_visible()
    page.wait_for_timeout(400)  # the card has come to rest
    before = mine(page).last.bounding_box()
    frames[:] = [""]
    expect(replies(page).last).to_have_attribute("data-status", "complete")
    page.wait_for_timeout(400)
    after = mine(page).last.bounding_box()
    assert before is not None and after is not None
    assert abs(before["y"] - after["y"]) <= 1


def test_in_one_line_those_who_pay_go_first(
    new_context: NewContext, engine: ScriptedEngine, tmp_path: Path
) -> None:
    slow = engine.says("slow story", "Word by word it goes on. " * 200, every_s=0.05)
    with serve(tmp_path / "busy") as busy:
        boss = new_context(base_url=busy.url)
        sign_up(boss, busy, ADMIN)
        connect_engine(boss, busy.url, engine, slots=1)
        people = {name: somebody(new_context, boss, busy, name) for name in ("finn", "fred", "pia")}
        put_on_plan(boss, busy, "pia", "plus")
        let_everybody_wait(boss, busy)
        first, fred, pia = people["finn"], people["fred"], people["pia"]
        ask(first, "Tell me a slow story")
        expect(replies(first)).to_contain_text("Word by word")
        ask(fred, "Is anybody free?")
        expect(card(fred)).to_contain_text("You are next")
        ask(pia, "I am in a hurry")
        expect(card(pia)).to_contain_text("You are next")
        expect(card(fred)).to_contain_text("You are number 2 in line")
        assert violations(fred) == []
        fred.get_by_role("button", name="Finish this without me").click()
        expect(card(fred)).to_contain_text("You can leave")
        slow.go.set()
        for one in (pia, fred):
            expect(replies(one)).to_contain_text("It is a calm evening", timeout=20_000)
            expect(card(one)).to_have_count(0)


def somebody(new_context: NewContext, boss: BrowserContext, site: Site, name: str) -> Page:
    """The page of a new member who has signed in."""
    add_member(boss, site, f"{name}@example.org", name.title())
    context = new_context(base_url=site.url)
    assert sign_in(context, site, f"{name}@example.org") == 200
    page = context.new_page()
    page.goto("/")
    return page


def let_everybody_wait(boss: BrowserContext, site: Site) -> None:
    """A policy under which no wait is too long, so that a line forms."""
    view = boss.request.get(f"{site.url}/api/admin/policy").json()
    for band in ("paid", "free"):
        view["policy"]["bands"][band] |= {"patience_s": 3000, "first_token_s": 3000}
    change = {"policy": view["policy"], "reason": "Nobody hurries", "based_on": view["version"]}
    answer = boss.request.put(
        f"{site.url}/api/admin/policy", data=change, headers={"origin": site.url}
    )
    assert answer.status == 200, answer.text()


def put_on_plan(boss: BrowserContext, site: Site, name: str, plan: str) -> None:
    users = boss.request.get(f"{site.url}/api/admin/users").json()["items"]
    user_id = next(user["id"] for user in users if user["email"].startswith(name))
    answer = boss.request.put(
        f"{site.url}/api/admin/users/{user_id}/plan",
        data={"plan": plan, "reason": "They paid"},
        headers={"origin": site.url},
    )
    assert answer.status == 200, answer.text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_choices_in_line_are_told_to_the_server(
    new_context: NewContext, site: Site, engine: ScriptedEngine, scheme: str
) -> None:
    context = signed_in(new_context(viewport=PHONE, color_scheme=scheme), site, engine)
    page = context.new_page()
    chosen = in_line(page, [queue_frame()])
    page.goto("/")
    ask(page, "Will this take long?")
    expect(card(page)).to_be_visible()
    assert violations(page) == []
    assert not is_wider_than_the_screen(page)
    page.get_by_role("button", name="Answer now with Ember").click()
    page.unroute("**/api/turns/*/events?*")
    expect(replies(page)).to_contain_text("It is a calm evening by the fire.")
    assert chosen == [{"choice": "smaller_model", "model": "ember"}]


def test_somebody_may_leave_and_find_the_answer(page: Page) -> None:
    page.add_init_script("Notification.requestPermission = () => Promise.resolve('denied')")
    later = queue_frame(9, "later", choices=[], reason="wait_too_long")
    chosen = in_line(page, [queue_frame()], then=later)
    page.goto("/")
    ask(page, "Take your time with this one")
    page.get_by_role("button", name="Finish this without me").click()
    expect(card(page)).to_contain_text("You can leave. The answer will be here.")
    assert chosen == [{"choice": "later"}]
    expect(card(page)).to_contain_text("longer than anyone should sit through")
    assert violations(page) == []
    page.get_by_role("button", name="Tell me when it is here").click()
    expect(page.get_by_text("does not allow notifications", exact=False).first).to_be_visible()
    page.unroute("**/api/turns/*/events?*")
    address = page.url
    page.get_by_role("button", name="New chat").click()
    page.goto(address)
    expect(replies(page)).to_contain_text("It is a calm evening by the fire.")


def test_a_model_that_is_away_is_said_plainly(page: Page) -> None:
    away = queue_frame(1, low_s=None, likely_s=None, high_s=None, reason="no_engine")
    in_line(page, [away])
    page.goto("/")
    ask(page, "Is anybody there?")
    expect(card(page)).to_contain_text("The model is away right now")
    expect(card(page)).to_contain_text("Your question is kept")


def test_a_refused_message_is_kept_and_sent_again_only_on_demand(page: Page) -> None:
    refusal = {"error": {"code": "capacity_exhausted", "message": "It is full.", "type": "x"}}
    asked: list[int] = []

    def refuse_twice(route: Route) -> None:
        if route.request.method != "POST":
            route.continue_()
            return
        asked.append(1)
        if len(asked) > 2:
            route.continue_()
            return
        route.fulfill(
            status=429,
            headers={"content-type": "application/json", "retry-after": "1"},
            body=json.dumps(refusal),
        )

    page.route("**/api/turns", refuse_twice)
    page.goto("/")
    ask(page, "Is there room for me?")
    expect(page.get_by_role("alert").filter(has_text="It is full.")).to_be_visible()
    expect(field(page)).to_have_value("Is there room for me?")
    expect(page.get_by_role("button", name="Send again")).to_be_visible()
    assert len(asked) == 1
    page.get_by_role("button", name="Send again").click()
    page.get_by_role("button", name="Send it when there is room").click()
    expect(replies(page)).to_contain_text("It is a calm evening by the fire.")
    assert len(asked) == 3
    expect(page.get_by_role("alert").filter(has_text="It is full.")).to_have_count(0)


def test_everybody_can_read_the_status(new_context: NewContext, admin: BrowserContext) -> None:
    context = new_context()
    page = context.new_page()
    page.goto("/sign-in")
    page.get_by_role("link", name="Is everything working?").click()
    expect(page.get_by_role("heading", level=1)).not_to_be_empty()
    expect(page.get_by_role("list", name="Models")).to_contain_text("ember")
    days = page.get_by_role("slider", name="The last 90 days")
    days.focus()
    page.keyboard.press("ArrowLeft")
    expect(days).to_have_attribute("aria-valuenow", "89")
    assert violations(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_status_page_says_when_it_knows_nothing(new_context: NewContext, scheme: str) -> None:
    page = new_context(viewport=PHONE, color_scheme=scheme).new_page()
    page.route("**/api/status", answer_with({"error": {"code": "down", "message": ""}}, 503))
    page.goto("/status")
    expect(page.get_by_role("heading", name="The status cannot be read")).to_be_visible()
    assert violations(page) == []
    assert not is_wider_than_the_screen(page)


def test_an_incident_is_opened_updated_and_resolved(page: Page, new_context: NewContext) -> None:
    page.goto("/admin/incidents")
    page.get_by_role("button", name="Report an incident").click()
    page.get_by_label("Title").fill("Slow answers")
    page.get_by_label("What people should know").fill("One engine is away.")
    page.get_by_role("button", name="Publish").click()
    row = page.get_by_role("listitem").filter(has_text="Slow answers")
    expect(row).to_contain_text("Being looked into")
    row.get_by_role("button").click()
    page.get_by_label("What people should know").fill("It is back.")
    page.get_by_label("State").select_option("resolved")
    page.get_by_role("button", name="Publish").click()
    expect(row).to_have_count(0)
    reader = new_context().new_page()
    reader.goto("/status")
    reader.get_by_text("Slow answers").click()
    expect(reader.get_by_text("It is back.")).to_be_visible()


def test_the_policy_is_changed_refused_and_given_back(page: Page) -> None:
    page.goto("/admin/policy")
    page.get_by_role("button", name="Free", exact=True).click()
    page.get_by_label("Weight").fill("-1")
    page.get_by_role("button", name="Put in force").click()
    expect(page.get_by_text("Say why.")).to_be_visible()
    page.get_by_role("textbox", name="Why").fill("To see what happens")
    page.get_by_role("button", name="Put in force").click()
    expect(page.get_by_label("Weight")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("alert").filter(has_text="weight")).to_be_visible()
    page.locator("#main").evaluate("main => main.scrollTo(0, main.scrollHeight)")
    assert violations(page) == []
    page.get_by_label("Weight").fill("3")
    page.get_by_role("button", name="Put in force").click()
    expect(page.get_by_text("is in force.", exact=False).first).to_be_visible()
    versions = page.get_by_role("list", name="Versions")
    expect(versions).to_contain_text("To see what happens")
    expect(page.get_by_label("Weight")).to_have_value("3")


def test_a_policy_that_somebody_else_changed_keeps_the_edits(
    page: Page, admin: BrowserContext, site: Site
) -> None:
    page.goto("/admin/policy")
    page.get_by_role("button", name="Plus", exact=True).click()
    page.get_by_label("Weight").fill("5")
    page.get_by_role("textbox", name="Why").fill("More for Plus")
    view = admin.request.get(f"{site.url}/api/admin/policy").json()
    view["policy"]["half_life_s"] += 1
    other = {"policy": view["policy"], "reason": "Meanwhile", "based_on": view["version"]}
    origin = {"origin": site.url}
    saved = admin.request.put(f"{site.url}/api/admin/policy", data=other, headers=origin)
    assert saved.status == 200, saved.text()
    page.get_by_role("button", name="Put in force").click()
    expect(page.get_by_text("Somebody else changed the policy meanwhile.")).to_be_visible()
    page.get_by_role("button", name="Load it and keep my changes").click()
    expect(page.get_by_text("By Ada Lindqvist", exact=False).first).to_contain_text("Meanwhile")
    expect(page.get_by_label("Weight")).to_have_value("5")
    page.get_by_role("button", name="Put in force").click()
    expect(page.get_by_role("list", name="Versions")).to_contain_text("More for Plus")
    after = admin.request.get(f"{site.url}/api/admin/policy").json()["policy"]
    assert after["plans"]["plus"]["weight"] == 5
    assert after["half_life_s"] == view["policy"]["half_life_s"]


def test_an_earlier_policy_fills_the_form(page: Page, admin: BrowserContext, site: Site) -> None:
    page.goto("/admin/policy")
    page.get_by_role("button", name="API", exact=True).click()
    before = page.get_by_label("Waiting at once").input_value()
    for number, reason in (("77", "First"), ("88", "Second")):
        page.get_by_label("Waiting at once").fill(number)
        page.get_by_role("textbox", name="Why").fill(reason)
        page.get_by_role("button", name="Put in force").click()
        expect(page.get_by_role("list", name="Versions")).to_contain_text(reason)
    assert before != "77"
    row = page.get_by_role("listitem").filter(has_text="First")
    row.get_by_role("button").click()
    expect(page.get_by_label("Waiting at once")).to_have_value("77")
    page.get_by_role("button", name="Put in force").click()
    expect(page.get_by_role("list", name="Versions")).to_contain_text("Back to version")
    after = admin.request.get(f"{site.url}/api/admin/policy").json()["policy"]
    assert after["plans"]["api"]["max_waiting"] == 77


def test_a_person_is_put_on_a_plan_and_sees_it(
    page: Page, admin: BrowserContext, new_context: NewContext, site: Site
) -> None:
    add_member(admin, site, "mia@example.org", "Mia")
    page.goto("/admin/people")
    page.get_by_role("button", name="What to do about Mia").click()
    page.get_by_role("menuitem", name="Change the plan").click()
    page.get_by_label("Plan", exact=True).select_option("plus")
    page.get_by_role("button", name="Change the plan").click()
    expect(page.get_by_text("Say why.")).to_be_visible()
    page.get_by_label("Why", exact=True).fill("She paid")
    page.get_by_role("button", name="Change the plan").click()
    row = page.get_by_role("listitem").filter(has_text="mia@example.org")
    expect(row).to_contain_text("Plus")
    context = new_context()
    assert sign_in(context, site, "mia@example.org") == 200
    mine = context.new_page()
    mine.goto("/settings/plan")
    expect(mine.get_by_text("Plus", exact=True)).to_be_visible()
    expect(mine.get_by_text("Used today")).to_be_visible()
    assert violations(mine) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_the_gates_pages_are_readable_for_everybody(
    new_context: NewContext, site: Site, engine: ScriptedEngine, scheme: str, size: str
) -> None:
    viewport = DESKTOP if size == "desktop" else PHONE
    context = signed_in(new_context(viewport=viewport, color_scheme=scheme), site, engine)
    page = context.new_page()
    for path in ("/status", "/admin/capacity", "/admin/policy", "/admin/incidents"):
        page.goto(path)
        expect(page.get_by_role("heading", level=2).first).to_be_visible()
        expect(page.get_by_role("status").filter(has_text="Loading")).to_have_count(0)
        assert violations(page) == [], path
        assert not is_wider_than_the_screen(page), path

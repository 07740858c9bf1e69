"""A model that means harm: nothing it says runs on the page or is fetched from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import NewContext
from tests.browser.scripted import ScriptedEngine, scripted_engine
from tests.browser.site import Site, sign_up
from tests.browser.test_chat import ask, ask_and_wait, connect_engine, is_foreign, mine, replies

pytestmark = pytest.mark.browser

SCRIPTS = [
    "<script>window.pwned=1</script>",
    "<img src=x onerror=\"window.pwned=1\">",
    "<svg onload=window.pwned=1></svg>",
    "<svg><animate onbegin=window.pwned=1 attributeName=x dur=1s></svg>",
    "<iframe srcdoc=\"<script>parent.pwned=1</script>\"></iframe>",
    "<iframe src=\"javascript:parent.pwned=1\"></iframe>",
    "<a href=\"javascript:window.pwned=1\">press</a>",
    "<a href=\"jav&#x09;ascript:window.pwned=1\">press</a>",
    "[press](javascript:window.pwned=1)",
    "[press](  javascript:window.pwned=1)",
    "[press](data:text/html,<script>opener.pwned=1</script>)",
    "[press](vbscript:window.pwned=1)",
    "![x](javascript:window.pwned=1)",
    "<form action=\"javascript:window.pwned=1\"><button>press</button></form>",
    "<button onclick=window.pwned=1>press</button>",
    "<details open ontoggle=window.pwned=1><summary>x</summary></details>",
    "<input autofocus onfocus=window.pwned=1>",
    "<video><source onerror=window.pwned=1></video>",
    "<math><mtext><style><img src=x onerror=window.pwned=1></style></mtext></math>",
    "<noscript><p title=\"</noscript><img src=x onerror=window.pwned=1>\"></noscript>",
    "<body onload=window.pwned=1>",
    "<base href=\"javascript:window.pwned=1//\">",
    "<object data=\"javascript:window.pwned=1\"></object>",
    "<embed src=\"javascript:window.pwned=1\">",
    "<div style=\"background:url(javascript:window.pwned=1)\">x</div>",
    "<a id=\"root\" name=\"root\" href=\"cid:window.pwned=1\">x</a>",
    "$$\\href{javascript:window.pwned=1}{x}$$",
    "$$\\htmlData{onclick=window.pwned=1}{x}$$",
    "```html\n<script>window.pwned=1</script>\n```",
    "```<img src=x onerror=window.pwned=1>\nx\n```",
    "| <img src=x onerror=window.pwned=1> | b |\n|---|---|\n| <script>pwned=1</script> | d |",
    "<x-y onclick=window.pwned=1>press</x-y>",
]  # fmt: skip

FETCHES = [
    "![x](https://evil.example/1.png)",
    "![x][r]\n\n[r]: https://evil.example/2.png",
    "<img src=\"https://evil.example/3.png\">",
    "<img src=\"//evil.example/4.png\">",
    "<img src=/files/x srcset=\"https://evil.example/5.png 2x\">",
    "<picture><source srcset=\"https://evil.example/6.png\"><img src=\"/files/y\"></picture>",
    "<link rel=stylesheet href=\"https://evil.example/7.css\">",
    "<style>@import url(https://evil.example/8.css)</style>",
    "<div style=\"background:url(https://evil.example/9.png)\">x</div>",
    "<video poster=\"https://evil.example/10.png\" src=\"https://evil.example/11.mp4\"></video>",
    "<audio src=\"https://evil.example/12.mp3\" autoplay></audio>",
    "<iframe src=\"https://evil.example/13\"></iframe>",
    "<object data=\"https://evil.example/14\"></object>",
    "<svg><image href=\"https://evil.example/15.png\" /></svg>",
    "<svg><use href=\"https://evil.example/16.svg#x\" /></svg>",
    "<link rel=prefetch href=\"https://evil.example/17\">",
    "<meta http-equiv=refresh content=\"0;url=https://evil.example/18\">",
    "<base href=\"https://evil.example/\"><img src=\"files/19.png\">",
    "$$\\includegraphics{https://evil.example/20.png}$$",
    "```mermaid\ngraph LR; A[<img src='https://evil.example/21.png'>]\n```",
    "<table background=\"https://evil.example/22.png\"><tr><td>x</td></tr></table>",
    "<input type=image src=\"https://evil.example/23.png\">",
]  # fmt: skip


@pytest.fixture(scope="module")
def engine() -> Iterator[ScriptedEngine]:
    with scripted_engine() as running:
        yield running


@pytest.fixture
def mallory(new_context: NewContext, site: Site, engine: ScriptedEngine) -> BrowserContext:
    context = new_context()
    email = f"m{len(engine.asked)}-{id(context)}@example.org"
    sign_up(context, site, email)
    if not context.request.get(f"{site.url}/api/models").json()["models"]:
        connect_engine(context, site.url, engine)
    return context


@pytest.fixture
def page(mallory: BrowserContext, site: Site) -> Iterator[Page]:
    opened = mallory.new_page()
    foreign: list[str] = []
    opened.on("request", lambda r: foreign.append(r.url) if is_foreign(r.url, site) else None)
    yield opened
    assert foreign == []


def press_everything(page: Page) -> None:
    """Click whatever the reply offers to be clicked, but real links, which leave for elsewhere."""
    page.evaluate(
        """() => document.querySelectorAll('[data-message] .fs-prose *').forEach((e) => {
             if (!(e instanceof HTMLAnchorElement && /^https?:/.test(e.href))) e.click?.();
           })"""
    )


def test_scripts_streamed_one_character_at_a_time_never_run(
    page: Page, engine: ScriptedEngine
) -> None:
    engine.says("scripts", "\n\n".join(SCRIPTS), piece=1)
    page.goto("/")
    ask(page, "Say scripts")
    expect(replies(page).last).to_have_attribute("data-status", "complete", timeout=60_000)
    press_everything(page)
    page.wait_for_timeout(300)
    assert page.evaluate("window.pwned") is None
    hrefs = page.eval_on_selector_all(
        "[data-message] a", "all => all.map((a) => a.getAttribute('href') ?? '')"
    )
    assert [h for h in hrefs if not h.startswith(("http://", "https://", "#", "mailto:"))] == []
    assert page.locator("[data-message] :is(script, iframe, object, embed, form)").count() == 0
    page.reload()
    expect(replies(page).last).to_have_attribute("data-status", "complete")
    press_everything(page)
    assert page.evaluate("window.pwned") is None


def test_nothing_is_fetched_from_elsewhere(page: Page, engine: ScriptedEngine) -> None:
    engine.says("pictures", "\n\n".join(FETCHES), piece=3)
    page.goto("/")
    ask(page, "Say pictures")
    expect(replies(page).last).to_have_attribute("data-status", "complete", timeout=60_000)
    page.wait_for_timeout(500)
    assert page.locator("[data-message] img[src*='evil']").count() == 0
    assert page.locator("[data-message] [srcset]").count() == 0
    assert page.url.startswith("http://127.0.0.1")


def test_what_a_person_types_and_what_titles_say_is_text(
    page: Page, engine: ScriptedEngine
) -> None:
    page.goto("/")
    ask_and_wait(page, "".join(SCRIPTS[:6]))
    expect(mine(page)).to_contain_text("<script>window.pwned=1</script>")
    expect(replies(page)).to_have_attribute("data-status", "complete")
    page.keyboard.press("Control+k")
    page.get_by_role("combobox").fill("pwned")
    expect(page.get_by_role("option").first).to_be_visible()
    page.wait_for_timeout(300)
    assert page.evaluate("window.pwned") is None


def test_a_shared_page_is_as_harmless(
    page: Page, engine: ScriptedEngine, new_context: NewContext, site: Site
) -> None:
    engine.says("shared", "\n\n".join([*SCRIPTS, *FETCHES]), piece=200)
    page.goto("/")
    ask_and_wait(page, "To be shared")
    page.get_by_role("button", name="Share…").click()
    page.get_by_role("button", name="Create link").click()
    link = page.get_by_role("textbox", name="Link").input_value()
    stranger = new_context().new_page()
    foreign: list[str] = []
    stranger.on("request", lambda r: foreign.append(r.url) if is_foreign(r.url, site) else None)
    stranger.goto(link)
    expect(stranger.get_by_role("article", name="Assistant")).to_contain_text("press")
    stranger.wait_for_timeout(500)
    assert stranger.evaluate("window.pwned") is None
    assert foreign == []

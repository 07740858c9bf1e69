"""A real browser, and for every module a server of its own; see site.py."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser.site import DESKTOP, Site, serve

# Without these a browser looks for its maker's servers at every start.
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests of a module.

    Not of a session: while Playwright runs, its event loop counts as running in this thread, and
    no asynchronous test of another module could run in the same process.
    """
    path = os.environ.get("FIRESIDE_TEST_CHROMIUM") or "/usr/bin/chromium"
    if not Path(path).exists():
        pytest.fail(f"There is no browser at {path}: run `make test`, which gets one.")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The module's server."""
    with serve(tmp_path_factory.mktemp("site")) as running:
        yield running


NewContext = Callable[..., BrowserContext]


@pytest.fixture
def new_context(browser: Browser, site: Site) -> Iterator[NewContext]:
    """Somebody's browser: `new_context()` has cookies of its own; what its pages break fails."""
    opened: list[BrowserContext] = []
    broken: list[str] = []

    def make(**options: object) -> BrowserContext:
        options.setdefault("viewport", DESKTOP)
        options.setdefault("base_url", site.url)
        # Once a service worker is in charge, no test can step between the page and its server.
        options.setdefault("service_workers", "block")
        context = browser.new_context(**options)  # type: ignore[arg-type]
        context.set_default_timeout(15_000)
        context.on("weberror", lambda error: broken.append(str(error.error)))
        opened.append(context)
        return context

    yield make
    for context in opened:
        context.close()
    assert broken == []


@pytest.fixture
def page(new_context: NewContext) -> Page:
    """A page in a browser that nobody has signed in with."""
    return new_context().new_page()

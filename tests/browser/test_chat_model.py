"""The page streams from the bundled model itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NewContext
from tests.browser.site import ROOT, serve, sign_up
from tests.browser.test_chat import ask, field, replies

pytestmark = [pytest.mark.browser, pytest.mark.model]

MODELS = ROOT / ".models"


def test_the_bundled_model_answers_on_the_page(new_context: NewContext, tmp_path: Path) -> None:
    if not list(MODELS.glob("*.gguf")):
        pytest.fail("The bundled model is not here: run `make test`, which fetches it.")
    env = {"FIRESIDE__ENGINE__EMBEDDED": "true", "FIRESIDE__ENGINE__MODELS_DIR": str(MODELS)}
    with serve(tmp_path, **env) as site:
        context = new_context(base_url=site.url)
        sign_up(context, site, "ada@example.org")
        page = context.new_page()
        page.goto("/")
        expect(field(page)).to_be_focused()
        ask(page, "Say hello in one short sentence.")
        expect(replies(page)).to_have_attribute("data-status", "complete", timeout=90_000)
        assert len(replies(page).locator(".fs-prose").inner_text()) > 3
        expect(replies(page)).to_contain_text("Written by")

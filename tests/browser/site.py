"""A real server for a browser to visit, and what tests do there.

Every module gets a server of its own with an empty data directory and no engine; a test that needs
one starts it with `serve(..., FIRESIDE__ENGINE__EMBEDDED="true")`. `make test` builds the page and
finds or installs a Chromium first.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page

ROOT = Path(__file__).resolve().parents[2]
READY = re.compile(r"Fireside is ready at (http://\S+)")
START_LIMIT_S = 40.0

PASSWORD = "correct horse battery staple"

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}


@dataclass(frozen=True)
class Site:
    """A running server. `log` is what it printed."""

    url: str
    data_dir: Path
    process: subprocess.Popen[bytes]
    log: Path

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End the server; SIGKILL lets it say nothing."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)


def start(data_dir: Path, port: int = 0, **env: str) -> Site:
    """Start a server and wait until it says that it is ready."""
    if not (ROOT / "web" / "dist" / "index.html").exists():
        pytest.fail("The page is not built: run `make test`, or `npm run build` in web/.")
    data_dir.mkdir(parents=True, exist_ok=True)
    log = data_dir / "server.out"
    quiet = {
        "FIRESIDE__ENGINE__EMBEDDED": "false",
        "FIRESIDE__ENGINE__FETCH_DEFAULT_MODEL": "false",
    }
    command = [sys.executable, "-m", "fireside", "serve", "--port", str(port)]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--data-dir", str(data_dir)],
            cwd=ROOT,
            env={**os.environ, **quiet, **env},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        if ready := READY.search(log.read_text(errors="replace")):
            return Site(ready[1], data_dir, process, log)
        time.sleep(0.05)
    process.kill()
    process.wait()
    pytest.fail(f"The server did not start:\n{log.read_text(errors='replace')[-3000:]}")


@contextmanager
def serve(data_dir: Path, port: int = 0, **env: str) -> Iterator[Site]:
    """A server for the length of a block."""
    site = start(data_dir, port, **env)
    try:
        yield site
    finally:
        site.stop()


def sign_up(context: BrowserContext, site: Site, email: str, name: str = "Ada Lindqvist") -> None:
    """Make an account through the interface; the context is signed in afterwards."""
    answer = context.request.post(
        f"{site.url}/api/auth/sign-up",
        data={"email": email, "password": PASSWORD, "name": name},
        headers={"origin": site.url},
    )
    assert answer.status == 201, answer.text()


def sign_in(context: BrowserContext, site: Site, email: str, password: str | None = None) -> int:
    """Sign the context in; returns the status."""
    answer = context.request.post(
        f"{site.url}/api/auth/sign-in",
        data={"email": email, "password": password or PASSWORD},
        headers={"origin": site.url},
    )
    return answer.status


def violations(page: Page) -> list[str]:
    """What axe finds wrong with the page as it is now."""
    page.wait_for_timeout(250)  # let fades end, whose colours are in between
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
    found = Axe().run(page, options={"runOnly": tags}).response["violations"]
    return [f"{each['id']}: {[node['target'] for node in each['nodes']][:3]}" for each in found]


def is_wider_than_the_screen(page: Page) -> bool:
    """Whether the page can be scrolled sideways."""
    script = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    return bool(page.evaluate(script))

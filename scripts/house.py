"""What the Makefile's verbs do: `house.py run|test|lint|fix|docs|lock|dev|page|model|vllm|ray`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import engine_envs
from browser import chromium, find_chromium
from page import WEB, node_env, npm, page, web_packages
from python_env import DEV_LOCK, FIRESIDE, MODELS, PYTHON, RUNTIME_LOCK, VENV, model, packages
from steps import ROOT, StepFailed, digest, is_done, listen, main, mark_done, run, show

TOOLS_VENV = ROOT / ".venv-tools"
BIN = VENV / "bin"
DATA = ROOT / "data"
PYTHON_FOLDERS = ("fireside", "tests", "scripts", "bench", "deploy")


def start() -> int:
    """`make run`: everything that is missing, then the server in the foreground."""
    packages(RUNTIME_LOCK)
    try:
        model()
    except StepFailed as failure:
        # The server can answer with another engine, and fetch the model later.
        print(f"  Going on without the bundled model.\n{failure}", file=sys.stderr)
    page()
    env = {**os.environ, "FIRESIDE_DATA_DIR": os.environ.get("FIRESIDE_DATA_DIR") or str(DATA)}
    env.setdefault("FIRESIDE__ENGINE__MODELS_DIR", str(MODELS))
    if host := os.environ.get("HOST"):
        env.setdefault("FIRESIDE__SERVER__HOST", host)
    os.execve(FIRESIDE, [str(FIRESIDE), "serve"], env)


def test() -> int:
    """`make test`: lint and types of both languages, then every test."""
    started = time.monotonic()
    develop()
    chromium()
    code = lint() or web_tests()
    if code:
        return code
    env = test_env()
    code = show([PYTHON, "-m", "pytest", "-n", "2", "--dist", "loadfile", *sys.argv[2:]], env=env)
    print(f"make test took {time.monotonic() - started:.0f} s", flush=True)
    return code


def develop() -> None:
    """Everything that tests and tools need."""
    packages(DEV_LOCK)
    model()
    page()


def lint() -> int:
    """`make lint`: what a reviewer should never have to say."""
    packages(DEV_LOCK)
    folders = [name for name in PYTHON_FOLDERS if (ROOT / name).exists()]
    return _all(
        ("ruff check", [BIN / "ruff", "check", "--quiet", *folders]),
        ("ruff format", [BIN / "ruff", "format", "--quiet", "--check", *folders]),
        ("mypy", [BIN / "mypy", "--no-error-summary"]),
        ("import contract", [BIN / "lint-imports", "--no-logo"]),
    )


def web_tests() -> int:
    """Lint, types and unit tests of the page."""
    if not (WEB / "package.json").is_file():
        return 0
    web_packages()
    scripts = ("lint", "check", "types:check", "test")
    return _all(
        *((f"page: {name}", [*npm(), "run", "--silent", name]) for name in scripts),
        cwd=WEB,
        env=node_env(),
    )


def fix() -> int:
    """`make fix`: format, and mend what can be mended without thinking."""
    packages(DEV_LOCK)
    folders = [name for name in PYTHON_FOLDERS if (ROOT / name).exists()]
    show([BIN / "ruff", "check", "--quiet", "--fix", *folders])
    return show([BIN / "ruff", "format", "--quiet", *folders])


def lock() -> int:
    """`make lock`: both lock files from pyproject.toml, the second one holding the first."""
    pin = "uv==0.13.9"
    uv = TOOLS_VENV / "bin" / "uv"
    if not is_done("tools", digest(pin), [uv]):
        run("tools", [sys.executable, "-m", "venv", TOOLS_VENV], limit_s=180)
        run("tools", [TOOLS_VENV / "bin/python", "-m", "pip", "install", "-q", pin], limit_s=300)
        mark_done("tools", digest(pin))
    compile_ = [uv, "pip", "compile", "-q", "--python-version", "3.11", "--generate-hashes"]
    compile_ += ["--no-annotate", "--no-header", "pyproject.toml", *sys.argv[2:]]
    dev = ["--extra", "dev", "-c", RUNTIME_LOCK.name, "-o", DEV_LOCK.name]
    return show([*compile_, "-o", RUNTIME_LOCK.name]) or show([*compile_, *dev])


def docs() -> int:
    """`make docs`: the generated pages of docs/reference, and the page's types made from them."""
    packages(DEV_LOCK)
    code = show([PYTHON, ROOT / "scripts" / "reference.py"])
    if code:
        return code
    web_packages()
    run("types", [*npm(), "run", "types"], cwd=WEB, limit_s=120, env=node_env())
    return 0


def test_env() -> dict[str, str]:
    """What tests read: where the model and the browser are."""
    browser = find_chromium()
    env = {"FIRESIDE__ENGINE__MODELS_DIR": str(MODELS)}
    return {**env, "FIRESIDE_TEST_CHROMIUM": str(browser)} if browser else env


def _all(
    *checks: tuple[str, Sequence[str | Path]],
    cwd: Path = ROOT,
    env: dict[str, str] | None = None,
) -> int:
    """Run every check even after one failed; one line each, and what a failed one said."""
    failed = 0
    for name, command in checks:
        started = time.monotonic()
        print(f"  {name} ...", end=" ", flush=True)
        code, said = listen(command, cwd=cwd, env=env)
        took = time.monotonic() - started
        print(f"ok ({took:.0f} s)" if code == 0 else f"FAILED ({took:.0f} s)\n{said}", flush=True)
        failed += code != 0
    return 1 if failed else 0


VERBS: dict[str, Callable[[], int | None]] = {
    "run": start,
    "test": test,
    "lint": lambda: lint() or web_tests(),
    "fix": fix,
    "docs": docs,
    "lock": lock,
    "dev": develop,
    "page": page,
    "model": model,
    "vllm": engine_envs.vllm,
    "ray": engine_envs.ray,
}

if __name__ == "__main__":
    verb = VERBS.get(sys.argv[1] if len(sys.argv) > 1 else "")
    if verb is None:
        sys.exit(f"usage: house.py {'|'.join(VERBS)}")
    sys.exit(main(verb))

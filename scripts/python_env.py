"""The Python side of a checkout: the environment, the locked packages, Fireside, its model."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

from steps import ROOT, Line, StepFailed, digest, is_done, mark_done, run

VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
FIRESIDE = VENV / "bin" / "fireside"
MODELS = ROOT / ".models"
BUNDLED_MODEL = "smollm2-135m"

RUNTIME_LOCK = ROOT / "requirements.lock"
DEV_LOCK = ROOT / "requirements-dev.lock"
PIP_ENV = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}
OFFLINE = "Is the package registry reachable? Run the same command again: finished steps are kept."

# A shebang cannot hold a path with a space in it, so `sh` finds the Python beside this file.
LAUNCHER = """\
#!/bin/sh
'''exec' "$(dirname "$(realpath "$0")")/python" "$0" "$@"
' '''
import sys

from fireside.cli import main

sys.exit(main())
"""


def environment() -> None:
    """A virtual environment in .venv for the Python that runs this."""
    key = digest(sys.version, str(ROOT))
    if is_done("environment", key, [PYTHON]):
        return
    if not (PYTHON.exists() and _version_of(PYTHON) == sys.version):
        with Line("Creating the Python environment in .venv"):
            create_venv(VENV)
    mark_done("environment", key)


def packages(lock: Path) -> None:
    """Exactly what the lock file names, every file checked against its hash."""
    environment()
    # The development lock holds every pin of the other one.
    enough = [lock, DEV_LOCK]
    if not any(is_done(_name(each), _key(each), [PYTHON]) for each in enough):
        with Line(f"Installing the Python packages of {lock.name} (first time: a minute or two)"):
            pip_install(VENV, lock, limit_s=1500)
        mark_done(_name(lock), _key(lock))
    fireside()


def fireside() -> None:
    """Fireside itself: importable from the checkout, with its command in .venv/bin.

    Three small files instead of an editable install, which would have to fetch a build backend.
    """
    site = next(VENV.glob("lib/python3*/site-packages"))
    write(site / "fireside-checkout.pth", f"{ROOT}\n")
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    about = site / f"fireside-{version}.dist-info" / "METADATA"
    if not about.is_file():
        for old in site.glob("fireside-*.dist-info"):
            shutil.rmtree(old)
        about.parent.mkdir()
        write(about, f"Metadata-Version: 2.1\nName: fireside\nVersion: {version}\n")
    write_executable(FIRESIDE, LAUNCHER)


def model() -> None:
    """The bundled 135 M model, verified by its hash."""
    key = digest(BUNDLED_MODEL, str(MODELS))
    if is_done("model", key) and any(MODELS.rglob("*.gguf")):
        return
    with Line(f"Fetching the bundled model {BUNDLED_MODEL} (93 MB)"):
        MODELS.mkdir(exist_ok=True)
        run(
            "model",
            [FIRESIDE, "model", "pull", BUNDLED_MODEL],
            limit_s=900,
            env={"FIRESIDE__ENGINE__MODELS_DIR": str(MODELS)},
            hint=OFFLINE,
        )
    mark_done("model", key)


def create_venv(folder: Path) -> None:
    """A fresh environment, also where Debian's Python comes without ensurepip."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        run("environment", [sys.executable, "-m", "venv", folder], limit_s=180)
    except StepFailed:
        # The pip outside can fill an environment that has none of its own.
        shutil.rmtree(folder, ignore_errors=True)
        run(
            "environment",
            [sys.executable, "-m", "venv", "--without-pip", folder],
            limit_s=180,
            hint="Install Python's venv module (Debian: apt install python3-venv).",
        )


def pip_install(venv: Path, lock: Path, *, limit_s: float) -> None:
    """Install a lock file into an environment, refusing whatever its hashes do not cover."""
    python = venv / "bin" / "python"
    if any(venv.glob("lib/python3*/site-packages/pip/__init__.py")):
        pip = [python, "-m", "pip"]
    else:
        pip = [sys.executable, "-m", "pip", "--python", python]
    run(
        f"pip-{venv.name.strip('.')}",
        [*pip, "install", "--quiet", "--no-input", "--require-hashes", "-r", lock],
        limit_s=limit_s,
        env=PIP_ENV,
        hint=OFFLINE,
    )


def write(path: Path, text: str) -> None:
    """Write a file unless it already says so."""
    if not path.is_file() or path.read_text() != text:
        path.unlink(missing_ok=True)
        path.write_text(text)


def write_executable(path: Path, text: str) -> None:
    """Write a program that anybody may run."""
    write(path, text)
    make_executable(path)


def make_executable(path: Path) -> None:
    """chmod +x."""
    path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


def _name(lock: Path) -> str:
    return f"packages-{lock.stem}"


def _key(lock: Path) -> str:
    return digest(lock, sys.version, str(ROOT))


def _version_of(python: Path) -> str:
    shown = subprocess.run(
        [python, "-c", "import sys; print(sys.version, end='')"],
        capture_output=True,
        text=True,
        check=False,
    )
    return shown.stdout

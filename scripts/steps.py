"""Run one step of the house work: say what it does, keep its output aside, stop it in time.

Standard library only, and Python 3.11 syntax only: this runs before anything is installed.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STAMPS = ROOT / ".stamps"

# Mirrors that are configured but empty make pip repeat itself for every package.
NOISE = ("WARNING: Location", "Looking in indexes", "Looking in links", "[notice]", "npm warn")


class StepFailed(Exception):
    """A step did not come to its end; `hint` says what a person can do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def digest(*parts: str | bytes | Path) -> str:
    """A hash of texts and of the contents of files; a missing file counts as empty."""
    sha = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            content = part.read_bytes() if part.is_file() else b""
        else:
            content = part.encode() if isinstance(part, str) else part
        sha.update(len(content).to_bytes(8, "big"))
        sha.update(content)
    return sha.hexdigest()


def is_done(name: str, key: str, outputs: Iterable[Path] = ()) -> bool:
    """Whether step `name` was finished with the same inputs and its outputs are still there."""
    stamp = STAMPS / name
    return stamp.is_file() and stamp.read_text() == key and all(path.exists() for path in outputs)


def mark_done(name: str, key: str) -> None:
    """Remember that step `name` is finished for the inputs behind `key`."""
    STAMPS.mkdir(exist_ok=True)
    (STAMPS / name).write_text(key)


def forget(name: str) -> None:
    """Make step `name` run again."""
    (STAMPS / name).unlink(missing_ok=True)


class Line:
    """One line of progress: what is being done, then the seconds it took."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __enter__(self) -> Line:
        self.started = time.monotonic()
        print(f"  {self.text} ...", end=" ", flush=True)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        took = f"{time.monotonic() - self.started:.0f} s"
        print(took if kind is None else f"failed after {took}", flush=True)


def run(
    name: str,
    command: Sequence[str | Path],
    *,
    limit_s: float,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    hint: str = "",
) -> None:
    """Run a command quietly; its output goes to .stamps/NAME.log and is shown when it fails."""
    STAMPS.mkdir(exist_ok=True)
    log = STAMPS / f"{name}.log"
    argv = [str(part) for part in command]
    with log.open("wb") as out:
        child = subprocess.Popen(
            argv,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = child.wait(limit_s)
        except subprocess.TimeoutExpired:
            _end(child)
            raise StepFailed(_tail(log, f"{argv[0]} took over {limit_s:.0f} s"), hint) from None
        except BaseException:
            _end(child)
            raise
    if code != 0:
        raise StepFailed(_tail(log, f"{Path(argv[0]).name} ended with code {code}"), hint)


def show(command: Sequence[str | Path], *, cwd: Path = ROOT, env: Mapping[str, str] | None = None):
    """Run a command whose output is for the person; returns its exit code."""
    child = subprocess.Popen(
        [str(part) for part in command], cwd=cwd, env={**os.environ, **(env or {})}
    )
    try:
        return child.wait()
    except KeyboardInterrupt:
        # The terminal sent the interrupt to the child as well: let it finish in order.
        return child.wait()


def listen(
    command: Sequence[str | Path], *, cwd: Path = ROOT, env: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Run a command and take what it says; returns (exit code, output)."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    lines = done.stdout.decode(errors="replace").splitlines()
    return done.returncode, "\n".join(line for line in lines if not line.startswith(NOISE))


def main(steps: object) -> int:
    """Run `steps()`, turning failures into a few plain lines and an exit code."""
    try:
        return int(steps() or 0)  # type: ignore[operator]
    except StepFailed as failure:
        print(f"\n{failure}", file=sys.stderr)
        if failure.hint:
            print(f"\n{failure.hint}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130


def _end(child: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, number)
            child.wait(5)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _tail(log: Path, reason: str, num_lines: int = 25) -> str:
    lines = [
        line
        for line in log.read_text(errors="replace").splitlines()
        if line.strip() and not line.startswith(NOISE)
    ]
    shown = "\n".join(f"    {line}" for line in lines[-num_lines:])
    return f"{reason}. The end of {log.relative_to(ROOT)}:\n{shown}"

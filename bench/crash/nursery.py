"""Servers without the wait for imports: forked from a process that has loaded the program.

A forked server runs the same command line in a process of its own, in a fresh environment; only
the modules are there already. It is for the test with a hundred kills, which is mostly starts.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from bench.gateway.process import Process
from bench.gateway.targets import ROOT
from fireside import cli
from fireside.cli import serve


class Forked(Process):
    """A server that the nursery started; the nursery reaps it."""

    def __init__(self, pid: int, log: Path) -> None:
        self._pid = pid
        self.log = log
        self.started_at = time.monotonic()

    @property
    def pid(self) -> int:
        return self._pid

    def ended(self) -> bool:
        return not Path(f"/proc/{self._pid}").exists()


class Nursery:
    """The process that forks. Close it when done; what it started is stopped by whoever asked."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.crash.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def launch(self, words: list[str], env: dict[str, str], log: Path) -> Forked:
        """Start `fireside` with these words of its command line."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([words, env, str(log)]) + "\n")
        self._process.stdin.flush()
        return Forked(int(self._process.stdout.readline()), log)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


def main() -> None:
    """Fork one server for every line on standard input; answer with its process id."""
    assert serve.serve is not None  # loaded, like all that `fireside serve` needs
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.freeze()
    for line in sys.stdin:
        words, env, log = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become(words, env, log)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


def _become(words: list[str], env: dict[str, str], log: str) -> None:
    """Be the server, in the child; never returns."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(number, target)
    os.environ.clear()
    os.environ.update(env)
    code = 1
    try:
        cli.main(words, prog_name="fireside")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()

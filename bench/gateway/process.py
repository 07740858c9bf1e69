"""Processes under test: started on one core, watched through /proc, ended by their id."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def call(
    port: int, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    """One HTTP request to this machine. Raises OSError when nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body or None, dict(headers or {}))
        response = connection.getresponse()
        return response.status, response.read()
    except http.client.HTTPException as error:
        raise OSError(str(error)) from error
    finally:
        connection.close()


class Process:
    """A server and its children."""

    def __init__(
        self,
        command: list[str],
        *,
        log: Path,
        env: Mapping[str, str],
        cpu: int | None = None,
        stdin: int = subprocess.DEVNULL,
    ) -> None:
        pinned = ["taskset", "-c", str(cpu)] if cpu is not None else []
        self.log = log
        self.started_at = time.monotonic()
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                [*pinned, *command],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=stdin,
                env=dict(env),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Of the process itself."""
        return self._popen.pid

    def ended(self) -> bool:
        """Whether it is gone."""
        return self._popen.poll() is not None

    def wait_until_up(self, port: int, path: str, within_s: float = 60.0) -> float:
        """Poll until `path` answers 200; the seconds since the start. Raises RuntimeError."""
        while time.monotonic() - self.started_at < within_s:
            if self.ended():
                raise RuntimeError(f"It ended at once; see {self.log}.")
            try:
                if call(port, "GET", path)[0] == 200:
                    return time.monotonic() - self.started_at
            except OSError:
                pass
            time.sleep(0.01)
        raise RuntimeError(f"It was not ready within {within_s:.0f} s; see {self.log}.")

    def tree(self) -> list[int]:
        """The process and all that descend from it."""
        found, todo = [], [self.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            todo += _children(pid)
        return found

    def cpu_s(self) -> float:
        """Processor time of the tree so far, its ended children included."""
        return sum(_cpu_ticks(pid) for pid in self.tree()) / _TICKS_PER_S

    def pss_bytes(self) -> int:
        """Memory of the tree, shared pages counted in proportion."""
        return sum(_pss(pid) for pid in self.tree())

    def kill(self) -> None:
        """SIGKILL to the process alone, as a crash would; returns when it is gone."""
        self._signal(signal.SIGKILL, within_s=10)

    def stop(self) -> None:
        """SIGTERM, then SIGKILL to what is left of the tree."""
        pids = self.tree()
        if not self._signal(signal.SIGTERM, within_s=8):
            self.kill()
        for pid in pids[1:]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def _signal(self, number: signal.Signals, within_s: float) -> bool:
        """Send a signal to the process; whether it ended."""
        until = time.monotonic() + within_s
        if not self.ended():
            os.kill(self.pid, number)
        while not self.ended():
            if time.monotonic() > until:
                return False
            time.sleep(0.002)
        return True


def _children(pid: int) -> Iterable[int]:
    found: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(x) for x in (task / "children").read_text().split()]
    except OSError:
        pass
    return found


def _cpu_ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    except OSError:
        return 0
    return sum(int(x) for x in fields[11:15])


def _pss(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0

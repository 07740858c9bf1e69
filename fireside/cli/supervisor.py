"""Several server processes on one listening socket, kept alive and replaced one by one.

The supervisor holds the socket, so that a connection waits in one common queue whoever accepts it;
starts a Valkey server when none is set; keeps the embedded engine in a process of its own; and
starts again what dies. SIGHUP replaces the workers one after another: the new one serves before the
old one is told to leave. SIGTERM ends everything.
"""

from __future__ import annotations

import ctypes
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import msgspec
import structlog

from fireside.cli.worker import READY, WorkerOrders
from fireside.engine.kept import KEPT_ENGINE
from fireside.errors import BackendFailed, UserError
from fireside.kit.local_valkey import LocalValkey
from fireside.settings import Settings

READY_WITHIN_S = 60.0
BACKLOG = 2048
TICK_S = 0.2
EXIT_SLACK_S = 15.0  # beyond the time a worker may take to drain
FIRST_PAUSE_S = 0.2
MAX_PAUSE_S = 10.0
LIVED_WELL_S = 30.0
_PR_SET_PDEATHSIG = 1
_HEARD = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}

logger = structlog.get_logger(__name__)


@dataclass
class Worker:
    """One server process."""

    process: subprocess.Popen[bytes]
    started_s: float = field(default_factory=time.monotonic)
    is_ready: bool = False

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def look(self) -> bool:
        """Whether it serves by now."""
        out = self.process.stdout
        if not self.is_ready and out is not None and select.select([out], [], [], 0)[0]:
            self.is_ready = out.readline() == READY
        return self.is_ready


def supervise(settings: Settings, listener: socket.socket, on_ready: Callable[[], None]) -> None:
    """Run the workers until SIGTERM or SIGINT. Raises UserError, BackendFailed at the start."""
    if not settings.db.url.startswith("postgres"):
        raise UserError(
            "workers_need_postgresql",
            "Several workers need PostgreSQL; SQLite has one writer, in one process.",
            hint="Set db.url to postgresql://USER@HOST/NAME, or leave server.workers at 1.",
        )
    # As lines of JSON, like the workers', and without a thread: this process forks.
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    listener.listen(BACKLOG)
    with ExitStack() as stack, _signals_held():
        url, valkey = settings.valkey.url, None
        if not url:
            valkey = stack.enter_context(LocalValkey())
            url = valkey.url
        supervisor = Supervisor(settings, listener, url, valkey)
        stack.callback(supervisor.stop)
        supervisor.start()
        on_ready()
        supervisor.watch()


class Supervisor:
    """The workers, the engine's keeper and, where it is ours, Valkey."""

    def __init__(
        self,
        settings: Settings,
        listener: socket.socket,
        valkey_url: str,
        valkey: LocalValkey | None,
    ) -> None:
        self._settings = settings
        self._listener = listener
        self._valkey_url = valkey_url
        self._valkey = valkey
        self._workers: list[Worker] = []
        self._leaving: list[Worker] = []
        self._keeper: Worker | None = None
        self._num_deaths = 0
        self._not_before_s = 0.0
        self._roll = False
        self._stop = False

    def start(self) -> None:
        """Start everything; returns when all workers serve. Raises BackendFailed."""
        if self._settings.engine.embedded:
            (self._settings.data_dir / KEPT_ENGINE).unlink(missing_ok=True)
            self._keeper = self._start_keeper()
        # The first one alone takes up what the workers of an earlier start left.
        self._workers.append(self._start_worker(is_first=True))
        self._wait_ready(self._workers)
        others = [self._start_worker() for _ in range(self._settings.server.workers - 1)]
        self._workers += others
        self._wait_ready(others)

    def watch(self) -> None:
        """Keep everything alive until told to stop."""
        while not self._stop:
            self._tick()
            if self._roll:
                self._roll = False
                self._replace_all()

    def stop(self) -> None:
        """End everything, in order."""
        workers = [*self._workers, *self._leaving]
        for each in workers:
            each.process.terminate()
        limit_s = self._settings.server.drain_s + EXIT_SLACK_S
        for each in [*workers, *([self._keeper] if self._keeper else [])]:
            each.process.terminate()
            self._bury(each, limit_s)

    def _tick(self) -> None:
        number = signal.sigtimedwait(_HEARD, TICK_S)
        if number is not None:
            self._stop = self._stop or number.si_signo != signal.SIGHUP
            self._roll = self._roll or number.si_signo == signal.SIGHUP
        self._leaving = [each for each in self._leaving if each.is_alive]
        if self._valkey is not None and self._valkey.pid is None:
            logger.warning("valkey_died")
            self._valkey.start()
        if self._keeper is not None and not self._keeper.is_alive:
            logger.warning("engine_keeper_died", code=self._keeper.process.returncode)
            self._keeper = self._start_keeper()
        for index, each in enumerate(self._workers):
            if not each.is_alive and time.monotonic() >= self._not_before_s:
                self._workers[index] = self._started_again(each)

    def _started_again(self, dead: Worker) -> Worker:
        lived_s = time.monotonic() - dead.started_s
        self._num_deaths = 0 if lived_s > LIVED_WELL_S else self._num_deaths + 1
        pause_s = min(FIRST_PAUSE_S * 2**self._num_deaths, MAX_PAUSE_S) if self._num_deaths else 0
        self._not_before_s = time.monotonic() + pause_s
        logger.warning("worker_died", code=dead.process.returncode, lived_s=round(lived_s, 1))
        return self._start_worker()

    def _replace_all(self) -> None:
        """A new worker for each old one, one after another; an old one stays if its new one fails
        to come up."""
        logger.info("workers_replaced_one_by_one", num_workers=len(self._workers))
        for index, old in enumerate(list(self._workers)):
            new = self._start_worker()
            deadline = time.monotonic() + READY_WITHIN_S
            while not new.look() and new.is_alive and time.monotonic() < deadline:
                self._tick()
                if self._stop:
                    self._leaving.append(new)
                    return
            if not new.is_ready:
                logger.error("worker_not_replaced", code=new.process.poll())
                new.process.kill()
                self._leaving.append(new)
                return
            self._workers[index] = new
            old.process.terminate()
            self._leaving.append(old)
            self._wait_for_end(old)

    def _wait_for_end(self, old: Worker) -> None:
        deadline = time.monotonic() + self._settings.server.drain_s + EXIT_SLACK_S
        while old.is_alive and not self._stop:
            if time.monotonic() > deadline:
                old.process.kill()
            self._tick()

    def _wait_ready(self, workers: list[Worker]) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while not all(each.look() for each in workers):
            if not all(each.is_alive for each in workers) or time.monotonic() > deadline:
                raise BackendFailed(
                    "worker_failed",
                    "A worker could not start.",
                    hint="Its log above names the cause; `fireside doctor` looks for more.",
                )
            time.sleep(0.02)

    def _start_worker(self, *, is_first: bool = False) -> Worker:
        orders = WorkerOrders(
            fd=self._listener.fileno(),
            data_dir=str(self._settings.data_dir),
            valkey_url=self._valkey_url,
            keeps_engine=self._settings.engine.embedded,
            is_first=is_first,
        )
        worker = Worker(_start("fireside.cli.worker", fds=[orders.fd]))
        assert worker.process.stdin is not None
        worker.process.stdin.write(msgspec.json.encode(orders) + b"\n")
        worker.process.stdin.close()
        return worker

    def _start_keeper(self) -> Worker:
        return Worker(_start("fireside.cli.engine_keeper", str(self._settings.data_dir)))

    def _bury(self, each: Worker, limit_s: float) -> None:
        try:
            each.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            each.process.kill()
            each.process.wait()
        if each.process.stdout is not None:
            each.process.stdout.close()


def _start(module: str, *words: str, fds: list[int] | None = None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", module, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE if fds else None,
        pass_fds=fds or [],
        preexec_fn=_as_child,
        start_new_session=True,  # the terminal's Ctrl-C is for the supervisor
    )


def _as_child() -> None:  # pragma: no cover  (runs in the child, between fork and exec)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@contextmanager
def _signals_held() -> Iterator[None]:
    """Signals wait until they are asked for; children do not inherit that."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    try:
        yield
    finally:
        while signal.sigtimedwait(_HEARD, 0) is not None:
            continue
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

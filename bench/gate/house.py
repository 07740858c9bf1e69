"""A Fireside with many people on plans, in front of mock engines; the gate on or off."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec

from bench.gate.browser import Browser
from bench.gateway.measure import Engine
from bench.gateway.process import Process, free_port
from bench.gateway.targets import EMAIL, Fireside
from fireside.settings import Settings

LADDER_OFF = [1e6, 1e6, 1e6, 1e6, 1e6]

VISITOR = "visitor@example.org"
"""Somebody with a password, on the default plan."""

Change = Callable[[dict[str, Any]], None]
"""Edits a policy in its JSON form."""


def has_gate() -> bool:
    """Whether the server that is here has a gate."""
    return "capacity" in Settings.__struct_fields__


def ladder_off(policy: dict[str, Any]) -> None:
    """The scheduler alone: nobody is degraded or turned away by the house's state."""
    policy["ladder"]["thresholds"] = LADDER_OFF


class Person(msgspec.Struct):
    """An account with a key."""

    email: str
    plan: str
    key: str = ""


def people(plan: str, count: int, stem: str = "") -> list[Person]:
    """So many on a plan."""
    return [Person(f"{stem or plan}{number}@example.org", plan) for number in range(count)]


class House:
    """The server under test. `engines` are the ports of its mock engines."""

    def __init__(
        self,
        work_dir: Path,
        engines: Sequence[int],
        everybody: Sequence[Person],
        *,
        gate: bool,
        compression: float = 1.0,
        slots: int = 32,
        cpu: int | None = None,
    ) -> None:
        work_dir.mkdir(parents=True, exist_ok=True)
        self.gate = gate and has_gate()
        self.compression = compression
        self.everybody = list(everybody)
        self.engine_ports = list(engines)
        self.server = Fireside(work_dir, engines[0], cpu)
        self.server.env.update(self._env())
        self._slots = slots
        self.process: Process | None = None
        self.page = Browser(self.server.port, EMAIL)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.server.port

    def start(self, *changes: Change) -> None:
        """Make the accounts, add the engines, serve; then put the policy in force."""
        self.server.set_up((EMAIL, VISITOR), with_engine=False)
        for number, port in enumerate(self.engine_ports):
            self._add_engine(f"mock{number}", port)
        self._make_people()
        self.serve()
        self.change_policy(*changes)

    def serve(self) -> None:
        """Start the server (again)."""
        self.process, _ = self.server.start()
        if self.everybody:
            self.server.wait_for_model(self.everybody[0].key)
        self.page.sign_in()

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.stop()
            self.process = None

    def change_policy(self, *changes: Change) -> None:
        """Edit the policy in force, as an administrator does."""
        if not self.gate:
            return
        status, found = self.call("GET", "/api/admin/policy")
        if status != 200:
            raise RuntimeError(f"There is no policy: {status}.")
        policy = found["policy"]
        for change in changes:
            change(policy)
        body = {"policy": policy, "reason": "a benchmark", "based_on": found["version"]}
        status, answer = self.call("PUT", "/api/admin/policy", body)
        if status != 200:
            raise RuntimeError(f"The policy was refused: {status} {answer}.")

    def policy(self) -> dict[str, Any]:
        """The one in force; empty without a gate."""
        if not self.gate:
            return {}
        return cast(dict[str, Any], self.call("GET", "/api/admin/policy")[1]["policy"])

    def capacity(self) -> dict[str, Any]:
        """What the operator's page shows; empty without a gate."""
        if not self.gate:
            return {}
        status, found = self.call("GET", "/api/admin/capacity")
        return cast(dict[str, Any], found) if status == 200 else {}

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        """A request of the administrator's page."""
        return self.page.call(method, path, body)

    def usage_rows(self) -> list[tuple[str, str, int]]:
        """(engine, status, completion tokens) of every metered generation, oldest first."""
        path = self.server.data_dir / "fireside.db"
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            return database.execute(
                "SELECT engine, status, completion_tokens FROM usage_records ORDER BY id"
            ).fetchall()

    def _env(self) -> dict[str, str]:
        env = {
            "FIRESIDE__ENGINE__REFRESH_INTERVAL_S": str(max(0.5, 5.0 / self.compression)),
        }
        if has_gate():
            env["FIRESIDE__CAPACITY__ENABLED"] = "true" if self.gate else "false"
            # The gate's time runs as much faster as its engines do; its policy stays as it is.
            env["FIRESIDE__CAPACITY__TIME_SCALE"] = str(self.compression)
            env["FIRESIDE__CAPACITY__TICK_S"] = str(0.25 / self.compression)
        return env

    def _add_engine(self, name: str, port: int) -> None:
        words = ["engine", "add", name, f"http://127.0.0.1:{port}/v1"]
        if has_gate():
            words += ["--slots", str(self._slots)]
        done = subprocess.run(
            [sys.executable, "-m", "fireside", *words],
            env=self.server.env,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"fireside engine add: {done.stdout}{done.stderr}")

    def _make_people(self) -> None:
        if not self.everybody:
            return
        done = subprocess.run(
            [sys.executable, "-m", "bench.gate.people"],
            input=msgspec.json.encode(self.everybody),
            env={**self.server.env, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"The accounts were not made: {done.stderr.decode()[-2000:]}")
        self.everybody = msgspec.json.decode(done.stdout, type=list[Person])


class Mocks:
    """Mock engines, each in a process of its own, on ports that they keep."""

    def __init__(self, work_dir: Path, count: int, cpu: int | None, *flags: str) -> None:
        work_dir.mkdir(parents=True, exist_ok=True)
        self._work_dir = work_dir
        self._cpu = cpu
        self._flags = flags
        self.ports = [free_port() for _ in range(count)]
        self._processes: list[Process | None] = [None] * count
        for number in range(count):
            self.start(number)

    def start(self, number: int) -> None:
        """Start one, on the port it had."""
        port = self.ports[number]
        words = ["-m", "bench.gateway.mock_engine", "--port", str(port), *self._flags]
        process = Process(
            [sys.executable, *words],
            log=self._work_dir / f"mock{number}.log",
            env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(["", *sys.path])},
            cpu=self._cpu,
        )
        process.wait_until_up(port, "/health")
        self._processes[number] = process

    def kill(self, number: int) -> None:
        """As a crash would."""
        process = self._processes[number]
        if process is not None:
            process.kill()
            self._processes[number] = None

    def engine(self, number: int = 0) -> Engine:
        """Its controls."""
        return Engine(self.ports[number])

    def wait_until_idle(self, within_s: float = 15.0) -> None:
        """Until nothing runs or waits in any."""
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            stats = [
                self.engine(number).stats()
                for number, process in enumerate(self._processes)
                if process is not None
            ]
            if not any(each["running"] or each["waiting"] for each in stats):
                return
            time.sleep(0.05)

    def stop(self) -> None:
        """End all."""
        for process in self._processes:
            if process is not None:
                process.stop()

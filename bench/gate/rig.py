"""What every scenario works with: engines, people, the clock, the capacity measured first."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from bench.gate.arrivals import Trace, work_s
from bench.gate.house import Change, House, Mocks, Person, people
from bench.gate.score import Found, Slo, Turn, score, turns
from bench.gate.spec import Caller, Replay, Replayed, Send
from bench.gateway.cost import CostModel
from bench.gateway.report import Baseline, Goal

PAID_SLO = Slo(2.0, 0.1)
FREE_SLO = Slo(10.0, 0.2)
PATIENCE_S = 30.0
CAP_CONCURRENCY = 32
LEAST_CAP = 0.75  # a machine on which it is less is too busy


class Depth(StrEnum):
    """How much is run: two or three minutes, ten, or half an hour."""

    QUICK = "quick"
    NORMAL = "normal"
    THOROUGH = "thorough"


class Rig:
    """One run of the benchmark. Times inside are seconds of the run: promises over compression."""

    def __init__(
        self,
        work_dir: Path,
        trace: Trace,
        *,
        seed: int,
        depth: Depth = Depth.NORMAL,
        compression: float = 5.0,
        gateway_cpu: int | None = 0,
        load_cpu: int | None = 1,
    ) -> None:
        self.work_dir = work_dir
        self.trace = trace
        self.seed = seed
        self.depth = depth
        self.compression = compression
        self.gateway_cpu = gateway_cpu
        self.load_cpu = load_cpu
        self.cost = CostModel(compression=compression)
        self.cap = 1.0  # engine seconds a second that the engine serves in time
        self.voids: list[str] = []
        self._num_houses = 0

    def at(self, compression: float) -> Rig:
        """The same rig with another clock; the measured capacity stands."""
        work_dir = self.work_dir / f"at{compression:g}"
        work_dir.mkdir(exist_ok=True)
        other = Rig(
            work_dir,
            self.trace,
            seed=self.seed,
            depth=self.depth,
            compression=compression,
            gateway_cpu=self.gateway_cpu,
            load_cpu=self.load_cpu,
        )
        other.cap, other.voids = self.cap, self.voids
        return other

    @property
    def quick(self) -> bool:
        """Whether less is enough."""
        return self.depth is Depth.QUICK

    @property
    def thorough(self) -> bool:
        """Whether everything is wanted."""
        return self.depth is Depth.THOROUGH

    @property
    def slos(self) -> dict[str, Slo]:
        """By group, in seconds of the run; every group but `paid` is promised what free is."""
        factor = 1 / self.compression
        paid = Slo(PAID_SLO.first_s * factor, PAID_SLO.per_token_s * factor)
        free = Slo(FREE_SLO.first_s * factor, FREE_SLO.per_token_s * factor)
        return {"paid": paid, "free": free, "honest": free, "abuser": free}

    @property
    def patience_s(self) -> float:
        """How long a client waits for the first word."""
        return PATIENCE_S / self.compression

    def span_s(self, whole_s: float) -> float:
        """How long to measure: less of `whole_s` in a quick run, twice of it in a thorough one."""
        return whole_s * (0.5 if self.quick else 2.0 if self.thorough else 1.0)

    def mocks(
        self, count: int = 1, *, compression: float | None = None, prefix_tokens: int = 0
    ) -> Mocks:
        """Fresh mock engines at the cost model's speed."""
        self._num_houses += 1
        return Mocks(
            self.work_dir / f"mocks{self._num_houses}",
            count,
            self.load_cpu,
            *f"--mode paced --compression {compression or self.compression}".split(),
            *f"--reply-tokens 4000 --prefix-tokens {prefix_tokens}".split(),
        )

    def house(
        self,
        mocks: Mocks,
        everybody: Sequence[Person],
        *changes: Change,
        gate: bool = True,
        compression: float | None = None,
    ) -> House:
        """A fresh server in front of `mocks`, with the policy in force."""
        self._num_houses += 1
        house = House(
            self.work_dir / f"house{self._num_houses}",
            mocks.ports,
            everybody,
            gate=gate,
            compression=compression or self.compression,
            cpu=self.gateway_cpu,
        )
        try:
            house.start(*changes)
        except BaseException:
            house.stop()
            raise
        return house

    def callers(self, everybody: Sequence[Person], retries: int = 0) -> list[Caller]:
        """The people as clients; whoever is not on `plus` is in the group of their plan."""
        return [
            Caller(
                group="paid" if each.plan == "plus" else each.plan,
                key=each.key,
                patience_s=self.patience_s,
                retries=retries,
            )
            for each in everybody
        ]

    def replay(
        self, port: int, sends: list[Send], callers: list[Caller], **options: Any
    ) -> Replayed:
        """Send them from a process of its own; `options` are further fields of `Replay`."""
        with self.replaying(port, sends, callers, **options) as under_way:
            return under_way.result()

    def replaying(
        self, port: int, sends: list[Send], callers: list[Caller], **options: Any
    ) -> UnderWay:
        """The same, but going on while the caller does something else."""
        given = {
            "drain_s": self.patience_s + 6.0,
            "backoff_s": 1.0 / self.compression,
            "pace": self.compression,
            "seed": self.seed,
            "cpu": self.load_cpu,
            **options,
        }
        return UnderWay(Replay(port=port, callers=callers, sends=sends, **given), self)

    def score(
        self,
        sends: list[Send],
        callers: list[Caller],
        replayed: Replayed,
        from_s: float,
        to_s: float,
    ) -> Found:
        """Figures of what was due in a span; goodput as a share of the capacity."""
        found = score(
            turns(sends, callers, replayed, from_s, to_s),
            self.slos,
            self.cost,
            to_s - from_s,
            replayed.void,
        )
        found.goodput = round(found.goodput / self.cap, 4)
        found.offered = round(found.offered / self.cap, 3)
        found.work_by_group = {k: round(v / self.cap, 3) for k, v in found.work_by_group.items()}
        return found

    def turns(
        self,
        sends: list[Send],
        callers: list[Caller],
        replayed: Replayed,
        from_s: float,
        to_s: float,
    ) -> list[Turn]:
        """The turns that were first due in a span."""
        return turns(sends, callers, replayed, from_s, to_s)

    def measure_cap(self) -> float:
        """The work that the bare engine does in time with always as many turns as it has slots."""
        mocks = self.mocks()
        span_s = self.span_s(12.0)
        lead_s = 3.0
        try:
            sends = [
                Send(0.0, each.prompt_tokens, each.output_tokens)
                for each in self.trace.requests[: int(40 * self.compression * (span_s + lead_s))]
            ]
            replayed = self.replay(
                mocks.ports[0],
                sends,
                [Caller(group="paid", patience_s=60)],
                concurrency=CAP_CONCURRENCY,
                stop_s=span_s + lead_s,
                drain_s=5.0,
            )
        finally:
            mocks.stop()
        slo = self.slos["paid"]
        done_s = 0.0
        for attempt in replayed.attempts:
            send = sends[attempt.send]
            turn = Turn(Send(attempt.due_s, send.prompt_tokens, send.output_tokens), "", [attempt])
            if lead_s <= attempt.ended_s < lead_s + span_s and turn.in_time(slo):
                done_s += work_s(send.prompt_tokens, send.output_tokens, self.cost)
        self.cap = done_s / span_s
        if self.cap < LEAST_CAP:
            self.voids.append(f"the bare engine came to {self.cap:.2f} of its own speed")
        return self.cap


class UnderWay:
    """A replay in its own process."""

    def __init__(self, replay: Replay, rig: Rig) -> None:
        self._rig = rig
        last_s = max((send.at_s for send in replay.sends), default=0.0)
        self._within_s = max(last_s, replay.stop_s) + replay.drain_s + 120.0
        self._output = tempfile.TemporaryFile(dir=rig.work_dir)  # a pipe that fills would block it
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.gate.replay"],
            stdin=subprocess.PIPE,
            stdout=self._output,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(replay))
        self._process.stdin.close()
        self._process.stdin = None

    def __enter__(self) -> UnderWay:
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._output.close()

    def result(self) -> Replayed:
        """Wait for its end. Raises RuntimeError when it broke."""
        if self._process.wait(timeout=self._within_s):
            raise RuntimeError("The replayer broke; its words are above.")
        self._output.seek(0)
        replayed = msgspec.json.decode(self._output.read(), type=Replayed)
        if replayed.void:
            self._rig.voids.append(replayed.void)
        return replayed


def crowd(num_paid: int, num_free: int) -> list[Person]:
    """People on the two plans of most scenarios, the paid ones first."""
    return [*people("plus", num_paid), *people("free", num_free)]


def goal(
    value: float | None,
    wanted: str,
    ok: bool | None,
    baseline: dict[str, float] | None = None,
    note: str = "",
) -> Goal:
    """One line of the result; baselines were measured in the same run."""
    shown = None if value is None else round(value, 4)
    known = {name: Baseline(round(x, 4), "this run") for name, x in (baseline or {}).items()}
    return Goal(shown, wanted, ok, known, note)

"""One scheduler for several processes: who decides, and what the others tell it. Pure.

One process leads and decides for all with the very same scheduler; the others follow: they send it
their asks and what becomes of their leases, and carry out its answers. Nobody but the holder is
needed to know what is held: a few times a second every process says what it has and what it waits
for, so that a new leader learns everything from the others, and what a process held that was killed
comes free when it has been silent for `SILENT_S`.

Without a leader (Valkey is away) each process is alone and decides for itself, with the engines'
slots divided by the number of processes there were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum

import msgspec

from fireside.capacity.asks import (
    Answer,
    Ask,
    Decision,
    Granted,
    Lost,
    Refused,
    Waiting,
)
from fireside.capacity.domain import Scheduler
from fireside.capacity.ladder import Rung
from fireside.capacity.policy import BANDS, Band, Policy
from fireside.capacity.prediction import WaitRange

SILENT_S = 2.0
"""A process that says nothing for so long has lost its asks and leases."""

LISTEN_S = 0.4
"""So long a new leader only listens to what the others hold, before it gives anything out."""

SUMMARY_EVERY_S = 0.5
MAX_MISSING = 3
"""So many times in a row a process does not name what it was given, before that is taken back."""

SOON = 0  # the place in line of an ask that has not been answered yet


class Role(StrEnum):
    """What a process is to the others."""

    ALONE = "alone"
    LEADING = "leading"
    FOLLOWING = "following"


class Hold(msgspec.Struct):
    """A lease that a process holds."""

    ask: Ask
    engine: str
    num_tokens: int = 0


class Asking(msgspec.Struct, frozen=True, array_like=True):
    """An ask on its way to the leader, whose clock is another."""

    ask: Ask
    age_s: float


class Beat(msgspec.Struct, frozen=True, array_like=True):
    """All that a process holds, with the tokens said, and all that it waits for."""

    held: dict[str, int]
    waiting: list[str]


class ToLeader(msgspec.Struct, tag="to", array_like=True):
    """What a process tells the leader. `finished`: prompt and output tokens used."""

    process: str
    asks: list[Asking] = []
    holds: list[Hold] = []
    finished: dict[str, tuple[int, int]] = {}
    cancelled: list[str] = []
    beat: Beat | None = None


class PoolSummary(msgspec.Struct, frozen=True, array_like=True):
    """How a pool stands, as far as those who follow need to know."""

    name: str
    rung: Rung
    waits: dict[Band, WaitRange | None]


class Summary(msgspec.Struct, frozen=True, array_like=True):
    """How everything stands."""

    num_processes: int
    pools: list[PoolSummary]
    limits: dict[str, float]
    view: bytes = b""  # for people; see `fireside.capacity.leader_view`


class FromLeader(msgspec.Struct, tag="from", array_like=True):
    """What the leader tells a process. `unknown`: say again all about these."""

    leader: str
    epoch: int
    answers: list[Decision | Waiting] = []
    unknown: list[str] = []
    summary: Summary | None = None


Message = ToLeader | FromLeader
Send = Callable[[str, Message], None]


def _send_nowhere(_process: str, _message: Message) -> None:
    pass


def _deliver_nowhere(_decisions: list[Decision]) -> None:
    pass


class SharedScheduler(Scheduler):
    """A scheduler of its own, or the front of the leader's, as its role changes.

    `send` takes messages to other processes, `deliver` the decisions on this process's own asks
    that come later than their answer.
    """

    def __init__(self, policy: Policy, now: float, process: str) -> None:
        super().__init__(policy, now)
        self.process = process
        self.role = Role.ALONE
        self.leader, self.epoch = "", 0
        self.num_processes = 1
        self.send: Send = _send_nowhere
        self.deliver: Callable[[list[Decision]], None] = _deliver_nowhere
        self.describe: Callable[[], bytes] = bytes
        self.described = b""
        self._asked: dict[str, Ask] = {}  # this process's own
        self._holds: dict[str, Hold] = {}  # this process's own
        self._places: dict[str, Waiting] = {}
        self._expected: dict[tuple[str, Band], WaitRange | None] = {}
        self._owned: dict[str, dict[str, int]] = {}  # leading: process -> ask -> beats without it
        self._owner: dict[str, str] = {}  # leading: ask -> process
        self._beat_at: dict[str, float] = {}
        self._early: dict[str, Ask] = {}
        self._opens_at = self._summed_at = now
        self._offers: dict[str, list[str]] = {}
        self._slots: dict[str, int | None] = {}

    # roles

    def lead(self, epoch: int, now: float) -> None:
        """Decide for all from now on."""
        if self.role is Role.LEADING and self.epoch == epoch:
            return
        self._forget_all(now)
        self.role, self.leader, self.epoch = Role.LEADING, self.process, epoch
        self._opens_at = now + LISTEN_S
        self._set_engines(now)
        for hold in self._holds.values():
            self._adopt(hold, now)
        self._early = dict(self._asked)

    def follow(self, leader: str, epoch: int, now: float) -> None:
        """Let another process decide from now on, and tell it everything."""
        if self.role is Role.FOLLOWING and (self.leader, self.epoch) == (leader, epoch):
            return
        self._forget_all(now)
        self.role, self.leader, self.epoch = Role.FOLLOWING, leader, epoch
        self._set_engines(now)
        self._say_again([*self._asked, *self._holds], now)

    def be_alone(self, now: float) -> None:
        """Decide for this process only: there is no leader to be heard."""
        if self.role is Role.ALONE:
            return
        self._forget_all(now)
        self.role, self.leader = Role.ALONE, ""
        self._set_engines(now)
        for hold in self._holds.values():
            self._adopt(hold, now)
        self._ask_again(list(self._asked.values()), now)

    # the scheduler's own interface

    def set_engines(
        self, offers: Mapping[str, Iterable[str]], slots: Mapping[str, int | None], now: float
    ) -> list[Decision]:
        """As the scheduler's; who is alone takes its share of the slots only."""
        self._offers = {name: list(names) for name, names in offers.items()}
        self._slots = dict(slots)
        return self._set_engines(now)

    def arrive(self, ask: Ask, now: float) -> Answer:
        """As the scheduler's; the answer may come later, the place in line is 0 until then."""
        self._asked[ask.id] = ask
        if self.role is Role.FOLLOWING:
            self._pool(ask.pool)
            self._tell_leader(asks=[Asking(ask, max(0.0, now - ask.arrived_at))])
            return Waiting(ask.id, SOON, None)
        if now < self._opens_at:
            self._early[ask.id] = ask
            return Waiting(ask.id, SOON, None)
        answer = super().arrive(ask, now)
        self._note_own(answer)
        return answer

    def finish(
        self, ask_id: str, prompt_tokens: int, output_tokens: int, now: float
    ) -> list[Decision]:
        """As the scheduler's."""
        self._drop(ask_id)
        if self.role is Role.FOLLOWING:
            self._tell_leader(finished={ask_id: (prompt_tokens, output_tokens)})
            return []
        return self._sort(super().finish(ask_id, prompt_tokens, output_tokens, now))

    def cancel(self, ask_id: str, now: float) -> list[Decision]:
        """As the scheduler's."""
        self._drop(ask_id)
        if self.role is Role.FOLLOWING:
            self._tell_leader(cancelled=[ask_id])
            return []
        self._early.pop(ask_id, None)
        return self._sort(super().cancel(ask_id, now))

    def progress(self, ask_id: str, num_tokens: int, now: float) -> None:
        """As the scheduler's; the leader hears of it with the next beat."""
        if (hold := self._holds.get(ask_id)) is not None:
            hold.num_tokens = num_tokens
        if self.role is not Role.FOLLOWING:
            super().progress(ask_id, num_tokens, now)

    def tick(self, now: float) -> list[Decision]:
        """As the scheduler's; who follows says that it lives, and what it has."""
        if self.role is Role.FOLLOWING:
            held = {id: hold.num_tokens for id, hold in self._holds.items()}
            self._tell_leader(beat=Beat(held, list(self._asked)))
            return []
        if self.role is Role.LEADING:
            if now < self._opens_at:
                return []
            self._bury_silent(now)
            self._answer_early(now)
            if now - self._summed_at >= SUMMARY_EVERY_S:
                self._summed_at = now
                self._tell_summary()
        return self._sort(super().tick(now))

    def waiting(self, ask_id: str) -> Waiting | None:
        """As the scheduler's."""
        if self.role is Role.FOLLOWING:
            return self._places.get(ask_id)
        return super().waiting(ask_id)

    def expected_wait(self, pool_name: str, band: Band, flow: str) -> WaitRange | None:
        """As the scheduler's; who follows knows it for a newcomer."""
        if self.role is Role.FOLLOWING:
            return self._expected.get((pool_name, band))
        return super().expected_wait(pool_name, band, flow)

    # messages

    def take(self, message: Message, now: float) -> None:
        """Something came from another process."""
        if isinstance(message, ToLeader):
            if self.role is Role.LEADING:
                self._hear(message, now)
        elif self.role is Role.FOLLOWING and (message.leader, message.epoch) == (
            self.leader,
            self.epoch,
        ):
            self._obey(message, now)

    def _hear(self, said: ToLeader, now: float) -> None:
        """Leading: what a process says."""
        self._beat_at[said.process] = now
        owned = self._owned.setdefault(said.process, {})
        for hold in said.holds:
            self._own(said.process, hold.ask.id)
            self._adopt(hold, now)
        for each in said.asks:
            self._own(said.process, each.ask.id)
            each.ask.arrived_at = now - each.age_s
            self._answer(each.ask, now)
        for ask_id, (prompt_tokens, output_tokens) in said.finished.items():
            self._disown(ask_id)
            self.deliver(self._sort(super().finish(ask_id, prompt_tokens, output_tokens, now)))
        for ask_id in said.cancelled:
            self._release_remote(ask_id, now)
        if said.beat is not None:
            self._compare(said.process, owned, said.beat, now)

    def _compare(self, process: str, owned: dict[str, int], beat: Beat, now: float) -> None:
        """Leading: hold what a process says it has against what is known of it."""
        unknown = [id for id in (*beat.held, *beat.waiting) if id not in owned]
        if unknown:
            self._tell(process, unknown=unknown)
        for ask_id, num_tokens in beat.held.items():
            super().progress(ask_id, num_tokens, now)
        waiting = set(beat.waiting)
        places: list[Decision | Waiting] = []
        for ask_id in list(owned):
            run = self.runs.get(ask_id)
            if ask_id in beat.held or (ask_id in waiting and run is None):
                owned[ask_id] = 0
                place = super().waiting(ask_id)
                if place is not None:
                    places.append(place)
                continue
            owned[ask_id] += 1
            if ask_id in waiting and run is not None:
                if owned[ask_id] > 1:  # it was not told, or has not heard
                    places.append(Granted(ask_id, run.engine.name))
            elif owned[ask_id] >= MAX_MISSING:
                self._release_remote(ask_id, now)
        if places:
            self._tell(process, answers=places)

    def _obey(self, told: FromLeader, now: float) -> None:
        """Following: what the leader says."""
        if told.summary is not None:
            self._apply(told.summary)
        if told.unknown:
            self._say_again(told.unknown, now)
        for answer in told.answers:
            if isinstance(answer, Waiting):
                if answer.ask_id in self._asked:
                    self._places[answer.ask_id] = answer
            elif answer.ask_id in self._asked or answer.ask_id in self._holds:
                is_repeated = isinstance(answer, Granted) and answer.ask_id in self._holds
                self._note_own(answer)
                if not is_repeated:
                    self.deliver([answer])
            elif isinstance(answer, Granted):  # nobody wants it any more
                self._tell_leader(cancelled=[answer.ask_id])

    def _apply(self, summary: Summary) -> None:
        self.num_processes = summary.num_processes
        self.described = summary.view
        for each in summary.pools:
            pool = self._pool(each.name)
            pool.ladder = msgspec.structs.replace(pool.ladder, rung=each.rung)
            for band, wait in each.waits.items():
                self._expected[each.name, band] = wait
        for name, limit in summary.limits.items():
            if (engine := self.engines.get(name)) is not None:
                engine.limit = limit

    def _say_again(self, ask_ids: Iterable[str], now: float) -> None:
        known = list(ask_ids)
        asks = [self._asked[id] for id in known if id in self._asked]
        self._tell_leader(
            asks=[Asking(ask, max(0.0, now - ask.arrived_at)) for ask in asks],
            holds=[self._holds[id] for id in known if id in self._holds],
        )

    # leading

    def _answer(self, ask: Ask, now: float) -> None:
        """Answer an ask of another process."""
        if now < self._opens_at:
            self._early[ask.id] = ask
            return
        answer = super().arrive(ask, now)
        if isinstance(answer, Refused):
            process = self._owner[ask.id]
            self._disown(ask.id)
            self._tell(process, answers=[answer])
        else:
            self._tell(self._owner[ask.id], answers=[answer])

    def _answer_early(self, now: float) -> None:
        early, self._early = self._early, {}
        for ask in sorted(early.values(), key=lambda each: each.arrived_at):
            if ask.id in self._owner:
                self._answer(ask, now)
            elif ask.id in self._asked:
                self._ask_again([ask], now)

    def _bury_silent(self, now: float) -> None:
        for process, seen in list(self._beat_at.items()):
            if now - seen > SILENT_S:
                del self._beat_at[process]
                for ask_id in list(self._owned.get(process, ())):
                    self._release_remote(ask_id, now)
                self._owned.pop(process, None)
        self.num_processes = 1 + len(self._beat_at)

    def _release_remote(self, ask_id: str, now: float) -> None:
        self._early.pop(ask_id, None)
        self._disown(ask_id)
        self.deliver(self._sort(super().cancel(ask_id, now)))

    def _tell_summary(self) -> None:
        pools = [
            PoolSummary(
                pool.name,
                pool.ladder.rung,
                {
                    band: super(SharedScheduler, self).expected_wait(pool.name, band, "")
                    for band in BANDS
                },
            )
            for pool in self.pools.values()
        ]
        limits = {name: engine.limit for name, engine in self.engines.items()}
        summary = Summary(self.num_processes, pools, limits, self.describe())
        for process in self._beat_at:
            self._tell(process, summary=summary)

    def _own(self, process: str, ask_id: str) -> None:
        self._owner[ask_id] = process
        self._owned.setdefault(process, {})[ask_id] = 0

    def _disown(self, ask_id: str) -> None:
        process = self._owner.pop(ask_id, None)
        if process is not None:
            self._owned.get(process, {}).pop(ask_id, None)

    # inside

    def _set_engines(self, now: float) -> list[Decision]:
        share = self.num_processes if self.role is Role.ALONE else 1
        slots = {
            name: None if stated is None else max(1, stated // share)
            for name, stated in self._slots.items()
        }
        return self._sort(super().set_engines(self._offers, slots, now))

    def _adopt(self, hold: Hold, now: float) -> None:
        """Count a lease that was given out before, whatever there is room for."""
        ask_id = hold.ask.id
        self._early.pop(ask_id, None)
        run = self.runs.get(ask_id)
        if run is not None and run.engine.name != hold.engine:
            self._release(ask_id, 0, 0, now)
        elif run is not None:
            return
        if (wait := self.waits.pop(ask_id, None)) is not None:
            self._unqueue(wait.ask, now)
        engine = self.engines.get(hold.engine)
        if engine is not None:
            self._start(self._pool(hold.ask.pool), hold.ask, engine, now)
            # What it said before is not what the engine says now: it must not count as speed.
            run = self.runs[ask_id]
            run.num_tokens = hold.num_tokens
            run.first_at = now if hold.num_tokens else None

    def _ask_again(self, asks: list[Ask], now: float) -> None:
        """Ask this process's own scheduler for what this process waits for."""
        for ask in asks:
            answer = super().arrive(ask, now)
            self._note_own(answer)
            if not isinstance(answer, Waiting):
                self.deliver([answer])

    def _forget_all(self, now: float) -> None:
        """Begin with an empty scheduler; what this process holds and waits for stays known."""
        for ask_id in list(self.runs):
            self._release(ask_id, 0, 0, now)
        for wait in list(self.waits.values()):
            del self.waits[wait.ask.id]
            self._unqueue(wait.ask, now)
        for memory in (
            self._owner,
            self._owned,
            self._beat_at,
            self._early,
            self._places,
            self._expected,
        ):
            memory.clear()
        self._opens_at = now

    def _sort(self, decisions: list[Decision]) -> list[Decision]:
        """Send others' decisions to them; this process's own remain."""
        own: list[Decision] = []
        for decision in decisions:
            process = self._owner.get(decision.ask_id)
            if process is None:
                self._note_own(decision)
                own.append(decision)
                continue
            if isinstance(decision, Refused | Lost):
                self._disown(decision.ask_id)
            self._tell(process, answers=[decision])
        return own

    def _note_own(self, answer: Decision | Waiting) -> None:
        match answer:
            case Granted(ask_id, engine):
                if (ask := self._asked.pop(ask_id, None)) is not None:
                    self._holds[ask_id] = Hold(ask, engine)
                self._places.pop(ask_id, None)
            case Refused(ask_id) | Lost(ask_id):
                self._drop(ask_id)
            case _:
                pass

    def _drop(self, ask_id: str) -> None:
        self._asked.pop(ask_id, None)
        self._holds.pop(ask_id, None)
        self._places.pop(ask_id, None)

    def _tell(
        self,
        process: str,
        *,
        answers: list[Decision | Waiting] | None = None,
        unknown: list[str] | None = None,
        summary: Summary | None = None,
    ) -> None:
        self.send(
            process, FromLeader(self.process, self.epoch, answers or [], unknown or [], summary)
        )

    def _tell_leader(
        self,
        *,
        asks: list[Asking] | None = None,
        holds: list[Hold] | None = None,
        finished: dict[str, tuple[int, int]] | None = None,
        cancelled: list[str] | None = None,
        beat: Beat | None = None,
    ) -> None:
        self.send(
            self.leader,
            ToLeader(self.process, asks or [], holds or [], finished or {}, cancelled or [], beat),
        )

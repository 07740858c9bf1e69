"""Several processes, one scheduler: what is out is never more than there is room for."""

from __future__ import annotations

import random
from collections import deque

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fireside.capacity.asks import Ask, Granted, Lost, Refused
from fireside.capacity.policy import Band, default_policy
from fireside.capacity.sharing import (
    LISTEN_S,
    SILENT_S,
    FromLeader,
    Role,
    SharedScheduler,
    ToLeader,
)

SLOTS = 4
ENGINE = "engine"
TICK_S = 0.25

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(ToLeader | FromLeader).decode


class Process:
    """One gateway: what it was given, and what it still waits for."""

    def __init__(self, town: Town, name: str) -> None:
        self.town = town
        self.name = name
        self.is_alive = True
        self.scheduler = SharedScheduler(default_policy(), town.now, name)
        self.scheduler.send = lambda to, message: town.wire.append((self, to, _encode(message)))
        self.scheduler.deliver = self.carry_out
        self.scheduler.set_engines({"model": [ENGINE]}, {ENGINE: SLOTS}, town.now)
        self.waiting: set[str] = set()
        self.running: set[str] = set()

    def ask(self, number: int) -> None:
        ask_id = f"{self.name}-{number}"
        self.waiting.add(ask_id)
        ask = Ask(
            id=ask_id,
            pool="model",
            band=Band.LATER,
            flow=f"flow {number % 3}",
            arrived_at=self.town.now,
        )
        self.carry_out([self.scheduler.arrive(ask, self.town.now)])

    def carry_out(self, decisions) -> None:
        for decision in decisions:
            match decision:
                case Granted(ask_id, engine):
                    assert engine == ENGINE
                    assert ask_id in self.waiting, "granted twice, or never asked"
                    self.waiting.remove(ask_id)
                    self.running.add(ask_id)
                case Refused(ask_id):
                    self.waiting.discard(ask_id)
                case Lost(ask_id):
                    self.running.discard(ask_id)
                case _:
                    pass

    def finish_one(self) -> None:
        if self.running:
            ask_id = min(self.running)
            self.running.remove(ask_id)
            self.carry_out(self.scheduler.finish(ask_id, 10, 10, self.town.now))

    def give_up_one(self) -> None:
        if self.waiting:
            ask_id = max(self.waiting)
            self.waiting.remove(ask_id)
            self.carry_out(self.scheduler.cancel(ask_id, self.town.now))


class Town:
    """Processes, the wire between them, and time."""

    def __init__(self, num_processes: int) -> None:
        self.now = 100.0
        self.wire: deque = deque()
        self.processes = [Process(self, f"p{n}") for n in range(num_processes)]
        self.epoch = 0
        self.lose = 0.0
        self.random = random.Random(1)

    @property
    def alive(self) -> list[Process]:
        return [each for each in self.processes if each.is_alive]

    @property
    def num_running(self) -> int:
        return sum(len(each.running) for each in self.alive)

    def elect(self, leader: Process) -> None:
        self.epoch += 1
        for each in self.alive:
            if each is leader:
                each.scheduler.lead(self.epoch, self.now)
            else:
                each.scheduler.follow(leader.name, self.epoch, self.now)

    def carry(self) -> None:
        while self.wire:
            sender, to, payload = self.wire.popleft()
            if not sender.is_alive or self.random.random() < self.lose:
                continue
            for each in self.alive:
                if each.name == to:
                    each.scheduler.take(_decode(payload), self.now)

    def pass_time(self, seconds: float) -> None:
        for _ in range(max(1, round(seconds / TICK_S))):
            self.now += TICK_S
            for each in self.alive:
                for ask_id in each.running:
                    each.scheduler.progress(ask_id, 5, self.now)
                each.carry_out(each.scheduler.tick(self.now))
            self.carry()


@pytest.fixture
def town() -> Town:
    built = Town(3)
    built.elect(built.processes[0])
    built.carry()
    built.pass_time(LISTEN_S + TICK_S)
    return built


def test_one_budget_for_all_processes(town: Town) -> None:
    for number in range(5):
        for process in town.processes:
            process.ask(number)
    town.carry()
    assert town.num_running == SLOTS
    for _ in range(15):
        for process in town.processes:
            process.finish_one()
        town.carry()
        assert town.num_running <= SLOTS
    assert town.num_running == 0
    assert not any(process.waiting for process in town.processes)


def test_the_place_in_line_is_told(town: Town) -> None:
    for number in range(4):
        town.processes[1].ask(number)
    town.processes[2].ask(0)
    town.processes[2].ask(1)
    town.carry()
    town.pass_time(1)
    follower = town.processes[2].scheduler
    places = [follower.waiting(ask_id).place for ask_id in sorted(town.processes[2].waiting)]
    assert sorted(places) == [1, 2]
    assert follower.expected_wait("model", Band.PAID, "") is not None
    assert follower.num_processes == 3


def test_what_a_killed_follower_held_comes_free(town: Town) -> None:
    for number in range(4):
        town.processes[1].ask(number)
    for number in range(4):
        town.processes[2].ask(number)
    town.carry()
    assert len(town.processes[1].running) == SLOTS
    town.processes[1].is_alive = False
    town.pass_time(SILENT_S + 2 * TICK_S)
    assert len(town.processes[2].running) == SLOTS


def test_a_new_leader_learns_what_is_held_before_it_gives_anything(town: Town) -> None:
    for number in range(4):
        for process in town.processes[1:]:
            process.ask(number)
    town.carry()
    assert town.num_running == SLOTS
    held = [set(process.running) for process in town.processes[1:]]
    town.processes[0].is_alive = False
    town.elect(town.processes[1])
    town.carry()
    town.pass_time(LISTEN_S + 2 * TICK_S)
    assert [set(process.running) for process in town.processes[1:]] == held
    for _ in range(8):
        for process in town.alive:
            process.finish_one()
        town.carry()
        town.pass_time(TICK_S)
        assert town.num_running <= SLOTS
    assert town.num_running == 0
    assert not any(process.waiting for process in town.alive)


def test_a_leader_of_an_earlier_epoch_is_not_obeyed(town: Town) -> None:
    old, new, third = town.processes
    town.epoch += 1
    new.scheduler.lead(town.epoch, town.now)
    third.scheduler.follow(new.name, town.epoch, town.now)
    third.ask(1)
    town.wire.clear()  # the new leader has not heard it
    old.scheduler.take(ToLeader("p2", asks=[]), town.now)
    third.scheduler.take(FromLeader("p0", town.epoch - 1, [Granted("p2-1", ENGINE)]), town.now)
    assert third.running == set()
    town.pass_time(LISTEN_S + 3 * TICK_S)
    assert third.running == {"p2-1"}  # asked again, because the leader did not know it


def test_without_a_leader_everybody_takes_a_share_and_nobody_loses_a_place(town: Town) -> None:
    for number in range(3):
        for process in town.processes:
            process.ask(number)
    town.carry()
    town.pass_time(1)
    assert town.num_running == SLOTS
    for process in town.processes:
        process.scheduler.be_alone(town.now)
        assert process.scheduler.role is Role.ALONE
    for _ in range(9):
        for process in town.processes:
            process.finish_one()
        town.pass_time(TICK_S)
        assert all(len(process.running) <= 4 for process in town.processes)
    assert town.num_running == 0
    assert not any(process.waiting for process in town.processes)
    town.processes[0].ask(100)
    town.processes[0].ask(101)
    assert len(town.processes[0].running) == 1, "a third of four slots"
    town.elect(town.processes[2])
    town.carry()
    town.pass_time(LISTEN_S + 3 * TICK_S)
    assert town.processes[0].running == {"p0-100", "p0-101"}


def live_through(town: Town, step: str, which: int, number: int) -> None:
    """One step of a history."""
    process = town.processes[which]
    match step:
        case "kill" if len(town.alive) > 1:
            process.is_alive = False
        case "elect":
            town.elect(town.alive[which % len(town.alive)])
        case "lose":
            town.lose = 0.1 * which
        case "time":
            town.pass_time(which * TICK_S)
        case "ask" if process.is_alive:
            process.ask(number)
        case "finish" if process.is_alive:
            process.finish_one()
        case "give_up" if process.is_alive:
            process.give_up_one()
        case "alone" if process.is_alive:
            process.scheduler.be_alone(town.now)
        case _:
            pass


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "finish", "give_up", "time", "kill", "elect", "alone", "lose"]),
        st.integers(0, 3),
    ),
    min_size=5,
    max_size=60,
)


@given(STEPS)
@settings(max_examples=300)
def test_after_any_history_everything_is_answered_and_nothing_leaks(steps) -> None:
    town = Town(4)
    town.elect(town.processes[0])
    town.carry()
    for number, (step, which) in enumerate(steps):
        live_through(town, step, which, number)
        if number % 3:
            town.carry()
    # Calm: one leader, nothing is lost, everybody finishes what runs.
    town.lose = 0.0
    town.elect(town.alive[0])
    town.carry()
    town.pass_time(LISTEN_S + SILENT_S + 2)
    for _ in range(80):
        for process in town.alive:
            process.finish_one()
        town.carry()
        town.pass_time(TICK_S)
    assert town.num_running == 0
    assert not any(process.waiting for process in town.alive)
    leader = town.alive[0].scheduler
    town.pass_time(3)
    assert leader.held() == []
    for number in range(1000, 1000 + SLOTS):
        town.alive[-1].ask(number)
    town.carry()
    assert town.num_running == leader.engines[ENGINE].num_slots

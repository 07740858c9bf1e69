"""What a caller of the gate holds: a ticket while it waits, a lease while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from fireside.capacity.asks import Ask, Reason, Refused, Waiting
from fireside.capacity.ladder import Rung
from fireside.capacity.policy import Band
from fireside.engine.catalog import Route, Served
from fireside.engine.ports import Capability
from fireside.errors import BackendFailed, CapacityExhausted

if TYPE_CHECKING:
    from fireside.capacity.service import Gate


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """One generation that a feature wants to run, and for whom.

    `flow` is who it is charged to. `prefix` names what an engine may have
    cached, such as the conversation. `learns` is the key under which reply lengths are learned.
    """

    model: str | None
    band: Band
    flow: str
    need: Capability = Capability.CHAT
    weight: float = 1.0
    plan: str = ""
    prompt_tokens: int = 0
    max_tokens: int | None = None
    prefix: str = ""
    learns: str = ""
    max_running: int = 0
    max_waiting: int = 0
    is_paid: bool = False
    whole: bool = False  # answered in one piece: nothing is heard of it until its end
    patient: bool = False  # it stands in line however long that is
    durable: bool = False  # instead of being refused it waits in the durable queue


class Interruption(StrEnum):
    """Why the gate takes a lease back."""

    PREEMPTED = "preempted"
    STALLED = "stalled"


class Lease:
    """The right to run on one engine until `close`. Count every token in `num_tokens`."""

    __slots__ = (
        "_gate",
        "_task",
        "ask",
        "engine_s",
        "granted_at",
        "interruption",
        "is_reading",
        "num_tokens",
        "plan",
        "route",
        "rung",
        "waited_s",
    )

    def __init__(
        self, gate: Gate, ticket: Ticket, route: Route, rung: Rung, granted_at: float
    ) -> None:
        self._gate = gate
        self._task: asyncio.Task[object] | None = None
        self.ask = ticket.ask
        self.plan = ticket.wanted.plan
        self.route = route
        self.rung = rung
        self.granted_at = granted_at
        self.waited_s = granted_at - ticket.asked_at
        self.num_tokens = 0
        self.engine_s = 0.0
        self.interruption: Interruption | None = None
        self.is_reading = False

    def first_token(self) -> None:
        """Say at once that the engine speaks; further tokens are counted at the next tick."""
        self.num_tokens = 1
        self._gate.note_first_token(self)

    def bind(self) -> None:
        """The present task is the one that reads the engine's events."""
        self._task = asyncio.current_task()

    def interrupt(self, why: Interruption) -> None:
        """Make the reading task stop: with a cancellation where it waits for the engine."""
        if self.interruption is not None:
            return
        self.interruption = why
        if self.is_reading and self._task is not None:
            self._task.cancel()

    def swallow(self) -> bool:
        """After a cancellation: whether it was the gate's own, and nobody else's too."""
        if self.interruption is None or self._task is None:
            return False
        return self._task.uncancel() == 0

    def close(self, prompt_tokens: int | None = None, output_tokens: int | None = None) -> None:
        """Give the slot back; what was used is settled. Never waits; a second call does nothing."""
        self._gate.close(self, prompt_tokens, output_tokens)


class Ticket:
    """One ask: wait for its `lease`. `on_place` is told of the place in line as it changes."""

    def __init__(
        self, gate: Gate, wanted: Wanted, served: Served, ask: Ask, asked_at: float
    ) -> None:
        self._gate = gate
        self._ready: asyncio.Event | None = None
        self._lease: Lease | None = None
        self._refused: Refused | None = None
        self.wanted = wanted
        self.served = served
        self.ask = ask
        self.asked_at = asked_at
        self.place: Waiting | None = None
        self.later_since: Reason | None = None  # why it was put into the durable queue
        self.on_place: Callable[[Ticket], None] | None = None

    @property
    def refused(self) -> Refused | None:
        """The refusal, once there is one."""
        return self._refused

    async def lease(self) -> Lease:
        """The lease, when its turn has come. Raises CapacityExhausted or NoRoom.

        A caller that is cancelled while it waits gives up its place.
        """
        try:
            while self._lease is None:
                if self._refused is not None:
                    raise refusal(self._refused)
                self._ready = asyncio.Event()
                await self._ready.wait()
        except asyncio.CancelledError:
            self.cancel()
            raise
        lease, self._lease = self._lease, None
        return lease

    def cancel(self) -> None:
        """Nobody wants it any more."""
        if self._lease is not None:
            self._lease.close(0, 0)
            self._lease = None
        self._gate.forget(self)

    # told by the gate

    def grant(self, lease: Lease) -> None:
        """Its turn has come."""
        self._lease = lease
        self._wake()

    def refuse(self, refused: Refused) -> None:
        """It will not run."""
        self._refused = refused
        self._wake()

    def move(self, place: Waiting) -> None:
        """It is at another place in line."""
        self.place = place
        if self.on_place is not None:
            self.on_place(self)

    def again(self, ask: Ask) -> None:
        """It was asked anew, under another band or pool."""
        self.ask = ask
        self._refused = None

    def _wake(self) -> None:
        if self._ready is not None:
            self._ready.set()


_MESSAGES = {
    Reason.WAIT_TOO_LONG: "There is more demand than this server can answer in time right now.",
    Reason.NOT_THIS_HOUR: "Far more people ask than can be served; others have their turn this "
    "hour.",
    Reason.LATER_ONLY: "Only questions that can wait are taken on the free plan right now.",
    Reason.TOO_MANY_WAITING: "Too many of your requests are waiting already.",
    Reason.PATIENCE_OVER: "No room came free while this request waited.",
}


def refusal(refused: Refused) -> CapacityExhausted | BackendFailed:
    """The error for a refusal, with when to try again."""
    if refused.reason is Reason.NO_ENGINE:
        return BackendFailed(
            "no_engine",
            "No engine came back while this request waited.",
            hint="Try again in a moment; the operator sees what is wrong under Administration.",
            retryable=True,
            retry_after_s=refused.retry_after_s,
        )
    seconds = max(1, round(refused.retry_after_s))
    return CapacityExhausted(
        f"capacity_{refused.reason.value}",
        _MESSAGES[refused.reason],
        hint=f"Try again in {seconds} s.",
        retry_after_s=refused.retry_after_s,
    )

"""Replies that wait for their turn: what their followers are told, and what a person may choose."""

from __future__ import annotations

from typing import Literal

import msgspec

from fireside.capacity.leases import Ticket
from fireside.capacity.policy import Band
from fireside.capacity.service import Gate
from fireside.chat.log import TurnLog
from fireside.errors import Conflict

MAX_MODELS = 2


class SmallerModel(msgspec.Struct, frozen=True, tag="smaller_model", tag_field="kind"):
    """Let another model answer, which is free sooner."""

    model: str
    title: str
    wait_s: float


class Later(msgspec.Struct, frozen=True, tag="later", tag_field="kind"):
    """Finish it without me: the answer will be in the conversation."""


class Place(msgspec.Struct, frozen=True):
    """Where a reply is in line. `place` 0: it begins. Waits are seconds, null while unknown."""

    place: int
    low_s: float | None = None
    likely_s: float | None = None
    high_s: float | None = None
    mode: Literal["waiting", "later"] = "waiting"
    reason: str | None = None
    choices: tuple[SmallerModel | Later, ...] = ()


_BEGINS = Place(0)


class ReplyQueue:
    """The tickets of this process's replies, by turn."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._tickets: dict[str, tuple[TurnLog, Ticket]] = {}
        self._shown: dict[str, Place] = {}

    def watch(self, log: TurnLog, ticket: Ticket) -> None:
        """Tell the followers of `log` where `ticket` is in line, whenever that changes."""
        self._tickets[log.turn_id] = (log, ticket)
        ticket.on_place = lambda moved: self._show(log, self._place(moved))
        if ticket.place is not None:
            self._show(log, self._place(ticket))

    def done(self, log: TurnLog) -> None:
        """It waits no longer."""
        self._tickets.pop(log.turn_id, None)
        if self._shown.pop(log.turn_id, None) is not None:
            log.announce(_frame(_BEGINS))

    def place(self, turn_id: str) -> Place | None:
        """What the followers were told last; None for a turn that does not wait."""
        return self._shown.get(turn_id)

    def later(self, turn_id: str) -> None:
        """Finish it without the person. Raises Conflict when it does not wait any more."""
        log, ticket = self._waiting(turn_id)
        if ticket.ask.band is not Band.LATER:
            self._gate.later(ticket)
        self._show(log, self._place(ticket))

    def ask_other(self, turn_id: str, model: str) -> None:
        """Let another model answer. Raises Conflict, UserError for a model that is not served."""
        _, ticket = self._waiting(turn_id)
        self._gate.elsewhere(ticket, model)

    def _waiting(self, turn_id: str) -> tuple[TurnLog, Ticket]:
        found = self._tickets.get(turn_id)
        if found is None:
            raise Conflict(
                "turn_not_waiting",
                "This reply does not wait any more.",
                hint="It is being written, or has ended.",
            )
        return found

    def _place(self, ticket: Ticket) -> Place:
        is_later = ticket.ask.band is Band.LATER
        at = ticket.place
        wait = at.wait if at is not None else None
        choices: list[SmallerModel | Later] = [
            SmallerModel(model.name, model.title, round(range_.likely_s, 1))
            for model, range_ in self._gate.choices(ticket)[:MAX_MODELS]
        ]
        if not is_later:
            choices.append(Later())
        has_engine = bool(ticket.served.routes)
        reason = ticket.later_since.value if ticket.later_since is not None else None
        return Place(
            place=at.place if at is not None else 1,
            low_s=round(wait.low_s, 1) if wait is not None else None,
            likely_s=round(wait.likely_s, 1) if wait is not None else None,
            high_s=round(wait.high_s, 1) if wait is not None else None,
            mode="later" if is_later else "waiting",
            reason=reason if has_engine else "no_engine",
            choices=tuple(choices),
        )

    def _show(self, log: TurnLog, place: Place) -> None:
        if self._shown.get(log.turn_id) != place:
            self._shown[log.turn_id] = place
            log.announce(_frame(place))


_encode = msgspec.json.Encoder().encode


def _frame(place: Place) -> bytes:
    return b"event: queue\ndata: " + _encode(place) + b"\n\n"

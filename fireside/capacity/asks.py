"""What comes to the gate and what it answers: plain data. Pure."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from fireside.capacity.policy import Band
from fireside.capacity.prediction import WaitRange


class Ask(msgspec.Struct, kw_only=True, eq=False):
    """One turn that wants to run. Times are seconds on the scheduler's clock.

    `pool` is the model it wants; `flow` who it is charged to (an organisation, a person, a cluster
    of fresh accounts).
    `prompt_tokens` are those not expected in a cache. `prefix` names what an engine may have
    cached (the conversation). `resume`: a reply that was begun elsewhere goes on before all else.
    `whole`: its tokens come all at once at the end, and say nothing of the engine's speed.
    `patient`: it stays in line however long that is. `avoid`: engines that have just failed it.
    """

    id: str
    pool: str
    band: Band
    flow: str
    arrived_at: float
    weight: float = 1.0
    prompt_tokens: int = 0
    predicted_tokens: float = 200.0
    prefix: str = ""
    resume: bool = False
    patient: bool = False
    whole: bool = False
    avoid: frozenset[str] = frozenset()
    max_waiting: int = 0
    max_running: int = 0


class Granted(msgspec.Struct, frozen=True, tag="granted"):
    """Run it on that engine now."""

    ask_id: str
    engine: str


class Waiting(msgspec.Struct, frozen=True, tag="waiting"):
    """In line: `place` 1 is next. `wait` is None while no engine is there."""

    ask_id: str
    place: int
    wait: WaitRange | None


class Reason(StrEnum):
    """Why something was refused."""

    WAIT_TOO_LONG = "wait_too_long"  # it would start after its deadline
    NOT_THIS_HOUR = "not_this_hour"  # far too many: others are served this hour
    LATER_ONLY = "later_only"  # free questions are answered from the durable queue now
    TOO_MANY_WAITING = "too_many_waiting"  # of the same flow, or in the durable queue
    PATIENCE_OVER = "patience_over"  # it waited as long as it may
    NO_ENGINE = "no_engine"  # and none came while it waited


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """Not now; worth asking again after `retry_after_s`."""

    ask_id: str
    reason: Reason
    retry_after_s: float


class Preempted(msgspec.Struct, frozen=True, tag="preempted"):
    """Stop it at once and ask again: somebody is waiting for its slot."""

    ask_id: str


class Stalled(msgspec.Struct, frozen=True, tag="stalled"):
    """Its engine has stopped saying anything: go on elsewhere."""

    ask_id: str
    engine: str


class Lost(msgspec.Struct, frozen=True, tag="lost"):
    """Nobody has renewed its lease; the slot was taken back."""

    ask_id: str


Answer = Granted | Waiting | Refused
Decision = Granted | Refused | Preempted | Stalled | Lost

"""How long a wait will be, and whether it is worth beginning. Pure."""

from __future__ import annotations

import hashlib

from fireside.capacity.asks import Ask, Reason, Refused
from fireside.capacity.ladder import Rung
from fireside.capacity.policy import PREEMPTIBLE, WATCHED, Band
from fireside.capacity.pool import Pool
from fireside.capacity.prediction import WaitRange

HOUR_S = 3600.0
MIN_RETRY_S = 1.0
MAX_RETRY_S = 600.0
NO_ENGINE_RETRY_S = 5.0
CALM = 0.8  # of what the engines can do


class Wait:
    """One ask in line, since when, until when, and how long it was thought to take."""

    __slots__ = ("ask", "give_up_at", "raw_s", "since")

    def __init__(self, ask: Ask, since: float, give_up_at: float, raw_s: float | None) -> None:
        self.ask = ask
        self.since = since
        self.give_up_at = give_up_at
        self.raw_s = raw_s


def raw_wait_s(pool: Pool, band: Band, ahead: int) -> float:
    """Seconds until a slot falls to the ask behind `ahead` others of its band and above."""
    usable = pool.usable(band)
    over = max(0.0, pool.running[band] - usable)
    return (ahead + 1 + over) * pool.service_s / usable


def wait_range(pool: Pool, band: Band, ahead: int) -> WaitRange | None:
    """The same with its interval; None while no engine is there."""
    if not pool.slots:
        return None
    return pool.calibration[band].estimate(raw_wait_s(pool, band, ahead))


def retry_s(pool: Pool, band: Band) -> float:
    """When asking again is likely to help: after what waits now has been served."""
    if not pool.slots:
        return NO_ENGINE_RETRY_S
    raw_s = raw_wait_s(pool, band, pool.queues[band].num_waiting)
    return min(MAX_RETRY_S, max(MIN_RETRY_S, raw_s))


def refusal(pool: Pool, ask: Ask, wait: WaitRange, now: float) -> Refused | None:
    """Why an ask had better not wait for so long, if so."""
    rules = pool.policy.bands[ask.band]
    if ask.band is Band.FREE:
        if pool.ladder.rung >= Rung.LATER_ONLY:
            return Refused(ask.id, Reason.LATER_ONLY, retry_s(pool, ask.band))
        share = chosen_share(pool)
        if share < 1 and not is_chosen(ask, share, now):
            return Refused(ask.id, Reason.NOT_THIS_HOUR, max(MIN_RETRY_S, HOUR_S - now % HOUR_S))
    num_preemptible = sum(pool.running[band] for band in PREEMPTIBLE)
    if num_preemptible and num_preemptible > pool.num_wanted():
        return None  # somebody gives way to it at once
    # A line that gets shorter by itself is worth standing in, even beyond what was promised. And
    # where nobody watches, nothing is late before it is given up.
    is_calm = pool.pressure < CALM
    within_s = rules.patience_s if is_calm or ask.band not in WATCHED else rules.first_token_s
    # A refusal is a certain miss for who would be refused, but gives the slot to somebody who can
    # still be in time: where a reserve is held the likely wait decides, elsewhere the longest.
    expected_s = wait.likely_s if rules.reserve_factor else wait.high_s
    if expected_s + pool.fleet.first_token_s > pool.policy.admit_at * within_s:
        return Refused(ask.id, Reason.WAIT_TOO_LONG, retry_s(pool, ask.band))
    return None


def chosen_share(pool: Pool) -> float:
    """The share of free people who are served this hour."""
    usable = pool.usable(Band.FREE)
    offered = pool.offered_s[Band.FREE]
    if offered <= pool.policy.choose_above * usable:
        return 1.0
    return min(1.0, 1.2 * usable / offered)


def is_chosen(ask: Ask, share: float, now: float) -> bool:
    """Whether the hour's choice falls on this person: a hash of person and hour under `share`."""
    hour = int(now // HOUR_S)
    name = f"{ask.subject or ask.flow}/{hour}".encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest()) / 2**64 < share

"""How long a wait will be, and whether it is worth beginning. Pure."""

from __future__ import annotations

import hashlib

from fireside.capacity.asks import Ask, Reason, Refused
from fireside.capacity.ladder import Rung
from fireside.capacity.policy import PREEMPTIBLE, WATCHED, Band
from fireside.capacity.pool import Pool
from fireside.capacity.prediction import WaitRange

HOUR_S = 3600.0
NEXT = 2  # fewer than so many before it: its turn has come by its flow's share
MIN_RETRY_S = 1.0
HERD_S = 300.0  # over which those come back who were told to try in the next hour
MAX_RETRY_S = 600.0
NO_ENGINE_RETRY_S = 5.0
LIKELY_TIMES = 1.3  # the likely wait: the longest of who has not had more than others
SHORT_LINE = 0.3  # of the time to the first token, for those who had better not wait
CALM = 0.5  # of what the engines can do


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


def refusal(pool: Pool, ask: Ask, ahead: int, wait: WaitRange, now: float) -> Refused | None:
    """Why an ask had better not wait behind `ahead` others, if so."""
    num_giving_way = sum(pool.running[band] for band in PREEMPTIBLE)
    if ask.patient or (num_giving_way and num_giving_way > pool.num_wanted()):
        return None
    rules = pool.policy.bands[ask.band]
    # A line that gets shorter by itself is worth standing in, even beyond what was promised. And
    # where nobody watches, nothing is late before it is given up.
    is_calm = pool.pressure < CALM
    within_s = rules.patience_s if is_calm or ask.band not in WATCHED else rules.first_token_s
    reason = _why_short(pool, ask, now)
    if reason is not None:
        within_s *= SHORT_LINE
    # A refusal is a certain miss for who would be refused, but gives the slot to somebody who can
    # still be in time: where a reserve is held the likely wait decides, elsewhere the longest.
    is_likely = rules.reserve_factor or ahead < NEXT
    expected_s = wait.likely_s if is_likely else wait.high_s
    queue = pool.queues[ask.band]
    if not queue.num_ahead_of_share(ask.flow, pool.cost, now):
        # The longest waits are those of flows that have had more than others.
        expected_s = min(expected_s, LIKELY_TIMES * wait.likely_s)
    if expected_s + pool.fleet.first_token_s <= pool.policy.admit_at * within_s:
        return None
    after_s = retry_s(pool, ask.band)
    if reason is Reason.NOT_THIS_HOUR:
        after_s = HOUR_S - now % HOUR_S + HERD_S * _mark(ask, now)
    return Refused(ask.id, reason or Reason.WAIT_TOO_LONG, after_s)


def _why_short(pool: Pool, ask: Ask, now: float) -> Reason | None:
    """Why an ask may wait in a short line only, if so.

    A short line stays even then: without one a slot would fall to whoever asks most often.
    """
    if ask.band is not Band.FREE:
        return None
    if pool.ladder.rung >= Rung.LATER_ONLY:
        return Reason.LATER_ONLY
    share = chosen_share(pool)
    return Reason.NOT_THIS_HOUR if share < 1 and not is_chosen(ask, share, now) else None


def chosen_share(pool: Pool) -> float:
    """The share of free people who are served this hour."""
    usable = pool.usable(Band.FREE)
    offered = pool.offered_s[Band.FREE]
    if offered <= pool.policy.choose_above * usable:
        return 1.0
    return min(1.0, 1.2 * usable / offered)


def is_chosen(ask: Ask, share: float, now: float) -> bool:
    """Whether the hour's choice falls on this flow: a hash of flow and hour under `share`."""
    return _mark(ask, now) < share


def _mark(ask: Ask, now: float) -> float:
    """Where in [0, 1) the hash of a flow and the hour falls."""
    name = f"{ask.flow}/{int(now // HOUR_S)}".encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest()) / 2**64

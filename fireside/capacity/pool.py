"""What is known of the demand for one model, and whose its slots are. Pure."""

from __future__ import annotations

import math
from collections import deque

from fireside.capacity.asks import Ask
from fireside.capacity.engines import EngineState, Fleet
from fireside.capacity.fairness import FairQueue
from fireside.capacity.ladder import LadderState
from fireside.capacity.policy import BANDS, PREEMPTIBLE, WATCHED, Band, Policy
from fireside.capacity.prediction import WaitCalibration

DEMAND_RISE_S = 20.0  # a reserve that comes too late is no reserve
DEMAND_FALL_S = 120.0
PRESSURE_TAU_S = 30.0
SERVED_TAU_S = 60.0  # over which a band gets its own share
LEND_LOOK = 64  # of those who wait, when a slot can only be lent to a short reply
DUE = 0.4  # of the time to the first token is left: who was let in goes first now
FEW_FREE = 16  # so many slots for each one that is free: there is not enough
FAR_AHEAD = 2  # turns that a flow had more than others
DUE_EXCESS = 6  # turns more than others: beyond, being let in was no promise
GRAIN_S = 0.05  # means are not brought up to date more often
SPREAD = 1.5  # standard deviations of a Poisson number that a reserve covers
SOON = 0.25  # of the time to the first token: slots that come free by then need not be kept
LEAST_KEPT = 3  # of a reserve, or a tenth of the slots


class Pool:
    """The engines that serve one model, who runs on them and who waits for them."""

    def __init__(self, name: str, policy: Policy) -> None:
        self.name = name
        self.fleet = Fleet()
        self.queues = {band: FairQueue(policy.half_life_s) for band in BANDS}
        self.running = dict.fromkeys(BANDS, 0)
        self.resuming: deque[Ask] = deque()
        self.service_s = 5.0  # moving mean of how long a lease lasts
        self.cost = 500.0  # and of what it costs
        self.demand = dict.fromkeys(BANDS, 0.0)  # moving mean of running and waiting
        self.offered_s = dict.fromkeys(BANDS, 0.0)  # moving rate of slot seconds asked for
        self.calibration = {band: WaitCalibration() for band in BANDS}
        self.ladder = LadderState()
        self.served = dict.fromkeys(BANDS, 0.0)  # moving mean of running
        self._demand_at = self._offered_at = 0.0
        self.set_policy(policy)

    @property
    def engines(self) -> list[EngineState]:
        """Those that answer."""
        return self.fleet.engines

    @property
    def slots(self) -> int:
        """Of the engines that answer."""
        return self.fleet.slots

    @property
    def num_free(self) -> int:
        """Slots that could be given now."""
        return self.fleet.num_free

    @property
    def pressure(self) -> float:
        """Demand over capacity, in slots; what waits for later does not press."""
        offered = sum(self.offered_s[band] for band in WATCHED)
        return offered / self.slots if self.slots else 0.0

    def set_policy(self, policy: Policy) -> None:
        """Follow other rules from now on."""
        self.policy = policy
        self._factors = {
            band: rules.reserve_factor
            for band, rules in policy.bands.items()
            if rules.reserve_factor
        }
        self._reserved: dict[Band, int] = {}  # until the means are brought up to date
        self._reserved_of = 0  # slots
        self._above = {
            band: [above for above in BANDS[:number] if above in self._factors]
            for number, band in enumerate(BANDS)
        }
        self._shares = {band: policy.bands[band].min_share for band in BANDS}
        for queue in self.queues.values():
            queue.half_life_s = policy.half_life_s

    # what is asked for

    def count_demand(self, now: float) -> None:
        """Bring the moving means up to `now`; call before a count changes."""
        span_s = now - self._demand_at
        if span_s < GRAIN_S:
            return
        rise, fall = math.exp(-span_s / DEMAND_RISE_S), math.exp(-span_s / DEMAND_FALL_S)
        keep_served = math.exp(-span_s / SERVED_TAU_S)
        demand, running, queues, served = self.demand, self.running, self.queues, self.served
        for band in WATCHED:
            present = running[band] + queues[band].num_waiting
            keep = rise if present > demand[band] else fall
            demand[band] = demand[band] * keep + present * (1 - keep)
        for band in BANDS:
            served[band] = served[band] * keep_served + running[band] * (1 - keep_served)
        self._demand_at = now
        self._reserved.clear()

    def count_offer(self, band: Band, slot_s: float, now: float) -> None:
        """Somebody asks for `slot_s` seconds of a slot."""
        span_s = now - self._offered_at
        if span_s >= GRAIN_S:
            keep = math.exp(-span_s / PRESSURE_TAU_S)
            for each in self.offered_s:
                self.offered_s[each] *= keep
            self._offered_at = now
        self.offered_s[band] += slot_s / PRESSURE_TAU_S

    def slot_seconds(self, ask: Ask) -> float:
        """How long an ask is likely to hold a slot."""
        token_s = self.fleet.token_s  # what prompts take of everybody's time is in it
        return self.service_s if token_s is None else ask.predicted_tokens * token_s

    # whose the slots are

    def reserve(self, band: Band) -> int:
        """Slots kept for a band, running ones included; what others are owed is left to them."""
        factor = self._factors.get(band)
        if factor is None:
            return 0
        if self._reserved_of != self.slots:
            self._reserved.clear()
            self._reserved_of = self.slots
        known = self._reserved.get(band)
        if known is None:
            known = self._reserved[band] = self._reserve(band, factor)
        return known

    def _reserve(self, band: Band, factor: float) -> int:
        # What was refused counts too, or a reserve that is too small would keep itself small.
        mean = max(self.demand[band], self.offered_s[band])
        wanted = round(factor * mean + SPREAD * math.sqrt(mean))
        owed = sum(self._shares.values()) - self._shares[band]
        return max(0, min(wanted, int(self.slots * (1 - owed)), self.slots - 1))

    def is_owed(self, band: Band) -> bool:
        """Whether a band has had less than the share of the slots that is its own.

        By time, not only by number: a share of a tenth of two slots is a slot for a tenth of it.
        """
        own = self._shares[band] * self.slots
        return self.running[band] < own and (
            self.running[band] + 1 <= own or self.served[band] < own
        )

    def free_for(self, band: Band) -> int:
        """Free slots less those kept for the bands above."""
        return self.num_free - self.kept_above(band)

    def kept_above(self, band: Band) -> int:
        """Free slots that a band leaves to those above it."""
        if self.is_owed(band):
            return 0
        kept = 0
        for above in self._above[band]:
            if (reserve := self.reserve(above)) > self.running[above]:
                kept += self._kept(above, reserve - self.running[above])
        return kept

    def usable(self, band: Band) -> float:
        """Slots that a band can count on while the ones above it go on as they do."""
        taken = 0
        for above in BANDS:
            if above is band:
                break
            running = self.running[above]
            taken += running
            if (reserve := self.reserve(above)) > running:
                taken += self._kept(above, reserve - running)
        own = self._shares[band] * self.slots
        return max(self.slots - taken, own, 0.25)

    def _kept(self, band: Band, unused: int) -> int:
        """Of the unused part of a reserve, what must be free now.

        The rest comes free by itself while a newcomer can still wait for it.
        """
        soon_s = SOON * self.policy.bands[band].first_token_s
        soon = sum(self.running.values()) * soon_s / max(self.service_s, soon_s)
        return max(min(unused, LEAST_KEPT, self.slots // 10), round(unused - soon))

    def may_start(self, ask: Ask) -> bool:
        """Whether its band has room for it, and its flow does not run too many."""
        if self.free_for(ask.band) <= 0 and not self._may_borrow(ask):
            return False
        return not ask.max_running or (
            self.queues[ask.band].num_running(ask.flow) < ask.max_running
        )

    def is_next(self, ask: Ask, now: float) -> bool:
        """Whether nobody goes before this newcomer: of those who wait, or will in a moment."""
        if self.resuming:
            return False
        if self.free_for(ask.band) <= 1 + self.slots // FEW_FREE:
            if self.queues[ask.band].num_ahead_of_share(ask.flow, self.cost, now) >= FAR_AHEAD:
                return False
        for band in BANDS:
            if self.queues[band].num_waiting and self._could_start(band):
                return False
            if band is ask.band:
                break
        return True

    def pop(self, band: Band, now: float) -> Ask | None:
        """Take the next ask of a band that may start out of its line."""
        queue = self.queues[band]
        if self.free_for(band) > 0:
            due_before = now + DUE * self.policy.bands[band].first_token_s
            most_excess = DUE_EXCESS * self.cost
            return queue.pop(self._fits, now, due_before=due_before, most_excess=most_excess)
        if band is Band.FREE and self._can_lend():
            return queue.pop(self._fits, now, LEND_LOOK)
        return None

    def num_wanted(self) -> int:
        """Slots that somebody waits for and that are not free for them."""
        wanted = ready = len(self.resuming)
        for band in BANDS:
            if band not in PREEMPTIBLE and self.queues[band].num_waiting:
                ready += self.queues[band].num_ready()
                wanted = max(wanted, ready - self.free_for(band))
        return wanted

    def num_above(self, band: Band) -> int:
        """How many wait in the bands above, or go on with what they had begun."""
        total = len(self.resuming)
        for above in BANDS:
            if above is band:
                break
            total += self.queues[above].num_waiting
        return total

    def _may_borrow(self, ask: Ask) -> bool:
        """A short reply may use an idle reserve, as long as half of it stays."""
        if ask.band is not Band.FREE or ask.predicted_tokens > self.policy.lend_below_tokens:
            return False
        return self._can_lend()

    def _can_lend(self) -> bool:
        return self.num_free > max(1, self.kept_above(Band.FREE) // 2)

    def _fits(self, ask: Ask) -> bool:
        return self.may_start(ask) and self.fleet.has_room(ask)

    def _could_start(self, band: Band) -> bool:
        head = self.queues[band].peek()
        return head is not None and self.may_start(head)

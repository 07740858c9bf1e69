"""The gate: every generation passes it, as an ask that becomes a lease.

The decisions are the scheduler's; this is its shell on a real clock and real engines. Asking,
counting and giving back never wait, so that the way of a request that finds room is short.

Failure policy: the gate lives in memory and needs nothing else. Where engines go away asks wait for
them as long as their band's patience; where the policy cannot be read the last one stays in force.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable

import anyio
import msgspec
import structlog

from fireside.capacity.asks import (
    Ask,
    Decision,
    Granted,
    Lost,
    Preempted,
    Reason,
    Refused,
    Stalled,
    Waiting,
)
from fireside.capacity.customers import Customer, Degradation, degradation
from fireside.capacity.domain import Scheduler
from fireside.capacity.ladder import Rung
from fireside.capacity.leases import Interruption, Lease, Ticket, Wanted
from fireside.capacity.policy import Band, Policy, default_policy
from fireside.capacity.prediction import LengthPredictor, WaitRange
from fireside.capacity.settings import CapacitySettings
from fireside.engine.catalog import ModelCatalog, PublicModel, Route, Served
from fireside.engine.ports import Capability
from fireside.errors import BackendFailed, UserError
from fireside.kit.clock import Clock
from fireside.kit.ids import NewId

PLACES_EVERY_S = 1.0
ENGINE_POLL_S = 0.1
MAX_REFUSALS = 100_000
LATELY_S = 60.0
SOON_S = 5.0
LATER_WEIGHT_PAID = 4.0  # in the durable queue too a paid turn is served sooner

logger = structlog.get_logger(__name__)


class Gate:
    """One budget for everything that runs on an engine. `run` keeps it going."""

    def __init__(
        self,
        catalog: ModelCatalog,
        settings: CapacitySettings,
        clock: Clock,
        new_id: NewId,
        policy: Policy | None = None,
        note: Callable[[str, Band, str], None] | None = None,
        scheduler: Scheduler | None = None,
    ) -> None:
        self._catalog = catalog
        self._settings = settings
        self._clock = clock
        self._new_id = new_id
        self._note = note or _note_nothing
        self._seen_version = -1
        self._places_at = 0.0
        self.lengths = LengthPredictor()
        self.scheduler = scheduler or Scheduler(policy or default_policy(), clock.monotonic_s())
        self.tickets: dict[str, Ticket] = {}
        self.leases: dict[str, Lease] = {}
        self.on_engine_failed: Callable[[str], None] | None = None
        self._refusals: deque[tuple[float, str]] = deque(maxlen=MAX_REFUSALS)

    def now_s(self) -> float:
        """The gate's own time."""
        return self._clock.monotonic_s()

    def refused_lately(self) -> Counter[str]:
        """How many were refused in the last minute, by plan."""
        since = self.now_s() - LATELY_S
        return Counter(plan for at, plan in self._refusals if at >= since)

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self.scheduler.policy

    def set_policy(self, policy: Policy) -> None:
        """Decide by another policy from now on; whoever waits keeps their place."""
        self.scheduler.set_policy(policy)

    def receive(self, decisions: Iterable[Decision]) -> None:
        """Carry out what was decided in another process."""
        self._handle(decisions)

    async def run(self) -> None:
        """Look at what time changes, until cancelled."""
        while True:
            self.tick()
            await anyio.sleep(self._settings.tick_s)

    # asking

    def ask(self, wanted: Wanted, *, resume: bool = False, avoid: Iterable[str] = ()) -> Ticket:
        """Ask for a run. Raises UserError for a model that is not served, BackendFailed when none
        will be. `resume`: it was begun already and goes before all others; `avoid`: engines that
        have just failed it."""
        self._sync()
        served = self._catalog.served(wanted.model, wanted.need)
        now = self._clock.monotonic_s()
        ask = self._to_ask(wanted, served, now, resume=resume, avoid=frozenset(avoid))
        ticket = Ticket(self, wanted, served, ask, now)
        if not self._settings.enabled:
            self._pass(ticket, now)
        else:
            self._arrive(ticket, now)
        return ticket

    def later(self, ticket: Ticket) -> None:
        """Put a ticket that waits, or was refused, into the durable queue."""
        self._again(ticket, msgspec.structs.replace(ticket.wanted, band=Band.LATER))

    def elsewhere(self, ticket: Ticket, model: str) -> None:
        """Let a ticket that waits ask another model. Raises as `ask`; then the place is kept."""
        self._again(ticket, msgspec.structs.replace(ticket.wanted, model=model))

    async def route(self, model: str | None, need: Capability, band: Band) -> Route:
        """The preferred route to a model. Waits for an engine that is away as long as the band's
        patience. Raises as the catalogue does."""
        patience_s = self.policy.bands[band].patience_s / self._settings.time_scale
        with anyio.move_on_after(patience_s):
            while True:
                try:
                    return self._catalog.resolve(model, need)
                except BackendFailed as error:
                    if not error.retryable or not self._settings.enabled:
                        raise
                await anyio.sleep(ENGINE_POLL_S)
        return self._catalog.resolve(model, need)

    def forget(self, ticket: Ticket) -> None:
        """Whoever held it does not wait any more."""
        if self.tickets.pop(ticket.ask.id, None) is not None:
            self._handle(self.scheduler.cancel(ticket.ask.id, self._clock.monotonic_s()))

    def served(self, wanted: Wanted) -> Served:
        """The engines that can run it now. Raises as the catalogue does."""
        return self._catalog.served(wanted.model, wanted.need)

    def expected_wait(self, model: str | None, band: Band, flow: str = "") -> WaitRange | None:
        """What somebody would wait who asked now; None while no engine is there."""
        pool = self._catalog.served(model).name
        self._sync()
        return self.scheduler.expected_wait(pool, band, flow)

    def is_full(self) -> bool:
        """Whether new accounts had better wait: the last rung of the ladder."""
        pools = self.scheduler.pools.values()
        return any(pool.ladder.rung >= Rung.SIGN_UPS_WAIT for pool in pools)

    def degradation(self, asking: Customer, model: str | None) -> Degradation | None:
        """What this person's next reply from `model` does without; None in quiet times."""
        try:
            rung = self.rung(model)
            small = self.policy.small_model
            is_other = bool(small) and self._catalog.served(model).name != small
            small_ready = is_other and bool(self._catalog.served(small).routes)
        except (BackendFailed, UserError):
            return None
        return degradation(self.policy, asking, rung, small_ready)

    def choices(self, ticket: Ticket) -> list[tuple[PublicModel, WaitRange]]:
        """Other models that would answer sooner, the soonest first."""
        found: list[tuple[PublicModel, WaitRange]] = []
        for model in self._catalog.list():
            if not model.ready or ticket.wanted.need not in model.capabilities:
                continue
            wait = self.scheduler.expected_wait(model.name, ticket.ask.band, ticket.ask.flow)
            if model.name != ticket.ask.pool and wait is not None and wait.high_s < SOON_S:
                found.append((model, wait))
        return sorted(found, key=lambda each: each[1].likely_s)

    def rung(self, model: str | None) -> Rung:
        """Where the pool of a model stands on the degradation ladder."""
        pool = self.scheduler.pools.get(self._catalog.served(model).name)
        return pool.ladder.rung if pool is not None else Rung.NORMAL

    # while it runs

    def note_first_token(self, lease: Lease) -> None:
        """The engine has begun to speak."""
        self.scheduler.progress(lease.ask.id, lease.num_tokens, self._clock.monotonic_s())

    def close(self, lease: Lease, prompt_tokens: int | None, output_tokens: int | None) -> None:
        """Take a lease back and settle it; None takes what was asked for and counted."""
        if self.leases.pop(lease.ask.id, None) is None:
            return
        now = self._clock.monotonic_s()
        prompt = lease.ask.prompt_tokens if prompt_tokens is None else prompt_tokens
        output = lease.num_tokens if output_tokens is None else output_tokens
        engine = self.scheduler.engines.get(lease.route.engine.name)
        slots = max(engine.limit, 1.0) if engine is not None else 1.0
        lease.engine_s = (now - lease.granted_at) / slots
        self._handle(self.scheduler.finish(lease.ask.id, prompt, output, now))

    def suspect(self, lease: Lease) -> None:
        """Its engine has just failed: look at that at once, before others are sent there."""
        if self.on_engine_failed is not None:
            self.on_engine_failed(lease.route.engine.name)

    def learn(self, wanted: Wanted, output_tokens: int) -> None:
        """A reply came to its natural end after so many tokens."""
        self.lengths.observe(wanted.learns or wanted.flow, output_tokens)

    def tick(self) -> None:
        """Bring everything up to the present time."""
        self._sync()
        now = self._clock.monotonic_s()
        for lease in self.leases.values():
            self.scheduler.progress(lease.ask.id, lease.num_tokens, now)
        self._handle(self.scheduler.tick(now))
        if now - self._places_at >= PLACES_EVERY_S:
            self._places_at = now
            self._tell_places()

    # inside

    def _to_ask(
        self,
        wanted: Wanted,
        served: Served,
        now: float,
        *,
        resume: bool = False,
        avoid: frozenset[str] = frozenset(),
    ) -> Ask:
        is_later = wanted.band is Band.LATER
        return Ask(
            id=self._new_id(),
            pool=served.name,
            band=wanted.band,
            flow=wanted.flow,
            arrived_at=now,
            weight=wanted.weight * (LATER_WEIGHT_PAID if is_later and wanted.is_paid else 1.0),
            prompt_tokens=wanted.prompt_tokens,
            predicted_tokens=self.lengths.predict(wanted.learns or wanted.flow, wanted.max_tokens),
            prefix=wanted.prefix,
            resume=resume,
            avoid=avoid,
            patient=wanted.patient,
            whole=wanted.whole,
            max_waiting=wanted.max_waiting,
            max_running=wanted.max_running,
        )

    def _arrive(self, ticket: Ticket, now: float) -> None:
        ask = ticket.ask
        self._note(ask.pool, ask.band, "arrived")
        self.tickets[ask.id] = ticket
        answer = self.scheduler.arrive(ask, now)
        if isinstance(answer, Waiting):
            ticket.move(answer)
        else:
            self._handle([answer])

    def _pass(self, ticket: Ticket, now: float) -> None:
        """With the gate off everything goes to the preferred engine at once."""
        routes = ticket.served.routes or (self._catalog.resolve(ticket.wanted.model),)
        ticket.grant(Lease(self, ticket, routes[0], Rung.NORMAL, now))

    def _again(self, ticket: Ticket, wanted: Wanted) -> None:
        served = self._catalog.served(wanted.model, wanted.need)
        self.forget(ticket)
        now = self._clock.monotonic_s()
        ticket.wanted, ticket.served = wanted, served
        ticket.again(self._to_ask(wanted, served, now))
        self._arrive(ticket, now)

    def _sync(self) -> None:
        """Take over the catalogue's present table."""
        if self._catalog.version == self._seen_version:
            return
        self._seen_version = self._catalog.version
        pools = self._catalog.pools()
        offers = {name: [each.engine.name for each in found] for name, found in pools.items()}
        slots = {each.engine.name: each.slots for found in pools.values() for each in found}
        self._handle(self.scheduler.set_engines(offers, slots, self._clock.monotonic_s()))
        for ticket in list(self.tickets.values()):
            if not ticket.served.routes:
                self._resolve_again(ticket)

    def _resolve_again(self, ticket: Ticket) -> None:
        """What waited for any model at all may have one now, under another name."""
        served = self._catalog.served(ticket.wanted.model, ticket.wanted.need)
        if served.name != ticket.ask.pool:
            self._again(ticket, ticket.wanted)
        else:
            ticket.served = served

    def _handle(self, decisions: Iterable[Decision]) -> None:
        for decision in decisions:
            match decision:
                case Granted(ask_id, engine):
                    self._grant(ask_id, engine)
                case Refused(ask_id):
                    self._refuse(ask_id, decision)
                case Preempted(ask_id):
                    self._interrupt(ask_id, Interruption.PREEMPTED)
                case Stalled(ask_id):
                    self._interrupt(ask_id, Interruption.STALLED)
                case Lost(ask_id):
                    logger.warning("lease_lost", ask_id=ask_id)
                    self.leases.pop(ask_id, None)

    def _refuse(self, ask_id: str, refused: Refused) -> None:
        ticket = self.tickets.pop(ask_id, None)
        if ticket is None:
            return
        if ticket.wanted.durable and ticket.ask.band is not Band.LATER:
            self._hold(ticket, refused.reason)
            return
        self._note(ticket.ask.pool, ticket.ask.band, "refused")
        self._refusals.append((self.now_s(), ticket.wanted.plan))
        ticket.refuse(refused)

    def _hold(self, ticket: Ticket, reason: Reason) -> None:
        """A durable turn is not refused. Who pays goes on standing in line as long as patience
        lasts; everybody else is served later."""
        if reason is Reason.WAIT_TOO_LONG and ticket.wanted.is_paid:
            self._again(ticket, msgspec.structs.replace(ticket.wanted, patient=True))
        else:
            ticket.later_since = reason
            self.later(ticket)

    def _grant(self, ask_id: str, engine: str) -> None:
        ticket = self.tickets.pop(ask_id, None)
        now = self._clock.monotonic_s()
        route = self._route(ticket, engine) if ticket is not None else None
        if ticket is None or route is None:
            if ticket is not None:  # the engine left the catalogue in this very moment
                self._handle(self.scheduler.cancel(ask_id, now))
                self._again(ticket, ticket.wanted)
            return
        ask = ticket.ask
        pool = self.scheduler.pools[ask.pool]
        lease = Lease(self, ticket, route, pool.ladder.rung, now)
        self.leases[ask_id] = lease
        self._note(ask.pool, ask.band, "granted")
        ticket.grant(lease)

    def _route(self, ticket: Ticket, engine: str) -> Route | None:
        for route in ticket.served.routes:
            if route.engine.name == engine:
                return route
        ticket.served = self._catalog.served(ticket.wanted.model, ticket.wanted.need)
        return next((each for each in ticket.served.routes if each.engine.name == engine), None)

    def _interrupt(self, ask_id: str, why: Interruption) -> None:
        lease = self.leases.get(ask_id)
        if lease is None:
            return
        if why is Interruption.STALLED and not self._has_other_engine(lease):
            return  # nowhere to go on; the engine's own watch decides
        logger.info("lease_interrupted", why=why.value, engine=lease.route.engine.name)
        lease.interrupt(why)

    def _has_other_engine(self, lease: Lease) -> bool:
        engines = self.scheduler.pools[lease.ask.pool].engines
        return any(each.ok and each.name != lease.route.engine.name for each in engines)

    def _tell_places(self) -> None:
        for ask_id, ticket in list(self.tickets.items()):
            if ticket.on_place is None:
                continue
            place = self.scheduler.waiting(ask_id)
            if place is not None:
                ticket.move(place)


def _note_nothing(_pool: str, _band: Band, _what: str) -> None:
    pass

"""Public model names and the engines behind them.

The catalogue is a table in memory that the engine service replaces as a whole whenever something
changes; looking a name up costs a dictionary look-up and never waits. Where two engines serve one
name, the first by rank gets it; each is also reachable as `engine/name`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from fireside.engine.errors import MissingCapability, ModelNotFound, NoEngine
from fireside.engine.ports import Capability, Engine, EngineModel


class Offer(msgspec.Struct, frozen=True):
    """One model on one engine. Lower `rank` comes first; `ready` is whether tokens can be had.

    `slots` is how many sequences the engine decodes at once, where that is known.
    """

    engine: Engine
    model: EngineModel
    public_name: str
    release: str
    title: str = ""
    description: str = ""
    rank: int = 0
    ready: bool = True
    slots: int | None = None


class Route(msgspec.Struct, frozen=True):
    """Where a request goes. `release` names the exact weights, for usage and feedback."""

    engine: Engine
    model: EngineModel
    public_name: str
    release: str


class Served(msgspec.Struct, frozen=True):
    """Where a model can run: `name` is what its demand is counted under, `routes` are the engines
    that answer now, the preferred one first. Without any, one is expected to be back."""

    name: str
    routes: tuple[Route, ...]


class PublicModel(msgspec.Struct, frozen=True):
    """A model as people choose it."""

    name: str
    title: str
    description: str
    context_tokens: int
    capabilities: tuple[Capability, ...]
    ready: bool
    engine: str
    release: str


class ModelCatalog:
    """The current table. Empty until the engine service fills it."""

    def __init__(self) -> None:
        self._by_name: dict[str, Offer] = {}
        self._offers: tuple[Offer, ...] = ()
        self._default: str | None = None
        self._expected: frozenset[str] = frozenset()
        self._served: dict[tuple[str, Capability], Served] = {}
        self.version = 0
        self._excuse = NoEngine("The model is still being started.", hint="Try again in a moment.")

    def replace(
        self,
        offers: Iterable[Offer],
        *,
        default: str = "",
        stand_ins: Mapping[str, str] = {},
        expected: Iterable[str] = (),
        excuse: NoEngine | None = None,
    ) -> None:
        """Put a new table in place of the present one, in one step.

        `default` is the name preferred for requests that name none. `stand_ins` maps names that
        are not offered to names that are, such as a bundled model that another one replaced.
        `expected` are names on their way: asking for one is told to wait, not that it is unknown.
        `excuse` is raised where nothing can answer.
        """
        ordered = sorted(offers, key=lambda offer: (not offer.ready, offer.rank))
        by_name: dict[str, Offer] = {}
        for offer in ordered:
            by_name.setdefault(offer.public_name, offer)
        for offer in ordered:
            by_name.setdefault(f"{offer.engine.name}/{offer.public_name}", offer)
        for name, other in stand_ins.items():
            if name not in by_name and other in by_name:
                by_name[name] = by_name[other]
        self._by_name = by_name
        self._offers = tuple(sorted(ordered, key=lambda offer: offer.rank))
        self._default = _default(self._offers, by_name, default)
        self._expected = frozenset(expected)
        self._served = {}
        self.version += 1
        if excuse is not None:
            self._excuse = excuse

    def resolve(self, name: str | None, need: Capability = Capability.CHAT) -> Route:
        """The engine and model for a public name; None asks for the default.

        Raises ModelNotFound, MissingCapability when the model cannot do what is needed, NoEngine
        when nothing can answer now.
        """
        offer = self._by_name.get(name if name is not None else self._default or "")
        if offer is None:
            if name is None or not self._offers or name in self._expected:
                raise _again(self._excuse)
            raise ModelNotFound(name)
        if name is None and need not in offer.model.capabilities:
            offer = self._first_that_can(need) or offer
        if need not in offer.model.capabilities:
            raise MissingCapability(offer.public_name, _IN_WORDS[need])
        if not offer.ready:
            raise NoEngine(
                f"The engine of the model `{offer.public_name}` does not answer.",
                hint="Try again in a moment, or choose another model.",
            )
        return Route(offer.engine, offer.model, offer.public_name, offer.release)

    def served(self, name: str | None, need: Capability = Capability.CHAT) -> Served:
        """All engines that can answer for a public name; None asks for the default.

        Raises as `resolve` does, but for an engine that is only away for now: then there are no
        routes. Looking the same name up again costs a dictionary look-up.
        """
        known = self._served.get((name or "", need))
        if known is not None:
            return known
        served = self._find_served(name, need)
        self._served[name or "", need] = served
        return served

    def pools(self) -> dict[str, list[Offer]]:
        """The engines that answer now, by what their demand is counted under."""
        found: dict[str, list[Offer]] = {}
        for offer in self._offers:
            if offer.ready:
                found.setdefault(offer.public_name, []).append(offer)
                found.setdefault(f"{offer.engine.name}/{offer.public_name}", []).append(offer)
        return found

    def _find_served(self, name: str | None, need: Capability) -> Served:
        try:
            first = self.resolve(name, need)
        except NoEngine as error:
            if not error.retryable:
                raise
            return Served(self._pool_name(name), ())
        pool = self._pool_name(name or first.public_name)
        offers = self.pools().get(pool, ())
        routes = tuple(
            Route(each.engine, each.model, each.public_name, each.release)
            for each in offers
            if need in each.model.capabilities
        )
        return Served(pool, routes or (first,))

    def _pool_name(self, name: str | None) -> str:
        """A stand-in counts under what it stands in for; `engine/model` names that engine only."""
        offer = self._by_name.get(name or self._default or "")
        if offer is None:
            return name or ""
        qualified = f"{offer.engine.name}/{offer.public_name}"
        return qualified if name == qualified else offer.public_name

    def list(self) -> list[PublicModel]:
        """Every public name once, in order of rank."""
        shown = (o for o in self._offers if self._by_name[o.public_name] is o)
        return [
            PublicModel(
                name=offer.public_name,
                title=offer.title or offer.public_name,
                description=offer.description,
                context_tokens=offer.model.context_tokens,
                capabilities=tuple(sorted(offer.model.capabilities)),
                ready=offer.ready,
                engine=offer.engine.name,
                release=offer.release,
            )
            for offer in shown
        ]

    def default_name(self) -> str | None:
        """The public name used when a request names none; None while there is no model."""
        return self._default

    def _first_that_can(self, need: Capability) -> Offer | None:
        return next(
            (each for each in self._offers if each.ready and need in each.model.capabilities), None
        )


def _default(offers: tuple[Offer, ...], by_name: Mapping[str, Offer], wanted: str) -> str | None:
    chatting = [offer for offer in offers if Capability.CHAT in offer.model.capabilities]
    if wanted in by_name:
        if by_name[wanted].ready:
            return wanted
        chatting.insert(0, by_name[wanted])
    ready = [offer for offer in chatting if offer.ready]
    return next((offer.public_name for offer in ready or chatting), None)


def _again(excuse: NoEngine) -> NoEngine:
    # A fresh one each time: an exception that is raised twice keeps growing its traceback.
    return NoEngine(excuse.message, hint=excuse.hint, retryable=excuse.retryable)


_IN_WORDS = {
    Capability.CHAT: "chat",
    Capability.COMPLETION: "text completion",
    Capability.FILL_IN_THE_MIDDLE: "filling in the middle",
    Capability.EMBEDDINGS: "embeddings",
    Capability.TOOLS: "tools",
    Capability.VISION: "pictures",
    Capability.LOGPROBS: "log probabilities",
    Capability.JSON_SCHEMA: "answers in a JSON schema",
    Capability.CONTINUE: "continuing a reply",
}

"""An engine whose every step the test decides."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio

from fireside.conversation.event import Finish, PartStart, StreamEvent, TextDelta, UsageReport
from fireside.conversation.message import FinishReason, Text, Usage
from fireside.engine.catalog import ModelCatalog, Offer
from fireside.engine.ports import (
    Capability,
    Embeddings,
    EngineHealth,
    EngineModel,
    GenerationRequest,
)

CHAT = frozenset({Capability.CHAT, Capability.CONTINUE})


class SteppedEngine:
    """Says one word for each `allow`ed step; remembers what it was asked.

    `words` may hold an exception, which is raised in that place.
    """

    def __init__(self, words: list[str | Exception], *, capabilities=CHAT, name="fake") -> None:
        self.name = name
        self.words = words
        self.requests: list[GenerationRequest] = []
        self.num_aborted = 0
        self.num_running = 0
        self.model = EngineModel("fake-model", 4096, capabilities, "fake@1")
        self._steps = anyio.Semaphore(0)

    def allow(self, steps: int = 10_000) -> None:
        """Let the engine say so many more words."""
        for _ in range(steps):
            self._steps.release()

    async def generate(self, request: GenerationRequest) -> AsyncIterator[StreamEvent]:
        self.requests.append(request)
        self.num_running += 1
        ended = False
        try:
            started = False
            for word in self.words:
                await self._steps.acquire()
                if isinstance(word, Exception):
                    ended = True
                    raise word
                if not started:
                    started = True
                    yield PartStart(0, Text())
                yield TextDelta(0, word)
            yield UsageReport(Usage(prompt_tokens=7, completion_tokens=len(self.words)))
            ended = True
            yield Finish(FinishReason.STOP)
        finally:
            self.num_running -= 1
            self.num_aborted += not ended

    async def embed(self, model: str, inputs: list[str]) -> Embeddings:
        raise AssertionError("nobody embeds here")

    async def models(self) -> tuple[EngineModel, ...]:
        return (self.model,)

    async def health(self) -> EngineHealth:
        return EngineHealth(ok=True)

    async def aclose(self) -> None:
        return None


def catalog_of(*engines: SteppedEngine) -> ModelCatalog:
    """A catalogue in which each engine's model goes by the engine's name."""
    catalog = ModelCatalog()
    catalog.replace(
        Offer(engine, engine.model, engine.name, engine.model.release, rank=rank)
        for rank, engine in enumerate(engines)
    )
    return catalog

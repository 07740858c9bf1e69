"""An engine that recites the same words to everybody, and goes on where it is told it stands."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio

from fireside.conversation.event import Finish, PartStart, StreamEvent, TextDelta, UsageReport
from fireside.conversation.message import FinishReason, Text, Usage
from fireside.engine.catalog import ModelCatalog, Offer
from fireside.engine.ports import Capability, ChatPrompt, EngineModel, GenerationRequest

WORDS = [f"word{n} " for n in range(30)]
CAN = frozenset({Capability.CHAT, Capability.CONTINUE})


class RecitingEngine:
    """Breaks before word number `breaks_at`, once, with `error`; without one it hangs there."""

    def __init__(
        self, name: str, *, can: frozenset[Capability] = CAN, pause_s: float = 0.0
    ) -> None:
        self.name = name
        self.model = EngineModel("m", 4096, can, "m@1")
        self.requests: list[GenerationRequest] = []
        self.breaks_at: int | None = None
        self.error: Exception | None = None
        self.pause_s = pause_s
        self.num_running = 0

    async def generate(self, request: GenerationRequest) -> AsyncIterator[StreamEvent]:
        self.requests.append(request)
        self.num_running += 1
        try:
            begin = 0
            if isinstance(request.prompt, ChatPrompt) and request.prompt.continue_final:
                begin = len(request.prompt.messages[-1].text().split())
            if self.error is not None and self.breaks_at == begin == 0:
                self.breaks_at = None
                raise self.error
            yield PartStart(0, Text())
            for number in range(begin, len(WORDS)):
                if number == self.breaks_at:
                    self.breaks_at = None
                    if self.error is None:
                        await anyio.sleep_forever()
                    else:
                        raise self.error
                await anyio.sleep(self.pause_s)
                yield TextDelta(0, WORDS[number])
            yield UsageReport(Usage(prompt_tokens=10 + begin, completion_tokens=len(WORDS) - begin))
            yield Finish(FinishReason.STOP)
        finally:
            self.num_running -= 1


def one_pool(*engines: RecitingEngine, slots: int | None = 2) -> ModelCatalog:
    """All engines serve the model `m`."""
    catalog = ModelCatalog()
    catalog.replace(
        Offer(engine, engine.model, "m", "m@1", rank=rank, slots=slots)  # type: ignore[arg-type]
        for rank, engine in enumerate(engines)
    )
    return catalog

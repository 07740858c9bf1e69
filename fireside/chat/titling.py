"""Let the model name a new conversation; until then it carries the person's first words."""

from __future__ import annotations

from contextlib import aclosing

import anyio
import structlog

from fireside.billing.domain import Feature, UsageEntry
from fireside.billing.service import Meter
from fireside.capacity.generation import GatedGeneration
from fireside.capacity.ladder import Rung
from fireside.capacity.leases import Lease, Wanted
from fireside.capacity.policy import Band
from fireside.capacity.service import Gate
from fireside.chat.feed import Feed
from fireside.chat.titles import (
    MAX_TITLE_TOKENS,
    ask_for_title,
    clean_title,
    provisional_title,
)
from fireside.conversation.event import TextDelta, UsageReport
from fireside.conversation.message import ConversationId, Message, Usage, UserId
from fireside.db.database import Database
from fireside.engine.ports import ChatPrompt, GenerationRequest, Sampling
from fireside.errors import CapacityExhausted, FiresideError
from fireside.history.repository import HistoryRepository
from fireside.kit.clock import Clock

TITLE_TIMEOUT_S = 30.0
CHARS_PER_TOKEN = 4

logger = structlog.get_logger(__name__)


class TitleWriter:
    """Writes titles. A title that cannot be had is no error: the first words stay."""

    def __init__(
        self,
        database: Database,
        history: HistoryRepository,
        gate: Gate,
        meter: Meter,
        feed: Feed,
        clock: Clock,
    ) -> None:
        self._database = database
        self._history = history
        self._gate = gate
        self._meter = meter
        self._feed = feed
        self._clock = clock

    async def write(
        self, owner_id: UserId, conversation_id: ConversationId, question: str, reply: Message
    ) -> None:
        """Name the conversation, unless the person has renamed it meanwhile."""
        answer = reply.text()
        if not answer.strip():
            return
        try:
            with anyio.fail_after(TITLE_TIMEOUT_S):
                title = clean_title(await self._ask(owner_id, reply.model, question, answer))
            if title is not None:
                await self._store(owner_id, conversation_id, provisional_title(question), title)
        except (FiresideError, TimeoutError) as error:
            logger.info("no_title", reason=type(error).__name__)

    async def _ask(self, owner_id: UserId, model: str | None, question: str, answer: str) -> str:
        """What the model says. Raises CapacityExhausted when there is no room for extras."""
        if self._gate.rung(model) >= Rung.NO_EXTRAS:
            raise CapacityExhausted("no_extras", "Titles wait while there is much to do.")
        prompt = ChatPrompt(ask_for_title(question, answer))
        sampling = Sampling(temperature=0.2, max_tokens=MAX_TITLE_TOKENS, stop=("\n\n",))

        def build(lease: Lease, _begun: Message | None) -> GenerationRequest:
            return GenerationRequest(lease.route.model.name, prompt, sampling)

        wanted = Wanted(
            model=model,
            band=Band.BACKGROUND,
            flow=owner_id,
            prompt_tokens=(len(question) + len(answer)) // CHARS_PER_TOKEN,
            max_tokens=MAX_TITLE_TOKENS,
            learns="title",
        )
        run = GatedGeneration(self._gate, wanted, build, may_continue=False)
        words: list[str] = []
        usage = Usage()
        async with aclosing(run.events()) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    words.append(event.text)
                elif isinstance(event, UsageReport):
                    usage = event.usage
        if run.route is not None:
            self._meter.record(
                UsageEntry(
                    user_id=owner_id,
                    model=run.route.public_name,
                    release=run.route.release,
                    engine=run.route.engine.name,
                    feature=Feature.TITLE,
                    usage=usage,
                    at=self._clock.now(),
                    engine_s=run.engine_s,
                )
            )
        return "".join(words)

    async def _store(
        self, owner_id: UserId, conversation_id: ConversationId, old: str, title: str
    ) -> None:
        async with self._database.write() as tx:
            conversation = await self._history.conversation(tx, owner_id, conversation_id)
            if conversation.title != old:
                return
            await self._history.update_conversation(tx, owner_id, conversation_id, title=title)
        self._feed.title_changed(owner_id, conversation_id, title)

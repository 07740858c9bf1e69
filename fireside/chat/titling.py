"""Let the model name a new conversation; until then it carries the person's first words."""

from __future__ import annotations

from contextlib import aclosing

import anyio
import structlog

from fireside.billing.domain import Feature, UsageEntry
from fireside.billing.service import Meter
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
from fireside.engine.catalog import ModelCatalog, Route
from fireside.engine.ports import ChatPrompt, GenerationRequest, Sampling
from fireside.errors import FiresideError
from fireside.history.repository import HistoryRepository
from fireside.kit.clock import Clock

TITLE_TIMEOUT_S = 30.0

logger = structlog.get_logger(__name__)


class TitleWriter:
    """Writes titles. A title that cannot be had is no error: the first words stay."""

    def __init__(
        self,
        database: Database,
        history: HistoryRepository,
        catalog: ModelCatalog,
        meter: Meter,
        feed: Feed,
        clock: Clock,
    ) -> None:
        self._database = database
        self._history = history
        self._catalog = catalog
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
                route = self._catalog.resolve(reply.model)
                title = clean_title(await self._ask(owner_id, route, question, answer))
            if title is not None:
                await self._store(owner_id, conversation_id, provisional_title(question), title)
        except (FiresideError, TimeoutError) as error:
            logger.info("no_title", reason=type(error).__name__)

    async def _ask(self, owner_id: UserId, route: Route, question: str, answer: str) -> str:
        request = GenerationRequest(
            model=route.model.name,
            prompt=ChatPrompt(ask_for_title(question, answer)),
            sampling=Sampling(temperature=0.2, max_tokens=MAX_TITLE_TOKENS, stop=("\n\n",)),
        )
        words: list[str] = []
        usage = Usage()
        async with aclosing(route.engine.generate(request)) as events:  # type: ignore[type-var]
            async for event in events:
                if isinstance(event, TextDelta):
                    words.append(event.text)
                elif isinstance(event, UsageReport):
                    usage = event.usage
        self._meter.record(
            UsageEntry(
                user_id=owner_id,
                model=route.public_name,
                release=route.release,
                engine=route.engine.name,
                feature=Feature.TITLE,
                usage=usage,
                at=self._clock.now(),
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

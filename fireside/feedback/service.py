"""Recording what people say about replies, and giving it back to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fireside.accounts.service import AccountService
from fireside.conversation.message import ConversationId, MessageId, UserId
from fireside.db.database import ReadTransaction, Transaction
from fireside.feedback.domain import (
    ChoiceEvent,
    FeedbackEvent,
    Reason,
    Thumb,
    ThumbEvent,
    check_alternatives,
    check_reasons,
    writer_of,
)
from fireside.feedback.repository import FeedbackRepository
from fireside.history.repository import HistoryRepository
from fireside.kit.clock import Clock
from fireside.kit.ids import NewId


@dataclass(frozen=True)
class FeedbackService:
    """People rate replies in conversations of their own; anybody else's are not there for them."""

    repository: FeedbackRepository
    history: HistoryRepository
    accounts: AccountService
    clock: Clock
    new_id: NewId

    async def rate(
        self,
        tx: Transaction,
        user_id: UserId,
        conversation_id: ConversationId,
        message_id: MessageId,
        *,
        thumb: Thumb,
        reasons: Sequence[Reason] = (),
        comment: str = "",
    ) -> ThumbEvent:
        """Record a verdict. Raises NotFound unless the reply is in one's own conversation."""
        check_reasons(thumb, tuple(reasons))
        await self.history.conversation(tx, user_id, conversation_id)
        reply = await self.history.message(tx, conversation_id, message_id)
        event = ThumbEvent(
            id=self.new_id(),
            user_id=user_id,
            conversation_id=conversation_id,
            consented=await self._consents(tx, user_id),
            at=self.clock.now(),
            message_id=reply.id,
            thumb=thumb,
            writer=writer_of(reply),
            reasons=tuple(reasons),
            comment=comment.replace("\x00", ""),  # PostgreSQL keeps no NUL in text
        )
        await self.repository.insert(tx, event)
        return event

    async def choose(
        self,
        tx: Transaction,
        user_id: UserId,
        conversation_id: ConversationId,
        *,
        chosen_id: MessageId,
        rejected_id: MessageId,
    ) -> ChoiceEvent:
        """Record which of two replies is better. Raises NotFound as `rate` does."""
        await self.history.conversation(tx, user_id, conversation_id)
        chosen = await self.history.message(tx, conversation_id, chosen_id)
        rejected = await self.history.message(tx, conversation_id, rejected_id)
        check_alternatives(chosen, rejected)
        event = ChoiceEvent(
            id=self.new_id(),
            user_id=user_id,
            conversation_id=conversation_id,
            consented=await self._consents(tx, user_id),
            at=self.clock.now(),
            chosen_id=chosen.id,
            rejected_id=rejected.id,
            chosen_writer=writer_of(chosen),
            rejected_writer=writer_of(rejected),
        )
        await self.repository.insert(tx, event)
        return event

    async def thumbs(
        self, tx: ReadTransaction, user_id: UserId, message_ids: Sequence[MessageId]
    ) -> dict[MessageId, Thumb]:
        """The person's standing verdicts, up or down, on those of the messages that have one."""
        latest = await self.repository.latest_thumbs(tx, user_id, message_ids)
        return {id: thumb for id, thumb in latest.items() if thumb is not Thumb.NONE}

    async def export(self, tx: ReadTransaction, user_id: UserId) -> list[FeedbackEvent]:
        """Everything a person has said, oldest first, for the archive they download."""
        return await self.repository.events(tx, user_id)

    async def _consents(self, tx: ReadTransaction, user_id: UserId) -> bool:
        return (await self.accounts.preferences(tx, user_id)).improve_model


def build_feedback(
    history: HistoryRepository, accounts: AccountService, clock: Clock, new_id: NewId
) -> FeedbackService:
    """The room put together."""
    return FeedbackService(FeedbackRepository(), history, accounts, clock, new_id)

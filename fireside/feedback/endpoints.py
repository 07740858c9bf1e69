"""Where the page sends thumbs and choices."""

from __future__ import annotations

from typing import Annotated, assert_never

import msgspec
from litestar import Controller, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from fireside.accounts.access import Rule
from fireside.accounts.domain import Principal, Scope
from fireside.conversation.message import ConversationId, MessageId
from fireside.db.database import Database
from fireside.feedback.domain import MAX_COMMENT_CHARS, FeedbackEvent, Reason, Thumb
from fireside.feedback.service import FeedbackService

Id = Annotated[str, msgspec.Meta(max_length=36)]


class _In(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    conversation_id: Id

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class ThumbIn(_In, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="thumb"):
    """A verdict on one reply; `none` takes an earlier one back."""

    message_id: Id
    thumb: Thumb
    reasons: Annotated[list[Reason], msgspec.Meta(max_length=len(Reason))] = []
    comment: Annotated[str, msgspec.Meta(max_length=MAX_COMMENT_CHARS)] = ""


class ChoiceIn(_In, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="choice"):
    """Of two replies at the same place, which one is better."""

    chosen_id: Id
    rejected_id: Id


class FeedbackRecorded(msgspec.Struct, frozen=True):
    """The event that was added."""

    id: str


class FeedbackController(Controller):
    """Feedback on replies of one's own conversations."""

    path = "/api/feedback"
    tags = ("feedback",)

    @post(opt={"rule": Rule.SIGNED_IN.with_scope(Scope.CONVERSATIONS_WRITE)})
    async def record(
        self,
        data: JSONBody[ThumbIn | ChoiceIn],
        db: NamedDependency[Database],
        feedback: NamedDependency[FeedbackService],
        principal: NamedDependency[Principal],
    ) -> FeedbackRecorded:
        """Add a feedback event."""
        conversation_id = ConversationId(data.conversation_id)
        event: FeedbackEvent
        async with db.write() as tx:
            match data:
                case ThumbIn():
                    event = await feedback.rate(
                        tx,
                        principal.user_id,
                        conversation_id,
                        MessageId(data.message_id),
                        thumb=data.thumb,
                        reasons=data.reasons,
                        comment=data.comment,
                    )
                case ChoiceIn():
                    event = await feedback.choose(
                        tx,
                        principal.user_id,
                        conversation_id,
                        chosen_id=MessageId(data.chosen_id),
                        rejected_id=MessageId(data.rejected_id),
                    )
                case _:
                    assert_never(data)
        return FeedbackRecorded(event.id)

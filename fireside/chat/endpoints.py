"""HTTP of the turn: start, follow and stop one, the person's feed, a conversation as it stands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import Stream

from fireside.accounts.access import Rule
from fireside.accounts.domain import Principal, Scope
from fireside.chat.feed import Feed
from fireside.chat.opened import OpenConversation, read_open_conversation
from fireside.chat.service import StartedTurn, TurnService
from fireside.chat.views import MAX_EVENT_NUMBER, Temporary, TurnIn, WaitChoiceIn
from fireside.conversation.message import ConversationId, MessageId
from fireside.db.database import Database
from fireside.feedback.service import FeedbackService
from fireside.history.domain import ConversationView, MessageView
from fireside.history.endpoints import ConversationController
from fireside.history.service import HistoryService

READ = Rule.SIGNED_IN.with_scope(Scope.CONVERSATIONS_READ)
WRITE = Rule.SIGNED_IN.with_scope(Scope.CONVERSATIONS_WRITE)

STREAM_HEADERS = {"cache-control": "no-cache, no-transform", "x-accel-buffering": "no"}


class TurnStarted(msgspec.Struct, frozen=True):
    """A turn that began: follow it under `turn_id`.

    `conversation` and `user_message` are null for a temporary chat; `user_message` also when a
    reply is regenerated or continued.
    """

    turn_id: str
    conversation: ConversationView | None
    user_message: MessageView | None
    message: MessageView


class TurnController(Controller):
    """Turns of the signed-in person."""

    path = "/api/turns"
    tags = ("turns",)

    @post("/", opt={"rule": WRITE})
    async def start_turn(
        self,
        data: JSONBody[TurnIn],
        principal: NamedDependency[Principal],
        turns: NamedDependency[TurnService],
        history: NamedDependency[HistoryService],
        db: NamedDependency[Database],
    ) -> TurnStarted:
        """Send a message, or ask for another version or more of a reply."""
        if isinstance(data, Temporary):
            started = turns.start_temporary(principal, data)
            return TurnStarted(started.turn_id, None, None, MessageView(started.reply, []))
        started = await turns.start(principal.user_id, data)
        return await _view(started, principal, history, db)

    @get("/{turn_id:str}/events", opt={"rule": READ}, media_type="text/event-stream")
    async def follow_turn(
        self,
        turn_id: FromPath[str],
        principal: NamedDependency[Principal],
        turns: NamedDependency[TurnService],
        after: Annotated[int, QueryParameter(ge=0, le=MAX_EVENT_NUMBER)] = 0,
    ) -> Stream:
        """The turn's events as server-sent events, from number `after` + 1 on, until it ends."""
        events = await turns.follow(principal.user_id, turn_id, after)
        return _event_stream(events)

    @post("/{turn_id:str}/stop", opt={"rule": WRITE}, status_code=204)
    async def stop_turn(
        self,
        turn_id: FromPath[str],
        principal: NamedDependency[Principal],
        turns: NamedDependency[TurnService],
    ) -> None:
        """Stop writing the reply; what it says so far stays."""
        await turns.stop(principal.user_id, turn_id)

    @post("/{turn_id:str}/choose", opt={"rule": WRITE}, status_code=204)
    async def choose_for_turn(
        self,
        turn_id: FromPath[str],
        data: JSONBody[WaitChoiceIn],
        principal: NamedDependency[Principal],
        turns: NamedDependency[TurnService],
    ) -> None:
        """Decide about a reply that waits for its turn: finish it later, or by another model."""
        await turns.choose(principal.user_id, turn_id, data.choice, data.model or "")


class FeedController(Controller):
    """What changes for the signed-in person."""

    path = "/api/feed"
    tags = ("turns",)

    @get("/", opt={"rule": READ}, media_type="text/event-stream")
    async def follow_feed(
        self, principal: NamedDependency[Principal], feed: NamedDependency[Feed]
    ) -> Stream:
        """Server-sent events: conversations that changed, turns that began or ended."""
        return _event_stream(feed.follow(principal.user_id))


class OpenConversationController(ConversationController):
    """Conversations as history has them, and one of them with what is being written in it.

    One controller for both, because Litestar takes the routes of a path from one controller only.
    """

    @get("/{conversation_id:str}", opt={"rule": READ})
    async def open_conversation(
        self,
        conversation_id: FromPath[str],
        principal: NamedDependency[Principal],
        history: NamedDependency[HistoryService],
        turns: NamedDependency[TurnService],
        feedback: NamedDependency[FeedbackService],
        db: NamedDependency[Database],
        head: Annotated[str | None, QueryParameter()] = None,
        before: Annotated[str | None, QueryParameter()] = None,
        limit: Annotated[int, QueryParameter(ge=1, le=200)] = 50,
    ) -> OpenConversation:
        """The last `limit` messages of the branch at `head` (default: where it was left), or those
        above the message `before`."""
        # Before the transaction: a reply that ends in between is then followed to its end.
        running = turns.running(principal.user_id, ConversationId(conversation_id))
        async with db.read() as tx:
            elsewhere = await turns.running_elsewhere(
                tx, principal.user_id, ConversationId(conversation_id)
            )
            window = await history.open_window(
                tx,
                principal.user_id,
                ConversationId(conversation_id),
                head=MessageId(head) if head is not None else None,
                before=MessageId(before) if before is not None else None,
                limit=limit,
            )
            thumbs = await feedback.thumbs(
                tx, principal.user_id, [view.message.id for view in window.messages]
            )
        return read_open_conversation(window, {**elsewhere, **running}, thumbs)


async def _view(
    started: StartedTurn, principal: Principal, history: HistoryService, db: Database
) -> TurnStarted:
    assert started.conversation_id is not None
    shown = [m for m in (started.user_message, started.reply) if m is not None]
    async with db.read() as tx:
        conversation = await history.view(tx, principal.user_id, started.conversation_id)
        siblings = await history.siblings(tx, started.conversation_id, shown)
    views = {m.id: MessageView(m, siblings.get(m.id, [m.id])) for m in shown}
    return TurnStarted(
        started.turn_id,
        msgspec.structs.replace(conversation, running=[started.turn_id]),
        None if started.user_message is None else views[started.user_message.id],
        views[started.reply.id],
    )


def _event_stream(events: AsyncIterator[bytes]) -> Stream:
    return Stream(events, media_type="text/event-stream", headers=STREAM_HEADERS)


CONTROLLERS = (TurnController, FeedController, OpenConversationController)

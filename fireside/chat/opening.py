"""The first transaction of a turn: the person's message and the reply's place become durable."""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

import msgspec

from fireside.accounts.domain import User
from fireside.accounts.service import AccountService
from fireside.capacity.customers import customer
from fireside.capacity.service import Gate
from fireside.chat import prompting
from fireside.chat.degraded import label
from fireside.chat.errors import EmptyMessage, MessageTooLong, NotAReply, NothingToContinue
from fireside.chat.repository import JournalEntry, StoredTurn, TurnRepository
from fireside.chat.runner import ReplyJob
from fireside.chat.settings import ChatSettings
from fireside.chat.titles import provisional_title
from fireside.chat.turn import TurnState, was_cut_short
from fireside.chat.views import Continue, Regenerate, Send
from fireside.conversation.event import MessageStart, encode_event
from fireside.conversation.message import (
    Author,
    ConversationId,
    Message,
    MessageId,
    Role,
    Status,
    UserId,
    text_message,
)
from fireside.conversation.tree import Conversation, prompt_messages
from fireside.db.database import ReadTransaction, Transaction
from fireside.history.repository import HistoryRepository
from fireside.kit.clock import Clock
from fireside.kit.ids import NewId

PATH_PAGE = 64


class Target(msgspec.Struct, frozen=True):
    """The model a reply is asked of, as far as it is known before an engine is ready."""

    model: str | None
    release: str | None
    window_tokens: int


class OpenedTurn(msgspec.Struct, frozen=True):
    """A turn whose rows are written: the reply's skeleton and what it needs to be run."""

    turn: StoredTurn
    reply: Message
    job: ReplyJob
    user_message: Message | None = None
    title_from: str | None = None


class TurnOpener:
    """Writes the rows with which a turn begins, and reads them back when it is taken up again."""

    def __init__(
        self,
        history: HistoryRepository,
        turns: TurnRepository,
        accounts: AccountService,
        gate: Gate,
        settings: ChatSettings,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._history = history
        self._turns = turns
        self._accounts = accounts
        self._gate = gate
        self._settings = settings
        self._clock = clock
        self._new_id = new_id

    async def open(
        self, tx: Transaction, owner_id: UserId, ask: Send | Regenerate | Continue, target: Target
    ) -> OpenedTurn:
        """Store what `ask` says, to be answered by `target`.

        Raises UserError for an empty or too long message, NotFound for ids that are not the
        owner's, Conflict when there is nothing to continue.
        """
        now = self._clock.now()
        user_message: Message | None = None
        title_from: str | None = None
        person = await self._accounts.person(tx, owner_id)
        less = None
        if not isinstance(ask, Continue):
            asking = customer(self._gate.policy, owner_id, person.plan, person.role)
            less = self._gate.degradation(asking, target.model)
        if less is not None and less.model is not None:
            target = msgspec.structs.replace(target, model=less.model, release=None)
        match ask:
            case Send():
                conversation, user_message = await self._store_message(tx, owner_id, ask, now)
                reply = self._skeleton(user_message.id, target, now)
                if user_message.parent_id is None and ask.conversation_id is None:
                    title_from = ask.text
            case Regenerate():
                conversation = await self._conversation(tx, owner_id, ask.conversation_id)
                old = await self._reply(tx, conversation.id, ask.message_id)
                reply = self._skeleton(old.parent_id, target, now)
            case Continue():
                conversation = await self._conversation(tx, owner_id, ask.conversation_id)
                old = await self._reply(tx, conversation.id, ask.message_id)
                if not was_cut_short(old):
                    raise NothingToContinue
                reply = _reopened(old, now)
            case _:
                assert_never(ask)
        if less is not None:
            reply = msgspec.structs.replace(reply, provider_data=msgspec.to_builtins(label(less)))
        job = await self._job(tx, person, conversation, reply, target)
        turn = StoredTurn(
            id=self._new_id(),
            request_id=ask.request_id,
            owner_id=owner_id,
            conversation_id=conversation.id,
            message_id=reply.id,
            user_message_id=user_message.id if user_message is not None else None,
            anchor_id=None,
            state=TurnState.RUNNING,
            attempts=1,
            created_at=now,
        )
        await self._store_reply(tx, turn, reply, is_new=not isinstance(ask, Continue))
        await self._history.update_conversation(
            tx, owner_id, conversation.id, head=reply.id, updated_at=now
        )
        return OpenedTurn(turn, reply, job, user_message, title_from)

    async def reopen(
        self, tx: ReadTransaction, turn: StoredTurn, reply: Message, target: Target
    ) -> ReplyJob:
        """What a turn found unfinished needs to be run again."""
        conversation = await self._history.conversation(tx, turn.owner_id, turn.conversation_id)
        person = await self._accounts.person(tx, turn.owner_id)
        job = await self._job(tx, person, conversation, reply, target)
        return msgspec.structs.replace(job, engine_wait_s=self._settings.recover_wait_s)

    async def _store_message(
        self, tx: Transaction, owner_id: UserId, ask: Send, now: datetime
    ) -> tuple[Conversation, Message]:
        text = ask.text.replace("\x00", "").strip()  # PostgreSQL's text cannot hold NUL
        if not text:
            raise EmptyMessage
        if len(text) > self._settings.max_text_chars:
            raise MessageTooLong(len(text), self._settings.max_text_chars)
        conversation = await self._conversation_for(tx, owner_id, ask, now)
        message = text_message(
            self._new_id(),
            Role.USER,
            text,
            parent_id=ask.parent_id,
            created_at=now,
            updated_at=now,
        )
        if ask.parent_id is not None:
            await self._history.message(tx, conversation.id, MessageId(ask.parent_id))
        await self._history.insert_message(tx, conversation.id, owner_id, message)
        return conversation, message

    async def _conversation_for(
        self, tx: Transaction, owner_id: UserId, ask: Send, now: datetime
    ) -> Conversation:
        if ask.conversation_id is not None:
            return await self._conversation(tx, owner_id, ask.conversation_id)
        conversation = Conversation(
            id=ConversationId(self._new_id()),
            owner_id=owner_id,
            title=provisional_title(ask.text.replace("\x00", "")),
            model=ask.model,
            created_at=now,
            updated_at=now,
        )
        await self._history.insert_conversation(tx, conversation)
        if ask.folder_id is not None:
            await self._history.update_conversation(
                tx, owner_id, conversation.id, folder_id=ask.folder_id
            )
        return conversation

    async def _store_reply(
        self, tx: Transaction, turn: StoredTurn, reply: Message, *, is_new: bool
    ) -> None:
        if is_new:
            await self._history.insert_message(tx, turn.conversation_id, turn.owner_id, reply)
        else:
            await self._history.update_message(tx, turn.conversation_id, turn.owner_id, reply)
        await self._turns.insert(tx, turn)
        frame = encode_event(MessageStart(reply))
        await self._turns.add_events(tx, [JournalEntry(turn.id, 1, (frame,))])

    async def _conversation(
        self, tx: ReadTransaction, owner_id: UserId, conversation_id: str
    ) -> Conversation:
        return await self._history.conversation(tx, owner_id, ConversationId(conversation_id))

    async def _reply(
        self, tx: ReadTransaction, conversation_id: ConversationId, message_id: str
    ) -> Message:
        message = await self._history.message(tx, conversation_id, MessageId(message_id))
        if message.author.role is not Role.ASSISTANT:
            raise NotAReply
        return message

    def _skeleton(self, parent_id: MessageId | None, target: Target, now: datetime) -> Message:
        return Message(
            id=MessageId(self._new_id()),
            author=Author(Role.ASSISTANT),
            parent_id=parent_id,
            status=Status.STREAMING,
            model=target.model,
            release=target.release,
            created_at=now,
            updated_at=now,
        )

    async def _job(
        self,
        tx: ReadTransaction,
        person: User,
        conversation: Conversation,
        reply: Message,
        target: Target,
    ) -> ReplyJob:
        line = await self._line(tx, conversation.id, reply.parent_id, target.window_tokens)
        custom = person.preferences.custom_instructions
        anchor = await self._turns.anchor(tx, [m.id for m in line if m.author.role != Role.USER])
        return ReplyJob(
            line=line,
            system=prompting.system_text(
                self._settings.system_prompt,
                custom.about if custom.enabled else "",
                custom.style if custom.enabled else "",
                conversation.settings.instructions,
            ),
            model=target.model,
            settings=conversation.settings,
            anchor=anchor,
            plan=person.plan,
            role=person.role,
            network=person.network,
        )

    async def _line(
        self,
        tx: ReadTransaction,
        conversation_id: ConversationId,
        head: MessageId | None,
        window_tokens: int,
    ) -> tuple[Message, ...]:
        """The path up from `head`, as far as a prompt could reach; oldest first."""
        line: list[Message] = []
        num_tokens = 0
        before: MessageId | None = None
        while head is not None and num_tokens < window_tokens:
            page = await self._history.path_window(
                tx, conversation_id, head, PATH_PAGE, before=before
            )
            line[:0] = page
            num_tokens += sum(prompting.estimate_tokens(m) for m in prompt_messages(page))
            if len(page) < PATH_PAGE:
                break
            before = page[0].id
        return tuple(line)


def _reopened(old: Message, now: datetime) -> Message:
    """A reply that was cut short, open again with what it already says."""
    return msgspec.structs.replace(
        old, status=Status.STREAMING, finish_reason=None, error=None, updated_at=now
    )

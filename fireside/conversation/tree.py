"""The conversation as a tree: append only, branches side by side, the thread is `path(head)`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from fireside.conversation.message import (
    ConversationId,
    Message,
    MessageId,
    Reasoning,
    Role,
    Status,
    UserId,
    _Value,
)
from fireside.errors import Bug, Conflict, NotFound


class AssistantSettings(_Value, frozen=True):
    """How this conversation's assistant is set up; None leaves the engine's default."""

    instructions: str = ""
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None


class Conversation(_Value, frozen=True):
    """A tree of messages by id, and the head that names the branch now on screen."""

    id: ConversationId
    owner_id: UserId
    title: str = ""
    model: str | None = None
    settings: AssistantSettings = AssistantSettings()
    messages: dict[MessageId, Message] = {}
    head: MessageId | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    archived: bool = False
    pinned: bool = False
    shared: bool = False
    provider_data: dict[str, object] = {}


def path(conversation: Conversation, head: MessageId | None = None) -> tuple[Message, ...]:
    """The messages from the root down to `head` (default: the conversation's own head).

    Raises NotFound when the head is not in the tree, Bug when parents form a cycle or a parent is
    missing.
    """
    at = head if head is not None else conversation.head
    if at is None:
        return ()
    if at not in conversation.messages:
        raise NotFound("unknown_message", "This message is not in the conversation.")
    line: list[Message] = []
    seen: set[MessageId] = set()
    while at is not None:
        message = conversation.messages.get(at)
        if message is None or at in seen:
            raise Bug("broken_tree", "The conversation's tree is broken.")
        seen.add(at)
        line.append(message)
        at = message.parent_id
    line.reverse()
    return tuple(line)


def children(messages: Mapping[MessageId, Message]) -> dict[MessageId | None, list[MessageId]]:
    """parent id -> child ids in the order they were made (ids sort by time)."""
    by_parent: dict[MessageId | None, list[MessageId]] = {}
    for message in sorted(messages.values(), key=lambda m: m.id):
        by_parent.setdefault(message.parent_id, []).append(message.id)
    return by_parent


def siblings(conversation: Conversation, message_id: MessageId) -> list[MessageId]:
    """All versions at this place in the tree, oldest first, the message itself included."""
    return children(conversation.messages)[conversation.messages[message_id].parent_id]


def latest_leaf(conversation: Conversation, message_id: MessageId) -> MessageId:
    """Where a person lands who steps onto this branch: down the newest children to a leaf."""
    by_parent = children(conversation.messages)
    at = message_id
    while below := by_parent.get(at):
        at = below[-1]
    return at


def append(conversation: Conversation, message: Message) -> Conversation:
    """The tree with one more message, which becomes the head.

    A second message under the same parent is a branch. Raises Conflict when the id is taken by a
    different message, NotFound when the parent is not in the tree.
    """
    if (present := conversation.messages.get(message.id)) is not None:
        if present == message:
            return conversation
        raise Conflict("message_exists", "A message with this id is already there.")
    if message.parent_id is not None and message.parent_id not in conversation.messages:
        raise NotFound("unknown_parent", "The message this one answers is not there.")
    return msgspec.structs.replace(
        conversation,
        messages={**conversation.messages, message.id: message},
        head=message.id,
    )


def tombstone(conversation: Conversation, message_id: MessageId) -> Conversation:
    """Mark a message deleted. It keeps its place, so that what follows it stays attached."""
    message = conversation.messages.get(message_id)
    if message is None:
        raise NotFound("unknown_message", "This message is not in the conversation.")
    gone = msgspec.structs.replace(message, parts=(), deleted=True)
    return msgspec.structs.replace(
        conversation, messages={**conversation.messages, message_id: gone}
    )


def merge(left: Conversation, right: Conversation) -> Conversation:
    """The union of two copies that grew apart (two tabs); the newer head wins.

    Messages never change once complete, so the union is the same whichever side comes first. Where
    one side saw a message at an earlier stage, the later `updated_at` wins.
    """
    messages = dict(left.messages)
    for message in right.messages.values():
        mine = messages.get(message.id)
        if mine is None or (mine != message and _stage(message) > _stage(mine)):
            messages[message.id] = message
    heads = [head for head in (left.head, right.head) if head is not None]
    return msgspec.structs.replace(left, messages=messages, head=max(heads, default=None))


def _stage(message: Message) -> tuple[bool, float, bool, int, bytes]:
    """How far along a copy is. A total order, so that merging in any order ends alike."""
    at = message.updated_at.timestamp() if message.updated_at is not None else 0.0
    running = message.status in {Status.STREAMING, Status.QUEUED}
    content = msgspec.json.encode(message)
    return message.deleted, at, not running, len(content), content


def build(conversation: Conversation, messages: Iterable[Message]) -> Conversation:
    """A conversation holding exactly `messages`; the last one is the head unless one is set.

    Raises Conflict on a repeated id, NotFound on a missing parent, Bug on a cycle.
    """
    by_id: dict[MessageId, Message] = {}
    last: MessageId | None = None
    for message in messages:
        if message.id in by_id:
            raise Conflict("message_exists", "A message with this id is already there.")
        by_id[message.id] = message
        last = message.id
    for message in by_id.values():
        if message.parent_id is not None and message.parent_id not in by_id:
            raise NotFound("unknown_parent", "The message this one answers is not there.")
    _refuse_cycles(by_id)
    head = conversation.head if conversation.head in by_id else last
    return msgspec.structs.replace(conversation, messages=by_id, head=head)


def _refuse_cycles(messages: Mapping[MessageId, Message]) -> None:
    grounded: set[MessageId] = set()
    for start in messages:
        trail: list[MessageId] = []
        at: MessageId | None = start
        on_trail: set[MessageId] = set()
        while at is not None and at not in grounded:
            if at in on_trail:
                raise Bug("broken_tree", "The conversation's tree has a cycle.")
            trail.append(at)
            on_trail.add(at)
            at = messages[at].parent_id
        grounded.update(trail)


def prompt_messages(line: Iterable[Message]) -> tuple[Message, ...]:
    """The messages of a path that a model may be shown: not deleted, and no reply without a word
    (one that failed at once, or of which there is reasoning only)."""
    return tuple(
        message
        for message in line
        if not message.deleted
        and (
            message.author.role is not Role.ASSISTANT
            or any(not isinstance(part, Reasoning) for part in message.parts)
        )
    )

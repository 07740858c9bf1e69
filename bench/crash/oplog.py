"""What every client did and was told, and whether the server still agrees.

The mock engine's text is a function of the last user message, so a reply tells by itself whether
a token was lost, doubled or came from elsewhere.
"""

from __future__ import annotations

import msgspec

from bench.gateway.words import TOKEN_CHARS, reply
from bench.page import Opened
from fireside.conversation.message import Message, Role, Status


class Send(msgspec.Struct):
    """One message a client sent. `seen` holds (time, characters of the reply on screen)."""

    request_id: str
    text: str
    user: int
    conversation_id: str | None
    parent_id: str | None
    acked: bool = False
    turn_id: str = ""
    reply_id: str = ""
    user_message_id: str = ""
    last_event: int = 0
    shown: str = ""
    seen: list[tuple[float, int]] = []
    ended: bool = False
    num_kills: int = 0


class Finding(msgspec.Struct):
    """Something that must not be."""

    what: str
    detail: str


class Findings(msgspec.Struct):
    """The verdict of a run."""

    num_kills: int = 0
    num_sent: int = 0
    num_acked: int = 0
    num_cut_replies: int = 0
    num_resumed: int = 0
    lost_s: list[float] = []
    max_lost_tokens: int = 0
    max_settle_s: float = 0.0
    start_s: list[float] = []
    broken: list[Finding] = []

    def wrong(self, what: str, detail: str) -> None:
        """Record something that must not be."""
        self.broken.append(Finding(what, detail))


def check_loss(send: Send, kept: str, killed_at: float, findings: Findings) -> None:
    """Compare what was on screen when the server was killed with what it still has.

    `kept` is the reply as the restarted server took it up. How much time's worth of text is gone
    goes to `findings.lost_s`; the judgement is the caller's, who knows how busy the machine is.
    """
    if kept.startswith(send.shown):
        findings.lost_s.append(0.0)
        return
    if not send.shown.startswith(kept):
        findings.wrong("reply_changed", f"turn {send.turn_id}: another text than was shown")
        return
    lost_at = next((at for at, length in send.seen if length > len(kept)), killed_at)
    findings.lost_s.append(max(0.0, killed_at - lost_at))
    findings.max_lost_tokens = max(
        findings.max_lost_tokens, (len(send.shown) - len(kept)) // TOKEN_CHARS
    )


def check_conversation(
    opened: Opened, sends: list[Send], num_tokens: int, findings: Findings
) -> None:
    """Every acknowledged message is there exactly once, and every reply says what it must."""
    path = [view.message for view in opened.messages]
    texts = [m.text() for m in path if m.author.role is Role.USER]
    by_id = {m.id: m for m in path}
    for send in sends:
        count = texts.count(send.text)
        if send.acked and count != 1:
            findings.wrong("user_message", f"{send.request_id}: acknowledged, there {count} times")
        elif count > 1:
            findings.wrong("user_message_doubled", f"{send.request_id}: there {count} times")
        if send.acked:
            check_reply(by_id.get(send.reply_id), send, num_tokens, findings)  # type: ignore[call-overload]
    for view in opened.messages:
        if len(view.siblings) > 1:
            findings.wrong("branch", f"message {view.message.id} has siblings nobody asked for")
    if len(path) != len({m.id for m in path}):
        findings.wrong("message_doubled", opened.conversation.id)


def check_reply(message: Message | None, send: Send, num_tokens: int, findings: Findings) -> None:
    """A finished reply is whole; an interrupted one is a beginning of it."""
    if message is None:
        findings.wrong("reply_missing", f"turn {send.turn_id}")
        return
    right = reply(send.text, num_tokens)
    text = message.text()
    match message.status:
        case Status.COMPLETE:
            if text != right:
                findings.wrong("reply_differs", f"turn {send.turn_id}: {_difference(text, right)}")
        case Status.INTERRUPTED | Status.FAILED:
            if not right.startswith(text):
                findings.wrong("reply_garbled", f"turn {send.turn_id}: {_difference(text, right)}")
        case _:
            findings.wrong("stuck", f"turn {send.turn_id} is still {message.status}")


def _difference(text: str, right: str) -> str:
    at = next((i for i, (a, b) in enumerate(zip(text, right, strict=False)) if a != b), -1)
    return f"{len(text)} characters, {len(right)} expected, first difference at {at}"

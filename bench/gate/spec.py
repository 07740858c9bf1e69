"""What the replayer is told and what it answers: values shared by both sides."""

from __future__ import annotations

import msgspec


class Send(msgspec.Struct, array_like=True):
    """One turn of the demand. `caller` counts into the replay's callers.

    With a `conversation` it is that conversation's turn `turn`, with everything before it in the
    prompt.
    """

    at_s: float
    prompt_tokens: int
    output_tokens: int
    caller: int = 0
    conversation: int = -1
    turn: int = 0


class Caller(msgspec.Struct):
    """One client. It leaves when nothing was said within `patience_s`.

    `retries`: how often it asks again after a refusal, an error or having left. It waits as long as
    Retry-After says, or gives up where that is beyond its patience; without one it waits a little.
    """

    group: str = "free"
    key: str = ""
    patience_s: float = 6.0
    retries: int = 0


class Replay(msgspec.Struct, kw_only=True):
    """What to send. Open loop by the clock of `sends`; with `concurrency` so many at a time."""

    port: int
    path: str = "/v1/chat/completions"
    model: str = "mock"
    callers: list[Caller]
    sends: list[Send]
    concurrency: int = 0
    stop_s: float = 0.0  # closed loop: begin nothing after that
    drain_s: float = 10.0
    pace: float = 1.0  # how much faster than its clients' watches the server's time runs
    backoff_s: float = 0.2
    max_tokens: int = 0  # 0: the client does not limit the reply
    check_texts: bool = True
    seed: int = 0
    cpu: int | None = None


class Attempt(msgspec.Struct, array_like=True):
    """One request as its client saw it. Times are seconds since the run began; -1: never.

    `outcome`: ok, refused, error, gave_up (it left) or unfinished.
    """

    send: int
    number: int
    due_s: float
    sent_s: float
    first_s: float
    ended_s: float
    status: int
    outcome: str
    num_tokens: int = 0
    longest_gap_s: float = 0.0
    retry_after_s: float = -1.0
    has_limits: bool = False
    detail: str = ""
    is_right: bool | None = None


class Replayed(msgspec.Struct, kw_only=True):
    """What came back. `void` says why the run does not count, or is empty."""

    began_at: float  # CLOCK_MONOTONIC
    attempts: list[Attempt]
    lag_p99_ms: float
    cpu_s: float
    void: str = ""


def prompt_text(run: str, number: int, send: Send) -> str:
    """The user's words: unlike all others, as long as they should be, with the reply's length.

    The mock engine ends its reply after as many tokens as the `~n~` in front says; the gateway
    cannot know.
    """
    return f"~{send.output_tokens}~ {run}-{number} ".ljust(send.prompt_tokens * 4, "x")


def said_before(send: Send) -> list[dict[str, str]]:
    """The earlier messages of a conversation, the same words whenever they are told."""
    messages = []
    for turn in range(send.turn):
        stem = f"conversation {send.conversation} turn {turn} "
        messages.append({"role": "user", "content": (stem + "asks ") * 12})
        messages.append({"role": "assistant", "content": (stem + "answers ") * 24})
    return messages

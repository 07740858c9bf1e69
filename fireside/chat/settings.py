"""Settings of the turn."""

from __future__ import annotations

from typing import Annotated

import msgspec


class ChatSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How replies are run, journaled and picked up again."""

    system_prompt: Annotated[
        str, msgspec.Meta(max_length=20_000, description="What every conversation begins with.")
    ] = "You are Fireside, a helpful assistant. Answer truthfully, clearly and to the point."
    journal_interval_s: Annotated[
        float,
        msgspec.Meta(
            ge=0.001,
            le=0.1,
            description="How long streamed text is collected before it is committed; what a killed "
            "process can lose of it.",
        ),
    ] = 0.05
    journal_retention_s: Annotated[
        float,
        msgspec.Meta(ge=60, description="How long a finished reply can be replayed."),
    ] = 3600.0
    keep_ended_s: Annotated[
        float, msgspec.Meta(ge=0, description="How long a finished reply's events stay in memory.")
    ] = 30.0
    recover_wait_s: Annotated[
        float,
        msgspec.Meta(
            ge=0,
            le=60,
            description="How long an unfinished reply waits for an engine after a restart before "
            "it is marked interrupted.",
        ),
    ] = 4.5
    max_attempts: Annotated[
        int, msgspec.Meta(ge=1, le=10, description="How often a reply is taken up after restarts.")
    ] = 3
    owner_beat_s: Annotated[
        float,
        msgspec.Meta(
            ge=0.05,
            le=10,
            description="How often a process tells the others that it lives, on PostgreSQL.",
        ),
    ] = 0.5
    owner_lease_s: Annotated[
        float,
        msgspec.Meta(
            ge=0.2,
            le=60,
            description="How long a process may be silent before others take over its replies; "
            "several times `owner_beat_s`.",
        ),
    ] = 2.5
    turn_timeout_s: Annotated[
        float, msgspec.Meta(gt=0, le=86_400, description="The longest a reply may take.")
    ] = 1800.0
    max_reply_tokens: Annotated[
        int, msgspec.Meta(ge=16, description="The longest reply, in tokens.")
    ] = 2048
    max_prompt_tokens: Annotated[
        int,
        msgspec.Meta(ge=256, description="How far back a conversation is read for a prompt."),
    ] = 131_072
    max_text_chars: Annotated[
        int, msgspec.Meta(ge=1, description="The longest message a person can send.")
    ] = 1_000_000
    titles: Annotated[
        bool, msgspec.Meta(description="Let the model write the titles of new conversations.")
    ] = True

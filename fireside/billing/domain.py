"""What is counted: one entry for each thing an engine did for somebody."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from fireside.conversation.message import Usage, UserId


class Feature(StrEnum):
    """What the tokens were used for."""

    CHAT = "chat"
    TITLE = "title"
    API_CHAT = "api_chat"
    API_COMPLETION = "api_completion"
    API_EMBEDDINGS = "api_embeddings"


class UsageStatus(StrEnum):
    """How the generation ended; what it used until then counts in every case."""

    COMPLETE = "complete"
    ABORTED = "aborted"
    FAILED = "failed"


class UsageEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One metered generation. `model` is the public name, `release` what it pointed to.

    `engine_s`: its share of an engine's time: how long it held one of the slots, over their number.
    `plan`: the plan it was served under.
    """

    user_id: UserId
    model: str
    release: str
    engine: str
    feature: Feature
    usage: Usage
    at: datetime
    status: UsageStatus = UsageStatus.COMPLETE
    api_key_id: str | None = None
    engine_s: float = 0.0
    plan: str = ""


class UsageTotals(msgspec.Struct, frozen=True):
    """Sums over entries."""

    num_generations: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0


class UsageBy(StrEnum):
    """What usage can be split up by."""

    PLAN = "plan"
    FEATURE = "feature"
    USER = "user"
    MODEL = "model"


class UsageShare(msgspec.Struct, frozen=True):
    """What one plan, feature, person (by id) or model used."""

    name: str
    engine_s: float
    completion_tokens: int
    num_generations: int

"""Engines as operators know them; pure."""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from typing import NewType

import msgspec

from fireside.errors import UserError

EngineId = NewType("EngineId", str)

EMBEDDED = EngineId("embedded")
"""The id and the name of the engine in this house; no other may take it."""

FIRST_PRIORITY = 100
MAX_SLOTS = 100_000
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class EngineKind(StrEnum):
    """Where an engine runs."""

    EMBEDDED = "embedded"
    OPENAI = "openai"


class EngineRecord(msgspec.Struct, frozen=True):
    """An engine that an administrator added. Lower `priority` wins a name that two serve.

    `models` limits what is offered to these names; empty offers everything. `slots` is how many
    replies it writes at once as the operator says; None: found out.
    """

    id: EngineId
    name: str
    base_url: str
    created_at: datetime
    flavour: str | None = None
    sealed_api_key: bytes | None = None
    models: tuple[str, ...] = ()
    priority: int = FIRST_PRIORITY
    enabled: bool = True
    slots: int | None = None

    def __repr__(self) -> str:
        return f"EngineRecord(id={self.id!r}, name={self.name!r})"


class Subject(StrEnum):
    """What can be chosen about the embedded engine while it runs."""

    MODEL = "embedded_model"
    ENABLED = "embedded_enabled"


class Choices(msgspec.Struct, frozen=True):
    """What was last chosen. `model` empty: the best one that is here."""

    model: str = ""
    enabled: bool = True


class EngineView(msgspec.Struct, frozen=True):
    """An engine on the operator's page. `restarts` counts since this server started.

    `slots`: what the operator stated; None where the gate finds out by itself.
    """

    id: EngineId
    name: str
    kind: EngineKind
    base_url: str | None
    enabled: bool
    ok: bool
    detail: str
    models: list[str]
    restarts: int = 0
    slots: int | None = None


class Preparing(msgspec.Struct, frozen=True):
    """A model on its way. `progress` is in [0, 1]; `state` is `downloading` or `loading`."""

    name: str
    progress: float
    state: str


def checked_name(name: str) -> str:
    """An engine's name. Raises UserError when it cannot be one."""
    if not NAME.fullmatch(name) or name == EMBEDDED:
        raise UserError(
            "bad_engine_name",
            "An engine's name has up to 64 letters, digits, dots, dashes or underscores"
            f" and is not {EMBEDDED!r}.",
            hint="For example gpu-1.",
            param="name",
        )
    return name


def checked_slots(slots: int | None) -> int | None:
    """A stated number of slots. Raises UserError when it cannot be one."""
    if slots is not None and not 1 <= slots <= MAX_SLOTS:
        raise UserError(
            "bad_slots",
            f"An engine has 1 to {MAX_SLOTS:,} slots.",
            hint="State how many replies it writes at once, or leave it out to have it found out.",
            param="slots",
        )
    return slots


def target_model(wanted: str, best: str | None, failed: frozenset[str]) -> str | None:
    """The embedded model that should run: what was asked for, else the best that is here.

    What could not be run is passed over. None when nothing is left.
    """
    if wanted and wanted not in failed:
        return wanted
    return best

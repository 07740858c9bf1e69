"""What the turn tells the world about itself.

Failure policy: fail open; numbers never stop a reply.
"""

from __future__ import annotations

from typing import Protocol


class TurnMetrics(Protocol):
    """Takes the figures of running turns."""

    def turn_started(self, model: str) -> None:
        """A generation for a turn began."""
        ...

    def turn_ended(self, model: str, outcome: str) -> None:
        """It ended; `outcome` is a message status."""
        ...

    def first_token(self, model: str, ttft_s: float) -> None:
        """The first token came `ttft_s` seconds after the person's message was stored."""
        ...

    def tokens(self, model: str, prompt: int, completion: int) -> None:
        """What a finished generation used."""
        ...

    def journal_flushed(self, lag_s: float, num_events: int) -> None:
        """A group commit ended; its oldest event was `lag_s` old."""
        ...


class NoTurnMetrics:
    """Counts nothing."""

    def turn_started(self, model: str) -> None: ...
    def turn_ended(self, model: str, outcome: str) -> None: ...
    def first_token(self, model: str, ttft_s: float) -> None: ...
    def tokens(self, model: str, prompt: int, completion: int) -> None: ...
    def journal_flushed(self, lag_s: float, num_events: int) -> None: ...

"""Pure: what a reader of a reply that is written elsewhere has seen, and what is new to it."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from fireside.kit import sse

EVENTS_PER_RUN = 1_000_000_000
"""Every run of a turn numbers its events in a range of its own; see `fireside.chat.log`."""


class Group(msgspec.Struct, frozen=True, array_like=True):
    """Events number `first` and following of a turn.

    `notice` is the last frame announced since the group before, the `notice_number`-th of its run,
    after event number `notice_at`.
    """

    first: int
    frames: list[bytes]
    notice: bytes | None = None
    notice_number: int = 0
    notice_at: int = 0
    ended: bool = False

    @property
    def last(self) -> int:
        """The number of the last event."""
        return self.first + len(self.frames) - 1


class Reading:
    """One reader. `at` is the number of the last event it was given."""

    def __init__(self, after: int) -> None:
        self.at = after
        self.ended = False
        self.behind = False
        """Something is missing between `at` and what came; it has to be fetched."""
        self._noticed = (0, 0)

    def take(self, group: Group, *, can_skip: bool = False) -> bytes:
        """The server-sent events that are new in `group`; none when something is missing before it.

        Nothing is missing before the first event of a run, which is a snapshot. `can_skip`: what is
        missing is nowhere to be had.
        """
        is_next = group.first <= self.at + 1 or group.first % EVENTS_PER_RUN == 1
        if not is_next and not can_skip:
            self.behind = True
            return b""
        numbered = [each for each in enumerate(group.frames, group.first) if each[0] > self.at]
        notice, place = group.notice, (group.notice_at, group.notice_number)
        if notice is None or group.notice_at < self.at or place <= self._noticed:
            piece = _encoded(numbered)
        else:
            self._noticed = place
            before = [each for each in numbered if each[0] <= group.notice_at]
            piece = _encoded(before) + notice + _encoded(numbered[len(before) :])
        self.at = max(self.at, group.last)
        self.ended = self.ended or (group.ended and group.last >= self.at)
        return piece

    def take_journaled(self, numbered: list[tuple[int, bytes]], *, ended: bool) -> bytes:
        """The server-sent events of a piece of the journal that was read from `at` on."""
        new = [each for each in numbered if each[0] > self.at]
        if new:
            self.at = new[-1][0]
        self.behind = False
        self.ended = ended
        return _encoded(new)


def _encoded(numbered: Iterable[tuple[int, bytes]]) -> bytes:
    return b"".join(sse.encode(frame, number) for number, frame in numbered)

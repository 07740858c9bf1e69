"""The gate as every process shows it: the leader's figures, wherever the page was served."""

from __future__ import annotations

import msgspec

from fireside.capacity.ports import CapacityView
from fireside.capacity.sharing import Role, SharedScheduler
from fireside.capacity.view import LiveGate

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(CapacityView).decode


class LeaderView:
    """Implements `GateView` over this process's own and what the leader tells.

    Pools, engines and the bottleneck are everybody's; the series and the plans are those of this
    process.
    """

    def __init__(self, own: LiveGate, scheduler: SharedScheduler) -> None:
        self._own = own
        self._scheduler = scheduler
        self._told: tuple[bytes, CapacityView] | None = None
        scheduler.describe = self._describe

    def live(self) -> CapacityView:
        """Everything at this moment; what the leader tells is up to half a second old."""
        own = self._own.live()
        told = self._scheduler.described
        if self._scheduler.role is not Role.FOLLOWING or not told:
            return own
        if self._told is None or self._told[0] != told:
            self._told = told, _decode(told)
        return msgspec.structs.replace(self._told[1], series=own.series, plans=own.plans)

    def expected_wait(self, model: str) -> float | None:
        """Seconds that somebody who asks for `model` now would wait; None while none can answer."""
        return self._own.expected_wait(model)

    def _describe(self) -> bytes:
        return _encode(msgspec.structs.replace(self._own.live(), series=[], plans={}))

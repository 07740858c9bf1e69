"""A gate for tests of what is shown of one."""

from __future__ import annotations

from fireside.capacity.ports import CapacityView


class OpenGate:
    """A house without a gate: nobody waits, nothing is known."""

    def live(self) -> CapacityView:
        """Nothing runs and nothing waits."""
        return CapacityView(bottleneck="Nothing is holding anybody up.")

    def expected_wait(self, model: str) -> float | None:
        """Nothing."""
        return 0.0

"""What one request used and how fast it went, as the gateway saw it."""

from __future__ import annotations

from fireside.accounts.domain import Principal
from fireside.api.openai.lengths import CHARS_PER_TOKEN, num_chars
from fireside.billing.domain import Feature, UsageEntry, UsageStatus
from fireside.conversation.event import StreamEvent, TextDelta, ToolCallDelta, UsageReport
from fireside.conversation.message import Usage
from fireside.engine.catalog import Route
from fireside.engine.ports import GenerationRequest
from fireside.kit.clock import Clock


class Tally:
    """Counts the events of one request's generations; `per_prompt` of them share each prompt."""

    def __init__(self, clock: Clock, requests: list[GenerationRequest], per_prompt: int) -> None:
        self._clock = clock
        self._requests = requests
        self._per_prompt = per_prompt
        self._reports: list[Usage | None] = [None] * len(requests)
        self._num_deltas = [0] * len(requests)
        self._started_s = clock.monotonic_s()
        self._first_s: float | None = None
        self._ended_s = 0.0

    def see(self, number: int, event: StreamEvent) -> None:
        """Take one event of generation `number`."""
        kind = type(event)
        if kind is TextDelta or kind is ToolCallDelta:
            if self._first_s is None:
                self._first_s = self._clock.monotonic_s()
            self._num_deltas[number] += 1
        elif isinstance(event, UsageReport):
            self._reports[number] = event.usage

    def end(self) -> None:
        """The last token has come, or no more will."""
        self._ended_s = self._clock.monotonic_s()

    @property
    def anything_used(self) -> bool:
        """Whether the engine did any work that is known of."""
        return self._first_s is not None or any(self._reports)

    def usage(self) -> Usage:
        """All generations together. What the engine did not report is estimated."""
        reports = [self._reports[i] or self._estimate(i) for i in range(len(self._requests))]
        firsts = range(0, len(reports), self._per_prompt)
        prompts = [reports[i : i + self._per_prompt] for i in firsts]
        num_tokens = sum(each.completion_tokens for each in reports)
        ttft_ms = inter_token_ms = None
        if self._first_s is not None:
            ttft_ms = (self._first_s - self._started_s) * 1000
            if num_tokens > len(reports):
                # generations run side by side, so their tokens share the time
                steps = (num_tokens - len(reports)) / len(reports)
                inter_token_ms = (self._ended_s - self._first_s) * 1000 / steps
        return Usage(
            prompt_tokens=sum(max(each.prompt_tokens for each in group) for group in prompts),
            cached_tokens=sum(max(each.cached_tokens for each in group) for group in prompts),
            completion_tokens=num_tokens,
            ttft_ms=ttft_ms,
            inter_token_ms=inter_token_ms,
        )

    def entry(
        self, caller: Principal, route: Route, feature: Feature, status: UsageStatus
    ) -> UsageEntry:
        """What the meter records."""
        return UsageEntry(
            user_id=caller.user_id,
            model=route.public_name,
            release=route.release,
            engine=route.engine.name,
            feature=feature,
            usage=self.usage(),
            at=self._clock.now(),
            status=status,
            api_key_id=caller.key_id,
        )

    def _estimate(self, number: int) -> Usage:
        length = num_chars(self._requests[number])
        return Usage(
            prompt_tokens=-(-length // CHARS_PER_TOKEN),
            completion_tokens=self._num_deltas[number],
        )

"""Slows password guessing down.

Counted in this process's memory over a window: failures per account and address together, per
address, and per account from addresses it never signed in from. So a stranger who guesses at
somebody's account uses up their own allowance, and at most that of other strangers: a person whose
address is known is not kept out by it, and every limit ends with its window.

Honest limits: a restart forgets everything, several server processes count separately, people
behind one address share its allowance, and a guesser with very many addresses can keep a person
from signing in from a NEW address while the attack lasts (an administrator's link still works).
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict, deque
from datetime import timedelta

from fireside.accounts.settings import AccountsSettings
from fireside.errors import LimitReached
from fireside.kit.clock import Clock

MAX_TRACKED = 50_000
"""Windows and known addresses remembered; the least recently used are forgotten first."""

_Bucket = tuple[str, str, str]


class Attempt:
    """A sign-in being tried. It counts as a failure until `succeeded` is called."""

    def __init__(self, throttle: SignInThrottle, buckets: list[_Bucket], at_s: float) -> None:
        self._throttle = throttle
        self._buckets = buckets
        self._at_s = at_s

    def succeeded(self) -> None:
        """Take the failure back and remember the address as one of this account's."""
        self._throttle.take_back(self._buckets, self._at_s)
        self._throttle.remember(self._buckets[0])

    def never_tried(self) -> None:
        """Take the failure back: the server was too busy to look at the password."""
        self._throttle.take_back(self._buckets, self._at_s)


class SignInThrottle:
    """Sliding windows of failed attempts."""

    def __init__(self, settings: AccountsSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._failures: OrderedDict[_Bucket, deque[float]] = OrderedDict()  # -> monotonic times
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()  # account, network

    def begin(self, account: str, address: str) -> Attempt:
        """Count an attempt before it is tried, so that parallel ones cannot slip past.

        Raises LimitReached, telling when the next one is welcome.
        """
        network = network_of(address)
        now_s = self._clock.monotonic_s()
        buckets = self._buckets(account, network)
        for bucket, allowed in buckets:
            self._refuse_if_full(bucket, allowed, now_s)
        for bucket, _ in buckets:
            self._failures.setdefault(bucket, deque()).append(now_s)
            self._failures.move_to_end(bucket)
        while len(self._failures) > MAX_TRACKED:
            self._failures.popitem(last=False)
        return Attempt(self, [bucket for bucket, _ in buckets], now_s)

    def _buckets(self, account: str, network: str) -> list[tuple[_Bucket, int]]:
        settings = self._settings
        buckets = [
            (("pair", account, network), settings.sign_in_failures_per_pair),
            (("address", "", network), settings.sign_in_failures_per_address),
        ]
        if (account, network) not in self._known:
            buckets.append((("account", account, ""), settings.sign_in_failures_per_account))
        return buckets

    def _refuse_if_full(self, bucket: _Bucket, allowed: int, now_s: float) -> None:
        times = self._failures.get(bucket)
        if times is None:
            return
        while times and times[0] <= now_s - self._settings.sign_in_window_s:
            times.popleft()
        if len(times) < allowed:
            return
        wait_s = times[0] + self._settings.sign_in_window_s - now_s
        raise LimitReached(
            "Too many attempts to sign in failed.",
            limit="sign_in_failures",
            value=allowed,
            resets_at=self._clock.now() + timedelta(seconds=wait_s),
        )

    def take_back(self, buckets: list[_Bucket], at_s: float) -> None:
        """Undo what `begin` counted at `at_s`."""
        for bucket in buckets:
            times = self._failures.get(bucket)
            if times is not None and at_s in times:
                times.remove(at_s)

    def remember(self, pair: _Bucket) -> None:
        """Let an account be known at an address from now on."""
        _, account, network = pair
        self._known[account, network] = None
        self._known.move_to_end((account, network))
        while len(self._known) > MAX_TRACKED:
            self._known.popitem(last=False)


def network_of(address: str) -> str:
    """What one person commands: an IPv4 address, or the /64 of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)

"""Who presents a key or a cookie, answered from memory on the hot path.

A process remembers a credential for `identity_ttl_s`. What is revoked, disabled or changed is
forgotten at once, in every process that the broker reaches; one that it does not reach, or that
lost messages, forgets everybody, or learns of it when its memory runs out. When keys were used and
sessions seen is collected here and written in batches by `run`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import anyio
import msgspec

from fireside.accounts.credentials import CredentialRepository
from fireside.accounts.domain import Principal, Via, session_end
from fireside.accounts.links import LinkRepository
from fireside.accounts.repository import UserRepository
from fireside.accounts.settings import AccountsSettings
from fireside.conversation.message import UserId
from fireside.db.database import Database
from fireside.errors import BackendFailed
from fireside.kit.clock import Clock
from fireside.kit.hashing import sha256_hex
from fireside.kit.pubsub import Broker

FLUSH_EVERY_S = 10.0
FORGET = "identities"
"""The broker's topic of people who must not be trusted from memory any more."""

SWEEP_EVERY = timedelta(hours=1)


class _Known(msgspec.Struct, frozen=True):
    principal: Principal
    until_s: float  # monotonic
    expires_at: datetime | None


class _Question:
    """A look-up under way; those who ask the same meanwhile wait for its outcome."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.over = anyio.Event()
        self.answered = False  # stays False when the asker was cancelled
        self.found: _Known | None = None
        self.outage: BackendFailed | None = None


class IdentityCache:
    """Implements `ports.Identities` over the database."""

    def __init__(
        self, db: Database, settings: AccountsSettings, clock: Clock, broker: Broker | None = None
    ) -> None:
        self._db = db
        self._broker = broker or Broker()
        self._settings = settings
        self._clock = clock
        self._users = UserRepository()
        self._credentials = CredentialRepository()
        self._links = LinkRepository()
        self._known: OrderedDict[str, _Known] = OrderedDict()  # digest -> who
        self._questions: dict[str, _Question] = {}
        self._forgotten = 0  # counts calls of forget
        self._keys_used: dict[str, datetime] = {}
        self._sessions_seen: dict[str, tuple[datetime, datetime]] = {}  # -> seen, expires
        self._people_seen: dict[UserId, datetime] = {}
        self._swept_at: datetime | None = None

    async def by_key(self, key: str) -> Principal | None:
        """The holder of an API key."""
        return await self._find("k" + digest(key), self._ask_key)

    async def by_session(self, secret: str) -> Principal | None:
        """The person whose login session's cookie holds `secret`."""
        return await self._find("s" + digest(secret), self._ask_session)

    def forget(self, user_id: UserId) -> None:
        """Stop trusting what is remembered of a person. Call it after the change is committed.

        An answer that was being read meanwhile is used for its one request and not remembered.
        """
        self._forget_here(user_id)
        self._broker.publish(FORGET, user_id.encode())

    def _forget_here(self, user_id: UserId | None) -> None:
        self._forgotten += 1
        if user_id is None:
            self._known.clear()
        for name in [n for n, known in self._known.items() if known.principal.user_id == user_id]:
            del self._known[name]

    async def _find(
        self, name: str, ask: Callable[[str], Awaitable[_Known | None]]
    ) -> Principal | None:
        while True:
            known = self._known.get(name)
            if known is not None and self._is_fresh(known):
                return known.principal
            question = self._questions.get(name)
            if question is None:
                return await self._ask(name, ask)
            await question.over.wait()
            if question.outage is not None:
                raise question.outage
            if question.answered and question.epoch == self._forgotten:
                return question.found.principal if question.found else None

    def _is_fresh(self, known: _Known) -> bool:
        if self._clock.monotonic_s() >= known.until_s:
            return False
        return known.expires_at is None or self._clock.now() < known.expires_at

    async def _ask(
        self, name: str, ask: Callable[[str], Awaitable[_Known | None]]
    ) -> Principal | None:
        question = self._questions[name] = _Question(self._forgotten)
        try:
            question.found = await ask(name[1:])
            question.answered = True
        except BackendFailed as outage:
            question.outage = outage
            raise
        finally:
            del self._questions[name]
            question.over.set()
        if question.found is None:
            self._known.pop(name, None)
            return None
        if question.epoch == self._forgotten:
            self._known[name] = question.found
            self._known.move_to_end(name)
            while len(self._known) > self._settings.identity_cache_size:
                self._known.popitem(last=False)
        return question.found.principal

    async def _ask_key(self, key_digest: str) -> _Known | None:
        async with self._db.read() as tx:
            holder = await self._credentials.key_holder(tx, key_digest)
        if holder is None:
            return None
        now = self._clock.now()
        self._keys_used[holder.credential_id] = now
        self._people_seen[holder.user_id] = now
        principal = Principal(
            user_id=holder.user_id,
            role=holder.role,
            scopes=holder.scopes,
            via=Via.KEY,
            key_id=holder.credential_id,
            plan=holder.plan,
            network=holder.network,
        )
        return _Known(principal, self._until_s(), None)

    async def _ask_session(self, secret_digest: str) -> _Known | None:
        now = self._clock.now()
        async with self._db.read() as tx:
            found = await self._credentials.session_holder(tx, secret_digest, now)
        if found is None:
            return None
        holder, expires_at = found
        later = session_end(
            holder.created_at,
            now,
            idle_days=self._settings.session_idle_days,
            max_days=self._settings.session_max_days,
        )
        self._sessions_seen[holder.credential_id] = now, later
        self._people_seen[holder.user_id] = now
        principal = Principal(
            user_id=holder.user_id,
            role=holder.role,
            scopes=holder.scopes,
            via=Via.SESSION,
            session_id=holder.credential_id,
            plan=holder.plan,
            network=holder.network,
        )
        return _Known(principal, self._until_s(), expires_at)

    def _until_s(self) -> float:
        return self._clock.monotonic_s() + self._settings.identity_ttl_s

    async def run(self) -> None:
        """Write what was collected every few seconds, and once more when cancelled."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._listen)
                while True:
                    await anyio.sleep(FLUSH_EVERY_S)
                    await self._flush_or_keep()
        finally:
            with anyio.CancelScope(shield=True), anyio.move_on_after(5):
                await self._flush_or_keep()

    async def _listen(self) -> None:
        """Forget who was changed in another process."""
        with self._broker.subscribe(FORGET, stays=True) as changes:
            async for user_id in changes:
                self._forget_here(None if user_id is None else UserId(user_id.decode()))

    async def _flush_or_keep(self) -> None:
        try:
            await self.flush()
        except BackendFailed:
            return  # what was collected stays for the next round

    async def flush(self) -> None:
        """Write when keys and sessions were last used, and sweep away what expired."""
        now = self._clock.now()
        sweep = self._swept_at is None or now - self._swept_at >= SWEEP_EVERY
        keys, sessions, people = self._keys_used, self._sessions_seen, self._people_seen
        if not (keys or sessions or people or sweep):
            return
        self._keys_used, self._sessions_seen, self._people_seen = {}, {}, {}
        try:
            async with self._db.write() as tx:
                await self._credentials.touch_keys(tx, sorted(keys.items()))
                await self._credentials.touch_sessions(
                    tx, ((id, *times) for id, times in sorted(sessions.items()))
                )
                await self._users.mark_seen(tx, sorted(people.items()))
                if sweep:
                    await self._credentials.delete_expired(tx, now)
                    await self._links.delete_expired(tx, now)
        except BackendFailed:
            self._keys_used = keys | self._keys_used
            self._sessions_seen = sessions | self._sessions_seen
            self._people_seen = people | self._people_seen
            raise
        if sweep:
            self._swept_at = now


def digest(secret: str) -> str:
    """The stored form of a random secret."""
    return sha256_hex(secret.encode("utf-8", "surrogatepass"))

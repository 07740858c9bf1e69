"""The engines that administrators added: kept as clients, asked now and then what they serve."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

import anyio
import structlog

from fireside.engine.backends.openai_compatible import OpenAICompatibleEngine
from fireside.engine.backends.openai_request import Flavour
from fireside.engine.catalog import Offer
from fireside.engine.domain import EngineId, EngineKind, EngineRecord, EngineView
from fireside.engine.ports import EngineLoad, EngineModel
from fireside.engine.settings import EngineSettings
from fireside.errors import FiresideError
from fireside.kit.sealing import Sealer

logger = structlog.get_logger(__name__)

LOOK_AGAIN_S = 0.2  # at the earliest
FORGIVEN = 2  # failed looks in a row before an engine counts as down


class _Remote:
    """One engine: its record, its client, and what was seen of it last."""

    def __init__(self, record: EngineRecord, engine: OpenAICompatibleEngine | None) -> None:
        self.record = record
        self.engine = engine
        self.models: tuple[EngineModel, ...] = ()
        self.ok = False
        self.detail = "It has not been asked yet." if engine is not None else ""
        self.num_failed = 0
        self.is_suspected = False
        self.load: EngineLoad | None = None

    @property
    def slots(self) -> int | None:
        """Sequences at once: as its operator says, else as it states itself."""
        if self.record.slots is not None or self.load is None:
            return self.record.slots
        return self.load.slots


class RemoteEngines:
    """All of them. `changed` is called when what they offer may have changed."""

    def __init__(
        self,
        settings: EngineSettings,
        sealer: Sealer,
        changed: Callable[[], None],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._sealer = sealer
        self._changed = changed
        self._jitter = jitter
        self._suspicion = anyio.Event()
        self._remotes: dict[EngineId, _Remote] = {}

    async def follow(self, records: Iterable[EngineRecord]) -> None:
        """Take over what the database says; new and changed engines are asked at once."""
        wanted = {record.id: record for record in records}
        gone = [id for id, remote in self._remotes.items() if wanted.get(id) != remote.record]
        for id in gone:
            engine = self._remotes.pop(id).engine
            if engine is not None:
                await engine.aclose()
        new = [record for id, record in wanted.items() if id not in self._remotes]
        for record in new:
            self._remotes[record.id] = self._opened(record)
        # In the order of the database, which is that of priority.
        self._remotes = {id: self._remotes[id] for id in wanted}
        if gone or new:
            self._changed()
        await self.look([record.id for record in new])

    async def look(self, ids: Iterable[EngineId] | None = None) -> None:
        """Ask engines, all at once, what they serve and how they are."""
        async with anyio.create_task_group() as tasks:
            for id in list(self._remotes) if ids is None else ids:
                remote = self._remotes.get(id)
                if remote is not None and remote.engine is not None and remote.record.enabled:
                    tasks.start_soon(self._look_at, remote, remote.engine)

    async def watch_loads(self) -> None:
        """Ask engines every few seconds how busy they are, until cancelled."""
        if not self._settings.load_interval_s:
            return
        while True:
            await anyio.sleep(self._settings.load_interval_s)
            await self.look_at_loads()

    async def look_at_loads(self) -> None:
        """Ask them once, all at the same time; takes up to 2 s."""
        async with anyio.create_task_group() as tasks:
            for remote in self._remotes.values():
                remote.load = remote.load if remote.record.enabled else None
                if remote.engine is not None and remote.record.enabled and remote.ok:
                    tasks.start_soon(self._look_at_load, remote, remote.engine)

    def loads(self) -> dict[str, EngineLoad]:
        """What engines stated about their work a moment ago, by name; silent ones are absent."""
        return {
            remote.record.name: remote.load
            for remote in self._remotes.values()
            if remote.load is not None and remote.ok
        }

    def suspect(self, name: str) -> None:
        """An engine has just failed somebody: look at it now; one failed look is enough."""
        for remote in self._remotes.values():
            if remote.record.name == name:
                remote.is_suspected = True
                self._suspicion.set()

    async def pause(self) -> None:
        """Wait until the next look: a little different each time, or until one is suspected."""
        await anyio.sleep(LOOK_AGAIN_S)
        with anyio.move_on_after(self._settings.refresh_interval_s * (0.75 + 0.5 * self._jitter())):
            await self._suspicion.wait()
        self._suspicion = anyio.Event()

    def offers(self) -> list[Offer]:
        """What the enabled ones serve. An engine that is down keeps its names, not ready."""
        return [
            Offer(
                engine=remote.engine,
                model=model,
                public_name=model.name,
                release=f"{model.name}@{remote.record.name}",
                description=f"On {remote.record.name}.",
                rank=1 + place,
                ready=remote.ok,
                slots=remote.slots,
            )
            for place, remote in enumerate(self._remotes.values())
            if remote.engine is not None and remote.record.enabled
            for model in remote.models
        ]

    def views(self) -> list[EngineView]:
        """All of them for the operator's page."""
        return [
            EngineView(
                id=remote.record.id,
                name=remote.record.name,
                kind=EngineKind.OPENAI,
                base_url=remote.record.base_url,
                enabled=remote.record.enabled,
                ok=remote.ok and remote.record.enabled,
                detail=remote.detail if remote.record.enabled else "",
                models=[model.name for model in remote.models],
                slots=remote.record.slots,
            )
            for remote in self._remotes.values()
        ]

    async def aclose(self) -> None:
        """Close all clients."""
        for remote in self._remotes.values():
            if remote.engine is not None:
                await remote.engine.aclose()

    def _opened(self, record: EngineRecord) -> _Remote:
        try:
            api_key = None
            if record.sealed_api_key is not None:
                api_key = self._sealer.unseal(record.sealed_api_key, record.id)
            engine = OpenAICompatibleEngine(
                record.name,
                record.base_url,
                self._settings,
                api_key=api_key,
                flavour=Flavour(record.flavour) if record.flavour else None,
            )
        except (FiresideError, ValueError) as error:
            remote = _Remote(record, None)
            remote.detail = str(error)
            return remote
        return _Remote(record, engine)

    async def _look_at_load(self, remote: _Remote, engine: OpenAICompatibleEngine) -> None:
        slots_before = remote.slots
        remote.load = await engine.load()
        if remote.slots != slots_before:
            self._changed()

    async def _look_at(self, remote: _Remote, engine: OpenAICompatibleEngine) -> None:
        before = (remote.ok, remote.models)
        try:
            found = await engine.models()
            health = engine.judge()
            offered = remote.record.models
            remote.models = tuple(each for each in found if not offered or each.name in offered)
            remote.ok, remote.detail = health.ok, health.detail
            remote.num_failed = 0
            remote.is_suspected = False
            if missing := set(offered) - {each.name for each in found}:
                remote.detail = f"It does not serve {', '.join(sorted(missing))[:200]}."
        except FiresideError as error:
            remote.num_failed += 1
            if remote.num_failed >= FORGIVEN or remote.is_suspected or not remote.ok:
                remote.ok, remote.detail = False, error.message
        if (remote.ok, remote.models) != before:
            logger.info("engine_seen", engine=remote.record.name, ok=remote.ok)
            self._changed()

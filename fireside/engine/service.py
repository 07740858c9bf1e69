"""The engines of this house: the embedded one, those added by administrators, and the catalogue."""

from __future__ import annotations

from pathlib import Path

import anyio
import msgspec
import structlog
from anyio.abc import TaskGroup

from fireside.db.database import Database, Transaction
from fireside.engine.backends.http_client import split_url
from fireside.engine.catalog import ModelCatalog
from fireside.engine.domain import (
    EMBEDDED,
    FIRST_PRIORITY,
    EngineId,
    EngineRecord,
    EngineView,
    Preparing,
    Subject,
    checked_name,
    checked_slots,
)
from fireside.engine.embedded import EmbeddedModel
from fireside.engine.errors import NoEngine
from fireside.engine.kept import KeptModel
from fireside.engine.library import LibraryModel, ModelLibrary
from fireside.engine.ports import EngineLoad
from fireside.engine.remote import RemoteEngines
from fireside.engine.repository import EngineRepository
from fireside.engine.settings import EngineSettings
from fireside.errors import BackendFailed, FiresideError
from fireside.kit.clock import Clock
from fireside.kit.ids import NewId
from fireside.kit.pubsub import Broker
from fireside.kit.sealing import Sealer

logger = structlog.get_logger(__name__)

EVERYONE = "everyone"
"""The broker's topic for what concerns all who are signed in."""

MODELS_CHANGED = b'{"type":"models"}'
KEY_FILE = "engines.key"
FIRST_LOOK_S = 3.0  # an engine that was just added is waited for so long


class EngineFigure(msgspec.Struct, frozen=True):
    """One engine for the metrics."""

    name: str
    ok: bool
    restarts: int
    load: EngineLoad | None = None


class NewEngine(msgspec.Struct, frozen=True):
    """An engine to add."""

    name: str
    base_url: str
    api_key: str | None = None
    models: tuple[str, ...] = ()
    flavour: str | None = None
    priority: int = FIRST_PRIORITY
    slots: int | None = None

    def __repr__(self) -> str:
        return f"NewEngine(name={self.name!r})"


class EngineService:
    """Owns every engine. `catalog` always shows what they offer."""

    def __init__(
        self,
        db: Database,
        settings: EngineSettings,
        library: ModelLibrary,
        sealer: Sealer,
        clock: Clock,
        new_id: NewId,
        broker: Broker,
    ) -> None:
        self._db = db
        self._settings = settings
        self._sealer = sealer
        self._clock = clock
        self._new_id = new_id
        self._broker = broker
        self._tasks: TaskGroup | None = None
        self._repository = EngineRepository()
        self._offered: object = None
        self._has_read = False
        self.catalog = ModelCatalog()
        self.library = library
        self.remote = RemoteEngines(settings, sealer, self._publish)
        self.embedded = (
            KeptModel(library, settings, self._publish, Path(settings.embedded_kept_in))
            if settings.embedded_kept_in
            else EmbeddedModel(library, settings, self._publish)
        )
        self._publish()

    async def run(self) -> None:
        """Keep everything running until cancelled."""
        await self._read()
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            tasks.start_soon(self.embedded.run)
            tasks.start_soon(self.remote.watch_loads)
            try:
                while True:
                    await self.remote.pause()
                    await self._read()
                    await self.remote.look()
            finally:
                self._tasks = None

    async def aclose(self) -> None:
        """Stop every child and close every client."""
        await self.embedded.aclose()
        await self.remote.aclose()

    # for operators

    async def views(self) -> list[EngineView]:
        """Every engine, the embedded one first; takes up to 2 s when that one does not answer."""
        embedded = await self.embedded.view()
        return [*([embedded] if embedded is not None else []), *self.remote.views()]

    def figures(self) -> list[EngineFigure]:
        """Every engine for the metrics."""
        own = []
        if self._settings.embedded:
            own.append(EngineFigure(EMBEDDED, self.embedded.is_ok, self.embedded.restarts))
        loads = self.remote.loads()
        views = self.remote.views()
        return own + [EngineFigure(each.name, each.ok, 0, loads.get(each.name)) for each in views]

    async def add(self, tx: Transaction, new: NewEngine) -> EngineRecord:
        """Store an engine. Raises UserError for a bad name or address, Conflict for a taken name.

        Call `refresh` once the transaction has committed.
        """
        split_url(new.base_url)
        id = EngineId(self._new_id())
        record = EngineRecord(
            id=id,
            name=checked_name(new.name),
            base_url=new.base_url,
            created_at=self._clock.now(),
            flavour=new.flavour,
            sealed_api_key=self._sealer.seal(new.api_key, id) if new.api_key else None,
            models=new.models,
            priority=new.priority,
            slots=checked_slots(new.slots),
        )
        await self._repository.insert(tx, record)
        return record

    async def set_enabled(
        self, tx: Transaction, engine_id: EngineId, enabled: bool, author: str
    ) -> None:
        """Switch an engine on or off; then call `refresh`. Raises NotFound."""
        now = self._clock.now()
        if engine_id == EMBEDDED:
            value = "true" if enabled else "false"
            await self._repository.choose(tx, self._new_id(), Subject.ENABLED, value, author, now)
        else:
            await self._repository.set_enabled(tx, engine_id, enabled, now)

    async def remove(self, tx: Transaction, engine_id: EngineId) -> None:
        """Forget an engine; then call `refresh`. Raises NotFound."""
        await self._repository.delete(tx, engine_id)

    async def check_usable(self, model: str) -> None:
        """Look at a model file before it is chosen; a large one takes seconds to hash.

        Raises Conflict when a setting pins another, NotFound, UserError when it is unusable.
        """
        self.embedded.check_unpinned()
        await self.library.locate(model)

    async def use(self, tx: Transaction, model: str, author: str) -> None:
        """Choose the embedded model by name or path; then call `refresh`."""
        await self._repository.choose(
            tx, self._new_id(), Subject.MODEL, model, author, self._clock.now()
        )
        self.embedded.retry(model)

    def pull(self, name: str) -> None:
        """Fetch a bundled model in the background. Raises NotFound for an unknown name."""
        self.library.require(name)
        if self._tasks is None:
            raise BackendFailed(
                "not_running", "This server is just stopping.", hint="Try again.", retryable=True
            )
        self._tasks.start_soon(self._pull, name)

    async def refresh(self) -> None:
        """Take over what was just written, and wait a moment for what it changes."""
        with anyio.move_on_after(FIRST_LOOK_S):
            await self._read()

    def library_models(self) -> list[LibraryModel]:
        """The model files that are here or can be fetched."""
        return self.embedded.library_models()

    def preparing(self) -> list[Preparing]:
        """Models on their way."""
        return self.embedded.preparing()

    async def _read(self) -> None:
        try:
            async with self._db.read() as tx:
                records = await self._repository.all(tx)
                choices = await self._repository.choices(tx)
        except BackendFailed as error:
            logger.warning("engines_not_read", code=error.code)
            return
        self.embedded.choose(choices)
        if not self._has_read:
            self._has_read = True
            self._publish()
        await self.remote.follow(records)

    async def _pull(self, name: str) -> None:
        try:
            await self.library.pull(name)
        except FiresideError as error:
            logger.warning("model_not_fetched", model=name, code=error.code)

    def _excuse(self) -> NoEngine:
        """Why nothing answers, where nothing does; an engine that was added may come back."""
        added = self.remote.views()
        if not self._has_read or any(each.enabled and not each.ok for each in added):
            return NoEngine("No engine answers yet.", hint="Try again in a moment.")
        return self.embedded.excuse()

    def _publish(self) -> None:
        """Put what is offered now into the catalogue, and tell who listens if it differs."""
        offers = [*self.embedded.offers(), *self.remote.offers()]
        self.catalog.replace(
            offers,
            default=self._settings.default_model,
            stand_ins=self.embedded.stand_ins(),
            expected=[each.name for each in self.embedded.preparing()],
            excuse=self._excuse(),
        )
        preparing = [each.name for each in self.embedded.preparing()]
        offered = (self.catalog.list(), self.catalog.default_name(), preparing)
        if offered != self._offered:
            self._offered = offered
            self._broker.publish(EVERYONE, MODELS_CHANGED)


def build_engines(
    db: Database,
    settings: EngineSettings,
    data_dir: Path,
    clock: Clock,
    new_id: NewId,
    broker: Broker,
) -> EngineService:
    """The service over the real library and key file; nothing is opened or started yet."""
    return EngineService(
        db,
        settings,
        open_library(settings, data_dir),
        Sealer(data_dir / KEY_FILE),
        clock,
        new_id,
        broker,
    )


def open_library(settings: EngineSettings, data_dir: Path) -> ModelLibrary:
    """The library of these settings."""
    return ModelLibrary(models_folder(settings, data_dir), hub_url=settings.hub_url)


def models_folder(settings: EngineSettings, data_dir: Path) -> Path:
    """Where model files are kept."""
    return Path(settings.models_dir).expanduser() if settings.models_dir else data_dir / "models"

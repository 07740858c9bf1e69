"""Which engines there are, how they are, and what the catalogue says of them.

The embedded engine serves the best model that is here, or the one that was chosen. When another
one takes over, its process is up and has answered before the catalogue points to it, and the old
one finishes what it is writing: no request fails.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import msgspec
import structlog
from anyio.abc import TaskGroup

from fireside.db.database import Database, Transaction
from fireside.engine.backends.llama_cpp import ChildState, LlamaCppEngine, ModelFile
from fireside.engine.backends.openai_compatible import OpenAICompatibleEngine
from fireside.engine.bundled import BUNDLED
from fireside.engine.catalog import ModelCatalog, Offer
from fireside.engine.domain import EngineKind, EngineView, check_base_url, check_engine_name
from fireside.engine.errors import NoEngine
from fireside.engine.library import LibraryModel, LibraryState, ModelLibrary
from fireside.engine.ports import Engine, EngineModel
from fireside.engine.repository import EngineRepository, StoredEngine
from fireside.engine.settings import EngineSettings
from fireside.errors import BackendFailed, Conflict, FiresideError, NotFound, UserError
from fireside.kit.clock import Clock
from fireside.kit.ids import NewId
from fireside.kit.sealing import Sealer, load_sealer

logger = structlog.get_logger(__name__)

EMBEDDED = "embedded"
DEFAULT_MODEL = "qwen2.5-coder-0.5b"
EMBEDDED_RANK = 1000  # an engine that somebody added is preferred to the one that came along
DRAIN_POLL_S = 0.25
FETCH_RETRY_S = 600.0
PROGRESS_EVERY_S = 1.0

MakeEngine = Callable[[StoredEngine, str | None], Engine]


@dataclass
class _Remote:
    stored: StoredEngine
    engine: Engine
    models: tuple[EngineModel, ...] = ()
    ok: bool = False
    detail: str = "Not asked yet."


@dataclass
class EngineService:
    """Owns every engine of this process. `run` keeps them; the catalogue is what others see."""

    db: Database
    repository: EngineRepository
    library: ModelLibrary
    catalog: ModelCatalog
    settings: EngineSettings
    sealer: Callable[[], Sealer]
    make_engine: MakeEngine
    clock: Clock
    new_id: NewId
    on_change: Callable[[], None] = lambda: None
    _remotes: dict[str, _Remote] = field(default_factory=dict, init=False)
    _disabled: list[StoredEngine] = field(default_factory=list, init=False)
    _embedded: LlamaCppEngine | None = field(default=None, init=False)
    _refused: LlamaCppEngine | None = field(default=None, init=False)
    _tasks: TaskGroup | None = field(default=None, init=False)
    _stir: anyio.Event = field(default_factory=anyio.Event, init=False)

    async def run(self) -> None:
        """Keep engines and catalogue until cancelled."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            if self.settings.embedded:
                tasks.start_soon(self._keep_embedded, tasks)
                if self.settings.fetch_default_model and not self.settings.embedded_model:
                    tasks.start_soon(self._fetch_default)
            await self._keep_remotes()

    async def aclose(self) -> None:
        """Close every engine."""
        for remote in self._remotes.values():
            await remote.engine.aclose()
        if self._embedded is not None:
            await self._embedded.aclose()

    def stir(self) -> None:
        """Something changed: look at engines and files now instead of at the next interval."""
        stirred, self._stir = self._stir, anyio.Event()
        stirred.set()

    # what administrators do

    def views(self) -> list[EngineView]:
        """Every engine as an administrator sees it."""
        shown = [_view(remote) for remote in self._remotes.values()]
        shown += [_view_disabled(stored) for stored in self._disabled]
        if self.settings.embedded:
            shown.insert(0, self._embedded_view())
        return shown

    async def add(
        self,
        tx: Transaction,
        *,
        name: str,
        base_url: str,
        api_key: str | None = None,
        models: tuple[str, ...] = (),
    ) -> StoredEngine:
        """Add an OpenAI-compatible engine. Call `stir` after the commit."""
        engine_id = self.new_id()
        stored = StoredEngine(
            id=engine_id,
            name=check_engine_name(name),
            base_url=check_base_url(base_url),
            api_key=self.sealer().seal(api_key, _label(engine_id)) if api_key else None,
            models=models,
            enabled=True,
            created_at=self.clock.now(),
        )
        await self.repository.insert(tx, stored)
        return stored

    async def choose_model(self, tx: Transaction, name_or_path: str) -> ModelFile:
        """Choose what the embedded engine serves. Call `stir` after the commit.

        Raises NotFound for an unknown or absent one, UserError for a file that is not a model.
        """
        file = await self.library.locate(name_or_path)
        await self.repository.choose_model(tx, self.new_id(), name_or_path, self.clock.now())
        return file

    def start_pull(self, name: str) -> None:
        """Fetch a bundled model in the background. Raises NotFound."""
        if self.library.bundled(name) is None:
            raise NotFound(
                "model_not_bundled",
                f"There is no model {name!r} to fetch.",
                hint="The list shows what there is.",
            )
        if self._tasks is not None:
            self._tasks.start_soon(self._pull, name)

    def shelf(self) -> list[LibraryModel]:
        """The library, with the model that is being served marked active. Reads the folder."""
        serving = self._embedded.file.name if self._embedded is not None else None
        return [
            msgspec.structs.replace(model, state=LibraryState.ACTIVE)
            if model.name == serving
            else model
            for model in self.library.models()
        ]

    # the embedded engine

    async def _keep_embedded(self, tasks: TaskGroup) -> None:
        while True:
            stirred = self._stir
            wanted = await self._wanted()
            if wanted is not None and not self._is_served(wanted):
                await self._take_over(wanted, tasks)
            self._publish()
            await stirred.wait()

    def _is_served(self, wanted: ModelFile) -> bool:
        present = self._refused if self._refused is not None else self._embedded
        return present is not None and present.file == wanted

    async def _take_over(self, wanted: ModelFile, tasks: TaskGroup) -> None:
        engine = LlamaCppEngine(EMBEDDED, wanted, self.settings)
        old = self._embedded
        if old is None:
            self._embedded = engine
        tasks.start_soon(engine.run)
        if await engine.wait_until_settled() is not ChildState.READY:
            self._refused = engine
            return
        self._refused = None
        self._embedded = engine
        self._publish()
        self.on_change()
        logger.info("embedded_model_ready", model=wanted.name)
        if old is not None and old is not engine:
            tasks.start_soon(self._retire, old)

    async def _retire(self, engine: LlamaCppEngine) -> None:
        with anyio.move_on_after(self.settings.drain_timeout_s):
            while engine.num_running:  # noqa: ASYNC110  only while a model is exchanged
                await anyio.sleep(DRAIN_POLL_S)
        await engine.aclose()

    async def _wanted(self) -> ModelFile | None:
        chosen = self.settings.embedded_model
        if not chosen:
            async with self.db.read() as tx:
                chosen = await self.repository.chosen_model(tx) or ""
        for name in (chosen, self.library.best_present()):
            if not name:
                continue
            try:
                return await self.library.locate(name)
            except UserError as error:
                logger.warning("model_not_usable", code=error.code)
        return None

    async def _fetch_default(self) -> None:
        while not self.library.has(DEFAULT_MODEL):
            await self._pull(DEFAULT_MODEL)
            if not self.library.has(DEFAULT_MODEL):
                await anyio.sleep(FETCH_RETRY_S)

    async def _pull(self, name: str) -> None:
        told_s = -PROGRESS_EVERY_S

        def tell(_num_bytes: int, _of_bytes: int) -> None:
            nonlocal told_s
            if self.clock.monotonic_s() - told_s >= PROGRESS_EVERY_S:
                told_s = self.clock.monotonic_s()
                self.on_change()

        try:
            await self.library.pull(name, tell)
        except (BackendFailed, Conflict) as error:
            logger.warning("model_not_fetched", model=name, code=error.code)
        self.on_change()
        self.stir()

    # engines that were added

    async def _keep_remotes(self) -> None:
        while True:
            stirred = self._stir
            try:
                async with self.db.read() as tx:
                    stored = await self.repository.list(tx)
            except BackendFailed as error:
                logger.warning("engines_not_read", code=error.code)
            else:
                await self._follow(stored)
            async with anyio.create_task_group() as tasks:
                for remote in self._remotes.values():
                    tasks.start_soon(_ask, remote)
            self._publish()
            jitter = random.uniform(0.8, 1.2)
            with anyio.move_on_after(self.settings.refresh_interval_s * jitter):
                await stirred.wait()

    async def _follow(self, stored: list[StoredEngine]) -> None:
        self._disabled = [engine for engine in stored if not engine.enabled]
        wanted = {engine.id: engine for engine in stored if engine.enabled}
        for engine_id in [i for i, r in self._remotes.items() if wanted.get(i) != r.stored]:
            gone = self._remotes.pop(engine_id)
            await gone.engine.aclose()
        for engine in wanted.values():
            if engine.id not in self._remotes:
                try:
                    made = self.make_engine(engine, self._api_key(engine))
                except BackendFailed as error:
                    logger.warning("engine_not_usable", engine=engine.name, code=error.code)
                    continue
                self._remotes[engine.id] = _Remote(engine, made)

    def _api_key(self, engine: StoredEngine) -> str | None:
        if engine.api_key is None:
            return None
        return self.sealer().open(engine.api_key, _label(engine.id))

    # the catalogue

    def _publish(self) -> None:
        offers = [
            Offer(
                engine=remote.engine,
                model=model,
                public_name=model.name,
                release=f"{model.name}@{remote.stored.name}",
                rank=rank,
                ready=remote.ok,
            )
            for rank, remote in enumerate(self._remotes.values())
            for model in remote.models
            if not remote.stored.models or model.name in remote.stored.models
        ]
        offers += self._embedded_offers()
        served = self._embedded.file.name if self._embedded is not None else ""
        self.catalog.replace(
            offers,
            default=self.settings.default_model,
            stand_ins={model.name: served for model in BUNDLED if served},
            excuse=self._excuse(),
        )

    def _embedded_offers(self) -> list[Offer]:
        engine = self._embedded
        if engine is None or engine.model is None:
            return []
        name = engine.file.name
        known = self.library.bundled(name)
        return [
            Offer(
                engine=engine,
                model=engine.model,
                public_name=name,
                release=engine.file.release,
                title=known.title if known is not None else name,
                description=known.description if known is not None else "A file on this machine.",
                rank=EMBEDDED_RANK,
                ready=engine.state is not ChildState.FAILED,
            )
        ]

    def _excuse(self) -> NoEngine:
        if not self.settings.embedded or (
            self._embedded is not None and self._embedded.state is ChildState.FAILED
        ):
            return NoEngine(
                "No engine can answer.",
                hint="An administrator adds one under Administration, Engines.",
                retryable=False,
            )
        if self._embedded is None and self.library.best_present() is None:
            return NoEngine(
                "No model is here yet; one is being fetched.",
                hint="It takes a few minutes. An administrator sees the progress.",
            )
        return NoEngine("The model is still being started.", hint="Try again in a moment.")

    def _embedded_view(self) -> EngineView:
        engine = self._refused or self._embedded
        return EngineView(
            id=EMBEDDED,
            name=EMBEDDED,
            kind=EngineKind.EMBEDDED,
            base_url="",
            enabled=True,
            ok=self._embedded is not None and self._embedded.state is ChildState.READY,
            detail=engine.detail if engine is not None else self._excuse().message,
            models=[engine.file.name] if engine is not None else [],
            restarts=engine.restarts if engine is not None else 0,
        )


async def _ask(remote: _Remote) -> None:
    try:
        remote.models = await remote.engine.models()
    except FiresideError as error:
        remote.ok, remote.detail = False, error.message
    else:
        remote.ok, remote.detail = True, ""


def _view(remote: _Remote) -> EngineView:
    stored = remote.stored
    return EngineView(
        id=stored.id,
        name=stored.name,
        kind=EngineKind.OPENAI,
        base_url=stored.base_url,
        enabled=stored.enabled,
        ok=remote.ok,
        detail=remote.detail,
        models=[
            model.name
            for model in remote.models
            if not stored.models or model.name in stored.models
        ],
        restarts=0,
    )


def _view_disabled(stored: StoredEngine) -> EngineView:
    return EngineView(
        id=stored.id,
        name=stored.name,
        kind=EngineKind.OPENAI,
        base_url=stored.base_url,
        enabled=False,
        ok=False,
        detail="Switched off.",
        models=list(stored.models),
        restarts=0,
    )


def _label(engine_id: str) -> str:
    return f"engine:{engine_id}"


def models_folder(settings: EngineSettings, data_dir: Path) -> Path:
    """Where model files are kept."""
    return Path(settings.models_dir).expanduser() if settings.models_dir else data_dir / "models"


def build_engines(
    db: Database,
    settings: EngineSettings,
    data_dir: Path,
    clock: Clock,
    new_id: NewId,
    on_change: Callable[[], None] = lambda: None,
) -> EngineService:
    """The room put together over a database and a data directory."""

    def make(stored: StoredEngine, api_key: str | None) -> Engine:
        return OpenAICompatibleEngine(stored.name, stored.base_url, settings, api_key=api_key)

    return EngineService(
        db=db,
        repository=EngineRepository(),
        library=ModelLibrary(models_folder(settings, data_dir), hub_url=settings.hub_url),
        catalog=ModelCatalog(),
        settings=settings,
        sealer=lambda: load_sealer(data_dir / "secret.key"),
        make_engine=make,
        clock=clock,
        new_id=new_id,
        on_change=on_change,
    )

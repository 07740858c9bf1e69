"""Models for everybody who is signed in; engines and the model library for administrators."""

from __future__ import annotations

from typing import Annotated

import anyio
import msgspec
from litestar import Controller, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from fireside.accounts.access import Rule
from fireside.db.database import Database
from fireside.engine.catalog import ModelCatalog
from fireside.engine.domain import EngineView
from fireside.engine.library import LibraryModel, LibraryState
from fireside.engine.ports import Capability
from fireside.engine.service import EngineService

ModelName = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class ModelView(msgspec.Struct, frozen=True):
    """A model as people choose it."""

    name: str
    title: str
    description: str
    context_tokens: int
    capabilities: list[Capability]
    ready: bool
    engine: str


class PreparingView(msgspec.Struct, frozen=True):
    """A model that is on its way. `progress` is 0 to 1."""

    name: str
    title: str
    progress: float
    state: LibraryState


class ModelsOut(msgspec.Struct, frozen=True):
    """What can be asked, and what soon can."""

    default: str | None
    models: list[ModelView]
    preparing: list[PreparingView]


class EngineIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An OpenAI-compatible server. `models` limits what is offered of it; empty offers all."""

    name: Annotated[str, msgspec.Meta(max_length=64)]
    base_url: Annotated[str, msgspec.Meta(max_length=2000)]
    api_key: Annotated[str, msgspec.Meta(max_length=2000)] | None = None
    models: Annotated[list[ModelName], msgspec.Meta(max_length=200)] = []

    def __repr__(self) -> str:
        return f"EngineIn({self.name!r})"


class EngineChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Switch an engine on or off."""

    enabled: bool


class EngineAdded(msgspec.Struct, frozen=True):
    """The new engine's id; its models appear as soon as it has answered."""

    id: str


class ModelController(Controller):
    """Models that can be asked."""

    path = "/api/models"
    tags = ("models",)

    @get(opt={"rule": Rule.SIGNED_IN})
    async def models(
        self, catalog: NamedDependency[ModelCatalog], engines: NamedDependency[EngineService]
    ) -> ModelsOut:
        """The models there are, the default, and what is being fetched."""
        shown = [
            ModelView(
                name=model.name,
                title=model.title,
                description=model.description,
                context_tokens=model.context_tokens,
                capabilities=list(model.capabilities),
                ready=model.ready,
                engine=model.engine,
            )
            for model in catalog.list()
        ]
        preparing = [
            PreparingView(model.name, model.title, model.progress, model.state)
            for model in await anyio.to_thread.run_sync(engines.library.models)
            if model.state is LibraryState.DOWNLOADING
        ]
        return ModelsOut(catalog.default_name(), shown, preparing)


class AdminEngineController(Controller):
    """Engines of this instance."""

    path = "/api/admin/engines"
    tags = ("admin",)

    @get(opt={"rule": Rule.ADMIN})
    async def engines(self, engines: NamedDependency[EngineService]) -> list[EngineView]:
        """Every engine and how it is."""
        return engines.views()

    @post(opt={"rule": Rule.ADMIN})
    async def add_engine(
        self,
        data: JSONBody[EngineIn],
        engines: NamedDependency[EngineService],
        db: NamedDependency[Database],
    ) -> EngineAdded:
        """Add an OpenAI-compatible server (vLLM, SGLang, Ollama, a hosted one)."""
        async with db.write() as tx:
            added = await engines.add(
                tx,
                name=data.name,
                base_url=data.base_url,
                api_key=data.api_key,
                models=tuple(data.models),
            )
        engines.stir()
        return EngineAdded(added.id)

    @patch("/{engine_id:str}", opt={"rule": Rule.ADMIN}, status_code=204)
    async def change_engine(
        self,
        engine_id: FromPath[str],
        data: JSONBody[EngineChange],
        engines: NamedDependency[EngineService],
        db: NamedDependency[Database],
    ) -> None:
        """Switch an engine on or off."""
        async with db.write() as tx:
            await engines.repository.set_enabled(tx, engine_id, data.enabled)
        engines.stir()

    @delete("/{engine_id:str}", opt={"rule": Rule.ADMIN})
    async def remove_engine(
        self,
        engine_id: FromPath[str],
        engines: NamedDependency[EngineService],
        db: NamedDependency[Database],
    ) -> None:
        """Remove an engine."""
        async with db.write() as tx:
            await engines.repository.delete(tx, engine_id)
        engines.stir()


class LibraryController(Controller):
    """Models that can be fetched and served here."""

    path = "/api/admin/library"
    tags = ("admin",)

    @get(opt={"rule": Rule.ADMIN})
    async def library(self, engines: NamedDependency[EngineService]) -> list[LibraryModel]:
        """The library with what is here, what is coming and what is served."""
        return await anyio.to_thread.run_sync(engines.shelf)

    @post("/{name:str}/pull", opt={"rule": Rule.ADMIN}, status_code=204)
    async def pull(self, name: FromPath[str], engines: NamedDependency[EngineService]) -> None:
        """Fetch a model in the background."""
        engines.start_pull(name)

    @post("/{name:str}/use", opt={"rule": Rule.ADMIN}, status_code=204)
    async def use(
        self,
        name: FromPath[str],
        engines: NamedDependency[EngineService],
        db: NamedDependency[Database],
    ) -> None:
        """Let the embedded engine serve this model; nobody's reply is cut."""
        async with db.write() as tx:
            await engines.choose_model(tx, name)
        engines.stir()


CONTROLLERS = (ModelController, AdminEngineController, LibraryController)

"""Which models there are, for everybody; engines and model files, for administrators."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Controller, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from fireside.accounts.access import Rule
from fireside.accounts.domain import Principal
from fireside.db.database import Database
from fireside.engine.backends.openai_request import Flavour
from fireside.engine.catalog import ModelCatalog, PublicModel
from fireside.engine.domain import FIRST_PRIORITY, MAX_SLOTS, EngineId, EngineView, Preparing
from fireside.engine.library import LibraryModel
from fireside.engine.service import EngineService, NewEngine
from fireside.errors import NotFound

Db = NamedDependency[Database]
Engines = NamedDependency[EngineService]
Caller = NamedDependency[Principal]
Catalog = NamedDependency[ModelCatalog]

ModelName = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class ModelsView(msgspec.Struct, frozen=True):
    """The models a person can choose, and those on their way."""

    default: str | None
    models: list[PublicModel]
    preparing: list[Preparing]


class EngineIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An engine to add. Without `models` it offers all it serves; a lower priority comes first.

    `slots`: how many replies it writes at once; without it the gate finds out.
    """

    name: Annotated[str, msgspec.Meta(max_length=64)]
    base_url: Annotated[str, msgspec.Meta(max_length=2000)]
    api_key: Annotated[str, msgspec.Meta(max_length=4000)] | None = None
    models: Annotated[list[ModelName], msgspec.Meta(max_length=500)] = []
    flavour: Flavour | None = None
    priority: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = FIRST_PRIORITY
    slots: Annotated[int, msgspec.Meta(ge=1, le=MAX_SLOTS)] | None = None

    def __repr__(self) -> str:
        return "EngineIn()"


class EngineChangeIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What can be changed about an engine."""

    enabled: bool


class ModelController(Controller):
    """The models there are."""

    path = "/api/models"
    tags = ("models",)
    opt = {"rule": Rule.SIGNED_IN}

    @get(sync_to_thread=False)
    def models(self, catalog: Catalog, engines: Engines) -> ModelsView:
        """What can be asked now, and what is being prepared."""
        return ModelsView(catalog.default_name(), catalog.list(), engines.preparing())


class EngineController(Controller):
    """Engines, for administrators."""

    path = "/api/admin/engines"
    tags = ("engines",)
    opt = {"rule": Rule.ADMIN}

    @get()
    async def engines(self, engines: Engines) -> list[EngineView]:
        """Every engine and how it is."""
        return await engines.views()

    @post()
    async def add(self, data: JSONBody[EngineIn], db: Db, engines: Engines) -> EngineView:
        """Add a server that speaks OpenAI's API; it is asked for its models at once."""
        new = NewEngine(
            name=data.name,
            base_url=data.base_url,
            api_key=data.api_key or None,
            models=tuple(data.models),
            flavour=data.flavour.value if data.flavour is not None else None,
            priority=data.priority,
            slots=data.slots,
        )
        async with db.write() as tx:
            record = await engines.add(tx, new)
        await engines.refresh()
        return await _view(engines, record.id)

    @patch("/{engine_id:str}")
    async def change(
        self,
        engine_id: FromPath[str],
        data: JSONBody[EngineChangeIn],
        db: Db,
        engines: Engines,
        principal: Caller,
    ) -> EngineView:
        """Switch an engine on or off."""
        id = EngineId(engine_id)
        async with db.write() as tx:
            await engines.set_enabled(tx, id, data.enabled, principal.user_id)
        await engines.refresh()
        return await _view(engines, id)

    @delete("/{engine_id:str}")
    async def remove(self, engine_id: FromPath[str], db: Db, engines: Engines) -> None:
        """Forget an engine; replies it is writing are finished."""
        async with db.write() as tx:
            await engines.remove(tx, EngineId(engine_id))
        await engines.refresh()


class LibraryController(Controller):
    """Model files, for administrators."""

    path = "/api/admin/library"
    tags = ("engines",)
    opt = {"rule": Rule.ADMIN}

    @get(sync_to_thread=False)
    def library(self, engines: Engines) -> list[LibraryModel]:
        """The model files that are here or can be fetched."""
        return engines.library_models()

    @post("/{name:str}/pull", status_code=202, sync_to_thread=False)
    def pull(self, name: FromPath[str], engines: Engines) -> list[LibraryModel]:
        """Fetch a model in the background; the list shows how far it is."""
        engines.pull(name)
        return engines.library_models()

    @post("/{name:str}/use", status_code=202)
    async def use(
        self, name: FromPath[str], db: Db, engines: Engines, principal: Caller
    ) -> list[LibraryModel]:
        """Let a model that is here answer from now on; the change fails no request."""
        await engines.check_usable(name)
        async with db.write() as tx:
            await engines.use(tx, name, principal.user_id)
        await engines.refresh()
        return engines.library_models()


async def _view(engines: EngineService, id: EngineId) -> EngineView:
    for view in await engines.views():
        if view.id == id:
            return view
    raise NotFound("engine_not_found", "There is no such engine.", hint="Reload the list.")


CONTROLLERS = (ModelController, EngineController, LibraryController)

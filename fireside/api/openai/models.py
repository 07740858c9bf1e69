"""GET /v1/models: what there is to ask."""

from __future__ import annotations

from typing import Literal

import msgspec
from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from fireside.accounts.access import Rule
from fireside.accounts.domain import Scope as KeyScope
from fireside.engine.catalog import ModelCatalog, PublicModel
from fireside.engine.errors import ModelNotFound

MODELS_RUN = Rule.SIGNED_IN.with_scope(KeyScope.MODELS_RUN)


class ModelOut(msgspec.Struct, frozen=True):
    """A model. The fields after `object` are ours."""

    id: str
    owned_by: str
    created: int = 0  # engines do not tell
    object: Literal["model"] = "model"
    context_tokens: int = 0
    capabilities: list[str] = []
    ready: bool = True


class ModelsOut(msgspec.Struct, frozen=True):
    """All models."""

    data: list[ModelOut]
    object: Literal["list"] = "list"


class Models(Controller):
    """The catalogue in the original's shape."""

    path = "/v1/models"
    tags = ["OpenAI API"]

    @get(opt={"rule": MODELS_RUN}, summary="List models", sync_to_thread=False)
    def list_models(self, catalog: NamedDependency[ModelCatalog]) -> ModelsOut:
        """Every model this server offers."""
        return ModelsOut([_shown(model) for model in catalog.list()])

    @get(
        "/{name:path}",
        opt={"rule": MODELS_RUN},
        summary="Retrieve a model",
        operation_id="RetrieveModel",
        sync_to_thread=False,
    )
    def retrieve(self, name: FromPath[str], catalog: NamedDependency[ModelCatalog]) -> ModelOut:
        """One model by its name, which may hold slashes."""
        wanted = name.removeprefix("/")
        for model in catalog.list():
            if model.name == wanted:
                return _shown(model)
        raise ModelNotFound(wanted)


def _shown(model: PublicModel) -> ModelOut:
    return ModelOut(
        id=model.name,
        owned_by=model.engine,
        context_tokens=model.context_tokens,
        capabilities=[capability.value for capability in model.capabilities],
        ready=model.ready,
    )

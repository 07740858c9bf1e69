"""The embedded engine that another process of this machine keeps, for several server processes.

The keeper runs the model and writes what its workers need to know, address and key included, into
one file that only this user can read; it replaces the file whenever something changes. A worker
reads it and talks to the engine's process directly.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import anyio
import msgspec
import structlog

from fireside.db.database import Database
from fireside.engine.backends.llama_cpp import ChildState, LlamaCppEngine, ModelFile
from fireside.engine.domain import EMBEDDED, Preparing
from fireside.engine.embedded import EmbeddedModel
from fireside.engine.errors import NoEngine
from fireside.engine.library import ModelLibrary
from fireside.engine.ports import EngineModel
from fireside.engine.repository import EngineRepository
from fireside.engine.settings import EngineSettings
from fireside.errors import BackendFailed

KEPT_ENGINE = "embedded-engine.json"
LOOK_EVERY_S = 0.2
READ_CHOICES_EVERY_S = 1.0

logger = structlog.get_logger(__name__)


class Kept(msgspec.Struct, frozen=True):
    """The embedded engine as its workers need to know it. Without `address` it does not answer."""

    state: ChildState = ChildState.LOADING
    detail: str = ""
    address: str = ""
    api_key: str = ""
    file: ModelFile | None = None
    model: EngineModel | None = None
    restarts: int = 0
    preparing: tuple[Preparing, ...] = ()
    excuse: str = ""
    hint: str = ""
    is_lasting: bool = False

    def __repr__(self) -> str:
        return f"Kept({self.state.value})"


class EngineKeeper:
    """Runs the embedded engine and says where it is."""

    def __init__(
        self, db: Database, library: ModelLibrary, settings: EngineSettings, path: Path
    ) -> None:
        self._db = db
        self._repository = EngineRepository()
        self._path = path
        self._written = Kept()
        self._embedded = EmbeddedModel(
            library, settings, lambda: None, grace_s=settings.drain_timeout_s
        )

    async def run(self) -> None:
        """Keep the engine running, and the file right, until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._embedded.run)
            tasks.start_soon(self._follow_choices)
            while True:
                self._write(self._present())
                await anyio.sleep(LOOK_EVERY_S)

    async def aclose(self) -> None:
        """Stop the engine; the file is gone."""
        await self._embedded.aclose()
        self._path.unlink(missing_ok=True)

    async def _follow_choices(self) -> None:
        while True:
            try:
                async with self._db.read() as tx:
                    self._embedded.choose(await self._repository.choices(tx))
            except BackendFailed as error:
                logger.warning("choices_not_read", code=error.code)
            await anyio.sleep(READ_CHOICES_EVERY_S)

    def _present(self) -> Kept:
        engine, excuse = self._embedded.current, self._embedded.excuse()
        kept = Kept(
            preparing=tuple(self._embedded.preparing()),
            excuse=excuse.message,
            hint=excuse.hint,
            is_lasting=not excuse.retryable,
        )
        if engine is None:
            return kept
        address, api_key = engine.door
        return msgspec.structs.replace(
            kept,
            state=engine.state,
            detail=engine.detail,
            address=address,
            api_key=api_key,
            file=engine.file,
            model=engine.model,
            restarts=engine.restarts,
        )

    def _write(self, kept: Kept) -> None:
        if kept == self._written and self._path.exists():
            return
        draft = self._path.with_suffix(f".{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_bytes(msgspec.json.encode(kept))
        draft.replace(self._path)
        self._written = kept


class KeptModel(EmbeddedModel):
    """The embedded model as a worker sees it: it follows what the keeper wrote."""

    def __init__(
        self,
        library: ModelLibrary,
        settings: EngineSettings,
        changed: Callable[[], None],
        path: Path,
    ) -> None:
        super().__init__(library, settings, changed)
        self._path = path
        self._kept = Kept()

    async def run(self) -> None:
        """Follow the keeper until cancelled."""
        while True:
            kept = self._read()
            if kept != self._kept:
                self._kept = kept
                await self._follow(kept)
                self._announce()
            await anyio.sleep(LOOK_EVERY_S)

    def preparing(self) -> list[Preparing]:
        """Models that the keeper fetches or loads."""
        return list(self._kept.preparing)

    def excuse(self) -> NoEngine:
        """Why nothing answers, where nothing does."""
        if not self._kept.excuse:
            return NoEngine("The model is still being prepared.", hint="Try again in a moment.")
        return NoEngine(
            self._kept.excuse, hint=self._kept.hint, retryable=not self._kept.is_lasting
        )

    async def _follow(self, kept: Kept) -> None:
        current = self._current
        if current is not None and current.file != kept.file:
            self._current = None
            self._leaving.append(current)
        if kept.file is None:
            return
        if self._current is None:
            self._current = LlamaCppEngine(EMBEDDED, kept.file, self._settings)
        door = (kept.address, kept.api_key)
        await self._current.stand_before(kept.state, kept.detail, kept.model, door)
        self._current.restarts = kept.restarts

    def _read(self) -> Kept:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Kept)
        except (OSError, msgspec.DecodeError):
            return Kept()

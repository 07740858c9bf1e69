"""Which model runs in this house, and the change from one to another.

A new model is started beside the old one; requests go to it from the moment it is ready, and the
old one finishes what it is writing before it is stopped. So a change fails no request; for its
duration both are in memory.
"""

from __future__ import annotations

from collections.abc import Callable

import anyio
import structlog
from anyio.abc import TaskGroup

from fireside.engine.backends.llama_cpp import ChildState, LlamaCppEngine, ModelFile
from fireside.engine.bundled import DEFAULT_MODEL, FIRST_MODEL
from fireside.engine.catalog import Offer
from fireside.engine.domain import (
    EMBEDDED,
    Choices,
    EngineKind,
    EngineView,
    Preparing,
    target_model,
)
from fireside.engine.errors import NoEngine
from fireside.engine.library import LibraryModel, LibraryState, ModelLibrary
from fireside.engine.settings import EngineSettings
from fireside.errors import Conflict, FiresideError

logger = structlog.get_logger(__name__)

EMBEDDED_RANK = 1000  # an engine that somebody added is preferred to the one that came along
WATCH_S = 0.5
ROUTE_GRACE_S = 10.0  # a request may have been sent here just before the change
FIRST_RETRY_S = 60.0
MAX_RETRY_S = 3600.0


class EmbeddedModel:
    """The embedded engine over time. `changed` is called whenever what it offers changes."""

    def __init__(
        self,
        library: ModelLibrary,
        settings: EngineSettings,
        changed: Callable[[], None],
        *,
        grace_s: float = ROUTE_GRACE_S,
    ) -> None:
        self._library = library
        self._grace_s = grace_s
        self._settings = settings
        self._changed = changed
        self._choices = Choices()
        self._current: LlamaCppEngine | None = None
        self._current_target = ""  # the name or path by which it was chosen
        self._coming: LlamaCppEngine | None = None
        self._leaving: list[LlamaCppEngine] = []
        self._failures: dict[str, str] = {}  # target -> why it could not be run
        self._wake = anyio.Event()
        self._shown: object = None

    @property
    def current(self) -> LlamaCppEngine | None:
        """The engine that serves now."""
        return self._current

    def choose(self, choices: Choices) -> None:
        """Follow the operator's choices; a model that failed is tried again."""
        if choices != self._choices:
            self._choices = choices
            self.retry(choices.model)

    def retry(self, model: str) -> None:
        """Give a model that could not be run another chance."""
        self._failures.pop(model, None)
        self._wake.set()

    def check_unpinned(self) -> None:
        """Raise Conflict when a setting decides which model runs."""
        if self._settings.embedded_model:
            raise Conflict(
                "model_pinned",
                "The setting engine.embedded_model decides which model runs here.",
                hint="Remove that setting to choose the model while running.",
            )

    async def run(self) -> None:
        """Keep the right model running until cancelled; then every child is gone."""
        if not self._settings.embedded:
            return
        async with anyio.create_task_group() as tasks:
            if self._settings.fetch_default_model:
                tasks.start_soon(self._fetch_what_is_missing)
            while True:
                self._wake = anyio.Event()
                await self._reconcile(tasks)
                self._announce()
                with anyio.move_on_after(WATCH_S):
                    await self._wake.wait()

    async def aclose(self) -> None:
        """Stop what still runs."""
        for engine in (self._current, self._coming, *self._leaving):
            if engine is not None:
                await engine.aclose()

    # what to show

    def offers(self) -> list[Offer]:
        """The model that serves now, if any."""
        engine = self._current
        if engine is None or engine.model is None:
            return []
        bundled = self._library.bundled(engine.file.name)
        return [
            Offer(
                engine=engine,
                model=engine.model,
                public_name=engine.file.name,
                release=engine.file.release,
                title=bundled.title if bundled else engine.file.name,
                description=bundled.description if bundled else "",
                rank=EMBEDDED_RANK,
                # While it is restarted a request waits for it.
                ready=engine.state in {ChildState.READY, ChildState.RESTARTING},
                slots=self._settings.parallel_slots,
            )
        ]

    def stand_ins(self) -> dict[str, str]:
        """Bundled models that are here and do not run, and the one that answers for them."""
        if self._current is None:
            return {}
        name = self._current.file.name
        return {each.name: name for each in self._library.models() if each.name != name}

    def preparing(self) -> list[Preparing]:
        """Models being fetched or loaded."""
        shown = [
            Preparing(each.name, each.progress, "downloading")
            for each in self._library.models()
            if each.state is LibraryState.DOWNLOADING
        ]
        if self._coming is not None:
            shown.append(Preparing(self._coming.file.name, 1.0, "loading"))
        return shown

    def excuse(self) -> NoEngine:
        """Why nothing answers, where nothing does."""
        if not self._settings.embedded or not self._choices.enabled:
            return NoEngine(
                "No engine is set up.",
                hint="An administrator can add one on the engines page.",
                retryable=False,
            )
        if self._failures and self._coming is None and not self.preparing():
            return NoEngine(
                "The model could not be started.",
                hint="The operator finds the reason on the engines page.",
                retryable=False,
            )
        if not self._settings.fetch_default_model and self._library.best_present() is None:
            return NoEngine(
                "There is no model here yet.",
                hint=f"Run `fireside model pull {FIRST_MODEL}`, or add an engine.",
                retryable=False,
            )
        return NoEngine("The model is still being prepared.", hint="Try again in a moment.")

    async def view(self) -> EngineView | None:
        """The embedded engine for the operator's page; None when a setting switched it off."""
        if not self._settings.embedded:
            return None
        engine = self._current or self._coming
        ok, detail = False, "; ".join(self._failures.values())
        if not self._choices.enabled:
            detail = ""
        elif engine is not None:
            health = await engine.health()
            ok = health.ok
            detail = "; ".join(filter(None, (health.detail, detail)))
        return EngineView(
            id=EMBEDDED,
            name=EMBEDDED,
            kind=EngineKind.EMBEDDED,
            base_url=None,
            enabled=self._choices.enabled,
            ok=ok,
            detail=detail,
            models=[offer.public_name for offer in self.offers()],
            restarts=self.restarts,
        )

    def library_models(self) -> list[LibraryModel]:
        """The library with what runs and what could not be run marked."""
        shown = []
        for each in self._library.models():
            state, detail = each.state, each.detail
            if self._current is not None and self._current.file.name == each.name:
                state = LibraryState.ACTIVE
            elif each.name in self._failures:
                state, detail = LibraryState.FAILED, self._failures[each.name]
            shown.append(each.with_state(state, detail))
        return shown

    @property
    def is_ok(self) -> bool:
        """Whether the embedded engine answers."""
        return self._current is not None and self._current.state is ChildState.READY

    @property
    def restarts(self) -> int:
        """How often the present child was restarted."""
        return self._current.restarts if self._current is not None else 0

    # the right model

    async def _reconcile(self, tasks: TaskGroup) -> None:
        """Start, change or stop the engine when what runs is not what should."""
        current = self._current
        if current is not None and current.state is ChildState.FAILED:
            self._failures[self._current_target] = current.detail
            self._retire(tasks)
        if not self._choices.enabled:
            self._retire(tasks)
            return
        target = self._target()
        if target is None or (self._current is not None and target == self._current_target):
            return
        try:
            file = await self._library.locate(target)
        except FiresideError as error:
            self._failures[target] = str(error)
            return
        if self._current is not None and self._current.file == file:
            self._current_target = target
            return
        await self._change_to(file, target, tasks)

    def _target(self) -> str | None:
        failed = frozenset(self._failures)
        best = self._library.best_present(without=failed)
        wanted = self._settings.embedded_model or self._choices.model
        if wanted in failed and self._current is not None:
            return self._current_target  # better what works than what is second best
        return target_model(wanted, best, failed)

    async def _change_to(self, file: ModelFile, target: str, tasks: TaskGroup) -> None:
        coming = LlamaCppEngine(EMBEDDED, file, self._settings)
        self._coming = coming
        tasks.start_soon(coming.run)
        self._announce()
        state = await coming.wait_until_settled()
        self._coming = None
        if state is not ChildState.READY:
            self._failures[target] = coming.detail
            return
        self._retire(tasks)
        self._current, self._current_target = coming, target
        logger.info("embedded_model_serves", model=file.name, release=file.release)

    def _retire(self, tasks: TaskGroup) -> None:
        engine, self._current = self._current, None
        self._current_target = ""
        if engine is not None:
            self._leaving.append(engine)
            tasks.start_soon(self._drain, engine)

    async def _drain(self, engine: LlamaCppEngine) -> None:
        """Stop an engine once its replies are written."""
        if engine.state is not ChildState.FAILED:
            await anyio.sleep(self._grace_s)
            with anyio.move_on_after(self._settings.drain_timeout_s):
                await engine.wait_until_idle()
        await engine.aclose()
        self._leaving.remove(engine)

    async def _fetch_what_is_missing(self) -> None:
        """The small model if there is none at all, then the default one, with patience."""
        pause_s = FIRST_RETRY_S
        while not self._is_decided():
            present = self._library.best_present() is not None
            name = DEFAULT_MODEL if present else FIRST_MODEL
            if present and self._library.has(DEFAULT_MODEL):
                return
            if present and self._current is None:
                await anyio.sleep(WATCH_S)  # the first answer comes first
                continue
            try:
                await self._library.pull(name)
                self._wake.set()
                pause_s = FIRST_RETRY_S
            except FiresideError as error:
                logger.warning("model_not_fetched", model=name, code=error.code)
                await anyio.sleep(pause_s)
                pause_s = min(2 * pause_s, MAX_RETRY_S)

    def _is_decided(self) -> bool:
        """Whether somebody said which model to use, so that no other is to be fetched."""
        return bool(self._settings.embedded_model or self._choices.model)

    def _announce(self) -> None:
        """Tell the catalogue, when there is something to tell."""
        offered = [(each.release, each.ready) for each in self.offers()]
        shown = (offered, self.preparing(), self.excuse().message)
        if shown != self._shown:
            self._shown = shown
            self._changed()

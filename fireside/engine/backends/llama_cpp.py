"""The embedded engine: llama.cpp in a child process that is watched and restarted.

Failure policy: a child that dies is started again after a growing pause and given up after a few
quick deaths; a model that cannot be loaded is given up at once, with the reason. Requests that
come while no child is ready wait a bounded time. A child that holds requests and makes no progress
is dead, whatever its health page says: it is killed and started again.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from enum import StrEnum
from pathlib import Path

import anyio
import msgspec
import structlog

from fireside.conversation.event import StreamEvent
from fireside.engine.backends.llama_child import (
    ChildDied,
    ChildSettings,
    LlamaChild,
    LoadFailed,
    child_running,
)
from fireside.engine.backends.openai_compatible import OpenAICompatibleEngine
from fireside.engine.backends.openai_request import Flavour
from fireside.engine.backends.tool_text import ToolTextReader
from fireside.engine.errors import EngineStalled, MissingCapability, NoEngine
from fireside.engine.gguf_metadata import read_metadata
from fireside.engine.ports import (
    ChatPrompt,
    Embeddings,
    EngineHealth,
    EngineModel,
    GenerationRequest,
)
from fireside.engine.settings import EngineSettings
from fireside.errors import BackendFailed, FiresideError, UserError
from fireside.kit.ids import NewId, new_id

logger = structlog.get_logger(__name__)

QUICK_DEATH_S = 60.0
FIRST_PAUSE_S = 0.05
MAX_PAUSE_S = 5.0
EXIT_WAIT_S = 2.0
NOTICE_DEATH_S = 1.0  # from a broken connection to knowing that the child died


class ChildState(StrEnum):
    """Where the child process is in its life."""

    LOADING = "loading"
    READY = "ready"
    RESTARTING = "restarting"
    FAILED = "failed"
    CLOSED = "closed"


class ModelFile(msgspec.Struct, frozen=True):
    """A GGUF file and what it is called. `release` identifies its exact bytes."""

    name: str
    path: str
    release: str


class LlamaCppEngine:
    """One model file served here. Nothing starts before `run`."""

    def __init__(
        self, name: str, file: ModelFile, settings: EngineSettings, new_id: NewId = new_id
    ) -> None:
        self._name = name
        self._new_id = new_id
        self.file = file
        self._settings = settings
        self._child: LlamaChild | None = None
        self._client: OpenAICompatibleEngine | None = None
        self._door_before = ("", "")
        self._changed = anyio.Event()
        self._closing = anyio.Event()
        self.model: EngineModel | None = None  # as it was found when it was last loaded
        self.state = ChildState.LOADING
        self.detail = ""
        self.restarts = 0
        self.num_running = 0  # replies being written

    @property
    def name(self) -> str:
        return self._name

    @property
    def pid(self) -> int | None:
        """The child's process id while there is one."""
        return None if self._child is None else self._child.pid

    @property
    def door(self) -> tuple[str, str]:
        """The child's address and API key while it serves; two empty words otherwise."""
        child = self._child
        return ("", "") if child is None or self._client is None else (child.address, child.api_key)

    async def stand_before(
        self, state: ChildState, detail: str, model: EngineModel | None, door: tuple[str, str]
    ) -> None:
        """Instead of `run`: send requests to a child that another process looks after."""
        if door != self._door_before:
            self._door_before = door
            client, self._client = self._client, None
            if client is not None:
                await client.aclose()
            if door[0]:
                self._client = self._client_of(*door)
        self.model = model or self.model
        self._move_to(state, detail)

    async def run(self) -> None:
        """Start the child and keep it alive until `aclose`, cancellation or giving up."""
        num_quick = 0
        try:
            context_tokens = await anyio.to_thread.run_sync(self._check_file)
            while not self._closing.is_set():
                born_s = anyio.current_time()
                how, reason = await self._live(context_tokens)
                if self._closing.is_set():
                    break
                quick = anyio.current_time() - born_s < QUICK_DEATH_S
                num_quick = num_quick + 1 if quick else 1
                logger.warning("embedded_engine_died", model=self.file.name, how=how)
                if num_quick >= self._settings.max_quick_deaths:
                    raise LoadFailed(f"The engine {how}, {num_quick} times in a row. {reason}")
                self._move_to(ChildState.RESTARTING, f"The engine {how} and is being restarted.")
                with anyio.move_on_after(min(FIRST_PAUSE_S * 4 ** (num_quick - 1), MAX_PAUSE_S)):
                    await self._closing.wait()
                self.restarts += 1
            self._move_to(ChildState.CLOSED)
        except (LoadFailed, FiresideError) as error:
            self._move_to(ChildState.FAILED, str(error))
            logger.warning("embedded_engine_given_up", model=self.file.name, reason=str(error))
        except anyio.get_cancelled_exc_class():
            self._move_to(ChildState.CLOSED)
            raise

    async def wait_until_settled(self) -> ChildState:
        """Wait until the child is ready, given up or closed."""
        while self.state in {ChildState.LOADING, ChildState.RESTARTING}:
            await self._changed.wait()
        return self.state

    async def wait_until_idle(self) -> None:
        """Wait until no reply is being written."""
        while self.num_running:
            await self._changed.wait()

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[StreamEvent, None]:
        """Stream one message; waits for a child that is being restarted. See the port."""
        prompt = request.prompt
        reader: ToolTextReader | None = None
        if isinstance(prompt, ChatPrompt) and ToolTextReader.concerns(prompt):
            reader = ToolTextReader(prompt, self._new_call_id)
        async with aclosing(self._tell(request)) as events:
            async for event in events:
                for read in (event,) if reader is None else reader.read(event):
                    yield read

    async def _tell(self, request: GenerationRequest) -> AsyncGenerator[StreamEvent, None]:
        self.num_running += 1
        begun = False
        attempts_left = self._settings.max_attempts
        try:
            while True:
                attempts_left -= 1
                client = await self._ready_client()
                events = client.generate(request)
                try:
                    async for event in events:
                        begun = True
                        yield event
                    return
                except BackendFailed as error:
                    if isinstance(error, EngineStalled):
                        self._kill_if_silent(client)
                    if begun or not attempts_left or not error.retryable:
                        raise
                    await self._until_replaced(client)
                finally:
                    await events.aclose()
        finally:
            self.num_running -= 1
            if not self.num_running:
                self._signal()

    async def embed(self, model: str, inputs: list[str]) -> Embeddings:
        """Always refused: a chat model's vectors are not worth having."""
        raise MissingCapability(model, "embeddings")

    async def models(self) -> tuple[EngineModel, ...]:
        """The one model. Raises NoEngine while it is not ready."""
        if self.state is not ChildState.READY or self.model is None:
            raise self._not_ready()
        return (self.model,)

    async def health(self) -> EngineHealth:
        """A quick look; see the port."""
        client = self._client
        return self.judge() if client is None else await client.health()

    def judge(self) -> EngineHealth:
        """What is known about it, without asking."""
        client = self._client
        if client is None:
            return EngineHealth(False, self.detail or f"The model is {self.state.value}.")
        return client.judge()

    async def aclose(self) -> None:
        """Stop the child; `run` returns."""
        self._closing.set()
        child = self._child
        if child is None:
            return
        await child.stop()
        with anyio.move_on_after(EXIT_WAIT_S):
            while self._child is child:
                await self._changed.wait()
            return
        child.kill()

    # the child's life

    async def _live(self, context_tokens: int) -> tuple[str, str]:
        """From start to death of one child: how it died, and what it had to say.

        Raises LoadFailed.
        """
        failure: LoadFailed | None = None
        async with child_running() as child, anyio.create_task_group() as tasks:
            tasks.start_soon(child.listen)
            self._child = child
            try:
                await child.start_serving(
                    self._child_settings(context_tokens), self._settings.load_timeout_s
                )
                await self._open_client(child)
                how = await child.wait()
            except ChildDied as death:
                how = str(death)
            except LoadFailed as error:
                how, failure = "", error
            finally:
                client, self._client = self._client, None
                self._child = None
                if client is not None:
                    await client.aclose()
                self._signal()
                tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure
        return how, child.reason()

    def _child_settings(self, context_tokens: int) -> ChildSettings:
        return ChildSettings(
            name=self.file.name,
            path=self.file.path,
            context_tokens=context_tokens,
            parallel_slots=self._settings.parallel_slots,
            threads=self._settings.threads,
            batch_tokens=self._settings.batch_tokens,
            prompt_cache_mib=self._settings.prompt_cache_mib,
        )

    async def _open_client(self, child: LlamaChild) -> None:
        client = self._client_of(child.address, child.api_key)
        try:
            (found,) = await client.models()
        except (BackendFailed, ValueError):
            child.kill()
            return
        self.model = EngineModel(
            name=self.file.name,
            context_tokens=found.context_tokens,
            capabilities=found.capabilities,
            release=self.file.release,
        )
        self._client = client
        self._move_to(ChildState.READY)

    def _client_of(self, address: str, api_key: str) -> OpenAICompatibleEngine:
        settings = msgspec.structs.replace(self._settings, max_attempts=1)
        return OpenAICompatibleEngine(
            self._name, address, settings, api_key=api_key, flavour=Flavour.LLAMA_CPP
        )

    def _check_file(self) -> int:
        """The context window to use. Raises UserError when the file cannot be a model."""
        path = Path(self.file.path)
        try:
            metadata = read_metadata(path)
        except OSError as error:
            raise UserError(
                "model_file_unreadable",
                f"The model file {path} cannot be read: {error.strerror}.",
                hint="Check the path, or choose another model with `fireside model use`.",
            ) from error
        trained = metadata.get(f"{metadata.get('general.architecture')}.context_length")
        asked = self._settings.context_tokens
        return min(asked, trained) if isinstance(trained, int) and trained > 0 else asked

    # requests

    async def _ready_client(self) -> OpenAICompatibleEngine:
        with anyio.move_on_after(self._settings.restart_wait_s):
            while await self.wait_until_settled() is ChildState.READY and self._client is None:
                await self._changed.wait()
        if self._client is None:
            raise self._not_ready()
        return self._client

    async def _until_replaced(self, client: OpenAICompatibleEngine) -> None:
        with anyio.move_on_after(NOTICE_DEATH_S):
            while self._client is client:
                await self._changed.wait()

    def _kill_if_silent(self, client: OpenAICompatibleEngine) -> None:
        silent_s = anyio.current_time() - client.last_progress_s
        # Another reply's tokens would show that it only has much to do.
        if self._client is client and silent_s >= self._settings.stall_timeout_s:
            logger.warning("embedded_engine_stalled", model=self.file.name, silent_s=silent_s)
            if self._child is not None:
                self._child.kill()

    def _new_call_id(self) -> str:
        return "call_" + self._new_id().replace("-", "")

    def _not_ready(self) -> NoEngine:
        if self.state is ChildState.FAILED:
            return NoEngine(
                f"The model `{self.file.name}` could not be started.",
                hint="The operator finds the reason on the engines page.",
                retryable=False,
            )
        return NoEngine(
            f"The model `{self.file.name}` is being started.", hint="Try again in a moment."
        )

    def _move_to(self, state: ChildState, detail: str = "") -> None:
        self.state, self.detail = state, detail
        self._signal()

    def _signal(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

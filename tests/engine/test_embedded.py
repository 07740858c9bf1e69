"""The model in this house is changed under load, and what cannot run is passed over."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import anyio
import msgspec
import pytest

from fireside.conversation.event import Finish
from fireside.conversation.message import Role, text_message
from fireside.engine.bundled import BUNDLED, BundledModel
from fireside.engine.catalog import ModelCatalog
from fireside.engine.domain import Choices
from fireside.engine.embedded import EmbeddedModel
from fireside.engine.errors import NoEngine
from fireside.engine.library import LibraryState, ModelLibrary
from fireside.engine.ports import ChatPrompt, GenerationRequest, Sampling
from fireside.engine.settings import EngineSettings
from fireside.errors import Conflict
from tests.engine.conftest import parted, tiny_gguf

SETTINGS = EngineSettings(
    context_tokens=512, parallel_slots=2, fetch_default_model=False, hub_url="", restart_wait_s=60
)


class House:
    """An embedded model with its library and catalogue."""

    def __init__(
        self, folder: Path, *bundled: BundledModel, settings: EngineSettings = SETTINGS
    ) -> None:
        self.library = ModelLibrary(folder, hub_url="", bundled=bundled)
        self.catalog = ModelCatalog()
        self.embedded = EmbeddedModel(self.library, settings, self._publish, grace_s=0.2)

    def _publish(self) -> None:
        self.catalog.replace(
            self.embedded.offers(),
            stand_ins=self.embedded.stand_ins(),
            expected=[each.name for each in self.embedded.preparing()],
            excuse=self.embedded.excuse(),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[House]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.embedded.run)
            yield self
            tasks.cancel_scope.cancel()

    async def until(self, condition: Callable[[], bool]) -> None:
        with anyio.fail_after(90):
            while not condition():
                await anyio.sleep(0.02)

    async def until_it_serves(self, name: str) -> None:
        await self.until(lambda: self.catalog.default_name() == name)

    def states(self) -> dict[str, LibraryState]:
        return {each.name: each.state for each in self.embedded.library_models()}


async def chat(catalog: ModelCatalog, name: str | None = None) -> str:
    """One short request, as a client makes it; returns the release that answered."""
    route = catalog.resolve(name)
    prompt = ChatPrompt((text_message("1", Role.USER, "Tell me about the sea."),))
    request = GenerationRequest(route.model.name, prompt, Sampling(max_tokens=3))
    async with aclosing(route.engine.generate(request)) as events:  # type: ignore[type-var]
        last = [event async for event in events][-1]
    assert isinstance(last, Finish)
    return route.release


@pytest.fixture
def twins(tmp_path: Path, model_file: Path) -> tuple[Path, BundledModel, BundledModel]:
    """Two bundled models, the better one not there yet; both are the 135M."""
    genuine = BUNDLED[0]
    small = msgspec.structs.replace(genuine, name="small", file="small.gguf", rank=1)
    large = msgspec.structs.replace(genuine, name="large", file="large.gguf", rank=2)
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "small.gguf").symlink_to(model_file)
    (tmp_path / "large.gguf").symlink_to(model_file)
    return folder, small, large


@pytest.mark.model
async def test_a_better_model_takes_over_under_load_and_no_request_fails(
    twins: tuple[Path, BundledModel, BundledModel],
) -> None:
    folder, small, large = twins
    house = House(folder, small, large)
    releases: list[str] = []

    async def keep_asking(scope: anyio.CancelScope) -> None:
        while not scope.cancel_called:
            releases.append(await chat(house.catalog))

    async with house.running():
        await house.until_it_serves("small")
        assert house.states() == {"small": LibraryState.ACTIVE, "large": LibraryState.ABSENT}
        old = house.embedded.current
        assert old is not None and old.pid is not None
        old_pid = old.pid
        done = anyio.CancelScope()
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(keep_asking, done)
            await house.until(lambda: len(releases) > 2)
            (folder.parent / "large.gguf").rename(folder / "large.gguf")
            await house.until_it_serves("large")
            num_before = len(releases)
            await house.until(lambda: len(releases) > num_before + 3)
            done.cancel()
        assert {release.partition("@")[0] for release in releases} == {"small", "large"}
        assert await chat(house.catalog, "small") == f"large@{large.sha256[:12]}"
        await house.until(lambda: old.pid is None)
        with pytest.raises(ProcessLookupError):
            os.kill(old_pid, 0)


@pytest.mark.model
async def test_a_choice_is_followed_and_can_be_changed_back(
    twins: tuple[Path, BundledModel, BundledModel],
) -> None:
    folder, small, large = twins
    (folder.parent / "large.gguf").rename(folder / "large.gguf")
    house = House(folder, small, large)
    async with house.running():
        await house.until_it_serves("large")
        house.embedded.choose(Choices(model="small"))
        await house.until_it_serves("small")
        assert house.states() == {"small": LibraryState.ACTIVE, "large": LibraryState.READY}
        house.embedded.choose(Choices(model=str(folder / "large.gguf")))
        await house.until_it_serves("large")


@pytest.mark.model
async def test_a_model_that_cannot_be_loaded_leaves_the_present_one_serving(
    twins: tuple[Path, BundledModel, BundledModel], tmp_path: Path
) -> None:
    folder, small, _ = twins
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(tiny_gguf())
    house = House(folder, small)
    async with house.running():
        await house.until_it_serves("small")
        house.embedded.choose(Choices(model=str(broken)))
        with anyio.fail_after(30):
            while "error loading model" not in (await _detail(house)):
                await anyio.sleep(0.05)
        assert (await chat(house.catalog)).startswith("small@")
        view = await house.embedded.view()
        assert view is not None and view.ok and view.models == ["small"]


async def _detail(house: House) -> str:
    view = await house.embedded.view()
    return view.detail if view is not None else ""


@pytest.mark.model
async def test_switched_off_it_frees_its_memory_and_comes_back_when_wanted(
    twins: tuple[Path, BundledModel, BundledModel],
) -> None:
    folder, small, _ = twins
    house = House(folder, small)
    async with house.running():
        await house.until_it_serves("small")
        engine = house.embedded.current
        assert engine is not None
        house.embedded.choose(Choices(enabled=False))
        await house.until(lambda: engine.pid is None)
        with pytest.raises(NoEngine) as caught:
            house.catalog.resolve(None)
        assert not caught.value.retryable
        house.embedded.choose(Choices(enabled=True))
        await house.until_it_serves("small")


async def test_a_model_with_the_wrong_bytes_is_never_run(tmp_path: Path) -> None:
    model, _ = parted(tiny_gguf(), 1)
    (tmp_path / model.file).write_bytes(tiny_gguf("evil")[: model.size_bytes])
    house = House(tmp_path, model)
    async with house.running():
        await house.until(lambda: house.states()["parted"] is LibraryState.FAILED)
        assert "SHA-256" in await _detail(house)
        with pytest.raises(NoEngine) as caught:
            house.catalog.resolve(None)
        assert not caught.value.retryable
        assert house.embedded.current is None


async def test_a_pinned_model_cannot_be_changed_while_running(tmp_path: Path) -> None:
    settings = msgspec.structs.replace(SETTINGS, embedded_model="small")
    with pytest.raises(Conflict, match="embedded_model"):
        House(tmp_path, settings=settings).embedded.check_unpinned()


@pytest.mark.model
async def test_a_stopped_server_leaves_no_child(
    twins: tuple[Path, BundledModel, BundledModel],
) -> None:
    folder, small, _ = twins
    house = House(folder, small)
    async with house.running():
        await house.until_it_serves("small")
        pid = house.embedded.current.pid if house.embedded.current is not None else None
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)

"""Engines added by hand, on both databases, in front of real servers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from fireside.db.database import Database
from fireside.engine.backends.scripted import ScriptedEngine
from fireside.engine.backends.scripted_server import ScriptedServer
from fireside.engine.domain import EMBEDDED, EngineId
from fireside.engine.errors import ModelNotFound, NoEngine
from fireside.engine.service import EVERYONE, EngineService, NewEngine, build_engines
from fireside.engine.settings import EngineSettings
from fireside.errors import Conflict, NotFound, UserError
from fireside.kit.clock import SystemClock
from fireside.kit.ids import new_id
from fireside.kit.pubsub import Broker

SETTINGS = EngineSettings(embedded=False, refresh_interval_s=0.05, hub_url="")


def made(
    db: Database, data_dir: Path, settings: EngineSettings = SETTINGS, broker: Broker | None = None
) -> EngineService:
    return build_engines(db, settings, data_dir, SystemClock(), new_id, broker or Broker())


@asynccontextmanager
async def running(service: EngineService) -> AsyncIterator[EngineService]:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(service.run)
        yield service
        tasks.cancel_scope.cancel()
    await service.aclose()


async def add(service: EngineService, db: Database, new: NewEngine) -> EngineId:
    async with db.write() as tx:
        record = await service.add(tx, new)
    await service.refresh()
    return record.id


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(20):
        while not condition():
            await anyio.sleep(0.01)


def is_ready(service: EngineService, name: str) -> bool:
    try:
        service.catalog.resolve(name)
    except (NoEngine, ModelNotFound):
        return False
    return True


async def test_an_added_engine_serves_at_once_and_after_a_restart(
    database: Database, tmp_path: Path
) -> None:
    server = ScriptedServer(ScriptedEngine(models=("big", "small")), api_key="k-1")
    async with server.serving() as url:
        async with running(made(database, tmp_path)) as service:
            await add(service, database, NewEngine("gpu-1", url, "k-1"))
            assert [each.name for each in service.catalog.list()] == ["big", "small"]
            assert service.catalog.resolve("gpu-1/big").release == "big@gpu-1"
            (view,) = await service.views()
            assert (view.name, view.ok, view.models) == ("gpu-1", True, ["big", "small"])
        async with running(made(database, tmp_path)) as service:
            await until(lambda: is_ready(service, "big"))


async def test_the_key_is_not_readable_in_the_database(
    sqlite_database: Database, tmp_path: Path
) -> None:
    service = made(sqlite_database, tmp_path)
    await add(service, sqlite_database, NewEngine("gpu-1", "http://127.0.0.1:1", "sk-canary-77"))
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("fireside.db*"))
    assert b"gpu-1" in stored and b"sk-canary-77" not in stored
    await service.aclose()


async def test_a_lost_key_file_is_told_and_breaks_nothing_else(
    sqlite_database: Database, tmp_path: Path
) -> None:
    service = made(sqlite_database, tmp_path)
    await add(service, sqlite_database, NewEngine("gpu-1", "http://127.0.0.1:1", "sk-1"))
    await service.aclose()
    (tmp_path / "engines.key").unlink()
    async with running(made(sqlite_database, tmp_path)) as service:
        await service.refresh()
        (view,) = await service.views()
    assert not view.ok and "key file" in view.detail


async def test_only_the_named_models_are_offered(database: Database, tmp_path: Path) -> None:
    server = ScriptedServer(ScriptedEngine(models=("big", "small")))
    async with server.serving() as url, running(made(database, tmp_path)) as service:
        await add(service, database, NewEngine("gpu-1", url, models=("small", "absent")))
        assert [each.name for each in service.catalog.list()] == ["small"]
        (view,) = await service.views()
        assert "absent" in view.detail


async def test_two_engines_with_one_model_are_ordered_by_priority(
    database: Database, tmp_path: Path
) -> None:
    one, two = (ScriptedServer(ScriptedEngine(models=("big",))) for _ in range(2))
    async with one.serving() as first, two.serving() as second:
        async with running(made(database, tmp_path)) as service:
            await add(service, database, NewEngine("gpu-1", first, priority=20))
            await add(service, database, NewEngine("gpu-2", second, priority=10))
            assert service.catalog.resolve("big").engine.name == "gpu-2"
            assert service.catalog.resolve("gpu-1/big").engine.name == "gpu-1"


async def test_an_engine_is_switched_off_on_and_forgotten(
    database: Database, tmp_path: Path
) -> None:
    server = ScriptedServer(ScriptedEngine(models=("big",)))
    async with server.serving() as url, running(made(database, tmp_path)) as service:
        id = await add(service, database, NewEngine("gpu-1", url))
        for enabled in (False, True):
            async with database.write() as tx:
                await service.set_enabled(tx, id, enabled, "admin")
            await service.refresh()
            assert is_ready(service, "big") is enabled
        async with database.write() as tx:
            await service.remove(tx, id)
        await service.refresh()
        assert await service.views() == []
        assert not is_ready(service, "big")


@pytest.mark.parametrize("id", ["not-an-id", "01a203c5-4a0b-71df-8741-b006f0ccfeac"])
async def test_an_engine_that_is_not_there_is_not_found(
    database: Database, tmp_path: Path, id: str
) -> None:
    service = made(database, tmp_path)
    with pytest.raises(NotFound):
        async with database.write() as tx:
            await service.remove(tx, EngineId(id))
    with pytest.raises(NotFound):
        async with database.write() as tx:
            await service.set_enabled(tx, EngineId(id), False, "admin")


async def test_names_are_unique_and_plain(database: Database, tmp_path: Path) -> None:
    service = made(database, tmp_path)
    await add(service, database, NewEngine("gpu-1", "http://127.0.0.1:1"))
    with pytest.raises(Conflict):
        await add(service, database, NewEngine("gpu-1", "http://127.0.0.1:2"))
    for name in ("", "a b", "../x", "embedded", "x" * 65):
        with pytest.raises(UserError) as caught:
            await add(service, database, NewEngine(name, "http://127.0.0.1:1"))
        assert caught.value.param == "name"
    with pytest.raises(UserError):
        await add(service, database, NewEngine("gpu-2", "file:///etc/passwd"))
    await service.aclose()


async def test_an_engine_that_goes_away_keeps_its_names_and_comes_back(
    sqlite_database: Database, tmp_path: Path
) -> None:
    engine = ScriptedEngine(models=("big",))
    async with running(made(sqlite_database, tmp_path)) as service:
        async with ScriptedServer(engine).serving() as url:
            port = int(url.rsplit(":", 1)[1].split("/")[0])
            await add(service, sqlite_database, NewEngine("gpu-1", url))
            assert is_ready(service, "big")
        await until(lambda: not is_ready(service, "big"))
        with pytest.raises(NoEngine):
            service.catalog.resolve("big")
        async with ScriptedServer(engine).serving(port):
            await until(lambda: is_ready(service, "big"))


async def test_whoever_listens_is_told_when_the_models_change(
    sqlite_database: Database, tmp_path: Path
) -> None:
    broker = Broker()
    server = ScriptedServer(ScriptedEngine(models=("big",)))
    async with server.serving() as url:
        async with running(made(sqlite_database, tmp_path, broker=broker)) as service:
            with broker.subscribe(EVERYONE) as told:
                await add(service, sqlite_database, NewEngine("gpu-1", url))
                with anyio.fail_after(5):
                    assert await anext(aiter(told)) == b'{"type":"models"}'


async def test_without_any_engine_the_operator_is_told_what_to_do(
    sqlite_database: Database, tmp_path: Path
) -> None:
    service = made(sqlite_database, tmp_path)
    await service.refresh()
    with pytest.raises(NoEngine) as caught:
        service.catalog.resolve(None)
    assert not caught.value.retryable and "administrator" in caught.value.hint


async def test_without_a_model_file_the_operator_is_told_what_to_fetch(
    sqlite_database: Database, tmp_path: Path
) -> None:
    settings = EngineSettings(fetch_default_model=False, hub_url="")
    async with running(made(sqlite_database, tmp_path, settings)) as service:
        await anyio.sleep(0.05)
        with pytest.raises(NoEngine, match="fireside model pull"):
            service.catalog.resolve(None)
        (view,) = await service.views()
        assert (view.id, view.ok) == (EMBEDDED, False)


async def test_a_refusal_of_the_listing_is_shown_to_the_operator(
    sqlite_database: Database, tmp_path: Path
) -> None:
    server = ScriptedServer(ScriptedEngine(), api_key="right")
    async with server.serving() as url, running(made(sqlite_database, tmp_path)) as service:
        await add(service, sqlite_database, NewEngine("gpu-1", url, "wrong"))
        (view,) = await service.views()
        assert not view.ok and "key" in view.detail
        assert "wrong" not in repr(view)
        figure = service.figures()[0]
        assert (figure.name, figure.ok) == ("gpu-1", False)

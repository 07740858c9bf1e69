"""`fireside deploy`: files that run engines for fleets, ready to be started by their own tools."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import anyio
import click
import msgspec

from fireside.cli.user import json_option, print_json
from fireside.engine.service import open_library
from fireside.errors import BackendFailed, Conflict, UserError
from fireside.settings import load

RAY_FILES = ("engines.py", "gate_policy.py")
SERVE_FILE = "serve.yaml"
MAX_REPLICAS = 10_000


class Written(msgspec.Struct, frozen=True):
    """What `deploy ray --json` prints."""

    files: list[str]


class RayArguments(msgspec.Struct, frozen=True, kw_only=True):
    """What serve.yaml hands to the application; its `Settings` say what each means."""

    engine: str
    model: str
    name: str
    slots: int
    context_tokens: int
    min_replicas: int
    max_replicas: int
    gpus: float
    cpus: float
    forecast: str
    forecast_key_file: str
    key_file: str
    flags: tuple[str, ...]
    python: str


class Replicas(click.ParamType[tuple[int, int]]):
    """MIN:MAX, or one number for both."""

    name = "MIN:MAX"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """The two numbers."""
        low, _, high = str(value).partition(":")
        try:
            found = int(low), int(high or low)
        except ValueError:
            self.fail(f"{value!r} is not like 1:8.", param, ctx)
        if not 1 <= found[0] <= found[1] <= MAX_REPLICAS:
            self.fail(f"{value!r}: at least 1, and the first not above the second.", param, ctx)
        return found


@click.group()
def deploy() -> None:
    """Write the files that run engines or Fireside on several machines."""


@deploy.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("fireside-ray"),
    show_default=True,
    help="The folder to write to.",
)
@click.option("--engine", type=click.Choice(["vllm", "llama_cpp"]), default="vllm")
@click.option(
    "--model",
    required=True,
    help="vLLM: a folder or name it can load. llama.cpp: a GGUF file, or one of `model list`. "
    "It must be there on every machine.",
)
@click.option("--name", default="", help="What the model is called to people and programs.")
@click.option("--replicas", type=Replicas(), default="1:1", show_default=True)
@click.option(
    "--slots",
    type=click.IntRange(1, 4096),
    default=32,
    show_default=True,
    help="Replies that one replica writes at once.",
)
@click.option("--context", type=click.IntRange(512), default=8192, show_default=True)
@click.option("--gpus", type=click.FloatRange(0), default=None, help="GPUs of a replica.")
@click.option("--cpus", type=click.FloatRange(0.1), default=1.0, show_default=True)
@click.option(
    "--forecast",
    default="",
    help="Where the gate's forecast is read: an address that ends in "
    "/api/admin/capacity/forecast, or a file.",
)
@click.option("--forecast-key-file", default="", help="A file with an API key for that address.")
@click.option(
    "--key-file",
    default="",
    help="A file with the key that Fireside must show; it must be there on every machine.",
)
@click.option("--flag", "flags", multiple=True, help="One more flag for vLLM (repeatable).")
@click.option("--python", default="", help="The interpreter that has vLLM, where Ray's has not.")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@click.option("--force", is_flag=True, help="Write over files that were changed.")
@json_option
def ray(  # noqa: PLR0913  one parameter for each option
    out: Path,
    engine: str,
    model: str,
    name: str,
    replicas: tuple[int, int],
    slots: int,
    context: int,
    gpus: float | None,
    cpus: float,
    forecast: str,
    forecast_key_file: str,
    key_file: str,
    flags: tuple[str, ...],
    python: str,
    port: int,
    force: bool,
    as_json: bool,
) -> None:
    """Write a Ray Serve application whose replicas run vLLM or llama.cpp.

    Start it with `serve run`, then add its address with `fireside engine add`: it is one engine
    behind the gate, which keeps the queue and whose forecast sets the number of replicas.
    """
    arguments = RayArguments(
        engine=engine,
        model=_model_file(model) if engine == "llama_cpp" else model,
        name=name or Path(model).stem,
        slots=slots,
        context_tokens=context,
        min_replicas=replicas[0],
        max_replicas=replicas[1],
        gpus=(1.0 if engine == "vllm" else 0.0) if gpus is None else gpus,
        cpus=cpus,
        forecast=_absolute(forecast),
        forecast_key_file=_absolute(forecast_key_file),
        key_file=_absolute(key_file),
        flags=flags,
        python=python,
    )
    files = {each: (ray_folder() / each).read_text("utf-8") for each in RAY_FILES}
    files[SERVE_FILE] = serve_yaml(arguments, out.absolute(), port)
    _write(out, files, force=force)
    if as_json:
        print_json(Written([str(out / each) for each in files]))
        return
    click.echo(f"Wrote {', '.join(files)} to {out}. To start it, on the machine or the cluster:")
    click.echo(f"  cd {out} && serve run {SERVE_FILE}")
    click.echo("Then, where Fireside runs:")
    total = replicas[1] * slots
    key = f" --api-key-stdin < {key_file}" if key_file else ""
    click.echo(f"  fireside engine add ray http://HOST:{port}/v1 --slots {total}{key}")


def serve_yaml(arguments: RayArguments, folder: Path, port: int) -> str:
    """Ray Serve's configuration. Values are JSON, which YAML holds."""
    values = msgspec.structs.asdict(arguments)
    lines = [f"      {name}: {json.dumps(value)}" for name, value in values.items()]
    return "\n".join([
        "# Written by `fireside deploy ray`; the arguments are described in engines.py.",
        "proxy_location: EveryNode",
        "http_options:",
        "  host: 127.0.0.1 # where Fireside runs elsewhere: an address of the inner network",
        f"  port: {port}",
        "  request_timeout_s: 3600",
        "applications:",
        "  - name: fireside-engines",
        "    route_prefix: /",
        "    import_path: engines:build",
        "    runtime_env:",
        "      env_vars:",
        f"        PYTHONPATH: {json.dumps(str(folder))}",
        "    args:",
        *lines,
        "",
    ])


def ray_folder() -> Path:
    """Where the application file is: in the package, or in the checkout it runs from."""
    here = Path(__file__).resolve()
    for folder in (here.parent / "ray", here.parents[2] / "deploy" / "ray"):
        if all((folder / each).is_file() for each in RAY_FILES):
            return folder
    raise BackendFailed(
        "application_missing",
        "This installation lacks the Ray application.",
        hint="Install Fireside from its wheel, or run it from a checkout.",
    )


def _model_file(model: str) -> str:
    if "/" in model or Path(model).is_file():
        return str(Path(model).absolute())
    settings, _sources = load({})
    library = open_library(settings.engine, settings.data_dir)
    return str(Path(anyio.run(library.locate, model).path).absolute())


def _absolute(source: str) -> str:
    if not source or source.startswith(("http://", "https://")):
        return source
    return str(Path(source).absolute())


def _write(out: Path, files: dict[str, str], *, force: bool) -> None:
    for name, text in files.items():
        path = out / name
        if not force and path.exists() and path.read_text("utf-8") != text:
            raise Conflict(
                "file_changed",
                f"{path} is there and says something else.",
                hint="Choose another folder with --out, or write over it with --force.",
            )
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (out / name).write_text(text, "utf-8")
    except OSError as error:
        raise UserError(
            "cannot_write",
            f"{out} cannot be written: {error.strerror}.",
            hint="Choose another folder with --out.",
            param="out",
        ) from error
    shutil.rmtree(out / "__pycache__", ignore_errors=True)

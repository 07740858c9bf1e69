"""What is read from and written for the golden files in `wires/`.

After a change that is meant, `python -m tests.golden.wires` writes them anew; read the difference
before you commit it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from fireside.conversation.tree import Conversation
from fireside.conversation.wire import native
from fireside.conversation.wire.detect import read_export
from fireside.conversation.wire.export import ExportFormat, export
from tests.conversation.strategies import OWNER, new_ids

WIRES = Path(__file__).parent / "wires"
IMPORTS = ["chatgpt.json", "open_webui.json", "sharegpt.json", "openai.jsonl", "foreign.ipynb"]
"""Files as other programs write them; NAME.read.json beside each is what Fireside makes of it."""

EXPORTS = [
    ("chatgpt", ExportFormat.MARKDOWN, "md"),
    ("chatgpt", ExportFormat.IPYNB, "ipynb"),
    ("sharegpt", ExportFormat.OPENAI, "openai.json"),
    ("open_webui", ExportFormat.MARKDOWN, "md"),
    ("openai", ExportFormat.IPYNB, "ipynb"),
    ("sharegpt", ExportFormat.SHAREGPT, "sharegpt.json"),
]
"""The first conversation of NAME.read.json in a format: NAME.written.SUFFIX."""


def conversations_in(name: str) -> list[Conversation]:
    """What NAME.read.json holds."""
    entries = native.entries_of((WIRES / f"{name}.read.json").read_bytes())
    return [msgspec.json.decode(entry, type=Conversation) for entry in entries]


def files() -> Iterator[tuple[Path, bytes]]:
    """Every derived file with the content it should have."""
    for name in IMPORTS:
        found = list(read_export(WIRES / name, OWNER, new_ids()))
        read = b"".join(
            native.encode_many(each for each in found if isinstance(each, Conversation))
        )
        yield WIRES / f"{Path(name).stem}.read.json", msgspec.json.format(read, indent=1) + b"\n"
    for name, format, suffix in EXPORTS:
        written = export(conversations_in(name)[0], format)
        yield WIRES / f"{name}.written.{suffix}", written.content


if __name__ == "__main__":
    for path, content in files():
        path.write_bytes(content)

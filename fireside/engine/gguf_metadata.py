"""The metadata of a GGUF file, read with bounds: it may be cut off, damaged or no GGUF at all.

Source: the GGUF specification in ggml's docs/gguf.md, versions 2 and 3, little-endian.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

from fireside.errors import UserError

MAX_ENTRIES = 100_000
MAX_ELEMENTS = 10_000_000
"""No released model has more than 1,000 entries or 300,000 tokens."""

Scalar = int | float | bool | str
Value = Scalar | list[Scalar]

_FORMATS = dict(zip((0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12), "BbHhIif?Qqd", strict=True))
_STRING, _ARRAY = 8, 9


class NotGguf(UserError):
    """The file cannot be loaded as a model; `detail` says where it went wrong."""

    def __init__(self, path: Path, detail: str) -> None:
        super().__init__(
            "not_gguf",
            f"{path.name} is not a usable GGUF file: {detail}.",
            hint="Download the model file again and check its SHA-256.",
        )


def read_metadata(path: Path) -> dict[str, Value]:
    """Every key and value in the header. Takes about 0.1 s for 50,000 tokens.

    Raises NotGguf when the file is something else, cut off within the header or damaged, OSError
    when it cannot be opened.
    """
    with path.open("rb") as file:
        if path.stat().st_size < 24:
            raise NotGguf(path, "it is too short")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Reader(path, data).header()


class _Reader:
    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self._path = path
        self._data = data
        self._at = 0

    def header(self) -> dict[str, Value]:
        if self._data[:4] != b"GGUF":
            raise self._wrong("it does not begin with the letters GGUF")
        self._at = 4
        version = self._number("I")
        if version not in {2, 3}:
            raise self._wrong(f"its version is {version}, and only 2 and 3 can be read")
        num_tensors, num_entries = self._number("Q"), self._number("Q")
        if num_entries > MAX_ENTRIES or num_tensors > MAX_ENTRIES:
            raise self._wrong("its header counts more entries than any model has")
        metadata: dict[str, Value] = {}
        for _ in range(int(num_entries)):
            key = self._string()
            metadata[key] = self._value(int(self._number("I")))
        return metadata

    def _value(self, kind: int) -> Value:
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            return self._array()
        if kind not in _FORMATS:
            raise self._wrong("its header holds a value of an unknown type")
        return self._number(_FORMATS[kind])

    def _array(self) -> list[Scalar]:
        kind, count = int(self._number("I")), int(self._number("Q"))
        if count > MAX_ELEMENTS:
            raise self._wrong("its header holds an array longer than any model's")
        if kind == _STRING:
            return [self._string() for _ in range(count)]
        if kind not in _FORMATS:
            raise self._wrong("its header holds an array of an unknown type")
        layout = struct.Struct(f"<{count}{_FORMATS[kind]}")
        return list(layout.unpack(self._bytes(layout.size)))

    def _string(self) -> str:
        return self._bytes(int(self._number("Q"))).decode("utf-8", "replace")

    def _number(self, format: str) -> int | float | bool:
        layout = struct.Struct("<" + format)
        number: int | float | bool = layout.unpack(self._bytes(layout.size))[0]
        return number

    def _bytes(self, size_bytes: int) -> bytes:
        end = self._at + size_bytes
        if end > len(self._data):
            raise self._wrong("it ends within its header")
        piece = self._data[self._at : end]
        self._at = end
        return piece

    def _wrong(self, detail: str) -> NotGguf:
        return NotGguf(self._path, detail)

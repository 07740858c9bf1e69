"""Settings of stored files."""

from __future__ import annotations

from typing import Annotated

import msgspec


class FilesSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How large a file may be."""

    max_blob_bytes: Annotated[
        int, msgspec.Meta(ge=1, description="The largest file that may be stored, in bytes.")
    ] = 512 * 1024 * 1024

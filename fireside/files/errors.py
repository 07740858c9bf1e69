"""What the blob store says."""

from __future__ import annotations

from fireside.errors import BackendFailed, NotFound, TooLarge


class UnknownBlob(NotFound):
    """There are no bytes with this hash."""

    def __init__(self) -> None:
        super().__init__("unknown_blob", "This file does not exist or was deleted.")


class BlobTooLarge(TooLarge):
    """More bytes than may be stored at once."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(
            "blob_too_large",
            f"This file is larger than {max_bytes // 1024 // 1024} MiB.",
            hint="Split it, or ask the operator to raise the limit.",
        )


class StorageFailed(BackendFailed):
    """The disk, or whatever stands behind the store, refused."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            "storage_failed",
            f"The file could not be stored or read ({reason}).",
            hint="Try again; the operator looks at the room and rights of the data directory.",
            retryable=True,
        )

"""What a codec says when a value does not fit the other side."""

from __future__ import annotations

from fireside.errors import TooLarge, UserError


class InexpressiblePart(UserError):
    """A part of a message that the outside format has no words for; `part` is its tag."""

    def __init__(
        self, format: str, part: str, why: str, *, hint: str = "", param: str | None = None
    ) -> None:
        super().__init__(
            "inexpressible_part",
            f"The {format} format cannot express a part of kind {part}: {why}.",
            hint=hint,
            param=param,
        )
        self.format = format
        self.part = part


class BrokenExport(UserError):
    """A file that claims to be an export and cannot be read; nothing of it was taken."""

    def __init__(self, message: str, *, hint: str = "Download the export again.") -> None:
        super().__init__("broken_export", message, hint=hint)


class ExportTooLarge(TooLarge):
    """A file, or what it unpacks to, over a stated limit in bytes."""

    def __init__(self, what: str, limit_bytes: int) -> None:
        super().__init__(
            "export_too_large",
            f"{what} is larger than {limit_bytes // 1024 // 1024} MiB.",
            hint="Split the export or ask the operator to raise the limit.",
        )

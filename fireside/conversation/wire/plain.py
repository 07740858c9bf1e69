"""Parts as plain text, for formats that know nothing but text."""

from __future__ import annotations

import re
from typing import assert_never

import msgspec

from fireside.conversation.message import (
    Audio,
    BlobRef,
    Code,
    File,
    Image,
    Message,
    Part,
    Text,
    ToolResult,
)
from fireside.conversation.wire.errors import InexpressiblePart


def fenced(source: str, language: str = "") -> str:
    """A Markdown code block whose fence is longer than any run of backticks inside."""
    longest = max((len(run) for run in re.findall(r"`{3,}", source)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{source}\n{fence}"


def told(part: Text | Code | Audio | File, format: str) -> str:
    """The part in words: code fenced, a file by its extracted text, sound by its transcript.

    Raises InexpressiblePart in the name of `format` when there are no words.
    """
    match part:
        case Text(text=text):
            return text
        case Code(language=language, source=source):
            return fenced(source, language)
        case Audio(transcript=transcript):
            if not transcript:
                raise InexpressiblePart(
                    format, "audio", "it has no transcript", hint="Transcribe it first."
                )
            return transcript
        case File(extracted_text=extracted):
            if extracted is None:
                raise InexpressiblePart(
                    format, "file", "no text was extracted from it", hint="Send its text instead."
                )
            return f"[File: {file_name(part)}]\n{extracted}"
        case _:
            assert_never(part)


def file_name(file: File) -> str:
    """The file's name, or the beginning of its address where it has none."""
    return file.name or file.blob.sha256[:12]


def tool_output(result: ToolResult) -> str:
    """What a model reads of a tool's result: text, streams, plain forms of displays, the error.

    A display without a plain-text form is named by its MIME types, so that nothing vanishes.
    """
    pieces = [piece for piece in (result.text, result.stdout, result.stderr) if piece]
    for display in result.display:
        plain = display.data.get("text/plain")
        if plain is None:
            plain = f"[output: {', '.join(sorted(display.data))}]"
        pieces.append(plain if isinstance(plain, str) else str(plain))
    if (error := result.error) is not None:
        pieces.append("\n".join(error.traceback) or f"{error.name}: {error.message}")
    return "\n".join(pieces)


def has_address(image: Image) -> bool:
    """Whether a model elsewhere could fetch or read the picture by its URL."""
    return image.url is not None and image.url.startswith(("https://", "http://", "data:"))


def without_media(message: Message, *, sees: bool = False) -> Message:
    """The message for a model that takes text only, or text and pictures if it `sees`.

    What it cannot take is named in its place, and so nothing in the result is inexpressible.
    """
    parts = tuple(_named(part, sees) for part in message.parts)
    return message if parts == message.parts else msgspec.structs.replace(message, parts=parts)


def _named(part: Part, sees: bool) -> Part:
    match part:
        case Image(alt=alt) if not (sees and has_address(part)):
            return Text(f"[Picture: {alt}]" if alt else "[Picture]")
        case Audio(transcript="", blob=BlobRef(media_type=media_type)):
            return Text(f"[Sound without a transcript: {media_type}]")
        case File(extracted_text=None):
            return Text(f"[File: {file_name(part)}]")
        case _:
            return part

"""Parts as plain text, for formats that know nothing but text."""

from __future__ import annotations

import re

from fireside.conversation.message import Audio, Code, File, ToolResult


def fenced(source: str, language: str = "") -> str:
    """A Markdown code block whose fence is longer than any run of backticks inside."""
    longest = max((len(run) for run in re.findall(r"`{3,}", source)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{source}\n{fence}"


def code_text(code: Code) -> str:
    """Code as a fenced block."""
    return fenced(code.source, code.language)


def file_text(file: File) -> str | None:
    """The extracted text under the file's name; None when nothing was extracted."""
    if file.extracted_text is None:
        return None
    return f"[File: {file.name or file.blob.sha256[:12]}]\n{file.extracted_text}"


def audio_text(audio: Audio) -> str | None:
    """What was said; None when nobody transcribed it."""
    return audio.transcript or None


def tool_output(result: ToolResult) -> str:
    """What a model reads of a tool's result: text, streams, plain forms of displays, the error.

    A display without a plain-text form is named by its MIME types, so that nothing vanishes.
    """
    pieces = [piece for piece in (result.text, result.stdout, result.stderr) if piece]
    for display in result.display:
        plain = display.data.get("text/plain")
        if plain is None:
            plain = f"[output: {', '.join(sorted(display.data))}]"
        pieces.append(plain if isinstance(plain, str) else "".join(map(str, plain)))
    if (error := result.error) is not None:
        pieces.append("\n".join(error.traceback) or f"{error.name}: {error.message}")
    return "\n".join(pieces)

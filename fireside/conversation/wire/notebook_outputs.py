"""A tool's result as the outputs of a notebook's code cell, both ways (nbformat 4.5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from fireside.conversation.message import DisplayData, ToolError, ToolResult
from fireside.conversation.wire.errors import InexpressiblePart

_TEXT = {"fireside": "text"}  # marks the display that is the result's own text


class Output(msgspec.Struct):
    """One output; which fields are there depends on its type."""

    output_type: str
    name: str = "stdout"
    text: str | list[str] = ""
    data: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    execution_count: int | None = None
    ename: str = ""
    evalue: str = ""
    traceback: list[str] = []


def outputs_of(result: ToolResult) -> list[dict[str, Any]]:
    """The outputs that tell `result`: streams, its text, displays, its error.

    Raises InexpressiblePart for a display that no notebook can hold.
    """
    outputs: list[dict[str, Any]] = [
        {"output_type": "stream", "name": name, "text": text}
        for name, text in (("stdout", result.stdout), ("stderr", result.stderr))
        if text
    ]
    if result.text:
        data = {"text/plain": result.text}
        outputs.append({"output_type": "display_data", "data": data, "metadata": _TEXT})
    for display in result.display:
        outputs.append(_display(display))
    if (error := result.error) is not None:
        outputs.append({
            "output_type": "error",
            "ename": error.name,
            "evalue": error.message,
            "traceback": list(error.traceback),
        })
    return outputs


def result_of(outputs: Sequence[Output], bare: ToolResult) -> ToolResult:
    """`bare`, which names the call, with what `outputs` tell; further errors become text."""
    streams = {"stdout": "", "stderr": ""}
    texts: list[str] = []
    displays: list[DisplayData] = []
    error: ToolError | None = None
    for output in outputs:
        match output.output_type:
            case "stream":
                name = output.name if output.name in streams else "stdout"
                streams[name] += _joined(output.text)
            case "error" if error is None:
                error = ToolError(output.ename, output.evalue, tuple(output.traceback))
            case "error":
                texts.append("\n".join(output.traceback) or f"{output.ename}: {output.evalue}")
            case "display_data" if output.metadata == _TEXT:
                texts.append(_joined(output.data.get("text/plain", "")))
            case kind:
                data = {mime: _value(mime, value) for mime, value in output.data.items()}
                executed = kind == "execute_result"
                count = output.execution_count if executed else None
                displays.append(DisplayData(data, kind if executed else "display_data", count))
    return msgspec.structs.replace(
        bare,
        text="\n".join(texts),
        stdout=streams["stdout"],
        stderr=streams["stderr"],
        display=tuple(displays),
        error=error,
    )


def _display(display: DisplayData) -> dict[str, Any]:
    for mime, value in display.data.items():
        if not _is_json(mime) and not isinstance(value, str):
            raise InexpressiblePart("notebook", "tool_result", f"its {mime} display is no text")
    out = {"output_type": display.kind, "data": display.data, "metadata": {}}
    if display.kind == "execute_result":
        return out | {"execution_count": display.execution_count}
    if display.kind != "display_data":
        raise InexpressiblePart("notebook", "tool_result", "it has a display of an unknown kind")
    return out


def _is_json(mime: str) -> bool:
    return mime == "application/json" or mime.endswith("+json")


def _value(mime: str, value: Any) -> Any:
    return value if _is_json(mime) else _joined(value)


def _joined(text: Any) -> str:
    return text if isinstance(text, str) else "".join(map(str, text)) if text else ""

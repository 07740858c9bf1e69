"""The content types of a ChatGPT message, as parts."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from fireside.conversation.message import Channel, Citation, Code, Image, Part, Reasoning, Text

_CONTEXT = ("user_editable_context", "model_editable_context")
_MARK = re.compile("\ue200.*?\ue201", re.DOTALL)


class Content(msgspec.Struct):
    """What a message says; `kept` is what no field has room for."""

    parts: list[Part]
    kept: dict[str, Any] = {}
    channel: Channel = Channel.FINAL
    hidden: bool = False


def is_context(content: dict[str, Any]) -> bool:
    """Whether this is custom instructions or memory rather than something said."""
    return content.get("content_type") in _CONTEXT


def read(content: dict[str, Any], metadata: dict[str, Any]) -> Content:
    """The parts of one message; no parts where nothing was said. Never raises on any JSON."""
    reader = _READERS.get(_string(content.get("content_type")))
    out = reader(content) if reader is not None else _unreadable(content)
    if metadata.get("content_references"):
        out.parts = [_without_marks(part, metadata) for part in out.parts]
    return out


def citations(metadata: dict[str, Any]) -> list[Citation]:
    """The sources a reply names, each once, in order."""
    found: dict[str, Citation] = {}
    for each in _list(metadata.get("citations")):
        source = _dict(_dict(each).get("metadata"))
        _cite(found, source, _int(_dict(each).get("start_ix")), _int(_dict(each).get("end_ix")))
    for each in _list(metadata.get("content_references")):
        _cite(found, _dict(each))
        for item in _list(_dict(each).get("items")):
            _cite(found, _dict(item))
    return list(found.values())


def spoken(parts: tuple[Part, ...]) -> tuple[str, tuple[Part, ...]]:
    """The text and code among `parts` as one text, and the others."""
    said: list[str] = []
    rest: list[Part] = []
    for part in parts:
        if isinstance(part, Text):
            said.append(part.text)
        elif isinstance(part, Code):
            said.append(part.source)
        else:
            rest.append(part)
    return "\n\n".join(said), tuple(rest)


def _pieces(content: dict[str, Any]) -> Content:
    out = Content([], {})
    pieces = _list(content.get("parts"))
    has_words = any(_dict(piece).get("content_type") == "audio_transcription" for piece in pieces)
    others: list[Any] = []
    for piece in pieces:
        fields = _dict(piece)
        match fields.get("content_type"):
            case None if isinstance(piece, str):
                out.parts += _text(piece)
            case "image_asset_pointer":
                size = f"{fields.get('width')} x {fields.get('height')}"
                pointer = _string(fields.get("asset_pointer"))
                out.parts.append(Image(url=pointer or None, alt=f"{size} pixels"))
                others.append(piece)
            case "audio_transcription":
                out.parts += _text(_string(fields.get("text")))
            case "audio_asset_pointer" | "real_time_user_audio_video_asset_pointer" if has_words:
                others.append(piece)  # the sound of the words beside it
            case _:
                out.parts.append(_unknown(fields or {"content": piece}))
                others.append(piece)
    if others:
        out.kept["content_parts"] = others
    return out


def _code(content: dict[str, Any]) -> Content:
    language, source = _string(content.get("language")), _string(content.get("text"))
    code = Code("" if language == "unknown" else language, source)
    return Content([code] if source.strip() else [])


def _output(content: dict[str, Any]) -> Content:
    return Content(_text(_string(content.get("text"))))


def _browsing(content: dict[str, Any]) -> Content:
    return Content(_text(_string(content.get("result")) or _string(content.get("summary"))))


def _recap(content: dict[str, Any]) -> Content:
    recap = _string(content.get("content"))
    return Content([Reasoning(recap)] if recap else [], {}, Channel.ANALYSIS)


def _context(content: dict[str, Any]) -> Content:
    lines = [_string(value) for key, value in content.items() if key != "content_type"]
    return Content(_text("\n\n".join(filter(None, lines))), {"content": content}, hidden=True)


def _unreadable(content: dict[str, Any]) -> Content:
    return Content([_unknown(content)], {"content": content})


def _quote(content: dict[str, Any]) -> Content:
    url, title = _string(content.get("url")), _string(content.get("title"))
    heading = " ".join(each for each in (title, f"<{url}>" if url else "") if each)
    text = _string(content.get("text"))
    source_id = _string(content.get("tether_id")) or url
    cited: list[Part] = [Citation(source_id, url=url, title=title)] if source_id else []
    return Content(_text("\n\n".join(each for each in (heading, text) if each)) + cited)


def _thoughts(content: dict[str, Any]) -> Content:
    lines = []
    for thought in _list(content.get("thoughts")):
        summary = _string(_dict(thought).get("summary"))
        lines += [f"**{summary}**" if summary else "", _string(_dict(thought).get("content"))]
    said = "\n\n".join(filter(None, lines))
    return Content([Reasoning(said)] if said else [], {}, Channel.ANALYSIS)


def _unknown(content: dict[str, Any]) -> Text:
    """Words where there are some, the JSON otherwise, under the name of the kind."""
    kind = _string(content.get("content_type")) or "unknown content"
    for key in ("text", "result", "content", "summary"):
        if words := _string(content.get(key)).strip():
            return Text(f"[{kind}]\n\n{words}")
    rest = {key: value for key, value in content.items() if key != "content_type"}
    return Text(f"[{kind}]\n\n```json\n{msgspec.json.encode(rest).decode()}\n```")


def _without_marks(part: Part, metadata: dict[str, Any]) -> Part:
    """Private-use marks such as cite...turn0search0 replaced by the links they stand for."""
    if not isinstance(part, Text) or "\ue200" not in part.text:
        return part
    links = {
        _string(_dict(each).get("matched_text")): _string(_dict(each).get("alt"))
        for each in _list(metadata.get("content_references"))
    }
    return Text(_MARK.sub(lambda mark: links.get(mark[0], ""), part.text))


def _cite(
    found: dict[str, Citation],
    source: dict[str, Any],
    start: int | None = None,
    end: int | None = None,
) -> None:
    url, title = _string(source.get("url")), _string(source.get("title"))
    if url and url not in found:
        found[url] = Citation(url, url=url, title=title, start=start, end=end)


def _text(text: str) -> list[Part]:
    return [Text(text)] if text.strip() else []


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _int(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


_READERS: dict[str, Callable[[dict[str, Any]], Content]] = {
    "text": _pieces,
    "multimodal_text": _pieces,
    "code": _code,
    "execution_output": _output,
    "tether_quote": _quote,
    "tether_browsing_display": _browsing,
    "thoughts": _thoughts,
    "reasoning_recap": _recap,
    **dict.fromkeys(_CONTEXT, _context),
}

"""A picture of a run: one bar a target, logarithmic, as SVG."""

from __future__ import annotations

import math
from collections.abc import Callable
from xml.sax.saxutils import escape

from bench.gateway.report import Measured, figure

_PANELS = (
    ("requests/s on one core", "requests_per_s"),
    ("relayed events/s on one core", "events_per_s"),
    ("added to TTFT at 10 requests/s (ms)", "ttft_added_ms_at_10_per_s"),
    ("memory at rest (MB)", "idle_mb"),
)
_WIDTH, _BAR, _LABEL = 560, 18, 120


def svg(all_measured: list[Measured]) -> str:
    """All panels, one below the other."""
    shown = [x for x in all_measured if not x.missing]
    parts: list[str] = []
    y = 8
    for title, field in _PANELS:
        values = {x.name: figure(x, field) for x in shown if figure(x, field) > 0}
        if not values:
            continue
        parts.append(f'<text x="8" y="{y + 12}" font-weight="bold">{escape(title)}</text>')
        y += 22
        length = _lengths(list(values.values()))
        for name, value in values.items():
            colour = "#c2410c" if name == "fireside" else "#94a3b8"
            width = length(value)
            parts.append(
                f'<text x="8" y="{y + 13}">{escape(name)}</text>'
                f'<rect x="{_LABEL}" y="{y}" width="{width:.0f}" height="{_BAR - 4}" '
                f'fill="{colour}"/>'
                f'<text x="{_LABEL + width + 6:.0f}" y="{y + 12}">{value:,.4g}</text>'
            )
            y += _BAR
        y += 14
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{y}" '
        f'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" '
        f'fill="#ffffff"/>{"".join(parts)}</svg>\n'
    )


def _lengths(values: list[float]) -> Callable[[float], float]:
    low, high = math.log10(min(values)) - 0.3, math.log10(max(values))
    room = _WIDTH - _LABEL - 80

    def length(value: float) -> float:
        return room * (math.log10(value) - low) / max(high - low, 0.3)

    return length

"""A picture of trials: what was asked for and served over time, and how the schedulers compare.

Plain SVG, readable in light and dark without a script. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from fireside.capacity.simulation.trials import Bucket, Trial

WIDTH, LEFT, RIGHT = 760, 150, 20
BAR, CHART = 16, 150
COLOURS = {"asked for": "#94a3b8", "in time": "#15803d", "refused": "#c2410c"}


def svg(title: str, trials: Sequence[Trial]) -> str:
    """Bars for every trial, then the first one's course over time."""
    parts = [_text(8, 22, title, size=15, is_bold=True)]
    y = 44
    names = sorted({name for trial in trials for name in trial.outcome.groups})
    panels = [("goodput (work in time / capacity)", [x.outcome.goodput for x in trials])]
    for name in names:
        found = [x.outcome.groups.get(name) for x in trials]
        panels.append((f"{name}: in time", [each.attainment if each else 0.0 for each in found]))
    for heading, values in panels:
        parts.append(_text(8, y + 12, heading, is_bold=True))
        y += 20
        for trial, value in zip(trials, values, strict=True):
            parts.append(_bar(y, trial.outcome.name, value))
            y += BAR + 2
        y += 10
    if trials and trials[0].buckets:
        parts.append(_text(8, y + 12, f"{trials[0].outcome.name}, turns over time", is_bold=True))
        parts.append(_course(y + 24, trials[0].buckets))
        y += CHART + 64
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" '
        f'height="{y}" font-family="sans-serif" role="img" aria-label="{escape(title)}">'
        f'<rect width="100%" height="100%" fill="#ffffff"/>{"".join(parts)}</svg>\n'
    )


def _bar(y: int, name: str, value: float) -> str:
    room = WIDTH - LEFT - RIGHT - 60
    width = room * min(max(value, 0.0), 1.2) / 1.2
    return (
        _text(8, y + 12, name)
        + f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR - 2}" fill="#2563eb"/>'
        + _text(LEFT + width + 6, y + 12, f"{value:.1%}")
    )


def _course(top: int, buckets: Sequence[Bucket]) -> str:
    """Lines over time; the number of turns in each stretch upwards."""
    lines = {
        "asked for": [each.arrived for each in buckets],
        "in time": [each.in_time for each in buckets],
        "refused": [each.refused for each in buckets],
    }
    most = max(1, *lines["asked for"])
    step = (WIDTH - LEFT - RIGHT) / max(1, len(buckets) - 1)
    bottom = top + CHART
    parts = [
        f'<line x1="{LEFT}" y1="{bottom}" x2="{WIDTH - RIGHT}" y2="{bottom}" stroke="#64748b"/>',
        _text(8, top + 10, f"{most:,} turns"),
        _text(LEFT, bottom + 16, "0"),
        _text(WIDTH - RIGHT - 60, bottom + 16, _duration(buckets[-1].at_s)),
    ]
    for number, (name, values) in enumerate(lines.items()):
        points = " ".join(
            f"{LEFT + index * step:.1f},{bottom - CHART * value / most:.1f}"
            for index, value in enumerate(values)
        )
        colour = COLOURS[name]
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
        parts.append(_text(LEFT + 130 * number, bottom + 34, name, colour=colour, is_bold=True))
    return "".join(parts)


def _duration(seconds: float) -> str:
    if seconds >= 2 * 86_400:
        return f"{seconds / 86_400:.1f} days"
    return f"{seconds / 3600:.1f} h" if seconds >= 7200 else f"{seconds / 60:.0f} min"


def _text(
    x: float, y: float, text: str, *, size: int = 12, is_bold: bool = False, colour: str = "#0f172a"
) -> str:
    weight = ' font-weight="bold"' if is_bold else ""
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" fill="{colour}"{weight}>'
        f"{escape(text)}</text>"
    )

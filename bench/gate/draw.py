"""Pictures of a run: shares in time by multiple, and how long people waited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

from bench.gate.overload import Overload

_WIDTH, _HEIGHT, _LEFT, _TOP = 420, 220, 46, 30
_COLOURS = {"gate on": "#c2410c", "gate off": "#64748b", "litellm": "#0e7490"}
Line = Sequence[tuple[float, float]]


def attainment(found: Overload) -> str:
    """Goodput and the share of paid turns in time over the multiple of the capacity."""
    runs = {"gate on": found.on, "gate off": found.off, "litellm": found.peer}
    panels = (
        (
            "work in time / capacity",
            {name: [(m, x.goodput) for m, x in sorted(r.items())] for name, r in runs.items()},
        ),
        (
            "paid turns in time",
            {
                name: [(m, x.attainment.get("paid", 0.0)) for m, x in sorted(r.items())]
                for name, r in runs.items()
            },
        ),
    )
    parts = [
        _panel(
            title, lines, (1.0, 10.0), "demand / capacity", number * (_WIDTH + 20), (1, 2, 5, 10)
        )
        for number, (title, lines) in enumerate(panels)
    ]
    return _picture(parts, 2 * _WIDTH + 20)


def waits(found: Overload, compression: float) -> str:
    """The share of those served who had their first word after so long, at the highest multiple."""
    parts = []
    for number, group in enumerate(("paid", "free")):
        lines = {}
        for name, runs in (("gate on", found.on), ("gate off", found.off), ("litellm", found.peer)):
            if runs:
                firsts = runs[max(runs)].ttft_s.get(group, [])
                lines[name] = _cumulative([x * compression for x in firsts], 30.0)
        title = f"{group}: first word after at most (seconds of engine time)"
        parts.append(
            _panel(title, lines, (0.0, 30.0), "seconds", number * (_WIDTH + 20), (0, 10, 20, 30))
        )
    return _picture(parts, 2 * _WIDTH + 20)


def _cumulative(values: Sequence[float], most: float) -> list[tuple[float, float]]:
    ordered = sorted(values)
    if not ordered:
        return []
    steps = [number / 60 * most for number in range(61)]
    return [(at, sum(1 for x in ordered if x <= at) / len(ordered)) for at in steps]


def _panel(
    title: str,
    lines: Mapping[str, Line],
    span: tuple[float, float],
    unit: str,
    left: float,
    ticks: Sequence[float],
) -> str:
    low, high = span

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - low) / (high - low) * (_WIDTH - _LEFT - 90)
        return left + _LEFT + across, _TOP + (1 - min(y, 1.2) / 1.2) * (_HEIGHT - _TOP - 36)

    parts = [f'<text x="{left + 8}" y="16" font-weight="bold">{escape(title)}</text>']
    for level in (0.0, 0.5, 1.0):
        (x0, y), (x1, _) = place(low, level), place(high, level)
        parts.append(
            f'<path d="M{x0:.0f} {y:.0f}H{x1:.0f}" stroke="#e2e8f0"/>'
            f'<text x="{left + 8}" y="{y + 4:.0f}">{level:g}</text>'
        )
    bottom = _HEIGHT - 20
    for tick in ticks:
        parts.append(f'<text x="{place(tick, 0)[0] - 4:.0f}" y="{bottom}">{tick:g}</text>')
    parts.append(f'<text x="{left + _LEFT}" y="{_HEIGHT - 4}">{escape(unit)}</text>')
    at = _TOP + 14
    for name, line in lines.items():
        if not line:
            continue
        colour = _COLOURS[name]
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in line))
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
            f'<text x="{left + _WIDTH - 76}" y="{at}" fill="{colour}">{escape(name)}</text>'
        )
        at += 16
    return "".join(parts)


def _picture(parts: Sequence[str], width: float) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_HEIGHT}" '
        f'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" '
        f'fill="#ffffff"/>{"".join(parts)}</svg>\n'
    )

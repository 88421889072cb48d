"""The rates of a run as an SVG: a panel for each measure, a bar for each contender, ours marked.

Hand-made, since the drawing is bars and words. Colours follow the reader's light or dark scheme where the viewer honours
`prefers-color-scheme`, also inside `<img>`; text keeps a contrast of 4.5 to 1 in both.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from benchmarks.peers.contenders import JOBLINE
from benchmarks.peers.phases import Phase
from benchmarks.peers.results import Results

__all__ = ["chart"]

_PANELS = (
    (Phase.DRAIN, ("rate", "jobs/s")),
    (Phase.DRAIN_2, ("rate", "jobs/s")),
    (Phase.BULK_1000, ("rate", "jobs/s")),
    (Phase.BULK_100, ("rate", "jobs/s")),
    (Phase.ENQUEUE, ("rate", "jobs/s")),
    (Phase.SEQUENTIAL, ("rate", "jobs/s")),
    (Phase.LATENCY, ("p50", "ms")),
    (Phase.LATENCY, ("p99", "ms")),
)
_COLUMNS, _PANEL_WIDTH, _GAP = 2, 420, 40
_MARGIN, _HEAD, _TITLE, _ROW, _BAR = 20, 56, 34, 24, 15
_NAMES, _VALUES = 130, 64

_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 14px }
.head { font-weight: 600; font-size: 17px }
.note { fill: #59636e; font-size: 12px }
.bar { fill: #8c959f }
.ours { fill: #0969da }
.spread { stroke: #1f2328; stroke-width: 1 }
.paper { fill: #ffffff }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .note { fill: #9198a1 }
  .bar { fill: #656c76 }
  .ours { fill: #4493f8 }
  .spread { stroke: #e6edf3 }
  .paper { fill: #0d1117 }
}
"""


@dataclass(frozen=True)
class _Bar:
    """A contender's repetitions of one figure."""

    name: str
    values: Sequence[float]

    @property
    def median(self) -> float:
        return statistics.median(self.values)


def chart(results: Results) -> str:
    """The text of the file."""
    panels = [(phase, figure, bars) for phase, figure in _PANELS if (bars := _bars(results, phase, figure))]
    rows = max((len(bars) for _, _, bars in panels), default=0)
    panel_height = _TITLE + rows * _ROW + 16
    width = 2 * _MARGIN + _COLUMNS * _PANEL_WIDTH + (_COLUMNS - 1) * _GAP
    height = _MARGIN + _HEAD + -(-len(panels) // _COLUMNS) * panel_height + _MARGIN // 2
    body = list(_heading(results, width, height))
    for index, (phase, figure, bars) in enumerate(panels):
        line, column = divmod(index, _COLUMNS)
        x, y = _MARGIN + column * (_PANEL_WIDTH + _GAP), _MARGIN + _HEAD + line * panel_height
        body += [f'<g transform="translate({x} {y})">', *_panel(phase, figure, bars), "</g>"]
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    )
    return "\n".join([opening + ' role="img">', f"<style>{_STYLE}</style>", *body, "</svg>"]) + "\n"


def _bars(results: Results, phase: Phase, figure: tuple[str, str]) -> list[_Bar]:
    """The best first."""
    bars = [
        _Bar(player.name, values)
        for player in results.players
        if (values := results.values(player.name, phase, figure))
    ]
    return sorted(bars, key=lambda bar: bar.median, reverse=figure[0] == "rate")


def _heading(results: Results, width: int, height: int) -> Iterator[str]:
    machine = results.machine
    yield f'<rect class="paper" width="{width}" height="{height}" rx="8"/>'
    yield f'<text class="head" x="{_MARGIN}" y="{_MARGIN + 14}">No-op jobs on one PostgreSQL, {machine.cores} cores</text>'
    note = (
        f"{results.at}; {machine.processor}; PostgreSQL {machine.postgres}, fsync and synchronous_commit on; "
        "medians, lines from the lowest to the highest"
    )
    yield f'<text class="note" x="{_MARGIN}" y="{_MARGIN + 34}">{escape(note)}</text>'


def _panel(phase: Phase, figure: tuple[str, str], bars: Sequence[_Bar]) -> Iterator[str]:
    what, unit = figure
    better = "more is better" if what == "rate" else "less is better"
    title = phase.words if what == "rate" else f"{phase.words}, {what}"
    yield f'<text class="title" y="14">{escape(title)} <tspan class="note">{unit}, {better}</tspan></text>'
    scale = (_PANEL_WIDTH - _NAMES - _VALUES) / max(max(bar.values) for bar in bars)
    for index, bar in enumerate(bars):
        yield from _row(bar, _TITLE - 6 + index * _ROW, scale)


def _row(bar: _Bar, y: float, scale: float) -> Iterator[str]:
    kind = "bar ours" if bar.name == JOBLINE.name else "bar"
    middle, length = y + _BAR / 2, max(1.0, bar.median * scale)
    low, high = _NAMES + min(bar.values) * scale, _NAMES + max(bar.values) * scale
    yield f'<text x="{_NAMES - 8}" y="{y + 12}" text-anchor="end">{escape(bar.name)}</text>'
    yield f'<rect class="{kind}" x="{_NAMES}" y="{y}" width="{length:.1f}" height="{_BAR}" rx="2"/>'
    yield f'<line class="spread" x1="{low:.1f}" y1="{middle}" x2="{high:.1f}" y2="{middle}"/>'
    number = f"{bar.median:,.0f}".replace(",", " ") if bar.median >= 100 else f"{bar.median:.1f}"
    yield f'<text x="{max(high, _NAMES + length) + 6:.1f}" y="{y + 12}">{number}</text>'

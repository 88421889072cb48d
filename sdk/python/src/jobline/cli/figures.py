"""Numbers, spans and courses of numbers in a few characters, for pictures in which every column counts."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

__all__ = ["bar", "short_count", "short_span", "sparkline"]

_SPANS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "m"))
_COUNTS = ((1_000_000_000.0, "G"), (1_000_000.0, "M"), (1_000.0, "k"))
_LEVELS = "▁▂▃▄▅▆▇█"


def short_count(count: float) -> str:
    """At most five characters: `99999`, then `123k`, `1.2M`, `45M`."""
    whole = round(count)
    if whole < 100_000:
        return str(whole)
    for size, unit in _COUNTS:
        if whole >= size:
            return f"{whole / size:.1f}{unit}" if whole < 10 * size else f"{whole / size:.0f}{unit}"
    return str(whole)


def short_span(seconds: float | None) -> str:
    """At most four characters, in the largest unit that fits: `12ms`, `4.2s`, `42s`, `1.5m`, `12h`, `9.0d`; `-` for None."""
    if seconds is None:
        return "-"
    if seconds < 0.0995:
        return f"{max(0.0, seconds) * 1000:.0f}ms"
    size, unit = next(((size, unit) for size, unit in _SPANS if seconds >= size), (1.0, "s"))
    count = seconds / size
    return f"{count:.1f}{unit}" if count < 9.95 else f"{count:.0f}{unit}"


def sparkline(counts: Sequence[float]) -> str:
    """One character for each count, as high as it is to the largest; nothing at all is lower than any that is not 0."""
    largest = max(counts, default=0)
    steps = len(_LEVELS) - 1
    return "".join(_LEVELS[max(1, round(steps * count / largest)) if count > 0 else 0] for count in counts)


def bar(current: float, total: float, width: int) -> Text:
    """How much of `total` is there: full only once all is. It can be read without colours, too."""
    share = min(1.0, max(0.0, current / total)) if total else 0.0
    filled = int(share * width)
    return Text.assemble(("━" * filled, "cyan"), ("╌" * (width - filled), "dim"))

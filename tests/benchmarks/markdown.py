"""Pieces of the reports, as Markdown, which reads well in a terminal, too."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from benchmarks.machine import Machine

__all__ = ["NONE", "number", "place", "spread", "table"]

#: What stands in a cell without a value.
NONE = "–"


def table(heading: Sequence[str], alignment: str, rows: Iterable[Sequence[str]]) -> str:
    """`alignment` has a letter for each column: l or r."""
    rule = ["---:" if side == "r" else "---" for side in alignment]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (heading, rule, *rows))


def number(value: float) -> str:
    """At least three digits that count; a space between thousands."""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}".replace(",", " ")


def spread(values: Sequence[float]) -> str:
    """The median, and from where to where the values go when they are several."""
    if not values:
        return NONE
    median = f"**{number(statistics.median(values))}**"
    return f"{median} ({number(min(values))}–{number(max(values))})" if len(values) > 1 else median


def place(at: str, repetitions: int, machine: Machine, commits: Sequence[float]) -> str:
    """When and where figures were measured, without which they mean nothing."""
    return (
        f"**{at}**, repetitions: {repetitions}. {machine.cores} cores ({machine.processor}), {machine.memory_gib:g} GiB, "
        f"{machine.system}, Python {machine.python}, PostgreSQL {machine.postgres} with fsync and synchronous_commit on. "
        f"A synced commit took {statistics.median(commits):.2f} ms ({min(commits):.2f}–{max(commits):.2f}); "
        f"load at the start {machine.load[0]:.1f}."
    )

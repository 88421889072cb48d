"""What is asked of Jobline by itself: figures of `make bench` with what they must and should reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks import messages

__all__ = ["TARGETS", "Target"]


@dataclass(frozen=True)
class Target:
    """Bounds of a figure in its own unit: lower ones, or upper ones."""

    must: float
    aim: float
    is_upper: bool = False

    def verdict(self, value: float) -> str:
        if self._holds(value, self.aim):
            return "aim reached"
        return "pass" if self._holds(value, self.must) else "**missed**"

    def words(self, bound: float) -> str:
        return f"{'≤' if self.is_upper else '≥'} {bound:g}"

    def _holds(self, value: float, bound: float) -> bool:
        return value <= bound if self.is_upper else value >= bound


#: By the title of the scenario and the name of the figure.
TARGETS: Mapping[tuple[str, str], Target] = {
    ("enqueue, 64 callers", "rate"): Target(8_000, 15_000),
    ("a stuck key", "share"): Target(80, 95),
    ("a big table", "share"): Target(90, 97),
    ("a big table", "service after start"): Target(600, 300, is_upper=True),
    ("a big table", "take-over"): Target(15, 15, is_upper=True),
    ("places in a long line", "in memory, p50"): Target(5, 1, is_upper=True),
    ("places in a long line", "LocateJobs, p50"): Target(5, 5, is_upper=True),
    **{("places in a long line", f"{act}, share"): Target(90, 97) for act in ("enqueue", "start")},
    ("places in a long line", "service after start"): Target(600, 600, is_upper=True),
    ("a held snapshot", "share"): Target(70, 90),
    ("an idle stream", "each"): Target(100, 50, is_upper=True),
    ("idle", "together"): Target(2, 0.5, is_upper=True),
    ("estimates over a day", "all: p90 held"): Target(85, 88),
    ("estimates, a long line", "a new plan, median"): Target(2, 2, is_upper=True),
    ("records to vectors", "growth of the worker's peak"): Target(25, 10, is_upper=True),
    **{("communication queue, REST", name): Target(20, 20, is_upper=True) for name in messages.POLLS},
}

"""What repetitions of a scenario yield, and what is said about them: median, minimum and maximum."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from benchmarks.meter import Costs

__all__ = ["Outcome", "Sample", "Series", "percentile"]


@dataclass(frozen=True)
class Sample:
    """One repetition: figures by (what, unit), the costs per job where they were measured, and what went wrong."""

    figures: dict[tuple[str, str], float]
    costs: Costs | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Series:
    """One figure over all repetitions."""

    what: str
    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)


@dataclass
class Outcome:
    """All repetitions of one scenario."""

    scenario: str
    samples: list[Sample] = field(default_factory=list)
    commit_ms: list[float] = field(default_factory=list)

    def series(self) -> list[Series]:
        """Of the first repetition's figures; one that a later repetition has no value of is of fewer."""
        keys = self.samples[0].figures if self.samples else ()
        return [Series(*key, tuple(each.figures[key] for each in self.samples if key in each.figures)) for key in keys]

    def costs(self) -> Costs | None:
        """The median of each cost."""
        all_costs = [sample.costs for sample in self.samples if sample.costs is not None]
        if not all_costs:
            return None
        shares = [costs.hot_share for costs in all_costs if costs.hot_share is not None]
        return Costs(
            cpu={name: statistics.median(costs.cpu[name] for costs in all_costs) for name in all_costs[0].cpu},
            commits=statistics.median(costs.commits for costs in all_costs),
            wal_bytes=statistics.median(costs.wal_bytes for costs in all_costs),
            hot_share=statistics.median(shares) if shares else None,
        )

    def problems(self) -> list[str]:
        return [f"{self.scenario}: {problem}" for sample in self.samples for problem in sample.problems]


def percentile(values: Iterable[float], percent: float) -> float:
    """The nearest-rank percentile: the smallest value that at least `percent` of all do not exceed."""
    ordered: Sequence[float] = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]

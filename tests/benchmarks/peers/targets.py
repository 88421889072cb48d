"""What issue 3 asks of Jobline beside its peers, as ratios of medians: above 1 is better than the peer."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.peers.phases import Phase

__all__ = ["TARGETS", "Target"]

_RATE, _P50, _P99 = ("rate", "jobs/s"), ("p50", "ms"), ("p99", "ms")


@dataclass(frozen=True)
class Target:
    """One figure of one phase. `peer` names whom it is compared with; "" is the best of all for this figure."""

    phase: Phase
    figure: tuple[str, str]
    must: float
    aim: float | None
    peer: str = ""
    #: An aim that is no ratio: our own figure at most, in the figure's unit.
    aim_at_most: float | None = None

    @property
    def title(self) -> str:
        what = "" if self.figure == _RATE else f", {self.figure[0]}"
        return self.phase.words + what

    @property
    def less_is_better(self) -> bool:
        return self.figure != _RATE

    def ratio(self, ours: float, theirs: float) -> float:
        return theirs / ours if self.less_is_better else ours / theirs

    def reaches_aim(self, ratio: float, ours: float) -> bool:
        if self.aim_at_most is not None:
            return ours <= self.aim_at_most
        return self.aim is not None and ratio >= self.aim


TARGETS = (
    Target(Phase.DRAIN, _RATE, 1.5, 2.0),
    Target(Phase.DRAIN_2, _RATE, 1.2, 1.5),
    Target(Phase.BULK_1000, _RATE, 1.2, 1.4),
    Target(Phase.ENQUEUE, _RATE, 1.0, 1.5, peer="graphile-worker"),
    Target(Phase.SEQUENTIAL, _RATE, 1.0, 1.3),
    Target(Phase.LATENCY, _P50, 1.0, None, aim_at_most=4.0),
    Target(Phase.LATENCY, _P99, 1.0, None, aim_at_most=8.0),
)

"""What a queue learns from its own estimates: were half of the jobs done by their p50, and nine of ten by their p90?

A plan cannot know of jobs that will be put before others, of runs that fail and are tried again, of workers that come and go.
Whether it is right on the whole shows afterwards, and is put right by factors that move with each estimate that held or did
not: up by a step times the level when it did not hold, down by a step times the rest when it did. Where they stand still, the
share that holds is the level, whatever the times are distributed like and however the plan errs. This is the quantile tracker
of A. N. Angelopoulos, E. J. Candès, R. J. Tibshirani, *Conformal PID Control for Time Series Prediction* (NeurIPS 2023),
after I. Gibbs, E. J. Candès, *Adaptive Conformal Inference Under Distribution Shift* (NeurIPS 2021), on the logarithm of a
factor; the steps begin large and become smaller, but never so small that a queue that changes is not followed.

A time has two factors of its queue, one for what is as near as a run is long and one for all beyond, and one of its kind,
which learns how the kind differs from the others. The corrected time rises with the planned one, so of two jobs of a kind
the one further behind never gets the earlier time.
"""

from __future__ import annotations

from collections import deque
from enum import IntEnum
from math import exp, sqrt

#: The levels of an estimate.
P50, P90 = 0.5, 0.9
#: How many of the last estimates a queue's coverage counts.
COUNTED = 1000
#: A step of a factor's logarithm: the first ones, and the smallest.
FIRST_STEP, LEAST_STEP = 0.4, 0.06
#: So many kinds of a queue have factors of their own.
MOST_KINDS = 64
#: Bounds of a factor's logarithm.
_LOWEST, _HIGHEST = -4.0, 4.0


class Span(IntEnum):
    """What an estimate is about; each is corrected by itself."""

    RUNNING = 0
    WAITING = 1
    DELAYED = 2


class _Factor:
    """One factor of one level."""

    __slots__ = ("_level", "_log", "_moved", "value")

    def __init__(self, level: float) -> None:
        self._level = level
        self._log = 0.0
        self._moved = 0.0
        self.value = 1.0

    def move(self, held: bool, weight: float) -> None:
        """An estimate to which this factor contributed `weight`, 0 to 1, held or did not."""
        self._moved += weight
        step = weight * max(LEAST_STEP, FIRST_STEP / sqrt(1.0 + self._moved))
        self._log += step * (self._level - 1.0 if held else self._level)
        self._log = min(max(self._log, _LOWEST), _HIGHEST)
        self.value = exp(self._log)


class _Scale:
    """The factors of a span and level: for seconds up to `near`, for those beyond, and of kinds."""

    def __init__(self, level: float) -> None:
        self._level = level
        self._near, self._far = _Factor(level), _Factor(level)
        self._kinds: dict[str, _Factor] = {}

    def correct(self, kind: str, seconds: float, near: float) -> float:
        own = self._kinds.get(kind)
        return self._shared(seconds, near) * (1.0 if own is None else own.value)

    def _shared(self, seconds: float, near: float) -> float:
        if seconds <= near:
            return seconds * self._near.value
        return near * self._near.value + (seconds - near) * self._far.value

    def move(self, kind: str, seconds: float, near: float, held: bool) -> None:
        if kind not in self._kinds and len(self._kinds) < MOST_KINDS:
            self._kinds[kind] = _Factor(self._level)
        if kind in self._kinds:
            self._kinds[kind].move(held, 1.0)
        share = 1.0 if seconds <= near else near * self._near.value / self._shared(seconds, near)
        self._near.move(held, share)
        if share < 1.0:
            self._far.move(held, 1.0 - share)


class Calibration:
    """The factors of one queue, and how many of its estimates have held."""

    def __init__(self) -> None:
        self._scales = {span: (_Scale(P50), _Scale(P90)) for span in Span}
        #: Of the last estimates: whether their p50 and their p90 held.
        self._held: deque[tuple[bool, bool]] = deque()
        self._p50_held = self._p90_held = 0

    def correct(self, span: Span, kind: str, planned: tuple[float, float], near: float) -> tuple[float, float]:
        """The corrected p50 and p90. Both rise with the planned ones, and p90 is not below p50."""
        half, most = self._scales[span]
        p50 = half.correct(kind, planned[0], near)
        return p50, max(p50, most.correct(kind, planned[1], near))

    def learn(self, span: Span, kind: str, level: float, planned: float, near: float, held: bool) -> None:
        """An estimate of this planned, uncorrected time held at the level, or did not."""
        half, most = self._scales[span]
        (half if level == P50 else most).move(kind, planned, near, held)

    def score(self, p50_held: bool, p90_held: bool) -> None:
        self._count(p50_held, p90_held, 1)
        self._held.append((p50_held, p90_held))
        if len(self._held) > COUNTED:
            self._count(*self._held.popleft(), -1)

    def _count(self, p50_held: bool, p90_held: bool, change: int) -> None:
        self._p50_held += change * p50_held
        self._p90_held += change * p90_held

    @property
    def coverage(self) -> tuple[int, float, float]:
        """How many estimates are counted, and the shares of them whose p50 and whose p90 held; 0 shares for none."""
        count = len(self._held)
        return (count, self._p50_held / count, self._p90_held / count) if count else (0, 0.0, 0.0)

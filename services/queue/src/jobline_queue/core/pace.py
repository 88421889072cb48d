"""How long runs take, by the last ones: what they say about the next run, and about the rest of one under way.

A pace keeps the last times as they are and assumes no distribution: run times of real jobs have two humps, long tails, and
change over a day. What lies beyond everything seen so far is guessed from the time that has already passed: of a run that
is older than all before it nothing is known but its age, and the older it is, the longer it may still take.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from math import exp, log
from statistics import NormalDist
from typing import NamedTuple

#: So many of the last times are kept.
KEPT = 128
#: From so many times on a sample speaks for itself; with fewer its quantiles are spread.
SPEAKING = 16
#: How far, for a single time, as the standard deviation of its logarithm.
SPREAD = 0.5
#: With fewer times beyond its age than this, the rest of a run is partly guessed: the mean rest as a share of the age.
BEYOND, GUESS = 5, 0.5

_NORMAL = NormalDist()


class RunTime(NamedTuple):
    """How long a run took: in all (`step` is empty), or from the beginning of a step."""

    queue: str
    kind: str
    step: str
    seconds: float


class Pace:
    """The last times of one thing, in seconds."""

    __slots__ = ("_recent", "_sorted")

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=KEPT)
        self._sorted: list[float] | None = None

    def __len__(self) -> int:
        return len(self._recent)

    def add(self, seconds: float) -> None:
        self._recent.append(max(0.0, seconds))
        self._sorted = None

    def add_older(self, times: Sequence[float]) -> None:
        """Adds times that were before all it has, the oldest first, as far as there is room."""
        room = KEPT - len(self._recent)
        self._recent.extendleft(reversed(times[-room:] if room else ()))
        self._sorted = None

    @property
    def times(self) -> list[float]:
        """Ascending. Not to be changed."""
        if self._sorted is None:
            self._sorted = sorted(self._recent)
        return self._sorted

    def draws(self, levels: Sequence[float]) -> list[float]:
        """The time at each of these levels, 0 < level < 1, of the distribution of the next one. Needs a time."""
        times = self.times
        count = len(times)
        if count >= SPEAKING:
            return [times[int(level * count)] for level in levels]
        spread = SPREAD / count
        return [times[int(level * count)] * exp(spread * _NORMAL.inv_cdf(level)) for level in levels]

    def rests(self, age: float, levels: Sequence[float]) -> list[float]:
        """How long one of this age still takes, at each of these levels; the longer an old one is under way, the longer.
        Needs a time."""
        if age <= 0.0:
            return self.draws(levels)
        times = self.times
        first = bisect_right(times, age)
        longer = len(times) - first
        enough = max(1, min(BEYOND, len(times) // 4))
        if longer >= enough:
            return [times[first + int(level * longer)] - age for level in levels]
        return [_beyond(times[first:], age, enough, level) for level in levels]


def _beyond(longer: Sequence[float], age: float, enough: int, level: float) -> float:
    """One of a few known times, or else something beyond the last of them."""
    place = level * enough
    if place < len(longer):
        return longer[int(place)] - age
    level = (place - len(longer)) / (enough - len(longer))
    return max([0.0, *longer[-1:]], default=0.0) - (age if longer else 0.0) - GUESS * age * log(1.0 - level)

"""When the jobs of a queue will start: a plan of the near future, played through many times.

A queue is a few servers and a line. Each *path* of a plan is one way in which it may go on: how long the jobs under way still
take, how long those that wait will take. The first positions are played one by one, each job starting on the server that is
free first. Behind them the line moves by the work before it, divided by the servers, whatever their order: the sum of many
run times is nearly normal, so a million positions cost as much as fifty. (Work conservation in a multi-server queue; see
L. Kleinrock, *Queueing Systems*, volume 1, 1975.) What is not known well, the mean of the run times, differs from path to
path as much as the sample that it comes from may be wrong.

With many servers a few stand for all: so many times fewer servers, and steps so many times longer.

A plan is drawn with the same random numbers each time, so that an estimate moves only with what has changed.
"""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from heapq import heapify, heappop, heapreplace
from itertools import islice, pairwise
from math import ceil, sqrt
from statistics import NormalDist, fmean

#: How often a plan is played.
PATHS = 32
#: At most so many servers are played, and so many positions one by one.
SERVERS, STEPS = 16, 24
#: Each position of the grid is this much further than the one before.
_FURTHER = 1.5
#: A mean run time is at least this share of the sample's.
_LEAST_MEAN = 0.2
_SEED = 20211206
#: Drawn once: a slice of them is as good as new ones, and costs a tenth.
_NORMALS = NormalDist().samples(4096, seed=_SEED)


def _spread(count: int, seed: int) -> list[float]:
    levels = [(index + 0.5) / count for index in range(count)]
    random.Random(seed).shuffle(levels)
    return levels


#: The level of a draw on each path: evenly spread over 0 to 1, in an order of its own for what is drawn beside others.
LEVELS = _spread(PATHS, _SEED)
#: For jobs that run side by side: what one of them does says nothing about another.
LEVELS_ASIDE = [_spread(PATHS, _SEED + number) for number in range(1, 2 * SERVERS)]


@dataclass(frozen=True)
class Situation:
    """A queue as a plan sees it. Seconds throughout; `work` and `near` are samples of run times."""

    servers: int
    #: How many jobs are under way, and of every so many (`stands_for`) one's rest on each path.
    running: int
    rests: Sequence[Sequence[float]]
    waiting: int
    #: Of a job that waits somewhere in the line.
    work: Sequence[float]
    #: Of the first jobs of the line, one after the other, where they are known.
    near: Sequence[Sequence[float]] = ()
    #: How many times `work` is drawn from.
    known: int = 1
    #: When the start of so many jobs may have been, at the earliest, seconds from now.
    gate: Callable[[int], float] | None = None

    @cached_property
    def mean(self) -> float:
        return fmean(self.work)

    @cached_property
    def deviation(self) -> float:
        return sqrt(fmean((time - self.mean) ** 2 for time in self.work))


@dataclass
class Plan:
    """Start times from now by position and path."""

    positions: list[int]
    starts: list[list[float]]
    _ends: dict[tuple[int, str], tuple[float, float]] = field(default_factory=dict)

    def ends(self, position: float, kind: str, runs: Sequence[float]) -> tuple[float, float]:
        """p50 and p90 of the end of a job at a position (fractions stand between two), whose run takes `runs`, a time for
        each path. The runs of a `kind` must be the same in each call: their ends are remembered."""
        after = min(bisect_left(self.positions, position), len(self.positions) - 1)
        high = self._at(after, kind, runs)
        if after == 0 or self.positions[after] <= position:
            return high
        low = self._at(after - 1, kind, runs)
        begin, end = self.positions[after - 1], self.positions[after]
        share = (position - begin) / (end - begin)
        return low[0] + share * (high[0] - low[0]), low[1] + share * (high[1] - low[1])

    def _at(self, index: int, kind: str, runs: Sequence[float]) -> tuple[float, float]:
        found = self._ends.get((index, kind))
        if found is None:
            ends = [start + run for start, run in zip(self.starts[index], runs, strict=True)]
            found = self._ends[index, kind] = both(ends)
        return found


def both(times: Sequence[float]) -> tuple[float, float]:
    """p50 and p90 of a time for each path."""
    times = sorted(times)
    return _between(times, 0.5 * len(times) - 0.5), _between(times, 0.9 * len(times) - 0.5)


def _between(times: Sequence[float], place: float) -> float:
    index = int(place)
    return times[index] + (place - index) * (times[index + 1] - times[index])


def stands_for(servers: int, running: int) -> int:
    """How many servers one server of a plan stands for."""
    return max(1, ceil(max(servers, running) / SERVERS))


def plan(situation: Situation) -> Plan:
    """Plays a situation with at least one server. Costs a millisecond, however long the line and however many servers."""
    each = stands_for(situation.servers, situation.running)
    positions = _grid(max(1, situation.waiting))
    played = bisect_right(positions, STEPS * each)
    steps = [ceil(position / each) for position in positions[:played]]
    rng = random.Random(_SEED)
    strides = _strides(situation, positions[played - 1 :])
    error = situation.deviation / (situation.mean * sqrt(situation.known)) if situation.mean else 0.0
    paths = []
    for path in range(PATHS):
        times = _play(situation, each, path, steps, rng)
        paths.append(times + _flow(times[-1], strides, error, rng))
    starts = [list(column) for column in zip(*paths, strict=True)]
    if situation.gate is not None:
        for position, column in zip(positions, starts, strict=True):
            earliest = situation.gate(position)
            column[:] = [max(start, earliest) for start in column]
    return Plan(positions, starts)


def _grid(last: int) -> list[int]:
    """Positions from 1 to `last`, further and further apart."""
    positions = [1]
    while positions[-1] < last:
        positions.append(min(last, max(positions[-1] + 1, round(positions[-1] * _FURTHER))))
    return positions


def _strides(situation: Situation, positions: Sequence[int]) -> list[tuple[float, float]]:
    """Mean and standard deviation of the time that the work between two positions takes."""
    mean, deviation = situation.mean / situation.servers, situation.deviation / situation.servers
    return [(jobs * mean, sqrt(jobs) * deviation) for jobs in (end - begin for begin, end in pairwise(positions))]


def _play(situation: Situation, each: int, path: int, steps: Sequence[int], rng: random.Random) -> list[float]:
    """When the jobs at these steps start on one path, each on the server that is free first."""
    servers = max(1, round(situation.servers / each))
    free = [rests[path] for rests in situation.rests]
    free += [0.0] * (servers - len(free))
    heapify(free)
    for _ in range(len(free) - servers):  # more run than may: the first ends make no room
        heappop(free)
    times, step = [], 0
    near, work, random_level = situation.near, situation.work, rng.random
    for wanted in steps:
        while step < wanted:
            start = free[0]
            sample = near[step] if step < len(near) else work
            heapreplace(free, start + sample[int(random_level() * len(sample))])
            step += 1
        times.append(start)
    return times


def _flow(start: float, strides: Sequence[tuple[float, float]], error: float, rng: random.Random) -> list[float]:
    """When the jobs at the ends of these strides start, if the first stride begins at `start`. A stride has the mean and the
    standard deviation of the time that its work takes; the mean is wrong by the share `error`."""
    share = max(_LEAST_MEAN, 1.0 + error * rng.gauss(0.0, 1.0))
    first = rng.randrange(len(_NORMALS) - len(strides))
    times = []
    for (mean, deviation), normal in zip(strides, islice(_NORMALS, first, None), strict=False):
        stride = share * mean + deviation * normal
        if stride > 0.0:
            start += stride
        times.append(start)
    return times

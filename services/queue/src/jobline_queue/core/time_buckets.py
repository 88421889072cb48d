"""Times as counts by bucket: small to keep, added up by adding counts, and good for quantiles of any sum.

A bucket is a stretch of times whose bounds differ by a fixed factor, so that what is said of a time is wrong by a share of it
and not by seconds, whether it took a millisecond or a day. This is how HDR Histogram and DDSketch count (Masson, Rim, Lee,
"DDSketch", VLDB 2019). With a factor of 1.15 the middle of a bucket is within 7.3 % of everything in it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from math import ceil, log, sqrt

RATIO = 1.15
#: Bucket 0 has what is shorter, which is as good as no time; times are measured in whole microseconds.
SMALLEST = 1e-6
#: Everything over 40 years is in it.
LAST = 250

_PER_LOG = 1 / log(RATIO)
_MIDDLE = SMALLEST / sqrt(RATIO)


def bucket(seconds: float) -> int:
    """The bucket of a time; of a negative one, 0."""
    if seconds < SMALLEST:
        return 0
    return min(LAST, 1 + int(log(seconds / SMALLEST) * _PER_LOG))


def count_times(begins: Iterable[float], end: float) -> dict[int, int]:
    """How many of the times from `begins` (seconds) to `end` are in each bucket.

    Two steps for each bucket that comes up, besides sorting, and not a logarithm for each time: of a batch of jobs, the times
    are mostly alike, and in order already.
    """
    left = sorted(begins)
    counts: dict[int, int] = {}
    while left:
        number = bucket(end - left[-1])
        longer = 0 if number == LAST else bisect_right(left, end - SMALLEST * RATIO**number)
        longer = min(
            longer, len(left) - 1
        )  # by the rounding of a time between two buckets, it could be the last one itself
        counts[number] = counts.get(number, 0) + len(left) - longer
        del left[longer:]
    return counts


def middle(number: int) -> float:
    """The time in seconds that stands for all in a bucket: the geometric mean of its bounds."""
    return _MIDDLE * RATIO**number if number else 0.0


def quantiles(counts: Mapping[int, int], shares: Sequence[float]) -> list[float]:
    """For each of `shares` (rising, above 0, at most 1) the smallest time that so many of all do not exceed, within 7.3 %.
    `counts` has at least one time."""
    total = sum(counts.values())
    numbers = iter(sorted(counts))
    number, below = next(numbers), 0
    found = []
    for share in shares:
        rank = ceil(share * total)
        while below + counts[number] < rank:
            below += counts[number]
            number = next(numbers)
        found.append(middle(number))
    return found

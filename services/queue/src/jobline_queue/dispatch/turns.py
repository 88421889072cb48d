"""How many turns come before a moment, where many take turns at a steady pace each. Pure arithmetic in integers."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence

#: So many moments are counted one by one sooner than by a sweep.
FEW = 8
#: More than there are numbers of turn-takers.
_NUMBERS = 2**40

#: (start, number, stride, count): turns at the times `start`, `start + stride` and so on; there may be none. The number tells
#: whose they are, and those of the same time come by it.
Turns = tuple[int, int, int, int]
#: (time, number)
Moment = tuple[int, int]


def turns_before(turns: Sequence[Turns], moments: Sequence[Moment]) -> list[int]:
    """For each moment, the number of all turns before it. The moments ascend.

    Costs, for m turn-takers and n moments: O(m n) for a few moments, otherwise O((m + n) log m) and short moves in memory.
    """
    if len(moments) <= FEW:
        return [_before(turns, *moment) for moment in moments]
    by_stride: dict[int, list[Turns]] = {}
    for each in turns:
        by_stride.setdefault(each[2], []).append(each)
    times = [_as_one(*moment) for moment in moments]
    sums = [0] * len(times)
    for stride, alike in by_stride.items():
        for index, count in enumerate(_sweep(stride * _NUMBERS, alike, times)):
            sums[index] += count
    return sums


def _before(turns: Iterable[Turns], time: int, number: int) -> int:
    total = 0
    for start, whose, stride, count in turns:
        if start <= time and (room := time - start - (whose >= number)) >= 0:
            had = 1 + room // stride
            total += had if had < count else count
    return total


def _as_one(time: int, number: int) -> int:
    """Moments as integers of the same order."""
    return time * _NUMBERS + number


def _sweep(stride: int, turns: Iterable[Turns], moments: Sequence[int]) -> list[int]:
    """With q, r the quotient and rest of a moment by the stride, and a, b those of a start, one that has begun and has not
    ended has had q - a turns, and one more if b < r. So what counts of those is their number, the sum of their quotients,
    and how many have a smaller rest."""
    to_begin = sorted(((_as_one(start, whose), count) for start, whose, _, count in turns if count), reverse=True)
    to_end = sorted(((start + (count - 1) * stride, start, count) for start, count in to_begin), reverse=True)
    rests: list[int] = []
    quotients = ended = 0
    counts = []
    for moment in moments:
        while to_begin and to_begin[-1][0] < moment:
            quotient, rest = divmod(to_begin.pop()[0], stride)
            quotients += quotient
            insort(rests, rest)
        while to_end and to_end[-1][0] < moment:
            _, start, count = to_end.pop()
            quotient, rest = divmod(start, stride)
            quotients -= quotient
            ended += count
            del rests[bisect_left(rests, rest)]
        quotient, rest = divmod(moment, stride)
        counts.append(ended + len(rests) * quotient - quotients + bisect_left(rests, rest))
    return counts

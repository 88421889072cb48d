"""From minutes of queues to points without gaps: what GetTrends shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

from jobline_queue.core.queue_counts import QueueCounts

MINUTE = 60
DAY = 86_400
#: How long minutes are kept, in seconds.
KEPT = 8 * DAY


class QueueMinute(NamedTuple):
    """`minute` in whole minutes since the epoch."""

    minute: int
    queue: str
    counts: QueueCounts


class Stretches(NamedTuple):
    """So many stretches of one length in a row, in epoch seconds; the last one ends with the minute that is under way."""

    begin: int
    length: int
    points: int

    @classmethod
    def back_from(cls, now: float, seconds: float, most: int) -> Stretches:
        """At most `most`, of whole minutes, for the last `seconds` at least."""
        length = MINUTE * ceil(seconds / MINUTE / most)
        points = ceil(seconds / length)
        return cls((int(now // MINUTE) + 1) * MINUTE - points * length, length, points)

    @property
    def end(self) -> int:
        return self.begin + self.points * self.length

    def begin_of(self, time: float) -> int:
        """When the stretch begins that a time is in, if they went on for ever."""
        return self.begin + int((time - self.begin) // self.length) * self.length

    @property
    def begins(self) -> range:
        return range(self.begin, self.end, self.length)


class StretchOfQueue(NamedTuple):
    """`begin` in epoch seconds."""

    queue: str
    begin: int
    counts: QueueCounts


@dataclass(frozen=True, slots=True)
class Trend:
    #: Empty: all queues together.
    queue: str
    points: list[QueueCounts]
    total: QueueCounts

    def join(self, other: Trend) -> None:
        """Adds what another queue did over the same stretches."""
        self.total.join(other.total)
        for point, more in zip(self.points, other.points, strict=True):
            point.join(more)


def trends(
    stretches: Stretches, stored: Iterable[StretchOfQueue], later: Iterable[QueueMinute], queue: str = ""
) -> Iterator[Trend]:
    """The trend of `queue`; or of each that is mentioned, by name, and then of all together. What is in `later` happened
    after what is in `stored`, and is in the order of time. Each may cost some milliseconds: a caller may pause in between."""
    known: dict[str, list[StretchOfQueue]] = {queue: []} if queue else {}
    newer = (StretchOfQueue(name, stretches.begin_of(minute * MINUTE), counts) for minute, name, counts in later)
    for stretch in (*stored, *newer):
        if stretch.begin in stretches.begins and queue in ("", stretch.queue):
            known.setdefault(stretch.queue, []).append(stretch)
    together = _trend(stretches, "", ())
    for name in sorted(known):
        trend = _trend(stretches, name, known[name])
        yield trend
        together.join(trend)
    if not queue:
        yield together


def _trend(stretches: Stretches, queue: str, known: Sequence[StretchOfQueue]) -> Trend:
    points = [QueueCounts() for _ in range(stretches.points)]
    for _, begin, counts in known:
        points[(begin - stretches.begin) // stretches.length].follow(counts)
    total = QueueCounts()
    for begin in sorted({begin for _, begin, _ in known}):
        total.follow(points[(begin - stretches.begin) // stretches.length])
    return Trend(queue, points, total)

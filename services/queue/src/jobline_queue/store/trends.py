"""What queues did, from the minutes that are kept: added up where they lie, so that a week takes few rows out of the table.

Adding up a week of ten busy queues takes two seconds, and pages ask again and again. So what was read of stretches that are
over is remembered for the next one who asks for the same, and only the rest is read: in the same minute, or as long as points
are minutes. It is read a day at a time, so that a long range comes through where one search would be cut off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jobline_queue.core.queue_counts import QueueCounts, most_frequent
from jobline_queue.core.trends import DAY, Stretches, StretchOfQueue
from jobline_queue.store.search import Searches
from jobline_queue.store.statements import statement

#: Stretches that are remembered in all: some 10 MB. And kinds of questions.
MOST_REMEMBERED = 4000
MOST_WINDOWS = 200


@dataclass(slots=True)
class _Window:
    """What is remembered for one kind of question: everything from `begin` to `end`, epoch seconds."""

    begin: int = 0
    end: int = 0
    known: list[StretchOfQueue] = field(default_factory=list)
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    def move_to(self, stretches: Stretches) -> None:
        """Forgets what was before, and everything if these are other stretches."""
        if stretches.begin_of(self.begin) != self.begin or not self.begin <= stretches.begin < self.end:
            self.end, self.known = stretches.begin, []
        self.begin = stretches.begin
        self.known = [each for each in self.known if each.begin >= stretches.begin]


class TrendStore:
    """Reads over the pool."""

    def __init__(self, searches: Searches) -> None:
        self._searches = searches
        #: By queue, length and points; the one asked for last is the last.
        self._windows: dict[tuple[str, int, int], _Window] = {}

    async def read(self, stretches: Stretches, queue: str, settled: float) -> list[StretchOfQueue]:
        """Of one queue or (empty) of all, without those that did nothing. Nobody adds to what was before `settled`. Raises
        TooBroad when a day takes longer than 5 s."""
        key = (queue, stretches.length, stretches.points)
        window = self._windows[key] = self._windows.pop(key) if key in self._windows else _Window()
        async with window.reading:
            window.move_to(stretches)
            over = min(stretches.begin_of(settled), stretches.end)
            while window.end < over:
                end = min(window.end + max(DAY // stretches.length, 1) * stretches.length, over)
                window.known += await self._read(window.end, end, stretches.length, queue)
                window.end = end
            found = [*window.known, *await self._read(window.end, stretches.end, stretches.length, queue)]
        self._forget_some()
        return found

    async def _read(self, begin: int, end: int, length: int, queue: str) -> list[StretchOfQueue]:
        params = {"begin": begin, "finish": end, "length": length, "queue": queue}
        async with self._searches.connect() as connection:
            rows = (await connection.exec_driver_sql(statement("read_trends"), params)).all()
        return [_stretch(row) for row in rows]

    def _forget_some(self) -> None:
        sizes = {key: len(window.known) for key, window in self._windows.items()}
        remembered = sum(sizes.values())
        for key, size in sizes.items():
            if len(self._windows) <= MOST_WINDOWS and remembered <= MOST_REMEMBERED:
                return
            del self._windows[key]
            remembered -= size


def _stretch(row: Any) -> StretchOfQueue:
    queue, begin, *numbers, waits, runs, errors = row
    counts = QueueCounts(*numbers)
    counts.waits, counts.runs, counts.errors = _by_bucket(waits), _by_bucket(runs), most_frequent(errors or {})
    return StretchOfQueue(queue, begin, counts)


def _by_bucket(counts: Mapping[str, int] | None) -> dict[int, int]:
    return {int(bucket): count for bucket, count in (counts or {}).items()}

"""The due jobs of one queue, in the order in which they may start.

Jobs lie in lanes: one for each kind, and for each concurrency key where the policy limits keys. A lane is a sorted list
by rank; the heads of the lanes that may start now are sorted again, so a claim is a merge that never looks at a job that
may not start. A lane whose key is at its limit is closed and costs nothing, however many jobs wait in it; the limit
counts all kinds of the key together.

Costs, for n jobs and k lanes: add and discard O(log n), take O(log k) a job, position O(k log n).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from sortedcontainers import SortedList

from jobline_queue.core.live_job import LiveJob, Rank

LaneKey = tuple[str, str]
#: A rank with its job behind it; `seq` is unique, so jobs are never compared.
_Item = tuple[int, float, int, LiveJob]


@dataclass(slots=True, eq=False)
class _Lane:
    key: LaneKey
    items: SortedList = field(default_factory=SortedList)
    #: The entry under which the lane's head is listed in `Order._heads`; None while the lane is closed or empty.
    listed: tuple[int, float, int, LaneKey] | None = None


class Order:
    """Due jobs by lane. `key_limit` is the most jobs of a key running at once; 0: none."""

    def __init__(self, key_limit: int = 0) -> None:
        self._key_limit = key_limit
        #: Those that have jobs.
        self._lanes: dict[LaneKey, _Lane] = {}
        self._kinds_of: dict[str, set[str]] = {}
        #: Running jobs by key, where keys are limited.
        self._running: dict[str, int] = {}
        self._heads: SortedList = SortedList()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[LiveJob]:
        """All jobs by rank; for tests and small queues."""
        return (item[3] for item in sorted(item for lane in self._lanes.values() for item in lane.items))

    def add(self, job: LiveJob) -> None:
        key = self._lane_key(job)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane(key)
            self._kinds_of.setdefault(key[1], set()).add(key[0])
        lane.items.add((*job.rank, job))
        self._size += 1
        self._relist(lane)

    def discard(self, job: LiveJob) -> bool:
        """Takes a job out; False when it was not in."""
        lane = self._lanes.get(self._lane_key(job))
        if lane is None:
            return False
        index = lane.items.bisect_left(job.rank)
        if index >= len(lane.items) or lane.items[index][3] is not job:
            return False
        del lane.items[index]
        self._size -= 1
        self._relist(lane)
        return True

    def take(self, kinds: Collection[str], most: int) -> list[LiveJob]:
        """Takes out up to `most` jobs that may start, first ones first, and counts them as running."""
        taken: list[LiveJob] = []
        while len(taken) < most:
            lane = self._first(kinds)
            if lane is None:
                break
            taken.extend(self._take_from(lane, most - len(taken)))
        return taken

    def started(self, job: LiveJob) -> None:
        """Counts a job as running that was not taken here (found running after a start)."""
        self._count(self._lane_key(job)[1], 1)

    def ended(self, job: LiveJob) -> None:
        """A job that was taken, or `started`, runs no more."""
        self._count(self._lane_key(job)[1], -1)

    def position(self, job: LiveJob) -> int:
        """1 + the number of due jobs before this one, which may be in or not."""
        rank = job.rank
        before: int = sum(lane.items.bisect_left(rank) for lane in self._lanes.values())
        return 1 + before

    def first(self) -> LiveJob | None:
        """The first job by rank, whether it may start or not."""
        heads = [lane.items[0] for lane in self._lanes.values()]
        return min(heads)[3] if heads else None

    def key_is_full(self, job: LiveJob) -> bool:
        return self._full(self._lane_key(job)[1])

    def kinds(self) -> set[str]:
        return {kind for kind, _ in self._lanes}

    def _lane_key(self, job: LiveJob) -> LaneKey:
        return (job.kind, job.key if self._key_limit else "")

    def _full(self, key: str) -> bool:
        return bool(key) and self._running.get(key, 0) >= self._key_limit

    def _count(self, key: str, change: int) -> None:
        """More or fewer jobs of a key run: its lanes may open or close."""
        if not key:
            return
        running = self._running.pop(key, 0) + change
        if running:
            self._running[key] = running
        for kind in list(self._kinds_of.get(key, ())):
            self._relist(self._lanes[kind, key])

    def _first(self, kinds: Collection[str]) -> _Lane | None:
        for head in self._heads:
            key: LaneKey = head[3]
            if key[0] in kinds:
                return self._lanes[key]
        return None

    def _take_from(self, lane: _Lane, most: int) -> list[LiveJob]:
        """A run of jobs from the lane's front: all that come before the head of every other lane."""
        if len(self._heads) == 1 and not lane.key[1]:
            items: list[_Item] = list(lane.items.islice(0, most))
        else:
            items = [lane.items[0]]
        del lane.items[: len(items)]
        self._size -= len(items)
        self._relist(lane)
        self._count(lane.key[1], len(items))
        return [item[3] for item in items]

    def _relist(self, lane: _Lane) -> None:
        """Brings the list of heads up to date with a lane; one without jobs is forgotten."""
        if not lane.items and self._lanes.pop(lane.key, None) is not None:
            kinds = self._kinds_of[lane.key[1]]
            kinds.remove(lane.key[0])
            if not kinds:
                del self._kinds_of[lane.key[1]]
        head: Rank | None = lane.items[0][:3] if lane.items and not self._full(lane.key[1]) else None
        entry = (*head, lane.key) if head is not None else None
        if entry == lane.listed:
            return
        if lane.listed is not None:
            self._heads.remove(lane.listed)
        if entry is not None:
            self._heads.add(entry)
        lane.listed = entry

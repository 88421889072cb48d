"""The due jobs of one owner (in FIFO order: of all), and which of them may start.

Jobs lie on a shelf for each kind. Where the policy limits concurrency keys, a shelf also sorts them into lanes by key. A
lane whose key is at its limit is closed and costs nothing, however many jobs wait in it, so a claim never looks at a job
that may not start; the limit counts all kinds and owners of the key together.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from heapq import merge
from itertools import chain
from random import Random

from jobline_queue.core.live_job import LiveJob, Rank
from jobline_queue.dispatch.line import Line


class KeyLimit:
    """Running jobs by concurrency key, and the lanes that wait for them. `most` of a key run at once; 0: no limit."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._running: dict[str, int] = {}
        self._lanes: dict[str, list[_Lane]] = {}

    def is_full(self, key: str) -> bool:
        return bool(self.most and key) and self._running.get(key, 0) >= self.most

    def count(self, key: str, change: int) -> None:
        """More or fewer jobs of a key run: its lanes may open or close."""
        if not (self.most and key):
            return
        was_full = self.is_full(key)
        running = self._running.pop(key, 0) + change
        if running:
            self._running[key] = running
        if self.is_full(key) is not was_full:
            for lane in list(self._lanes.get(key, ())):
                lane.shelf.relist(lane)

    def running(self, key: str) -> int:
        """How many jobs of a key run; 0 where none are limited."""
        return self._running.get(key, 0)

    def enter(self, lane: _Lane) -> None:
        self._lanes.setdefault(lane.key, []).append(lane)

    def leave(self, lane: _Lane) -> None:
        lanes = self._lanes[lane.key]
        lanes.remove(lane)
        if not lanes:
            del self._lanes[lane.key]


class _Shelf:
    """Due jobs of one kind. Any of them may start."""

    def __init__(self) -> None:
        self.jobs: Line[LiveJob] = Line()

    @property
    def next(self) -> LiveJob | None:
        """The first job that may start."""
        return self.jobs.first

    def add(self, job: LiveJob) -> None:
        self.jobs.add(job)

    def remove(self, job: LiveJob) -> bool:
        return self.jobs.remove(job)

    def take(self, most: int) -> list[LiveJob]:
        """Takes out the first jobs that may start: at least one if there is one, at most `most`."""
        return self.jobs.take(most)

    def before_of_key(self, job: LiveJob) -> int:
        """How many jobs of its key have a lower rank; 0 where keys are not limited."""
        return 0

    def close(self) -> None:
        """It will not be used again."""


class _Lane(Line[LiveJob]):
    """Due jobs of one kind and key. Its rank is that of its first job; None while it is closed."""

    __slots__ = ("key", "rank", "shelf")

    def __init__(self, key: str, shelf: _KeyedShelf) -> None:
        super().__init__()
        self.key = key
        self.shelf = shelf
        self.rank: Rank | None = None


class _KeyedShelf(_Shelf):
    """Due jobs of one kind, by key as well. `changed` is called when a key has opened or closed a lane."""

    def __init__(self, keys: KeyLimit, changed: Callable[[], None]) -> None:
        super().__init__()
        self._keys = keys
        self._changed = changed
        self._lanes: dict[str, _Lane] = {}
        self._open: Line[_Lane] = Line()

    @property
    def next(self) -> LiveJob | None:
        lane = self._open.first
        return lane.first if lane is not None else None

    def add(self, job: LiveJob) -> None:
        super().add(job)
        lane = self._lanes.get(job.key)
        if lane is None:
            lane = self._lanes[job.key] = _Lane(job.key, self)
            self._keys.enter(lane)
        job.key = lane.key  # one object for all
        lane.add(job)
        self._list(lane)

    def remove(self, job: LiveJob) -> bool:
        if not super().remove(job):
            return False
        lane = self._lanes[job.key]
        lane.remove(job)
        self._list(lane)
        return True

    def take(self, most: int) -> list[LiveJob]:
        taken: list[LiveJob] = []
        while len(taken) < most and (lane := self._open.first) is not None:
            taken += lane.take(1)
            self._list(lane)
            self._keys.count(lane.key, 1)
        self.jobs.remove_all(taken)
        return taken

    def before_of_key(self, job: LiveJob) -> int:
        lane = self._lanes.get(job.key)
        return lane.before(job.rank) if lane is not None else 0

    def close(self) -> None:
        for lane in self._lanes.values():
            self._keys.leave(lane)

    def relist(self, lane: _Lane) -> None:
        self._list(lane)
        self._changed()

    def _list(self, lane: _Lane) -> None:
        """Lists a lane by its first job, if that may start; one without jobs is forgotten."""
        first = lane.first
        if first is None:
            del self._lanes[lane.key]
            self._keys.leave(lane)
        rank = None if first is None or self._keys.is_full(lane.key) else first.rank
        if rank == lane.rank:
            return
        if lane.rank is not None:
            self._open.remove(lane)
        lane.rank = rank
        if rank is not None:
            self._open.add(lane)


class Backlog:
    """Due jobs by rank. `changed` is called with a kind when jobs of it may start that could not, or no longer may,
    because another job of their key ended or started."""

    def __init__(self, keys: KeyLimit, changed: Callable[[str], None]) -> None:
        self._keys = keys
        self._changed = changed
        #: By kind; none is empty.
        self._shelves: dict[str, _Shelf] = {}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[LiveJob]:
        """All jobs by rank."""
        return merge(*(shelf.jobs for shelf in self._shelves.values()), key=lambda job: job.rank)

    @property
    def kinds(self) -> set[str]:
        return set(self._shelves)

    @property
    def first(self) -> LiveJob | None:
        """The first job, whether it may start or not."""
        firsts = [job for shelf in self._shelves.values() if (job := shelf.jobs.first) is not None]
        return firsts[0] if len(firsts) == 1 else min(firsts, key=lambda job: job.rank, default=None)

    @property
    def next(self) -> LiveJob | None:
        """The first job that may start."""
        return self.next_of(self._shelves)

    def next_of(self, kinds: Collection[str]) -> LiveJob | None:
        """The first job of these kinds that may start."""
        able = [job for kind, shelf in self._shelves.items() if kind in kinds and (job := shelf.next) is not None]
        return min(able, key=lambda job: job.rank, default=None)

    def counts(self) -> dict[str, int]:
        """How many jobs there are of each kind."""
        return {kind: len(shelf.jobs) for kind, shelf in self._shelves.items()}

    def any(self, rng: Random) -> LiveJob | None:
        """One of its jobs, each as likely as any other."""
        place = rng.randrange(self._size) if self._size else 0
        for shelf in self._shelves.values():
            if place < len(shelf.jobs):
                return shelf.jobs.at(place)
            place -= len(shelf.jobs)
        return None

    def unordered(self) -> Iterator[LiveJob]:
        """All jobs, where their order does not matter."""
        return chain.from_iterable(shelf.jobs for shelf in self._shelves.values())

    def add(self, job: LiveJob) -> None:
        shelf = self._shelves.get(job.kind)
        if shelf is None:
            shelf = self._shelves[job.kind] = self._new_shelf(job.kind)
        shelf.add(job)
        self._size += 1

    def remove(self, job: LiveJob) -> bool:
        """Takes a job out; False when it was not in."""
        shelf = self._shelves.get(job.kind)
        if shelf is None or not shelf.remove(job):
            return False
        self._size -= 1
        self._drop_empty(job.kind)
        return True

    def may_start(self, kind: str) -> bool:
        shelf = self._shelves.get(kind)
        return shelf is not None and shelf.next is not None

    def take(self, kinds: Collection[str], most: int) -> list[LiveJob]:
        """Takes out up to `most` jobs that may start, first ones first, and counts their keys."""
        shelves = {kind: shelf for kind, shelf in self._shelves.items() if kind in kinds}
        taken: list[LiveJob] = []
        while len(taken) < most:
            able = [(job.rank, shelf) for shelf in shelves.values() if (job := shelf.next) is not None]
            if not able:
                break
            _, first = min(able)
            taken += first.take(most - len(taken) if len(shelves) == 1 else 1)
        self._size -= len(taken)
        for kind in shelves:
            self._drop_empty(kind)
        return taken

    def before_each(self, ranks: Sequence[Rank]) -> list[int]:
        """For each rank, how many jobs have a lower one. The ranks ascend."""
        by_shelf = [shelf.jobs.before_each(ranks) for shelf in self._shelves.values()]
        if len(by_shelf) == 1:
            return by_shelf[0]
        return [sum(counts[index] for counts in by_shelf) for index in range(len(ranks))]

    def before_of_kinds(self, rank: Rank, kinds: Collection[str]) -> int:
        """How many jobs of these kinds have a lower rank."""
        return sum(shelf.jobs.before(rank) for kind, shelf in self._shelves.items() if kind in kinds)

    def before_of_key(self, job: LiveJob) -> int:
        """How many jobs of its key have a lower rank; 0 where keys are not limited."""
        return sum(shelf.before_of_key(job) for shelf in self._shelves.values())

    def close(self) -> None:
        """It will not be used again: keys that open and close need not look for it."""
        for shelf in self._shelves.values():
            shelf.close()

    def _drop_empty(self, kind: str) -> None:
        if not self._shelves[kind].jobs:
            del self._shelves[kind]

    def _new_shelf(self, kind: str) -> _Shelf:
        if not self._keys.most:
            return _Shelf()
        return _KeyedShelf(self._keys, lambda: self._changed(kind))

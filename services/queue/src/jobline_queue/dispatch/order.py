"""Which due job of a queue goes first: the two orders that a policy can ask for.

Both are work-conserving (a job that may start is never held back for one that may not), keep priorities, then `run_at`,
then insertion within an owner, and count the limits of concurrency keys; `fair_order.py` adds the turns of owners.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from random import Random
from typing import Protocol

from jobline_queue.core.live_job import LiveJob
from jobline_queue.dispatch.backlog import Backlog, KeyLimit


class Order(Protocol):
    """The due jobs of one queue. Iteration gives all of them by rank."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[LiveJob]: ...

    def add(self, job: LiveJob) -> None: ...

    def discard(self, job: LiveJob) -> bool:
        """Takes a job out; False when it was not in."""

    def next(self, kinds: Collection[str]) -> LiveJob | None:
        """The job that `take` would take out first."""

    def take(self, kinds: Collection[str], most: int) -> list[LiveJob]:
        """Takes out up to `most` jobs that may start, first ones first, and counts them as running."""

    def take_past(self, job: LiveJob) -> None:
        """Takes out a due job that may start, past all others, and counts it as running. Its owner pays for the turn."""

    def started(self, job: LiveJob) -> None:
        """Counts a job as running that was not taken here."""

    def ended(self, job: LiveJob, *, unpaid: bool = False) -> None:
        """A job that was taken, or `started`, runs no more. `unpaid`: it never ran, and its owner gets the turn back."""

    def positions(self, jobs: Sequence[LiveJob]) -> list[int]:
        """The 1-based places of due jobs, given by rank, in the order in which jobs start when a slot is free for each in
        turn, a worker takes every kind, and no key is full. In FIFO order also of jobs that are not in, as if each were."""

    def head(self) -> LiveJob | None:
        """The job at place 1."""

    def first(self) -> LiveJob | None:
        """The job of the lowest rank, whether it may start or not."""

    def key_is_full(self, job: LiveJob) -> bool: ...

    def key_load(self, job: LiveJob) -> tuple[int, int]:
        """How many jobs of its key run, and how many wait that come before it."""

    def kinds(self) -> set[str]: ...

    def counts(self) -> Mapping[str, int]:
        """How many jobs there are of each kind; not to be changed."""

    def before_of_kinds(self, job: LiveJob, kinds: Collection[str]) -> int | None:
        """How many jobs of these kinds come before a due one; None where that would take a search."""

    def first_kinds(self, most: int) -> list[str]:
        """The kinds of the first jobs, in order; none where that would take a search."""

    def any(self, rng: Random) -> LiveJob | None:
        """A random job; in fair order, of a random owner that has one which may start."""

    def listed(self, owner: str) -> list[LiveJob]:
        """The owner's jobs (empty: all), in no order."""

    def new_backlog(self) -> Backlog:
        """An empty backlog under the same limits of keys, for some of the jobs."""


class FifoOrder:
    """One line for all owners. `key_limit` is the most jobs of a key running at once; 0: none.

    Costs, for n jobs: everything O(log n) and usually O(1) a job; with k kinds take and positions are O(k).
    """

    def __init__(self, key_limit: int = 0) -> None:
        self._keys = KeyLimit(key_limit)
        self._backlog = Backlog(self._keys, lambda _kind: None)

    def __len__(self) -> int:
        return len(self._backlog)

    def __iter__(self) -> Iterator[LiveJob]:
        return iter(self._backlog)

    def add(self, job: LiveJob) -> None:
        self._backlog.add(job)

    def discard(self, job: LiveJob) -> bool:
        return self._backlog.remove(job)

    def next(self, kinds: Collection[str]) -> LiveJob | None:
        return self._backlog.next_of(kinds)

    def take(self, kinds: Collection[str], most: int) -> list[LiveJob]:
        return self._backlog.take(kinds, most)

    def take_past(self, job: LiveJob) -> None:
        self._backlog.remove(job)
        self.started(job)

    def started(self, job: LiveJob) -> None:
        self._keys.count(job.key, 1)

    def ended(self, job: LiveJob, *, unpaid: bool = False) -> None:
        self._keys.count(job.key, -1)

    def positions(self, jobs: Sequence[LiveJob]) -> list[int]:
        return [1 + before for before in self._backlog.before_each([job.rank for job in jobs])]

    def head(self) -> LiveJob | None:
        return self._backlog.first

    def first(self) -> LiveJob | None:
        return self._backlog.first

    def key_is_full(self, job: LiveJob) -> bool:
        return self._keys.is_full(job.key)

    def key_load(self, job: LiveJob) -> tuple[int, int]:
        return self._keys.running(job.key), self._backlog.before_of_key(job)

    def kinds(self) -> set[str]:
        return self._backlog.kinds

    def counts(self) -> Mapping[str, int]:
        return self._backlog.counts()

    def before_of_kinds(self, job: LiveJob, kinds: Collection[str]) -> int | None:
        return self._backlog.before_of_kinds(job.rank, kinds)

    def first_kinds(self, most: int) -> list[str]:
        return [job.kind for job in islice(self._backlog, most)]

    def any(self, rng: Random) -> LiveJob | None:
        return self._backlog.any(rng)

    def listed(self, owner: str) -> list[LiveJob]:
        jobs = self._backlog.unordered()
        return [job for job in jobs if job.owner == owner] if owner else list(jobs)  # 40 ns a job

    def new_backlog(self) -> Backlog:
        return Backlog(self._keys, lambda _kind: None)

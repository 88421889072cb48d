"""Fair order: owners take turns, whatever they have waiting.

Stride scheduling (C. A. Waldspurger, W. E. Weihl, *Stride Scheduling: Deterministic Proportional-Share Resource
Management*, MIT/LCS/TM-528, 1995): each owner has a *pass*, the virtual time of its next turn. The next job is one of the
owner with the lowest pass; its pass then moves on by its *stride*, the inverse of its weight, and the virtual time of the
queue is the highest pass that had its turn. What follows from four rules:

* **An owner enters at the end of the round**: with its stride added to the virtual time. So a flood of new owners starves
  nobody, and nothing need be remembered of an owner that has no jobs left: its next pass would not be higher.
* **Whoever was passed over gets one turn, not all that it missed**: a pass behind the virtual time is moved up to it when
  its turn comes. So waiting for a key, or for a worker of the right kind, banks no credit.
* **Whoever goes past the others pays as well** (`take_past`): its pass moves on, the virtual time does not, so nobody else
  loses a turn by it, and over time the shares are the same.
* **A claim that was not stored costs nothing**: the pass goes back by the stride, and the virtual time with it. A run that
  was handed out is paid for, whatever becomes of it.

Owners that always have a job which may start differ by at most one job (by their weights) over any stretch of time. Keys
are inside: an owner that spreads over many has no more turns. Arithmetic is in integers, so positions are exact.

Costs, for m owners: take O(log m) a job; positions O(m), and for more than a few jobs together O(m log m).
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from heapq import merge
from random import Random

from jobline_queue.core.live_job import LiveJob
from jobline_queue.dispatch.backlog import Backlog, KeyLimit
from jobline_queue.dispatch.line import Line
from jobline_queue.dispatch.turns import Moment, Turns, turns_before

#: The stride of weight 1: the least common multiple of 1 to 16, so that such weights are kept exactly.
ROUND = 720_720


class _Owner:
    """An owner that has due or running jobs. Its rank is (pass, number): equal passes go by who came first."""

    __slots__ = ("backlog", "listed", "name", "rank", "running", "stride")

    def __init__(self, name: str, stride: int, rank: tuple[int, int]) -> None:
        self.name = name
        self.stride = stride
        self.rank = rank
        self.running = 0
        self.backlog: Backlog
        #: The kinds of which it has a job that may start.
        self.listed: set[str] = set()


class FairOrder:
    """Turns by owner. `weights` are turns in a round, by owner; 1 for an owner that is not in."""

    def __init__(self, key_limit: int = 0, weights: Mapping[str, int] | None = None) -> None:
        self._keys = KeyLimit(key_limit)
        self._weights = weights or {}
        self._owners: dict[str, _Owner] = {}
        #: By kind, the owners that have a job of it that may start.
        self._ready: dict[str, Line[_Owner]] = {}
        self._counts: Counter[str] = Counter()
        self._now = 0
        self._numbers = itertools.count()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[LiveJob]:
        return merge(*(owner.backlog for owner in self._owners.values()), key=lambda job: job.rank)

    # ---- jobs -------------------------------------------------------------------------------------------------------

    def add(self, job: LiveJob) -> None:
        owner = self._enter(job.owner)
        owner.backlog.add(job)
        self._size += 1
        self._counts[job.kind] += 1
        self._list(owner, job.kind)

    def discard(self, job: LiveJob) -> bool:
        owner = self._owners.get(job.owner)
        if owner is None or not owner.backlog.remove(job):
            return False
        self._size -= 1
        self._uncount(job.kind)
        self._list(owner, job.kind)
        self._leave(owner)
        return True

    def next(self, kinds: Collection[str]) -> LiveJob | None:
        owner = self._next(kinds)
        return None if owner is None else owner.backlog.next_of(kinds)

    def take(self, kinds: Collection[str], most: int) -> list[LiveJob]:
        taken: list[LiveJob] = []
        while len(taken) < most and (owner := self._next(kinds)) is not None:
            (job,) = owner.backlog.take(kinds, 1)
            owner.running += 1
            self._uncount(job.kind)
            self._now = max(self._now, owner.rank[0])
            self._move(owner, self._now + owner.stride)
            self._list(owner, job.kind)
            taken.append(job)
        self._size -= len(taken)
        return taken

    def take_past(self, job: LiveJob) -> None:
        self.started(job)  # first, so that its owner is never without jobs
        self.discard(job)
        owner = self._owners[job.owner]
        self._move(owner, max(self._now, owner.rank[0]) + owner.stride)

    def started(self, job: LiveJob) -> None:
        self._keys.count(job.key, 1)
        self._enter(job.owner).running += 1

    def ended(self, job: LiveJob, *, unpaid: bool = False) -> None:
        self._keys.count(job.key, -1)
        owner = self._owners[job.owner]
        owner.running -= 1
        if unpaid:
            self._move(owner, owner.rank[0] - owner.stride)
            self._now = min(self._now, owner.rank[0])
        self._leave(owner)

    def first(self) -> LiveJob | None:
        firsts = [job for owner in self._owners.values() if (job := owner.backlog.first) is not None]
        return min(firsts, key=lambda job: job.rank, default=None)

    def key_is_full(self, job: LiveJob) -> bool:
        return self._keys.is_full(job.key)

    def key_load(self, job: LiveJob) -> tuple[int, int]:
        """Of those that wait, its owner's."""
        owner = self._owners.get(job.owner)
        return self._keys.running(job.key), owner.backlog.before_of_key(job) if owner is not None else 0

    def kinds(self) -> set[str]:
        return set().union(*(owner.backlog.kinds for owner in self._owners.values()))

    def counts(self) -> Mapping[str, int]:
        return self._counts

    def before_of_kinds(self, job: LiveJob, kinds: Collection[str]) -> int | None:
        return None

    def first_kinds(self, most: int) -> list[str]:
        return []

    def any(self, rng: Random) -> LiveJob | None:
        if not self._ready:
            return None
        line = self._ready[rng.choice(list(self._ready))]
        return line.at(rng.randrange(len(line))).backlog.any(rng)

    def listed(self, owner: str) -> list[LiveJob]:
        if not owner:
            return [job for each in self._owners.values() for job in each.backlog.unordered()]
        mine = self._owners.get(owner)
        return list(mine.backlog.unordered()) if mine is not None else []

    def new_backlog(self) -> Backlog:
        return Backlog(self._keys, lambda _kind: None)

    def positions(self, jobs: Sequence[LiveJob]) -> list[int]:
        by_owner: dict[str, list[LiveJob]] = {}
        for job in jobs:
            by_owner.setdefault(job.owner, []).append(job)
        moments: dict[LiveJob, Moment] = {}
        for name, mine in by_owner.items():
            owner = self._owners[name]
            places = owner.backlog.before_each([job.rank for job in mine])
            moments.update((job, self._moment(owner, place)) for job, place in zip(mine, places, strict=True))
        ascending = sorted(moments.values())
        before = dict(zip(ascending, turns_before(self._turns(), ascending), strict=True))
        return [1 + before[moments[job]] for job in jobs]

    def head(self) -> LiveJob | None:
        waiting = [owner for owner in self._owners.values() if owner.backlog]
        return min(waiting, key=lambda owner: owner.rank).backlog.first if waiting else None

    # ---- turns ------------------------------------------------------------------------------------------------------

    def _moment(self, owner: _Owner, place: int) -> Moment:
        """When the job at a place of its owner's backlog has its turn: the first at its pass, those that follow a stride
        apart."""
        first, number = owner.rank
        return (max(first, self._now) + place * owner.stride if place else first), number

    def _turns(self) -> list[Turns]:
        """The turns of all that wait."""
        now, turns = self._now, []
        for owner in self._owners.values():
            if waiting := len(owner.backlog):
                first, number = owner.rank
                stride = owner.stride
                if first < now:
                    turns.append((first, number, stride, 1))
                    first, waiting = now + stride, waiting - 1
                turns.append((first, number, stride, waiting))
        return turns

    # ---- owners -----------------------------------------------------------------------------------------------------

    def _uncount(self, kind: str) -> None:
        self._counts[kind] -= 1
        if not self._counts[kind]:
            del self._counts[kind]

    def _enter(self, name: str) -> _Owner:
        owner = self._owners.get(name)
        if owner is None:
            stride = ROUND // self._weights.get(name, 1)
            owner = self._owners[name] = _Owner(name, stride, (self._now + stride, next(self._numbers)))
            owner.backlog = Backlog(self._keys, partial(self._list, owner))
        return owner

    def _leave(self, owner: _Owner) -> None:
        if not owner.running and not owner.backlog:
            del self._owners[owner.name]

    def _next(self, kinds: Collection[str]) -> _Owner | None:
        """The owner whose turn it is among those that have a job of these kinds that may start."""
        firsts = [owner for kind in kinds if (line := self._ready.get(kind)) and (owner := line.first)]
        return min(firsts, key=lambda owner: owner.rank, default=None)

    def _list(self, owner: _Owner, kind: str) -> None:
        """Lists an owner among those that have a job of the kind that may start, or no longer."""
        may_start = owner.backlog.may_start(kind)
        if may_start and kind not in owner.listed:
            owner.listed.add(kind)
            self._ready.setdefault(kind, Line()).add(owner)
        elif not may_start and kind in owner.listed:
            owner.listed.remove(kind)
            self._ready[kind].remove(owner)
            if not self._ready[kind]:
                del self._ready[kind]

    def _move(self, owner: _Owner, to: int) -> None:
        for kind in owner.listed:
            self._ready[kind].remove(owner)
        owner.rank = (to, owner.rank[1])
        for kind in owner.listed:
            self._ready[kind].add(owner)

"""What the dispatcher knows of one queue: its policy, its due jobs, and how many run."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence

from jobline_queue.core.live_job import LiveJob, Place, Rank
from jobline_queue.core.policy import QueuePolicy
from jobline_queue.dispatch.due_scope import DueScope
from jobline_queue.dispatch.fair_order import FairOrder
from jobline_queue.dispatch.order import FifoOrder, Order
from jobline_queue.dispatch.rate_window import RateWindow


class QueueState:
    """One queue. `running` counts jobs in leases and jobs picked for one."""

    def __init__(self, policy: QueuePolicy, now: float) -> None:
        self.policy = policy
        self.paused = policy.paused
        #: Held by whoever stores a pause or its end: they take effect in the order in which they were asked for, whether
        #: their callers still wait or not.
        self.switching = asyncio.Lock()
        key_limit = policy.max_running_per_key
        self.order: Order = FairOrder(key_limit, policy.weights) if policy.is_fair else FifoOrder(key_limit)
        self.running = 0
        #: Of those, the ones picked for a lease that is not committed yet, as they were picked: whoever looks sees them
        #: pending.
        self.picked: dict[LiveJob, None] = {}
        #: Their ranks, sorted, once somebody has asked for a position.
        self._picked_ranks: list[Rank] | None = None
        self.delayed = 0
        #: The scopes that are open, by owner. They are told what moves, and none of it where there are none.
        self.scopes: dict[str, list[DueScope]] = {}
        #: The owners of scopes that jobs were picked in since the last time that the order had its turn.
        self._had_turn: set[str] = set()
        self.rate = RateWindow(policy.rate, now) if policy.rate else None

    @property
    def limited(self) -> bool:
        """Claims of a limited queue look whether the jobs' rows are still there, and follow an end in its statement."""
        return bool(self.policy.max_running)

    def startable(self, most: int, now: float, freed: int = 0) -> int:
        """How many of `most` jobs the pause, the limit and the rate allow to start; `freed` slots count as free."""
        if self.paused:
            return 0
        if self.policy.max_running:
            most = min(most, self.policy.max_running - self.running + freed)
        if self.rate:
            most = min(most, self.rate.available(now))
        return max(0, most)

    def pick(self, kinds: Collection[str], most: int, now: float) -> list[LiveJob]:
        """Takes the first jobs out of the order and counts them as running."""
        jobs = self.order.take(kinds, most)
        if jobs:
            self._had_turn.clear()
        if self.rate:
            self.rate.use(len(jobs), now)
        self._note_picked(jobs)
        return jobs

    def pick_in(self, scope: DueScope, most: int, now: float) -> list[LiveJob]:
        """The same with the first jobs of a scope, past all others."""
        jobs: list[LiveJob] = []
        while len(jobs) < most and (job := scope.next) is not None:
            self.order.take_past(job)
            self._note_picked((job,))
            jobs.append(job)
        if jobs:
            self._had_turn.add(scope.owner)
        if self.rate:
            self.rate.use(len(jobs), now)
        return jobs

    def pick_past_order(self, jobs: Collection[LiveJob]) -> None:
        """Counts new jobs as running that were never in the order, because nothing was before them."""
        for job in jobs:
            self.order.started(job)
        self._note_picked(jobs)

    def granted(self, jobs: Iterable[LiveJob]) -> None:
        """The lease of picked jobs is committed."""
        for job in jobs:
            del self.picked[job]
        self._picked_ranks = None

    def stop(self, job: LiveJob, *, unpaid: bool = False) -> None:
        """A picked or leased job runs no more; its slot is free. `unpaid`: it never ran."""
        self.running -= 1
        if job in self.picked:
            del self.picked[job]
            self._picked_ranks = None
        self.order.ended(job, unpaid=unpaid)

    def position(self, job: LiveJob) -> int:
        """The place of a due or picked job among both. In fair order what was picked had its turn; in FIFO order it keeps
        its place, because one that may not start does not fall back behind those that pass it."""
        if self.policy.is_fair:
            if job in self.picked:
                return 1 + list(self.picked).index(job)
            return len(self.picked) + self.order.position(job)
        if self._picked_ranks is None:
            self._picked_ranks = sorted(picked.rank for picked in self.picked)
        return self.order.position(job) + bisect_left(self._picked_ranks, job.rank)

    def _note_picked(self, jobs: Collection[LiveJob]) -> None:
        self.running += len(jobs)
        self.picked.update(dict.fromkeys(jobs))
        self._picked_ranks = None
        for job in jobs:
            job.place = Place.PICKED
            if self.scopes:
                self.moved(job)

    # ---- scopes -----------------------------------------------------------------------------------------------------

    def open_scope(self, scope: DueScope) -> None:
        self.scopes.setdefault(scope.owner, []).append(scope)

    def close_scope(self, scope: DueScope) -> None:
        scopes = self.scopes[scope.owner]
        scopes.remove(scope)
        if not scopes:
            del self.scopes[scope.owner]
        scope.close()

    def moved(self, job: LiveJob) -> None:
        """A live job has come into the order, gone out of it, or has another `run_at`."""
        for scope in self._scopes_of(job):
            scope.place(job)

    def gone(self, job: LiveJob) -> None:
        """A job lives no more."""
        for scope in self._scopes_of(job):
            scope.drop(job)

    def wake_scopes(self) -> None:
        """The queue was paused: who waits for jobs of a scope need not."""
        for scopes in self.scopes.values():
            for scope in scopes:
                scope.wake()

    @property
    def owes_scopes(self) -> bool:
        """Whether the next slot goes to a call that claims past all others."""
        return any(
            scope.is_called_for
            for owner, scopes in self.scopes.items()
            if owner not in self._had_turn
            for scope in scopes
        )

    def is_past_turn(self, scope: DueScope) -> bool:
        """Whether the order comes first: jobs of the owner were picked past it already, and many calls are as one."""
        return scope.owner in self._had_turn

    def _scopes_of(self, job: LiveJob) -> Sequence[DueScope]:
        everyones = self.scopes.get("", ())
        return [*everyones, *self.scopes.get(job.owner, ())] if job.owner else everyones

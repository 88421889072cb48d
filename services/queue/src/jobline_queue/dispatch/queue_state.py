"""What the dispatcher knows of one queue: its policy, its due jobs, and how many run."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from operator import attrgetter

from jobline_queue.core.live_job import LiveJob, Place, Rank
from jobline_queue.core.policy import QueuePolicy
from jobline_queue.core.stored_queue import BY_POLICY
from jobline_queue.dispatch.due_scope import DueScope
from jobline_queue.dispatch.fair_order import FairOrder
from jobline_queue.dispatch.line import Line
from jobline_queue.dispatch.order import FifoOrder, Order
from jobline_queue.dispatch.rate_window import RateWindow


class _Later(Line[LiveJob]):
    """Jobs by the time at which they are due."""

    __slots__ = ()
    _rank_of = attrgetter("due_rank")


class QueueState:
    """One queue."""

    def __init__(self, policy: QueuePolicy, now: float) -> None:
        #: What is in force: the queue's own policy, or that with an operator's limit.
        self.policy = policy
        self._own_policy = policy
        self.pause = BY_POLICY if policy.paused else None
        #: Held by whoever stores a pause, its end or a limit: they take effect in the order in which they were asked for,
        #: whether their callers still wait or not.
        self.switching = asyncio.Lock()
        key_limit = policy.max_running_per_key
        self.order: Order = FairOrder(key_limit, policy.weights) if policy.is_fair else FifoOrder(key_limit)
        #: Places that are taken, which is what limits count: by jobs in leases, and by jobs picked for one.
        self.taken = 0
        #: Of those, the ones picked for a lease that is not committed yet, as they were picked: whoever looks sees them
        #: pending.
        self.picked: dict[LiveJob, None] = {}
        #: The ranks of those and of what is held back, sorted, once somebody has asked for a position.
        self._ranks_away: list[Rank] | None = None
        #: Those that are not due.
        self.later = _Later()
        #: Due jobs whose claim was refused, and until when (epoch seconds) they are out of the order.
        self.held_back: dict[LiveJob, float] = {}
        #: (until, entry number, job): the same by time, and what was let go before its time.
        self._held_until: list[tuple[float, int, LiveJob]] = []
        self._entries = itertools.count()
        #: The scopes that are open, by owner. They are told what moves, and none of it where there are none.
        self.scopes: dict[str, list[DueScope]] = {}
        #: The owners of scopes that jobs were picked in since the last time that the order had its turn.
        self._had_turn: set[str] = set()
        self.rate = RateWindow(policy.rate, now) if policy.rate else None

    @property
    def paused(self) -> bool:
        return self.pause is not None

    @property
    def running(self) -> int:
        """How many jobs are in leases: at most as many as the limit allows, at every moment."""
        return self.taken - len(self.picked)

    @property
    def ready(self) -> int:
        """How many jobs wait and are due. A new one that is handed out at once counts while it is stored."""
        return len(self.order) + len(self.held_back) + len(self.picked)

    @property
    def delayed(self) -> int:
        """How many jobs wait and are not due."""
        return len(self.later)

    @property
    def limit(self) -> int | None:
        """An operator's limit, in force instead of the policy's; None: there is none."""
        return None if self.policy is self._own_policy else self.policy.max_running

    @limit.setter
    def limit(self, most: int | None) -> None:
        self.policy = self._own_policy if most is None else replace(self._own_policy, max_running=most)

    @property
    def limited(self) -> bool:
        """Claims of a limited queue look whether the jobs' rows are still there, and follow an end in its statement."""
        return bool(self.policy.max_running)

    def startable(self, most: int, now: float, freed: int = 0) -> int:
        """How many of `most` jobs the pause, the limit and the rate allow to start; `freed` slots count as free."""
        if self.pause is not None:
            return 0
        if self.policy.max_running:
            most = min(most, self.policy.max_running - self.taken + freed)
        if self.rate:
            most = min(most, self.rate.available(now))
        return max(0, most)

    def pick(self, kinds: Collection[str], most: int, now: float) -> list[LiveJob]:
        """Takes the first jobs out of the order and gives them places."""
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
        """Gives places to new jobs that were never in the order, because nothing was before them."""
        for job in jobs:
            self.order.started(job)
        self._note_picked(jobs)

    def granted(self, jobs: Iterable[LiveJob]) -> None:
        """The lease of picked jobs is committed."""
        for job in jobs:
            del self.picked[job]
        self._ranks_away = None

    def stop(self, job: LiveJob, *, unpaid: bool = False) -> None:
        """A picked or leased job runs no more; its slot is free. `unpaid`: it never ran."""
        self.taken -= 1
        if job in self.picked:
            del self.picked[job]
            self._ranks_away = None
        self.order.ended(job, unpaid=unpaid)

    def _note_picked(self, jobs: Collection[LiveJob]) -> None:
        self.taken += len(jobs)
        self.picked.update(dict.fromkeys(jobs))
        self._ranks_away = None
        for job in jobs:
            job.place = Place.PICKED
            if self.scopes:
                self.moved(job)

    # ---- jobs that are not in the order -----------------------------------------------------------------------------

    def hold_back(self, job: LiveJob, until: float) -> None:
        """Keeps a due job out of the order until then."""
        self.held_back[job] = until
        heapq.heappush(self._held_until, (until, next(self._entries), job))
        self._ranks_away = None

    def let_go(self, job: LiveJob) -> None:
        """Takes out a job that is held back."""
        del self.held_back[job]
        self._ranks_away = None

    def take_due(self, now: float) -> list[LiveJob]:
        """Takes out the delayed jobs, and those held back, whose time has come."""
        due = self.later.take(self.later.before((now, math.inf)))
        while self._held_next <= now:
            _, _, job = heapq.heappop(self._held_until)
            self.let_go(job)
            due.append(job)
        return due

    @property
    def next_due(self) -> float:
        """When the next of them may start; infinite without any."""
        first = self.later.first
        return self._held_next if first is None else min(first.run_at, self._held_next)

    @property
    def _held_next(self) -> float:
        """When the next one that is held back may start; infinite without any."""
        while self._held_until:
            until, _, job = self._held_until[0]
            if self.held_back.get(job) == until:
                return until
            heapq.heappop(self._held_until)
        return math.inf

    @property
    def ranks_away(self) -> list[Rank]:
        """The ranks of the due jobs that are not in the order for a moment, sorted."""
        if self._ranks_away is None:
            self._ranks_away = sorted(job.rank for job in (*self.picked, *self.held_back))
        return self._ranks_away

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

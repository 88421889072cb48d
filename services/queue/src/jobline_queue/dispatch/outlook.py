"""What lies before one queue at one moment: who takes its jobs, what runs, what waits, and the plans that follow from it.

Workers need not take every kind. Kinds that the same workers take share a *pool*, and each pool has a plan of its own: its
servers are those workers' places, its line are the jobs that they take. A worker with pools in common counts in each of them,
so a plan may hope for too much; the queue's calibration sees that.

A worker that claims job by job (the unary twins of the stream) is there only while it asks or holds something: what it holds
counts as its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, islice
from math import sqrt

from jobline_queue.core.live_job import Lease, LiveJob, Place
from jobline_queue.core.pace import Pace
from jobline_queue.core.planner import LEVELS, LEVELS_ASIDE, STEPS, Plan, Situation, both, plan, stands_for
from jobline_queue.dispatch.queue_state import QueueState
from jobline_queue.dispatch.run_times import RunTimes
from jobline_queue.dispatch.session import Session

#: How many times a sample of the work has, and of how many kinds at most.
_SAMPLE, _KINDS = 128, 32
_EVENLY = [(index + 0.5) / _SAMPLE for index in range(_SAMPLE)]
#: At most so many running jobs are looked at.
_LOOKED_AT = 4096
#: The 0.9 quantile of the normal distribution.
_NORMAL_P90 = 1.2816

Kinds = frozenset[str]


@dataclass(frozen=True)
class Pool:
    """A plan, the kinds that it is about (None: all), and their share of the queue's line."""

    plan: Plan
    kinds: Kinds | None
    share: float

    def place(self, job: LiveJob, position: int, state: QueueState) -> float:
        """The place in the plan's line of a job at a position in the queue's."""
        if self.kinds is None:
            return position
        before = state.order.before_of_kinds(job, self.kinds) if job.place is Place.DUE else None
        return 1 + (max(0, position - 1) * self.share if before is None else before)


@dataclass(frozen=True)
class Runs:
    """How long runs of a kind take: for each path of a plan, and in short."""

    times: Sequence[float]
    p50: float
    p90: float
    mean: float
    deviation: float

    @classmethod
    def of(cls, pace: Pace) -> Runs:
        times = pace.draws(LEVELS)
        mean = sum(times) / len(times)
        return cls(times, *both(times), mean, sqrt(sum((time - mean) ** 2 for time in times) / len(times)))


def places_of(session: Session, queue: str) -> int:
    """How many jobs of a queue a session may hold at once."""
    if session.most is not None and not session.attached:
        return session.held.get(queue, 0)
    if not session.attached or session.draining or session.silent:
        return 0
    capacity = session.capacity.get(queue, 0)
    return capacity if session.most is None else min(capacity, session.most)


class Outlook:
    """A queue as of `at` (epoch seconds). A plan is made when the first job of its pool is asked for."""

    def __init__(
        self, state: QueueState, sessions: Sequence[Session], leases: Sequence[Lease], times: RunTimes, at: float
    ) -> None:
        self.at = at
        self._state = state
        self._queue = state.policy.queue
        self._leases = leases
        self._times = times
        self._places: dict[Kinds, int] = {}
        self._counted = set()
        for session in sessions:
            if places := places_of(session, self._queue):
                self._places[session.kinds] = self._places.get(session.kinds, 0) + places
                self._counted.add(session.id)
        self._pools: dict[frozenset[Kinds], Pool] = {}
        self._known: dict[str, tuple[Runs, Pool]] = {}

    def of(self, kind: str) -> tuple[Runs, Pool] | None:
        """What a kind's estimates are made from; None: no worker takes it (`takes`), or no run of it has ended."""
        known = self._known.get(kind)
        if known is None and self.takes(kind) and (pace := self._times.of(self._queue, kind)) is not None:
            known = self._known[kind] = (
                Runs.of(pace),
                self._pool(frozenset(each for each in self._places if kind in each)),
            )
        return known

    def takes(self, kind: str) -> bool:
        """Whether a connected worker takes the kind."""
        return any(kind in kinds for kinds in self._places)

    def _pool(self, taking: frozenset[Kinds]) -> Pool:
        if taking not in self._pools:
            self._pools[taking] = self._new_pool(taking)
        return self._pools[taking]

    def _new_pool(self, taking: frozenset[Kinds]) -> Pool:
        state, kinds = self._state, frozenset().union(*taking)
        every = taking == self._places.keys()
        counts = {kind: count for kind, count in state.order.counts().items() if every or kind in kinds}
        waiting, due = sum(counts.values()), len(state.order)
        share = 1.0 if every or not due else max(waiting, 1) / due
        servers = sum(self._places[each] for each in taking)
        if limit := state.policy.max_running:
            servers = min(servers, limit)
        running, alike = self._running(kinds if not every else None)
        each = stands_for(servers, len(running) * alike)
        rate = state.rate
        work, known = self._work(counts)
        situation = Situation(
            servers,
            len(running) * alike,
            [self._rest(job, index) for index, job in enumerate(running[:: max(1, each // alike)])],
            round((due + state.delayed + len(state.picked)) * share),
            work,
            self._near(counts) if every and each == 1 else (),
            known,
            (lambda position: rate.start_at(position, self.at) - self.at) if rate is not None else None,
        )
        return Pool(plan(situation), None if every else kinds, share)

    def _running(self, kinds: Kinds | None) -> tuple[list[LiveJob], int]:
        """The running jobs (of these kinds; None: of all) whose ends make room: where the queue is limited, all of them. Of
        very many some, and for how many each stands."""
        limited, counted = self._state.limited, self._counted
        leases = [lease for lease in self._leases if limited or lease.session_id in counted]
        alike = 1 + sum(len(lease.jobs) for lease in leases) // _LOOKED_AT
        leased = chain.from_iterable(lease.jobs.values() for lease in leases)
        found = [*self._state.picked, *islice(leased, 0, None, alike)]
        return (found if kinds is None else [job for job in found if job.kind in kinds]), alike

    def _rest(self, job: LiveJob, number: int) -> Sequence[float]:
        levels = LEVELS_ASIDE[number % len(LEVELS_ASIDE)]
        return self._times.rests(job, self.at, levels) or self._pace("").rests(self._age(job), levels)

    def _age(self, job: LiveJob) -> float:
        return max(0.0, self.at - (job.started_at or self.at))

    def _pace(self, kind: str) -> Pace:
        pace = self._times.of(self._queue, kind) or self._times.of(self._queue)
        assert pace is not None
        return pace

    def _work(self, counts: dict[str, int]) -> tuple[list[float], int]:
        """A sample of the run times of what waits, and how many times it is made from."""
        if not counts:
            pace = self._pace("")
            return pace.draws(_EVENLY), len(pace)
        kinds = sorted(counts, key=lambda kind: (-counts[kind], kind))[:_KINDS]
        total = sum(counts[kind] for kind in kinds)
        work: list[float] = []
        for kind in kinds:
            size = max(1, round(_SAMPLE * counts[kind] / total))
            work += self._pace(kind).draws([(index + 0.5) / size for index in range(size)])
        return work, sum(len(self._pace(kind)) for kind in kinds)

    def _near(self, counts: dict[str, int]) -> list[list[float]]:
        """Samples of the run times of the first jobs in line, where kinds are mixed."""
        if len(counts) < 2:
            return []
        samples: dict[str, list[float]] = {}
        near = []
        for kind in self._state.order.first_kinds(STEPS):
            if kind not in samples:
                samples[kind] = self._pace(kind).draws(_EVENLY)
            near.append(samples[kind])
        return near

    def key_wait(self, job: LiveJob, runs: Runs) -> tuple[float, float]:
        """p50 and p90 of how long other jobs of its key keep a due job from starting."""
        most = self._state.policy.max_running_per_key
        if not most or not job.key or job.place is not Place.DUE:
            return 0.0, 0.0
        running, before = self._state.order.key_load(job)
        rounds = (running + before + 1 - most) / most
        if rounds <= 0:
            return 0.0, 0.0
        wait = (rounds - 0.5 if running else rounds) * runs.mean
        return wait, wait + _NORMAL_P90 * sqrt(rounds / most) * runs.deviation

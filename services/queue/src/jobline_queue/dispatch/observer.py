"""Who is told of every start and end of a run, to count them: the tally of the present minute, the forecast.

An observer is told after the commit, and of what this term did: what a new term loads, nobody is told. It must neither fail
nor wait, and on the way that nearly every job takes it is called once a batch: it may spend a third of a microsecond on each
job of one, or looks at a few.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from jobline_queue.core.ending import RunEnd
from jobline_queue.core.live_job import Lease, LiveJob


class RunObserver(Protocol):
    def enqueued(self, queue: str, count: int) -> None:
        """Jobs were stored."""

    def granted(self, lease: Lease) -> None:
        """The jobs of a lease run from now on."""

    def succeeded(self, lease: Lease, jobs: Sequence[LiveJob], at: float) -> None:
        """Runs of a lease have succeeded, `at` an epoch second; the jobs are still as their runs left them."""

    def ended(self, job: LiveJob, lease: Lease, end: RunEnd | None, at: float) -> None:
        """A run has ended in another way, or a hook had a say in it. None: the job was removed. `job` is still as the run
        left it."""

    def cancelled(self, job: LiveJob) -> None:
        """A job was cancelled that did not run."""


class Observers(list[RunObserver]):
    """Observers that are told together."""

    def enqueued(self, jobs: Iterable[LiveJob]) -> None:
        """Tells of jobs of any queues; there may be none."""
        if self:
            counts: dict[str, int] = {}
            for job in jobs:
                counts[job.queue] = counts.get(job.queue, 0) + 1
            for queue, count in counts.items():
                for observer in self:
                    observer.enqueued(queue, count)

    def granted(self, lease: Lease) -> None:
        for observer in self:
            observer.granted(lease)

    def succeeded(self, lease: Lease, jobs: Sequence[LiveJob], at: float) -> None:
        for observer in self:
            observer.succeeded(lease, jobs, at)

    def ended(self, job: LiveJob, lease: Lease, end: RunEnd | None, at: float) -> None:
        for observer in self:
            observer.ended(job, lease, end, at)

    def cancelled(self, job: LiveJob) -> None:
        for observer in self:
            observer.cancelled(job)

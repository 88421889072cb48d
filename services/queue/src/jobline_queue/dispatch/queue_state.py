"""What the dispatcher knows of one queue: its policy, its due jobs, and how many run."""

from __future__ import annotations

from collections.abc import Collection

from jobline_queue.core.live_job import LiveJob, Place
from jobline_queue.core.policy import QueuePolicy
from jobline_queue.dispatch.order import Order
from jobline_queue.dispatch.rate_window import RateWindow


class QueueState:
    """One queue. `running` counts jobs in leases and jobs picked for one."""

    def __init__(self, policy: QueuePolicy, now: float) -> None:
        self.policy = policy
        self.paused = policy.paused
        self.order = Order(policy.max_running_per_key)
        self.running = 0
        #: Of those, the ones picked for a lease that is not committed yet: whoever looks sees them pending.
        self.picked: set[LiveJob] = set()
        self.delayed = 0
        self.rate = RateWindow(policy.rate, now) if policy.rate else None

    @property
    def limited(self) -> bool:
        """Claims of a limited queue also write the jobs' own rows, and follow an end in its transaction."""
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
        self.running += len(jobs)
        if self.rate:
            self.rate.use(len(jobs), now)
        self.picked.update(jobs)
        for job in jobs:
            job.place = Place.PICKED
        return jobs

    def stop(self, job: LiveJob) -> None:
        """A picked or leased job runs no more; its slot is free."""
        self.running -= 1
        self.picked.discard(job)
        self.order.ended(job)
        job.place = Place.NOWHERE

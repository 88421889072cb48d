"""Counts what each queue does, minute by minute, in memory: what the minute keeper writes and GetTrends adds to it.

A minute is closed by the first thing that happens after it, or by whoever looks, and the queues' levels are read then: until
something happens they are what they were when it ended.
"""

from __future__ import annotations

from collections.abc import Sequence

from jobline_queue.core.ending import RunEnd
from jobline_queue.core.lifecycle import Arrow, State
from jobline_queue.core.live_job import Lease, LiveJob
from jobline_queue.core.queue_counts import MAX_CODES, OTHER_CODES, QueueCounts, add_counts
from jobline_queue.core.time_buckets import bucket, count_times
from jobline_queue.core.trends import MINUTE, QueueMinute
from jobline_queue.dispatch.dispatcher import Dispatcher


class Tally:
    """A RunObserver."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._clock = dispatcher.clock
        self._minute = self._now()
        self._present: dict[str, QueueCounts] = {}
        self._closed: list[QueueMinute] = []
        #: The queues whose levels were not zero when the last minute was closed.
        self._was_filled: set[str] = set()

    @property
    def first(self) -> int:
        """The first minute that is not dropped."""
        return self._closed[0].minute if self._closed else self._minute

    def closed(self) -> list[QueueMinute]:
        """The minutes that are over and not dropped yet, in their order."""
        if self._now() != self._minute:
            self._close()
        return self._closed

    def close(self) -> list[QueueMinute]:
        """The same with the present minute, which ends now: what comes in the rest of it is one more minute of that name."""
        self._close()
        return self._closed

    def drop(self, minutes: Sequence[QueueMinute]) -> None:
        """The first closed minutes are stored."""
        del self._closed[: len(minutes)]

    def all(self) -> list[QueueMinute]:
        """The closed minutes, and the present one as it stands."""
        return [*self.closed(), *self._present_minute()]

    # ---- a RunObserver ----------------------------------------------------------------------------------------------

    def enqueued(self, queue: str, count: int) -> None:
        self._counts(queue).enqueued += count

    def granted(self, lease: Lease) -> None:
        counts = self._counts(lease.queue)
        counts.started += len(lease.jobs)
        due = [job.run_at if job.run_at > job.created_at else job.created_at for job in lease.jobs.values()]
        add_counts(counts.waits, count_times(due, lease.granted_at))

    def succeeded(self, lease: Lease, jobs: Sequence[LiveJob], at: float) -> None:
        counts = self._counts(lease.queue)
        counts.succeeded += len(jobs)
        if jobs:
            add_counts(counts.runs, {bucket(at - lease.granted_at): len(jobs)})

    def ended(self, job: LiveJob, lease: Lease, end: RunEnd | None, at: float) -> None:
        if end is None:
            return
        counts = self._counts(job.queue)
        if end.state is State.PENDING:
            counts.retried += end.error is not None
        else:
            name = end.state.value
            setattr(counts, name, getattr(counts, name) + 1)
        if end.error is not None:
            code = end.error.code
            known = code in counts.errors or len(counts.errors) < MAX_CODES
            add_counts(counts.errors, {code if known else OTHER_CODES: 1})
        if end.arrow is not Arrow.RESCUE or end.error is not None:  # or it never arrived, and there was no run
            add_counts(counts.runs, {bucket(at - lease.granted_at): 1})

    def cancelled(self, job: LiveJob) -> None:
        self._counts(job.queue).cancelled += 1

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _now(self) -> int:
        return int(self._clock.now() // MINUTE)

    def _counts(self, queue: str) -> QueueCounts:
        if self._now() != self._minute:
            self._close()
        counts = self._present.get(queue)
        if counts is None:
            counts = self._present[queue] = QueueCounts()
        return counts

    def _close(self) -> None:
        minutes = self._present_minute()
        self._closed += minutes
        self._was_filled = {name for _, name, counts in minutes if counts.ready or counts.delayed or counts.running}
        self._present = {}
        self._minute = self._now()

    def _present_minute(self) -> list[QueueMinute]:
        """Of the queues that did something in it, or that have jobs, or had some when it began."""
        minutes = []
        for name, state in self._dispatcher.queues.items():
            levels = (state.ready, state.delayed, state.running)
            if name in self._present or name in self._was_filled or any(levels):
                counts = self._present.get(name) or QueueCounts()
                counts.ready, counts.delayed, counts.running = levels
                minutes.append(QueueMinute(self._minute, name, counts))
        return minutes

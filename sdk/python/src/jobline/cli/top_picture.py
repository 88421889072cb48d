"""What `jobline top` shows, read in one go, and the figures that follow from it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from jobline.client import (
    AsyncJoblineClient,
    HeldJob,
    Quantiles,
    Queue,
    QueueTrends,
    TrendPoint,
    WorkerInfo,
)

__all__ = ["Picture", "PictureReader", "QueueView", "Rates", "RunView", "course"]

#: Wait and run times are those of this long: an hour would hide what has just begun.
_RECENT_MINUTES = 5
_HOUR_MINUTES = 60
#: Seconds for which the course of the hour is shown before it is read anew: it moves once a minute, and costs a query.
_HOUR_KEPT = 15.0


class Rates(NamedTuple):
    """Jobs a minute, over the last 60 seconds."""

    enqueued: float = 0.0
    succeeded: float = 0.0
    failed: float = 0.0
    retried: float = 0.0


class QueueView(NamedTuple):
    """A queue with what it did lately. `course` is how many jobs succeeded in each full minute of the last hour."""

    queue: Queue
    rates: Rates
    wait: Quantiles | None
    run: Quantiles | None
    course: Sequence[int]
    #: Whether anything was counted within the hour.
    was_busy: bool
    has_worker: bool


class RunView(NamedTuple):
    """A running job and who has it. `usual` is the time within which 99 of 100 runs of its queue have ended lately."""

    job: HeldJob
    worker: str
    usual: float | None


@dataclass(frozen=True)
class Picture:
    """The state of the service as it was when it was read."""

    read_at: datetime
    queues: tuple[Queue, ...] = ()
    workers: tuple[WorkerInfo, ...] = ()
    #: Of the last five minutes, and of the last hour, by minutes.
    recent: tuple[QueueTrends, ...] = ()
    hour: tuple[QueueTrends, ...] = ()
    #: The only queue of which this is; empty for all.
    only: str = ""

    def all_rates(self) -> Rates:
        return _rates(self._of(self.recent, self.only), self.read_at)

    def all_hour(self) -> QueueTrends | None:
        return self._of(self.hour, self.only)

    def queue_views(self) -> list[QueueView]:
        served = {queue for worker in self.workers if not worker.draining for queue in worker.queues}
        return [self._queue_view(queue, queue.name in served) for queue in self.queues]

    def running(self) -> list[RunView]:
        """The jobs that workers say they hold, the longest-running first."""
        usual = {trends.queue: trends.total.run.p99 for trends in self.hour if trends.total.run}
        found = [
            RunView(job, worker.name, usual.get(job.queue))
            for worker in self.workers
            for job in worker.jobs
            if self.only in ("", job.queue)
        ]
        return sorted(found, key=lambda run: (run.job.started_at or self.read_at, run.job.id))

    def _queue_view(self, queue: Queue, has_worker: bool) -> QueueView:
        recent, hour = self._of(self.recent, queue.name), self._of(self.hour, queue.name)
        return QueueView(
            queue,
            _rates(recent, self.read_at),
            recent.total.wait if recent else None,
            recent.total.run if recent else None,
            course(hour),
            hour is not None and _did_something(hour.total),
            has_worker,
        )

    def _of(self, trends: Sequence[QueueTrends], queue: str) -> QueueTrends | None:
        return next((each for each in trends if each.queue == queue), None)


def course(trends: QueueTrends | None) -> list[int]:
    """How many jobs succeeded in each minute; without the one that is under way, which would look like a fall."""
    return [point.succeeded for point in trends.points[:-1]] if trends else []


class PictureReader:
    """Reads pictures, one after the other."""

    def __init__(self, client: AsyncJoblineClient, only: str = "") -> None:
        self._client = client
        self._only = only
        self._hour: tuple[QueueTrends, ...] = ()
        self._hour_read = float("-inf")

    async def read(self) -> Picture:
        """All calls at the same time, so that the numbers fit together. Raises JoblineError."""
        queues, workers, recent, hour = await asyncio.gather(
            self._queues(),
            self._client.list_workers(with_jobs=True),
            self._client.get_trends(self._only, seconds=_RECENT_MINUTES * 60.0, points=_RECENT_MINUTES),
            self._read_hour(),
        )
        if self._only:
            workers = tuple(worker for worker in workers if self._only in worker.queues)
        return Picture(datetime.now(UTC), queues, workers, recent, hour, self._only)

    async def _queues(self) -> tuple[Queue, ...]:
        return (await self._client.get_queue(self._only),) if self._only else await self._client.list_queues()

    async def _read_hour(self) -> tuple[QueueTrends, ...]:
        now = asyncio.get_running_loop().time()
        if now >= self._hour_read + _HOUR_KEPT:
            self._hour = await self._client.get_trends(self._only, seconds=_HOUR_MINUTES * 60.0, points=_HOUR_MINUTES)
            self._hour_read = now
        return self._hour


def _rates(trends: QueueTrends | None, now: datetime) -> Rates:
    """The minute under way and as much of the full one before it as makes 60 seconds."""
    if trends is None or not trends.points:
        return Rates()
    present = trends.points[-1]
    before = trends.points[-2] if len(trends.points) > 1 else present
    passed = (now - present.time).total_seconds() if present.time else 0.0
    share = min(1.0, max(0.0, 1.0 - passed / 60.0)) if before is not present else 0.0
    return Rates(*(getattr(present, name) + share * getattr(before, name) for name in Rates._fields))


def _did_something(total: TrendPoint) -> bool:
    return bool(total.enqueued or total.started or total.succeeded or total.failed or total.cancelled or total.retried)

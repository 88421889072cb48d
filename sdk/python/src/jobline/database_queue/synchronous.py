"""The database queue for programs without an event loop: the same desk, and threads that wait for it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from jobline.client.models import Json
from jobline.database_queue.faces import Face
from jobline.database_queue.values import ClaimedJob, DatabaseQueueStats

__all__ = ["DatabaseQueue"]


class DatabaseQueue(Face):
    """AsyncDatabaseQueue for ordinary threads: the same methods, blocking. Use it in `with`, or close it.

    May be shared by threads; any of them may end what another has claimed.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Gives back, at their old places and without an attempt counted, the jobs that are claimed and have not ended."""
        self._loop.wait(self._desk.close())

    def enqueue(
        self,
        job_type: str,
        payload: Mapping[str, Any],
        *,
        priority: int = 0,
        max_attempts: int = 3,
        scheduled_for: datetime | None = None,
        request_id: str = "",
    ) -> str:
        """Stores a job and returns its id once it is durable; see AsyncDatabaseQueue.enqueue."""
        return self._loop.wait(self._desk.enqueue(job_type, payload, priority, max_attempts, scheduled_for, request_id))

    def claim_job(self, types: str | Collection[str], *, wait: float = 0.0) -> ClaimedJob | None:
        """The next due job of these types, for this caller alone; None if there is none within `wait` seconds."""
        return self._loop.wait(self._desk.claim(types, wait))

    def jobs(self, types: str | Collection[str], *, wait: float | None = None) -> Iterator[ClaimedJob]:
        """Claims one job after the other; see AsyncDatabaseQueue.jobs."""
        while (job := self._loop.wait(self._desk.next_job(types, wait))) is not None:
            yield job

    def complete_job(self, job_id: str, result: Json = None) -> None:
        """Ends a claimed job with success. Raises DatabaseQueueError if it is not this object's (any more)."""
        self._loop.wait(self._desk.complete(job_id, result))

    def fail_job(self, job_id: str, error: BaseException | str) -> None:
        """Ends a claimed job's run with an error. Raises DatabaseQueueError if it is not this object's (any more)."""
        self._loop.wait(self._desk.fail(job_id, error))

    def update_progress(self, job_id: str, current: int, total: int, message: str = "") -> bool:
        """Tells how far a claimed job has come. Never raises; False: the job was lost or cancelled."""
        return self._loop.wait(self._desk.update_progress(job_id, current, total, message))

    def get_queue_stats(self) -> DatabaseQueueStats:
        """How many jobs there are, by status."""
        return self._loop.wait(self._desk.stats())

    def cleanup(self, older_than_days: float = 7) -> int:
        """Removes the jobs that completed or failed longer ago, and returns how many; takes up to 5 minutes."""
        return self._loop.wait(self._desk.cleanup(older_than_days))

    def retry_job(self, job_id: str) -> None:
        """Puts a failed or cancelled job back to pending, with all its attempts. Raises DatabaseQueueError for any other."""
        self._loop.wait(self._desk.retry(job_id))

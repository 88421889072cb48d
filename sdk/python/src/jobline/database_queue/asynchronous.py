"""The database queue for asyncio programs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from jobline.client.models import Json
from jobline.database_queue.faces import Face
from jobline.database_queue.values import ClaimedJob, DatabaseQueueStats

__all__ = ["AsyncDatabaseQueue"]


class AsyncDatabaseQueue(Face):
    """The queue of INGEST_DATA and VECTORIZE jobs. Use it in `async with`, or close it; one object a process is enough.

    `addresses` (`host:port`, one or several to be tried in turn) and `token` (an operator's) default to
    JOBLINE_QUEUE_ADDRESS and JOBLINE_TOKEN, and those to the stack that `jobline up` runs in JOBLINE_DATA_DIR. `deadline`
    is the time for one call in seconds, its repetitions included. Raises SettingsError when nothing says where the queue
    service is.

    A claimed job belongs to this object until it is completed or failed. Its lease is
    renewed meanwhile, whatever the event loop is busy with; `close` gives back what has not ended. Every method but
    `update_progress` raises DatabaseQueueError.
    """

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Gives back, at their old places and without an attempt counted, the jobs that are claimed and have not ended."""
        await self._loop.run(self._desk.close())

    async def enqueue(
        self,
        job_type: str,
        payload: Mapping[str, Any],
        *,
        priority: int = 0,
        max_attempts: int = 3,
        scheduled_for: datetime | None = None,
        request_id: str = "",
    ) -> str:
        """Stores a job and returns its id once it is durable.

        `job_type` is INGEST_DATA or VECTORIZE; `payload` must be JSON with a `projectId`, of INGEST_DATA also with a list of
        `records`, which may be far larger than a message. `priority` is any 32-bit integer, higher goes first;
        `max_attempts` is 1-100. The job is not claimed before `scheduled_for`, which must have a time zone; None: now. A call
        that is repeated with the same `request_id` (a UUID version 7) and content returns the same id and stores nothing.
        """
        return await self._loop.run(
            self._desk.enqueue(job_type, payload, priority, max_attempts, scheduled_for, request_id)
        )

    async def claim_job(self, types: str | Collection[str], *, wait: float = 0.0) -> ClaimedJob | None:
        """The next due job of these types, for this caller alone; None if there is none within `wait` seconds."""
        return await self._loop.run(self._desk.claim(types, wait))

    async def jobs(
        self, types: str | Collection[str], *, wait: float | None = None
    ) -> AsyncGenerator[ClaimedJob, None]:
        """Claims one job after the other, as the loop asks for them.

        Ends when none has come for `wait` seconds, or the queue is closed; None: waits for ever. While the queue service is
        away it goes on waiting; DatabaseQueueError is raised when it is still away after `wait` seconds.
        """
        while (job := await self._loop.run(self._desk.next_job(types, wait))) is not None:
            yield job

    async def complete_job(self, job_id: str, result: Json = None) -> None:
        """Ends a claimed job with success; `result` is a JSON value of at most 1 MiB.

        Raises DatabaseQueueError if the job is not this claimer's (any more); nothing was stored then. When the result was
        refused, or the service did not answer, the job is still claimed, and the call may be made again.
        """
        await self._loop.run(self._desk.complete(job_id, result))

    async def fail_job(self, job_id: str, error: BaseException | str) -> None:
        """Ends a claimed job's run with an error: it waits for its next attempt, or has failed for good.

        The message is kept, of at most 1000 characters; the traceback of an exception goes to the log. Raises as
        `complete_job`.
        """
        await self._loop.run(self._desk.fail(job_id, error))

    async def update_progress(self, job_id: str, current: int, total: int, message: str = "") -> bool:
        """Tells how far a claimed job has come: `current` of `total`, and a line of at most 255 characters.

        Never raises, and takes at most 2 seconds. False: the job was lost or cancelled, and its handler may as well stop.
        """
        return await self._loop.run(self._desk.update_progress(job_id, current, total, message))

    async def get_queue_stats(self) -> DatabaseQueueStats:
        """How many jobs there are, by status."""
        return await self._loop.run(self._desk.stats())

    async def cleanup(self, older_than_days: float = 7) -> int:
        """Removes the jobs that completed or failed longer ago, and returns how many; takes up to 5 minutes."""
        return await self._loop.run(self._desk.cleanup(older_than_days))

    async def retry_job(self, job_id: str) -> None:
        """Puts a failed or cancelled job back to pending, with all its attempts. Raises DatabaseQueueError for any other."""
        await self._loop.run(self._desk.retry(job_id))

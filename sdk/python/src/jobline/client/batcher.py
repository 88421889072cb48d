"""Concurrent `enqueue()` calls, sent together.

A call of its own costs the service about 0.4 ms, a job among others some microseconds. So everything that waits while a
call is in flight goes into the next one (group commit): no timer, no fixed size, no added latency for a single caller.

A call is all or nothing, and its jobs come from callers who know nothing of each other. When one is refused, the batch
is cut in halves until the bad jobs stand alone, so that each caller gets the answer to its own job.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from jobline.client import convert, models
from jobline.errors import Conflict, InvalidField, JoblineError, NotFound, PermissionDenied, TooLarge
from jobline.v1 import job_service_pb2

__all__ = ["MAX_BATCH", "MAX_BATCH_BYTES", "Batcher", "cut", "requests"]

#: Jobs and bytes of one EnqueueJobs call. The contract allows 1000 and 4 MiB; 1 MiB keeps a message quick to handle.
MAX_BATCH = 1000
MAX_BATCH_BYTES = 1024 * 1024

#: Refusals that may be about one job only. Anything else is about the service or the caller as a whole.
_ABOUT_A_JOB = (InvalidField, Conflict, TooLarge, NotFound, PermissionDenied)

Send = Callable[[Sequence[job_service_pb2.NewJob]], Awaitable[Sequence[job_service_pb2.EnqueuedJob]]]


@dataclass(slots=True, eq=False)
class _Waiting:
    job: job_service_pb2.NewJob
    stored: asyncio.Future[job_service_pb2.EnqueuedJob]


def cut(sizes: Sequence[int], start: int = 0) -> int:
    """How many entries from `start` on fit one call; at least one while there are any."""
    total = 0
    for count, index in enumerate(range(start, min(len(sizes), start + MAX_BATCH))):
        total += sizes[index]
        if total > MAX_BATCH_BYTES and count:
            return count
    return min(len(sizes) - start, MAX_BATCH)


def requests(jobs: Iterable[models.NewJob]) -> Iterator[job_service_pb2.EnqueueJobsRequest]:
    """The calls that store `jobs` in their order. Raises ValueError for a payload that JSON cannot hold."""
    waiting = iter(jobs)
    while batch := list(itertools.islice(waiting, MAX_BATCH)):
        request = job_service_pb2.EnqueueJobsRequest()
        for job in batch:
            convert.new_job(job, request.jobs.add())
        if request.ByteSize() <= MAX_BATCH_BYTES:
            yield request
            continue
        sizes = [message.ByteSize() for message in request.jobs]
        start = 0
        while start < len(sizes):
            end = start + cut(sizes, start)
            yield job_service_pb2.EnqueueJobsRequest(jobs=request.jobs[start:end])
            start = end


class Batcher:
    """Coalesces jobs of one event loop. `send` stores a batch, all or nothing."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._waiting: deque[_Waiting] = deque()
        self._flusher: asyncio.Task[None] | None = None

    async def enqueue(self, job: job_service_pb2.NewJob) -> job_service_pb2.EnqueuedJob:
        """The stored job. Raises the JoblineError that this job met, whatever became of others."""
        waiting = _Waiting(job, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.create_task(self._flush())
        return await waiting.stored

    async def _flush(self) -> None:
        while self._waiting:
            candidates = [self._waiting[i] for i in range(min(len(self._waiting), MAX_BATCH))]
            batch = candidates[: cut([waiting.job.ByteSize() for waiting in candidates])]
            for _ in batch:
                self._waiting.popleft()
            # Whoever was cancelled while waiting does not want its job any more.
            await self._store([waiting for waiting in batch if not waiting.stored.done()])

    async def _store(self, batch: list[_Waiting]) -> None:
        if not batch:
            return
        try:
            stored = await self._send([waiting.job for waiting in batch])
        except _ABOUT_A_JOB as error:
            if len(batch) == 1:
                _fail(batch, error)
                return
            middle = len(batch) // 2
            await self._store(batch[:middle])
            await self._store(batch[middle:])
        except JoblineError as error:
            _fail(batch, error)
        except BaseException:
            for waiting in batch:
                waiting.stored.cancel()
            raise
        else:
            for waiting, job in zip(batch, stored, strict=True):
                if not waiting.stored.done():
                    waiting.stored.set_result(job)


def _fail(batch: list[_Waiting], error: JoblineError) -> None:
    for waiting in batch:
        if not waiting.stored.done():
            waiting.stored.set_exception(error)

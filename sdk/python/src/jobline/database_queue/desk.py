"""What both faces of a database queue do: its methods, in the gRPC loop, with whatever fails in the words of the queue."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from datetime import datetime
from typing import Any, TypeVar

import grpc
import uuid_utils

from jobline.calls import Calls
from jobline.client import convert
from jobline.client.job_input import enqueue_with_input
from jobline.client.models import Json
from jobline.database_queue import arguments
from jobline.database_queue.claims import Claims
from jobline.database_queue.leases import Claim
from jobline.database_queue.values import ClaimedJob, DatabaseQueueError, DatabaseQueueStats
from jobline.errors import Cancelled, DeadlineExceeded, StaleLease, Unavailable
from jobline.stubs import ingestion_stub, job_stub, work_stub
from jobline.v1 import ingestion_service_pb2, job_pb2, job_service_pb2
from jobline.v1 import work_service_pb2 as pb

__all__ = ["Desk"]

log = logging.getLogger(__name__)

#: Seconds that progress may take to be told: the handler waits for it.
_PROGRESS_WITHIN = 2.0
#: Seconds that a clean-up may take: it removes what a week has left, batch by batch.
_CLEANUP_WITHIN = 300.0
#: Seconds before a claim is made again that nobody answered.
_AGAIN_AFTER = 1.0

_AWAY = (Unavailable, DeadlineExceeded)

T = TypeVar("T")
_Call = Callable[[grpc.aio.Channel], Callable[..., Awaitable[T]]]


class Desk:
    """The methods of one queue object. All but `update_progress` and `close` raise DatabaseQueueError.

    Every method is called in the gRPC loop.
    """

    def __init__(self, calls: Calls, deadline: float) -> None:
        self._calls = calls
        self._deadline = deadline
        self._claims = Claims(calls, deadline)
        self._farewell: asyncio.Task[None] | None = None

    async def enqueue(
        self,
        job_type: str,
        payload: Mapping[str, Any],
        priority: int,
        max_attempts: int,
        scheduled_for: datetime | None,
        request_id: str,
    ) -> str:
        with self._act("enqueue job"):
            new = arguments.new_queue_job(job_type, payload, priority, max_attempts, scheduled_for)
            request_id = request_id or str(uuid_utils.uuid7())
            if new.records is not None:
                stored = await enqueue_with_input(
                    self._calls, new.job, new.records, request_id=request_id, deadline=self._deadline
                )
                return stored.id
            request = job_service_pb2.EnqueueJobsRequest(jobs=[convert.new_job(new.job)], request_id=request_id)
            response = await self._unary(lambda channel: job_stub(channel).EnqueueJobs, request)
            return response.jobs[0].id

    async def claim(self, types: str | Collection[str], wait: float) -> ClaimedJob | None:
        with self._act("claim job"):
            return await self._claims.claim(arguments.checked_types(types), arguments.checked_wait(wait))

    async def next_job(self, types: str | Collection[str], wait: float | None) -> ClaimedJob | None:
        """As `claim`, but without `wait` for ever, and while the service is away it goes on waiting.

        None: the time is up, or the queue was closed.
        """
        if self._claims.closed:
            return None
        now = asyncio.get_running_loop().time
        with self._act("claim job"):
            ends_at = now() + arguments.checked_wait(math.inf if wait is None else wait)
        while not self._claims.closed:
            try:
                job = await self.claim(types, max(0.0, ends_at - now()))
            except DatabaseQueueError as error:
                if not isinstance(error.__cause__, _AWAY) or now() >= ends_at:
                    raise
                log.warning("%s", error)
                await asyncio.sleep(_AGAIN_AFTER)
            else:
                return job
        return None

    async def complete(self, job_id: str, result: Json) -> None:
        with self._act("complete job"):
            claim = self._claims.of(job_id)
            text = convert.json_text("result", result)
            request = pb.CompleteJobRequest(job_id=job_id, lease_token=claim.token, result_json=text)
            await self._end(claim, lambda channel: work_stub(channel).CompleteJob, request)

    async def fail(self, job_id: str, error: BaseException | str) -> None:
        with self._act("fail job"):
            claim = self._claims.of(job_id)
            if isinstance(error, BaseException):
                log.warning("job %s failed", job_id, exc_info=error)
            told = job_pb2.JobError(message=arguments.error_text(error), retryable=True)
            request = pb.FailJobRequest(job_id=job_id, lease_token=claim.token, error=told)
            await self._end(claim, lambda channel: work_stub(channel).FailJob, request)

    async def update_progress(self, job_id: str, current: int, total: int, message: str) -> bool:
        """Whether the job is still this queue object's to work on, as far as is known."""
        try:
            progress = job_pb2.Progress(current=current, total=total, message=message)
            request = pb.ReportProgressRequest(job_id=job_id, lease_token=self._claims.token(job_id), progress=progress)
            response = await self._calls.unary(
                lambda channel: work_stub(channel).ReportProgress, request, idempotent=False, deadline=_PROGRESS_WITHIN
            )
        except Exception as error:
            log.debug("the progress of job %s is not told: %s", job_id, error)
            return not isinstance(error, StaleLease)
        return response.lease == pb.LEASE_STATE_HELD

    async def stats(self) -> DatabaseQueueStats:
        with self._act("get queue stats"):
            request = ingestion_service_pb2.GetIngestionStatsRequest()
            found = await self._unary(lambda channel: ingestion_stub(channel).GetIngestionStats, request)
            return DatabaseQueueStats(found.pending, found.processing, found.completed, found.failed)

    async def cleanup(self, older_than_days: float) -> int:
        with self._act("clean up jobs"):
            request = ingestion_service_pb2.CleanUpRequest(retention=arguments.retention(older_than_days))
            # Not made again: what a call without an answer has removed would not be counted.
            response = await self._calls.unary(
                lambda channel: ingestion_stub(channel).CleanUp, request, idempotent=False, deadline=_CLEANUP_WITHIN
            )
            return response.deleted

    async def retry(self, job_id: str) -> None:
        with self._act("retry job"):
            request = ingestion_service_pb2.RetryIngestionJobRequest(id=job_id)
            await self._calls.unary(
                lambda channel: ingestion_stub(channel).RetryIngestionJob,
                request,
                idempotent=False,
                deadline=self._deadline,
            )

    async def close(self) -> None:
        """Gives back what is claimed and has not ended, then closes the connections."""
        await self._claims.close()
        await self._calls.close()

    def abandon(self) -> None:
        """The queue object was thrown away unclosed: nobody can end its jobs any more."""
        if not self._claims.closed:
            self._farewell = asyncio.create_task(self.close())

    # ---- inside --------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _act(self, act: str) -> Iterator[None]:
        """Whatever fails in the block fails as `Failed to {act}: …`."""
        try:
            if self._claims.closed:
                raise ValueError("the queue is closed")
            yield
        except Exception as error:
            raise DatabaseQueueError(f"Failed to {act}: {error}") from error

    async def _unary(self, call: _Call[T], request: object) -> T:
        return await self._calls.unary(call, request, idempotent=True, deadline=self._deadline)

    async def _end(self, claim: Claim, call: _Call[object], request: object) -> None:
        """Whether the lease still counts is asked of the service alone. While it does not answer, the claim stays."""
        try:
            await self._unary(call, request)
        except (StaleLease, Cancelled):
            self._claims.end(claim)
            raise
        self._claims.end(claim)

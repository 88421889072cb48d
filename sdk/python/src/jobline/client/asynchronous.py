"""The client for asyncio programs. The synchronous one runs this one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

import uuid_utils

from jobline.calls import DEFAULT_DEADLINE, Calls
from jobline.client import convert, convert_queues, job_input, job_searches
from jobline.client.batcher import Batcher, requests
from jobline.client.models import (
    BulkProgress,
    Change,
    Credits,
    CreditSource,
    EnqueuedJob,
    Explanation,
    Job,
    JobDetails,
    JobEvent,
    JobFilter,
    JobOrder,
    JobState,
    Json,
    NewJob,
)
from jobline.client.queue_models import Queue, QueueTrends, WorkerInfo
from jobline.client.watching import watch_jobs
from jobline.runtime import Settings
from jobline.stubs import account_stub, job_stub, queue_stub
from jobline.v1 import account_service_pb2, job_service_pb2, queue_service_pb2

__all__ = ["AsyncJoblineClient"]

EVERY_JOB = JobFilter()


class AsyncJoblineClient:
    """Enqueues, reads and steers jobs. Every method raises JoblineError (see `jobline.errors`) when its call fails.

    `addresses` (`host:port`) are tried in turn; `deadline` is the time for one call in seconds, its repetitions
    included. One client serves any number of concurrent calls of one event loop; use it in `async with`, or close it.
    """

    def __init__(self, addresses: str | Sequence[str], token: str, *, deadline: float = DEFAULT_DEADLINE) -> None:
        self._calls = Calls((addresses,) if isinstance(addresses, str) else addresses, token)
        self._deadline = deadline
        self._batcher = Batcher(self._enqueue)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The client for JOBLINE_QUEUE_ADDRESS and JOBLINE_TOKEN, or for the embedded stack. Raises SettingsError."""
        why = "calls to the queue service need a service token; start `jobline up`, or set it"
        token = settings.require("JOBLINE_TOKEN", settings.endpoints.operator_token, why)
        return cls(settings.queue_addresses(), token)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._calls.close()

    # ---- jobs ---------------------------------------------------------------------------------------------------

    async def enqueue(
        self,
        queue: str,
        kind: str,
        payload: Json = None,
        *,
        owner: str = "",
        priority: int = 0,
        run_at: datetime | None = None,
        concurrency_key: str = "",
        idempotency_key: str = "",
        correlation_id: str = "",
        labels: Mapping[str, str] | None = None,
        max_attempts: int = 0,
    ) -> EnqueuedJob:
        """Stores one job and returns after the commit. Concurrent calls travel together, and fail apart."""
        new = NewJob(
            queue,
            kind,
            {} if payload is None else payload,
            owner,
            priority,
            run_at,
            concurrency_key,
            idempotency_key,
            correlation_id,
            labels or {},
            max_attempts,
        )
        stored = await self._batcher.enqueue(convert.new_job(new))
        return EnqueuedJob(stored.id, stored.deduplicated)

    async def enqueue_many(self, jobs: Iterable[NewJob]) -> list[EnqueuedJob]:
        """Stores jobs in their order, in as few calls as 1000 jobs and 1 MiB a call allow.

        Each call is all or nothing; when one fails, those before it are stored.
        """
        stored: list[EnqueuedJob] = []
        for request in list(requests(jobs)):
            stored += [EnqueuedJob(job.id, job.deduplicated) for job in await self._send(request)]
        return stored

    async def enqueue_with_input(
        self, job: NewJob, items: Iterable[Json] | AsyncIterable[Json], *, request_id: str = ""
    ) -> EnqueuedJob:
        """Stores one job with an input, a list of JSON values that may be larger than a payload: up to 256 MiB in all.

        Items are taken one by one as they are sent; the job exists once the last one is stored. The deadline counts for each
        step, not for the whole, and not for what `items` does; but the service waits 5 minutes for a chunk of 512 KiB to be
        full, and an hour for all of them. A call that got no answer is made again if `items` can be iterated again, a list
        say; of an iterator only as long as nothing was taken from it. `request_id` (a UUID version 7) makes it safe to call
        again after an error, with the same items. Raises InvalidField for a value over 512 KiB, TooLarge over 256 MiB.
        """
        return await job_input.enqueue_with_input(
            self._calls, job, items, request_id=request_id, deadline=self._deadline
        )

    def read_input(
        self, job_id: str, lease_token: str, first_item: int = 0
    ) -> AsyncGenerator[tuple[int, int, list[Json]], None]:
        """The input of a job, for the worker that runs it: (number of the first value, how many there are in all, values).

        Begins with the value of the number `first_item` and leaves none out. A stream that breaks is opened again behind the
        last value, for up to the deadline's seconds without one. Raises StaleLease once the run is not the job's any more.
        """
        return job_input.read_input(self._calls, job_id, lease_token, first_item, deadline=self._deadline)

    async def get(self, job_id: str) -> JobDetails:
        """A job with its runs and finished steps."""
        request = job_service_pb2.GetJobRequest(id=job_id)
        response = await self._calls.unary(
            lambda channel: job_stub(channel).GetJob, request, idempotent=True, deadline=self._deadline
        )
        return convert.job_details(response)

    def list_jobs(
        self,
        where: JobFilter = EVERY_JOB,
        *,
        order: JobOrder = JobOrder.CREATED,
        ascending: bool = False,
        page_size: int = 100,
    ) -> AsyncGenerator[Job, None]:
        """Jobs that match a filter, by default the newest first, page by page; without payloads and results."""
        request = job_service_pb2.ListJobsRequest(
            page_size=page_size,
            filter=convert.job_filter(where),
            order=convert.job_order_number(order),
            ascending=ascending,
        )
        return job_searches.list_jobs(self._calls, request, self._deadline)

    async def count_jobs(self, where: JobFilter = EVERY_JOB) -> dict[JobState, int]:
        """How many jobs match a filter, by state; states without one are left out."""
        request = job_service_pb2.CountJobsRequest(filter=convert.job_filter(where))
        response = await self._calls.unary(
            lambda channel: job_stub(channel).CountJobs, request, idempotent=True, deadline=self._deadline
        )
        return {convert.state(each.state): each.count for each in response.states}

    def retry_jobs(
        self, where: JobFilter, *, expected_count: int | None = None, dry_run: bool = False
    ) -> AsyncGenerator[BulkProgress, None]:
        """Puts the failed and cancelled jobs that match now back to pending, and tells how far it has come.

        A `dry_run` only says how many there are, as `total`; otherwise `expected_count` is required, and CountChanged is
        raised if it is another number. An iteration that is given up stops the act; what was done is done.
        """
        request = job_service_pb2.RetryJobsRequest(
            filter=convert.job_filter(where), dry_run=dry_run, expected_count=expected_count
        )
        return job_searches.retry_jobs(self._calls, request, self._deadline)

    def cancel_jobs(
        self, where: JobFilter, reason: str = "", *, expected_count: int | None = None, dry_run: bool = False
    ) -> AsyncGenerator[BulkProgress, None]:
        """Cancels the pending and running jobs that match now, as `retry_jobs` retries."""
        request = job_service_pb2.CancelJobsRequest(
            filter=convert.job_filter(where), dry_run=dry_run, expected_count=expected_count, reason=reason
        )
        return job_searches.cancel_jobs(self._calls, request, self._deadline)

    def watch(
        self,
        ids: Collection[str] = (),
        *,
        queues: Sequence[str] = (),
        owner: str = "",
        resume_after: str = "",
        places: bool = False,
        patience: float = 60.0,
    ) -> AsyncGenerator[Change, None]:
        """The present state of the chosen jobs, then every change; with `places` also where they are in their queues, when
        that has moved, at most twice a second.

        Ends when all of `ids` (at most 1000) have ended; without ids it goes on. A broken stream is opened again, at the
        next address, without a gap; the watch fails once nobody has answered for `patience` seconds.
        """
        request = job_service_pb2.WatchJobsRequest(
            ids=ids, queues=queues, owner=owner, resume_after=resume_after, places=places
        )
        return watch_jobs(self._calls, request, patience)

    async def cancel(self, job_id: str, reason: str = "") -> Job:
        """Cancels a job; a running one as its queue's policy says."""
        request = job_service_pb2.CancelJobRequest(id=job_id, reason=reason)
        response = await self._calls.unary(
            lambda channel: job_stub(channel).CancelJob, request, idempotent=False, deadline=self._deadline
        )
        return convert.job(response.job)

    async def retry(self, job_id: str) -> Job:
        """Puts a failed or cancelled job back to pending."""
        request = job_service_pb2.RetryJobRequest(id=job_id)
        response = await self._calls.unary(
            lambda channel: job_stub(channel).RetryJob, request, idempotent=False, deadline=self._deadline
        )
        return convert.job(response.job)

    async def delete(self, job_id: str) -> None:
        """Removes a job in any state; its events stay."""
        request = job_service_pb2.DeleteJobRequest(id=job_id)
        await self._calls.unary(
            lambda channel: job_stub(channel).DeleteJob, request, idempotent=False, deadline=self._deadline
        )

    async def explain(self, job_id: str) -> Explanation:
        """Why a job is where it is: its history, and what it waits for."""
        request = job_service_pb2.ExplainJobRequest(id=job_id)
        response = await self._calls.unary(
            lambda channel: job_stub(channel).ExplainJob, request, idempotent=True, deadline=self._deadline
        )
        return convert.explanation(response)

    # ---- queues and workers -------------------------------------------------------------------------------------

    async def list_queues(self) -> tuple[Queue, ...]:
        """Every queue that has a policy or live jobs, by name."""
        request = queue_service_pb2.ListQueuesRequest()
        response = await self._calls.unary(
            lambda channel: queue_stub(channel).ListQueues, request, idempotent=True, deadline=self._deadline
        )
        return tuple(map(convert_queues.queue, response.queues))

    async def get_queue(self, queue: str, *, with_history: bool = False) -> Queue:
        """A queue; with what became of its jobs on demand, which is counted in the table."""
        request = queue_service_pb2.GetQueueRequest(queue=queue, with_history=with_history)
        response = await self._calls.unary(
            lambda channel: queue_stub(channel).GetQueue, request, idempotent=True, deadline=self._deadline
        )
        return convert_queues.queue(response.queue)

    async def pause_queue(self, queue: str, reason: str = "") -> Queue:
        """Nothing of the queue is claimed any more; what runs goes on. Survives restarts."""
        request = queue_service_pb2.PauseQueueRequest(queue=queue, reason=reason)
        response = await self._calls.unary(
            lambda channel: queue_stub(channel).PauseQueue, request, idempotent=True, deadline=self._deadline
        )
        return convert_queues.queue(response.queue)

    async def resume_queue(self, queue: str) -> Queue:
        request = queue_service_pb2.ResumeQueueRequest(queue=queue)
        response = await self._calls.unary(
            lambda channel: queue_stub(channel).ResumeQueue, request, idempotent=True, deadline=self._deadline
        )
        return convert_queues.queue(response.queue)

    def list_events(
        self, *, queue: str = "", actor: str = "", name: str = "", with_system: bool = False, page_size: int = 100
    ) -> AsyncGenerator[JobEvent, None]:
        """What was done to jobs, queues and workers, and by whom, the newest first, page by page; `with_system` also what
        the service did by itself."""
        request = queue_service_pb2.ListEventsRequest(
            page_size=page_size, queue=queue, actor=actor, name=name, with_system=with_system
        )
        return job_searches.list_events(self._calls, request, self._deadline)

    async def set_queue_limit(self, queue: str, max_running: int | None) -> Queue:
        """At most so many jobs of the queue run at once from now on (1-100 000), over restarts; None: as its policy says."""
        request = queue_service_pb2.SetQueueLimitRequest(queue=queue, max_running=max_running)
        response = await self._calls.unary(
            lambda channel: queue_stub(channel).SetQueueLimit, request, idempotent=True, deadline=self._deadline
        )
        return convert_queues.queue(response.queue)

    async def get_trends(
        self, queue: str = "", *, seconds: float = 3600.0, points: int = 60
    ) -> tuple[QueueTrends, ...]:
        """What queues did in the last `seconds` (60 to 8 days), in at most so many points of whole minutes (1-500): of one
        queue, or of all together first and then of each that did something."""
        request = queue_service_pb2.GetTrendsRequest(queue=queue, points=points)
        request.range.FromMicroseconds(round(seconds * 1_000_000))
        response = await self._calls.unary(
            lambda channel: queue_stub(channel).GetTrends, request, idempotent=True, deadline=self._deadline
        )
        return tuple(map(convert_queues.trends, response.trends))

    async def list_workers(self, *, with_jobs: bool = False) -> tuple[WorkerInfo, ...]:
        """The connected worker sessions; with what each of them holds on demand."""
        request = queue_service_pb2.ListWorkersRequest(with_jobs=with_jobs)
        response = await self._calls.unary(
            lambda channel: queue_stub(channel).ListWorkers, request, idempotent=True, deadline=self._deadline
        )
        return tuple(map(convert_queues.worker, response.workers))

    async def drain_worker(self, worker: str) -> tuple[WorkerInfo, ...]:
        """Tells a session, or all sessions of a name, to finish and leave; returns those that were told."""
        request = queue_service_pb2.DrainWorkerRequest(worker=worker)
        response = await self._calls.unary(
            lambda channel: queue_stub(channel).DrainWorker, request, idempotent=True, deadline=self._deadline
        )
        return tuple(map(convert_queues.worker, response.workers))

    # ---- accounts -----------------------------------------------------------------------------------------------

    async def store_business(self, business_id: str, name: str = "") -> bool:
        """Stores a business, or changes its name; whether it is new."""
        request = account_service_pb2.StoreBusinessRequest(id=business_id, name=name)
        response = await self._calls.unary(
            lambda channel: account_stub(channel).StoreBusiness, request, idempotent=True, deadline=self._deadline
        )
        return response.created

    async def set_member(self, business_id: str, user_id: str, role: str) -> None:
        """Gives a user a role in a business; an empty one ends the membership. Raises NotFound for an unknown business."""
        request = account_service_pb2.SetMemberRequest(business_id=business_id, user_id=user_id, role=role)
        await self._calls.unary(
            lambda channel: account_stub(channel).SetMember, request, idempotent=True, deadline=self._deadline
        )

    async def grant_credits(
        self,
        user_id: str,
        count: int,
        source: CreditSource = CreditSource.ADMIN_GRANT,
        expires_at: datetime | None = None,
    ) -> Credits:
        """Gives a user credits, for good or until a time; what the user has then. One who is not known yet is stored."""
        request = account_service_pb2.GrantCreditsRequest(
            user_id=user_id,
            count=count,
            source=convert.credit_source_number(source),
            expires_at=None if expires_at is None else convert.timestamp(expires_at),
            request_id=str(uuid_utils.uuid7()),
        )
        response = await self._calls.unary(
            lambda channel: account_stub(channel).GrantCredits, request, idempotent=True, deadline=self._deadline
        )
        return convert.credits(response.credits)

    async def get_credits(self, user_id: str) -> Credits:
        """What a user has. Raises NotFound for one who is not known."""
        request = account_service_pb2.GetCreditsRequest(user_id=user_id)
        response = await self._calls.unary(
            lambda channel: account_stub(channel).GetCredits, request, idempotent=True, deadline=self._deadline
        )
        return convert.credits(response.credits)

    # ---- inside -------------------------------------------------------------------------------------------------

    async def _enqueue(self, jobs: Sequence[job_service_pb2.NewJob]) -> Sequence[job_service_pb2.EnqueuedJob]:
        return await self._send(job_service_pb2.EnqueueJobsRequest(jobs=jobs))

    async def _send(self, request: job_service_pb2.EnqueueJobsRequest) -> Sequence[job_service_pb2.EnqueuedJob]:
        """One EnqueueJobs call; its request id makes it safe to repeat."""
        request.request_id = str(uuid_utils.uuid7())
        response = await self._calls.unary(
            lambda channel: job_stub(channel).EnqueueJobs, request, idempotent=True, deadline=self._deadline
        )
        return response.jobs

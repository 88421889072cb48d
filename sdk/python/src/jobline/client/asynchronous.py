"""The client for asyncio programs. The synchronous one runs this one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

import uuid_utils

from jobline.client import convert, job_input
from jobline.client.batcher import Batcher, requests
from jobline.client.calls import DEFAULT_DEADLINE, Calls, account_stub, job_stub, queue_stub
from jobline.client.models import (
    Change,
    Credits,
    CreditSource,
    EnqueuedJob,
    Explanation,
    Job,
    JobDetails,
    JobState,
    Json,
    NewJob,
    Queue,
    WorkerInfo,
)
from jobline.client.watching import watch_jobs
from jobline.runtime import Settings
from jobline.v1 import account_service_pb2, job_service_pb2, queue_service_pb2

__all__ = ["AsyncJoblineClient"]


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

    async def list(
        self,
        *,
        queue: str = "",
        kind: str = "",
        owner: str = "",
        states: Collection[JobState] = (),
        labels: Mapping[str, str] | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        page_size: int = 100,
    ) -> AsyncGenerator[Job, None]:
        """Jobs that match every filter given, newest first, page by page; without payloads and results."""
        request = job_service_pb2.ListJobsRequest(
            page_size=page_size,
            queue=queue,
            kind=kind,
            owner=owner,
            states=map(convert.state_number, states),
            labels=labels or {},
            created_after=convert.timestamp(created_after) if created_after else None,
            created_before=convert.timestamp(created_before) if created_before else None,
        )
        while True:
            page = await self._calls.unary(
                lambda channel: job_stub(channel).ListJobs, request, idempotent=True, deadline=self._deadline
            )
            for job in page.jobs:
                yield convert.job(job)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def watch(
        self,
        ids: Collection[str] = (),
        *,
        queue: str = "",
        owner: str = "",
        resume_after: str = "",
        patience: float = 60.0,
    ) -> AsyncGenerator[Change, None]:
        """The present state of the chosen jobs, then every change.

        Ends when all of `ids` (at most 1000) have ended; without ids it goes on. A broken stream is opened again, at the
        next address, without a gap; the watch fails once nobody has answered for `patience` seconds.
        """
        request = job_service_pb2.WatchJobsRequest(ids=ids, queue=queue, owner=owner, resume_after=resume_after)
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
        return tuple(map(convert.queue, response.queues))

    async def get_queue(self, queue: str, *, with_history: bool = False) -> Queue:
        """A queue; with what became of its jobs on demand, which is counted in the table."""
        request = queue_service_pb2.GetQueueRequest(queue=queue, with_history=with_history)
        response = await self._calls.unary(
            lambda channel: queue_stub(channel).GetQueue, request, idempotent=True, deadline=self._deadline
        )
        return convert.queue(response.queue)

    async def pause_queue(self, queue: str, reason: str = "") -> Queue:
        """Nothing of the queue is claimed any more; what runs goes on. Survives restarts."""
        request = queue_service_pb2.PauseQueueRequest(queue=queue, reason=reason)
        response = await self._calls.unary(
            lambda channel: queue_stub(channel).PauseQueue, request, idempotent=True, deadline=self._deadline
        )
        return convert.queue(response.queue)

    async def resume_queue(self, queue: str) -> Queue:
        request = queue_service_pb2.ResumeQueueRequest(queue=queue)
        response = await self._calls.unary(
            lambda channel: queue_stub(channel).ResumeQueue, request, idempotent=True, deadline=self._deadline
        )
        return convert.queue(response.queue)

    async def list_workers(self) -> tuple[WorkerInfo, ...]:
        """The connected worker sessions."""
        request = queue_service_pb2.ListWorkersRequest()
        response = await self._calls.unary(
            lambda channel: queue_stub(channel).ListWorkers, request, idempotent=True, deadline=self._deadline
        )
        return tuple(map(convert.worker, response.workers))

    async def drain_worker(self, worker: str) -> tuple[WorkerInfo, ...]:
        """Tells a session, or all sessions of a name, to finish and leave; returns those that were told."""
        request = queue_service_pb2.DrainWorkerRequest(worker=worker)
        response = await self._calls.unary(
            lambda channel: queue_stub(channel).DrainWorker, request, idempotent=True, deadline=self._deadline
        )
        return tuple(map(convert.worker, response.workers))

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

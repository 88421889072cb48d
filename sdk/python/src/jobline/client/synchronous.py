"""The client for programs without an event loop: the asynchronous one, run in the gRPC loop's thread."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Coroutine, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

from jobline import event_loop
from jobline.calls import DEFAULT_DEADLINE
from jobline.channel import grpc_loop
from jobline.client.asynchronous import EVERY_JOB, AsyncJoblineClient
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
from jobline.runtime import Settings

__all__ = ["JoblineClient"]

T = TypeVar("T")


class JoblineClient:
    """AsyncJoblineClient for ordinary threads: the same methods, blocking. May be shared by threads.

    Concurrent `enqueue` calls of several threads travel together.
    """

    def __init__(self, addresses: str | Sequence[str], token: str, *, deadline: float = DEFAULT_DEADLINE) -> None:
        self._client = AsyncJoblineClient(addresses, token, deadline=deadline)
        self._loop = grpc_loop()

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The client for JOBLINE_QUEUE_ADDRESS and JOBLINE_TOKEN, or for the embedded stack. Raises SettingsError."""
        client = cls.__new__(cls)
        client._client = AsyncJoblineClient.from_settings(settings)
        client._loop = grpc_loop()
        return client

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._wait(self._client.close())

    def enqueue(
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
        """Stores one job and returns after the commit."""
        return self._wait(
            self._client.enqueue(
                queue,
                kind,
                payload,
                owner=owner,
                priority=priority,
                run_at=run_at,
                concurrency_key=concurrency_key,
                idempotency_key=idempotency_key,
                correlation_id=correlation_id,
                labels=labels,
                max_attempts=max_attempts,
            )
        )

    def enqueue_many(self, jobs: Iterable[NewJob]) -> list[EnqueuedJob]:
        """Stores jobs in their order, in as few calls as 1000 jobs and 1 MiB a call allow."""
        return self._wait(self._client.enqueue_many(jobs))

    def enqueue_with_input(self, job: NewJob, items: Iterable[Json], *, request_id: str = "") -> EnqueuedJob:
        """Stores one job with an input, a list of JSON values of up to 256 MiB in all, taken one by one as they are sent.

        They are taken in the calling thread: not in one that runs an event loop, for which there is AsyncJoblineClient.
        """
        return event_loop.run(self._client.enqueue_with_input(job, items, request_id=request_id))

    def read_input(self, job_id: str, lease_token: str, first_item: int = 0) -> Iterator[tuple[int, int, list[Json]]]:
        """The input of a job, for the worker that runs it: (number of the first value, how many there are in all, values)."""
        return self._iterate(self._client.read_input(job_id, lease_token, first_item))

    def get(self, job_id: str) -> JobDetails:
        """A job with its runs and finished steps."""
        return self._wait(self._client.get(job_id))

    def list_jobs(
        self,
        where: JobFilter = EVERY_JOB,
        *,
        order: JobOrder = JobOrder.CREATED,
        ascending: bool = False,
        page_size: int = 100,
    ) -> Iterator[Job]:
        """Jobs that match a filter, by default the newest first, page by page; without payloads and results."""
        return self._iterate(self._client.list_jobs(where, order=order, ascending=ascending, page_size=page_size))

    def count_jobs(self, where: JobFilter = EVERY_JOB) -> dict[JobState, int]:
        """How many jobs match a filter, by state; states without one are left out."""
        return self._wait(self._client.count_jobs(where))

    def retry_jobs(
        self, where: JobFilter, *, expected_count: int | None = None, dry_run: bool = False
    ) -> Iterator[BulkProgress]:
        """Puts the failed and cancelled jobs that match now back to pending, and tells how far it has come."""
        return self._iterate(self._client.retry_jobs(where, expected_count=expected_count, dry_run=dry_run))

    def cancel_jobs(
        self, where: JobFilter, reason: str = "", *, expected_count: int | None = None, dry_run: bool = False
    ) -> Iterator[BulkProgress]:
        """Cancels the pending and running jobs that match now, as `retry_jobs` retries."""
        return self._iterate(self._client.cancel_jobs(where, reason, expected_count=expected_count, dry_run=dry_run))

    def watch(
        self,
        ids: Collection[str] = (),
        *,
        queues: Sequence[str] = (),
        owner: str = "",
        resume_after: str = "",
        places: bool = False,
        patience: float = 60.0,
    ) -> Iterator[Change]:
        """The present state of the chosen jobs, then every change; with `places` also where they are in their queues."""
        return self._iterate(
            self._client.watch(
                ids, queues=queues, owner=owner, resume_after=resume_after, places=places, patience=patience
            )
        )

    def cancel(self, job_id: str, reason: str = "") -> Job:
        """Cancels a job; a running one as its queue's policy says."""
        return self._wait(self._client.cancel(job_id, reason))

    def retry(self, job_id: str) -> Job:
        """Puts a failed or cancelled job back to pending."""
        return self._wait(self._client.retry(job_id))

    def delete(self, job_id: str) -> None:
        """Removes a job in any state; its events stay."""
        self._wait(self._client.delete(job_id))

    def explain(self, job_id: str) -> Explanation:
        """Why a job is where it is: its history, and what it waits for."""
        return self._wait(self._client.explain(job_id))

    def list_queues(self) -> tuple[Queue, ...]:
        """Every queue that has a policy or live jobs, by name."""
        return self._wait(self._client.list_queues())

    def get_queue(self, queue: str, *, with_history: bool = False) -> Queue:
        """A queue; with what became of its jobs on demand, which is counted in the table."""
        return self._wait(self._client.get_queue(queue, with_history=with_history))

    def pause_queue(self, queue: str, reason: str = "") -> Queue:
        """Nothing of the queue is claimed any more; what runs goes on. Survives restarts."""
        return self._wait(self._client.pause_queue(queue, reason))

    def resume_queue(self, queue: str) -> Queue:
        return self._wait(self._client.resume_queue(queue))

    def list_events(
        self, *, queue: str = "", actor: str = "", name: str = "", with_system: bool = False, page_size: int = 100
    ) -> Iterator[JobEvent]:
        """What was done to jobs, queues and workers, and by whom, the newest first, page by page."""
        return self._iterate(
            self._client.list_events(queue=queue, actor=actor, name=name, with_system=with_system, page_size=page_size)
        )

    def set_queue_limit(self, queue: str, max_running: int | None) -> Queue:
        """At most so many jobs of the queue run at once from now on (1-100 000), over restarts; None: as its policy says."""
        return self._wait(self._client.set_queue_limit(queue, max_running))

    def get_trends(self, queue: str = "", *, seconds: float = 3600.0, points: int = 60) -> tuple[QueueTrends, ...]:
        """What queues did in the last `seconds`: of one, or of all together first and then of each that did something."""
        return self._wait(self._client.get_trends(queue, seconds=seconds, points=points))

    def list_workers(self, *, with_jobs: bool = False) -> tuple[WorkerInfo, ...]:
        """The connected worker sessions; with what each of them holds on demand."""
        return self._wait(self._client.list_workers(with_jobs=with_jobs))

    def drain_worker(self, worker: str) -> tuple[WorkerInfo, ...]:
        """Tells a session, or all sessions of a name, to finish and leave; returns those that were told."""
        return self._wait(self._client.drain_worker(worker))

    def store_business(self, business_id: str, name: str = "") -> bool:
        """Stores a business, or changes its name; whether it is new."""
        return self._wait(self._client.store_business(business_id, name))

    def set_member(self, business_id: str, user_id: str, role: str) -> None:
        """Gives a user a role in a business; an empty one ends the membership. Raises NotFound for an unknown business."""
        self._wait(self._client.set_member(business_id, user_id, role))

    def grant_credits(
        self,
        user_id: str,
        count: int,
        source: CreditSource = CreditSource.ADMIN_GRANT,
        expires_at: datetime | None = None,
    ) -> Credits:
        """Gives a user credits, for good or until a time; what the user has then. One who is not known yet is stored."""
        return self._wait(self._client.grant_credits(user_id, count, source, expires_at))

    def get_credits(self, user_id: str) -> Credits:
        """What a user has. Raises NotFound for one who is not known."""
        return self._wait(self._client.get_credits(user_id))

    def _wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._loop.wait(coroutine)

    def _iterate(self, items: AsyncGenerator[T, None]) -> Iterator[T]:
        async def next_item() -> tuple[T] | None:
            try:
                return (await anext(items),)
            except StopAsyncIteration:
                return None

        try:
            while (found := self._wait(next_item())) is not None:
                yield found[0]
        finally:
            self._wait(items.aclose())

"""JobService: enqueue, get, list, count, watch, cancel, retry, delete, explain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from jobline.server_calls import accept
from jobline.service_tokens import Role
from jobline.v1 import job_pb2
from jobline.v1 import job_service_pb2 as pb
from jobline.v1.job_service_pb2_grpc import JobServiceServicer
from jobline_queue.core.errors import NotFound, invalid
from jobline_queue.core.job_filter import JobReader, JobRow
from jobline_queue.core.job_input import InputStore
from jobline_queue.core.json_text import check_text
from jobline_queue.core.lifecycle import State
from jobline_queue.core.new_job import NO_LABELS, NewJob
from jobline_queue.dispatch.active import ActiveTerm, QueueCore
from jobline_queue.dispatch.acts import Act, ActAnswer, CancelJob, RemoveJob, RetryJob
from jobline_queue.dispatch.waiting import waiting_for
from jobline_queue.rpc import job_message, rights
from jobline_queue.rpc.bulk_acts import BulkActs
from jobline_queue.rpc.convert import duration, epoch, timestamp, uuid_text
from jobline_queue.rpc.intake import store_jobs
from jobline_queue.rpc.intake_input import store_job_with_input
from jobline_queue.rpc.job_query import among_live, job_filter, job_query, token_behind
from jobline_queue.rpc.places import MAX_LOCATED, locate
from jobline_queue.rpc.principal import Principal, correlation_id, current
from jobline_queue.rpc.watch import watch

Context = Any


class JobServicer(JobServiceServicer):
    """See job_service.proto for what each call promises."""

    def __init__(self, core: QueueCore, jobs: JobReader, inputs: InputStore, bulk: BulkActs) -> None:
        self._core = core
        self._jobs = jobs
        self._inputs = inputs
        self._bulk = bulk

    async def EnqueueJobs(self, request: pb.EnqueueJobsRequest, context: Context) -> pb.EnqueueJobsResponse:
        principal = current.get()
        jobs = _new_jobs(request.jobs, principal)
        stored = await store_jobs(self._core, jobs, principal.name, request.request_id)
        response = pb.EnqueueJobsResponse()
        add = response.jobs.add
        for each, deduplicated in stored:
            add(id=each, deduplicated=deduplicated)
        return response

    async def EnqueueJobWithInput(
        self, requests: AsyncIterator[pb.EnqueueJobWithInputRequest], context: Context
    ) -> pb.EnqueueJobWithInputResponse:
        principal = current.get()
        first = await anext(requests, None)
        if first is None or first.WhichOneof("part") != "job":
            raise invalid("job", "expected in the first message")
        (job,) = _new_jobs([first.job.job], principal, "job")
        stored, items = await store_job_with_input(
            self._core, self._inputs, job, _chunks(requests, context), principal.name, first.job.request_id
        )
        answer = pb.EnqueuedJob(id=stored.id, deduplicated=stored.deduplicated)
        return pb.EnqueueJobWithInputResponse(job=answer, items=items)

    async def GetJob(self, request: pb.GetJobRequest, context: Context) -> pb.GetJobResponse:
        active = self._core.active
        row = await self._visible(uuid_text("id", request.id))
        job = job_message.from_row(row, active.dispatcher)
        job_message.add_etas([job], active.dispatcher)
        return pb.GetJobResponse(job=job, attempts=await self._attempts(job, row), steps=await self._steps(job.id))

    async def ListJobs(self, request: pb.ListJobsRequest, context: Context) -> pb.ListJobsResponse:
        active = self._core.active
        query = job_query(request, current.get())
        where = among_live(query.where, active.dispatcher)
        rows = await self._jobs.page(where, query.after, query.size + 1, sorting=query.sorting)
        shown = job_message.from_rows(rows[: query.size], active.dispatcher)
        if request.filter.states:  # some may have moved on since the database was asked
            shown = [job for job in shown if job.state in request.filter.states]
        job_message.add_etas(shown, active.dispatcher)
        more = len(rows) > query.size
        token = token_behind(rows[query.size - 1], query.sorting) if more else ""
        return pb.ListJobsResponse(jobs=shown, next_page_token=token)

    async def CountJobs(self, request: pb.CountJobsRequest, context: Context) -> pb.CountJobsResponse:
        where = among_live(job_filter(request.filter, current.get()), self._core.active.dispatcher)
        counts = await self._jobs.count(where)
        states = [
            pb.StateCount(state=job_message.STATES[state], count=counts[state]) for state in State if state in counts
        ]
        return pb.CountJobsResponse(count=sum(counts.values()), states=states)

    async def LocateJobs(self, request: pb.LocateJobsRequest, context: Context) -> pb.LocateJobsResponse:
        active = self._core.active
        if not 1 <= len(request.ids) <= MAX_LOCATED:
            raise invalid("ids", f"expected 1 to {MAX_LOCATED} ids")
        ids = [uuid_text(f"ids[{index}]", each) for index, each in enumerate(request.ids)]
        return pb.LocateJobsResponse(places=await locate(active.dispatcher, ids, rights.visible(current.get())))

    async def WatchJobs(self, request: pb.WatchJobsRequest, context: Context) -> AsyncIterator[pb.WatchJobsResponse]:
        principal = current.get()
        ids = [uuid_text(f"ids[{index}]", each) for index, each in enumerate(request.ids)]
        if len(ids) > 1000:
            raise invalid("ids", "expected at most 1000 ids")
        for each in ids:
            await self._visible(each)
        active = self._core.active
        await accept(context)
        async for message in watch(active, self._jobs, request, ids, rights.visible(principal)):
            yield message

    async def CancelJob(self, request: pb.CancelJobRequest, context: Context) -> pb.CancelJobResponse:
        active = self._core.active
        check_text("reason", request.reason, 255)
        row = await self._actable(uuid_text("id", request.id))
        actor = current.get().actor
        await perform(active, lambda answer: CancelJob(row["id"], actor, request.reason, answer))
        return pb.CancelJobResponse(job=await self._after(row, job_pb2.JOB_STATE_CANCELLED))

    async def RetryJob(self, request: pb.RetryJobRequest, context: Context) -> pb.RetryJobResponse:
        active = self._core.active
        row = await self._actable(uuid_text("id", request.id))
        actor = current.get().actor
        await perform(active, lambda answer: RetryJob(row["id"], actor, answer))
        return pb.RetryJobResponse(job=await self._after(row, job_pb2.JOB_STATE_PENDING))

    async def RetryJobs(self, request: pb.RetryJobsRequest, context: Context) -> AsyncIterator[pb.RetryJobsResponse]:
        async for progress in self._bulk.retry(request, current.get()):
            yield pb.RetryJobsResponse(progress=progress)

    async def CancelJobs(self, request: pb.CancelJobsRequest, context: Context) -> AsyncIterator[pb.CancelJobsResponse]:
        async for progress in self._bulk.cancel(request, current.get()):
            yield pb.CancelJobsResponse(progress=progress)

    async def DeleteJob(self, request: pb.DeleteJobRequest, context: Context) -> pb.DeleteJobResponse:
        active = self._core.active
        row = await self._visible(uuid_text("id", request.id))
        actor = current.get().actor
        await perform(active, lambda answer: RemoveJob(row["id"], "deleted", actor, answer))
        return pb.DeleteJobResponse()

    async def ExplainJob(self, request: pb.ExplainJobRequest, context: Context) -> pb.ExplainJobResponse:
        active = self._core.active
        job_id = uuid_text("id", request.id)
        row = await self._jobs.get(job_id)
        # Read second: a job that goes meanwhile leaves its last event in the same commit, and is found either way.
        events = [job_message.event(row) for row in await self._jobs.events(job_id)]
        if row is None or not rights.may_see(row, current.get()):
            if row is not None or not events or not rights.sees_all(current.get()):
                raise NotFound("job", job_id)
            return pb.ExplainJobResponse(events=events)
        job = job_message.from_row(row, active.dispatcher)
        job_message.add_etas([job], active.dispatcher)
        live = active.dispatcher.jobs.get(job_id)
        reasons = waiting_for(active.dispatcher, live) if live else []
        return pb.ExplainJobResponse(
            job=job,
            attempts=await self._attempts(job, row),
            events=events,
            waiting_for=[job_message.wait_reason(each) for each in reasons],
        )

    async def _visible(self, job_id: str) -> JobRow:
        row = await self._jobs.get(job_id)
        if row is None or not rights.may_see(row, current.get()):
            raise NotFound("job", job_id)
        return row

    async def _actable(self, job_id: str) -> JobRow:
        """A job that the caller may see and act on."""
        row = await self._visible(job_id)
        rights.check_acts(current.get(), row["owner"])
        return row

    async def _after(self, before: JobRow, state: job_pb2.JobState.ValueType) -> job_pb2.Job:
        """The job after an act; one whose row went is shown as it was last, in the state the act led to."""
        row = await self._jobs.get(before["id"])
        job = job_message.from_row(row or before, self._core.active.dispatcher)
        if row is None:
            job.state = state
        return job

    async def _attempts(self, job: job_pb2.Job, row: JobRow) -> list[job_pb2.Attempt]:
        found = [job_message.attempt(each) for each in await self._jobs.attempts(job.id)]
        own = job_message.own_attempt(job, row)
        return [*found, own] if own else found

    async def _steps(self, job_id: str) -> list[job_pb2.StepOutput]:
        found = []
        for row in await self._jobs.steps(job_id):
            found.append(
                job_pb2.StepOutput(
                    name=row["name"],
                    output_json=row["output"],
                    duration=duration(row["seconds"]),
                    finished_at=timestamp(row["finished_at"]),
                    attempt=row["attempt"],
                )
            )
        return found


async def perform(active: ActiveTerm, make: Callable[[ActAnswer], Act]) -> None:
    """Hands an act to the finisher and waits for its answer. Raises what the answer says."""
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def answer(error: Exception | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    active.finisher.put(make(answer))
    await done


async def _chunks(requests: AsyncIterator[pb.EnqueueJobWithInputRequest], context: Context) -> AsyncIterator[str]:
    await accept(context)  # whoever reads from here has checked the job
    number = 0
    async for request in requests:
        if request.WhichOneof("part") != "chunk":
            raise invalid(f"chunks[{number}]", "expected a chunk; only the first message has a job")
        yield request.chunk.items_json
        number += 1


def _new_jobs(messages: Iterable[pb.NewJob], principal: Principal, name: str = "jobs[{}]") -> list[NewJob]:
    """By position, and touching no field twice: it runs a thousand times a call. `name` is a message's in refusals."""
    from_gateway = principal.role is Role.GATEWAY
    correlation = correlation_id.get()
    jobs = []
    for index, message in enumerate(messages):
        owner, labels = message.owner, message.labels
        jobs.append(
            NewJob(
                message.queue,
                message.kind,
                _users_own(name, index, owner, principal) if from_gateway else owner,
                message.priority,
                epoch(f"{name.format(index)}.run_at", message, "run_at") if message.HasField("run_at") else None,
                message.concurrency_key,
                message.correlation_id or correlation,
                message.max_attempts,
                message.idempotency_key,
                dict(labels) if labels else NO_LABELS,
                message.payload_json or "{}",
            )
        )
    return jobs


def _users_own(name: str, index: int, owner: str, principal: Principal) -> str:
    """A gateway enqueues for its end user only."""
    mine = rights.own(principal)
    if mine is None:
        raise invalid("jobline-caller-bin", "expected a Caller with a sub or a session")
    if owner not in ("", mine):
        raise invalid(f"{name.format(index)}.owner", f"expected the caller's own ({mine}) or nothing")
    return mine

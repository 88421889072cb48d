"""JobService: enqueue, get, list, watch, cancel, retry, delete, explain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from jobline.server_calls import accept
from jobline.service_tokens import Role
from jobline.v1 import job_pb2
from jobline.v1 import job_service_pb2 as pb
from jobline.v1.job_service_pb2_grpc import JobServiceServicer
from jobline_queue.core.errors import NotFound, invalid
from jobline_queue.core.job_filter import JobFilter, JobReader, JobRow
from jobline_queue.core.job_input import InputStore
from jobline_queue.core.json_text import check_text
from jobline_queue.core.new_job import MAX_OWNER, NO_LABELS, NewJob
from jobline_queue.dispatch.active import ActiveTerm, QueueCore
from jobline_queue.dispatch.acts import Act, ActAnswer, CancelJob, RemoveJob, RetryJob
from jobline_queue.dispatch.waiting import waiting_for
from jobline_queue.rpc import job_message
from jobline_queue.rpc.convert import epoch, uuid_text
from jobline_queue.rpc.intake import store_jobs
from jobline_queue.rpc.intake_input import store_job_with_input
from jobline_queue.rpc.principal import Principal, correlation_id, current
from jobline_queue.rpc.watch import watch

Context = Any


class JobServicer(JobServiceServicer):
    """See job_service.proto for what each call promises."""

    def __init__(self, core: QueueCore, jobs: JobReader, inputs: InputStore) -> None:
        self._core = core
        self._jobs = jobs
        self._inputs = inputs

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
        return pb.GetJobResponse(job=job, attempts=await self._attempts(job, row), steps=await self._steps(job.id))

    async def ListJobs(self, request: pb.ListJobsRequest, context: Context) -> pb.ListJobsResponse:
        active = self._core.active
        size = request.page_size or 50
        if not 1 <= size <= 500:
            raise invalid("page_size", "expected 1 to 500")
        after = uuid_text("page_token", request.page_token) if request.page_token else None
        rows = await self._jobs.page(_filter(request, current.get()), after, size + 1)
        more = len(rows) > size
        return pb.ListJobsResponse(
            jobs=[job_message.from_row(row, active.dispatcher) for row in rows[:size]],
            next_page_token=rows[size - 1]["id"] if more else "",
        )

    async def WatchJobs(self, request: pb.WatchJobsRequest, context: Context) -> AsyncIterator[pb.WatchJobsResponse]:
        principal = current.get()
        ids = [uuid_text(f"ids[{index}]", each) for index, each in enumerate(request.ids)]
        if len(ids) > 1000:
            raise invalid("ids", "expected at most 1000 ids")
        for each in ids:
            await self._visible(each)
        async for message in watch(self._core.active, self._jobs, request, ids, _rights(principal)):
            yield message

    async def CancelJob(self, request: pb.CancelJobRequest, context: Context) -> pb.CancelJobResponse:
        active = self._core.active
        check_text("reason", request.reason, 255)
        row = await self._visible(uuid_text("id", request.id))
        actor = current.get().actor
        await perform(active, lambda answer: CancelJob(row["id"], actor, request.reason, answer))
        return pb.CancelJobResponse(job=await self._after(row, job_pb2.JOB_STATE_CANCELLED))

    async def RetryJob(self, request: pb.RetryJobRequest, context: Context) -> pb.RetryJobResponse:
        active = self._core.active
        row = await self._visible(uuid_text("id", request.id))
        actor = current.get().actor
        await perform(active, lambda answer: RetryJob(row["id"], actor, answer))
        return pb.RetryJobResponse(job=await self._after(row, job_pb2.JOB_STATE_PENDING))

    async def DeleteJob(self, request: pb.DeleteJobRequest, context: Context) -> pb.DeleteJobResponse:
        active = self._core.active
        row = await self._visible(uuid_text("id", request.id))
        actor = current.get().actor
        await perform(active, lambda answer: RemoveJob(row["id"], "deleted", actor, answer))
        return pb.DeleteJobResponse()

    async def ExplainJob(self, request: pb.ExplainJobRequest, context: Context) -> pb.ExplainJobResponse:
        active = self._core.active
        job_id = uuid_text("id", request.id)
        events = [job_message.event(row) for row in await self._jobs.events(job_id)]
        row = await self._jobs.get(job_id)
        if row is None or not _may_see(row, current.get()):
            if row is not None or not events or current.get().role is not Role.OPERATOR:
                raise NotFound("job", job_id)
            return pb.ExplainJobResponse(events=events)
        job = job_message.from_row(row, active.dispatcher)
        live = active.dispatcher.jobs.get(job_id)
        reasons = waiting_for(active.dispatcher, live) if live else []
        return pb.ExplainJobResponse(
            job=job,
            attempts=await self._attempts(job, row),
            events=events,
            waiting_for=[pb.WaitReason(code=each.code, detail=each.detail) for each in reasons],
        )

    async def _visible(self, job_id: str) -> JobRow:
        row = await self._jobs.get(job_id)
        if row is None or not _may_see(row, current.get()):
            raise NotFound("job", job_id)
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
            step = job_pb2.StepOutput(name=row["name"], output_json=row["output"])
            step.duration.FromMicroseconds(round(row["seconds"] * 1e6))
            found.append(step)
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
    mine = _own(principal)
    if mine is None:
        raise invalid("jobline-caller-bin", "expected a Caller with a sub or a session")
    if owner not in ("", mine):
        raise invalid(f"{name.format(index)}.owner", f"expected the caller's own ({mine}) or nothing")
    return mine


def _own(principal: Principal) -> str | None:
    if principal.user is None:
        return None
    if principal.user.sub:
        return f"user:{principal.user.sub}"
    return f"session:{principal.user.session}" if principal.user.session else None


def _rights(principal: Principal) -> JobFilter:
    """The jobs a caller may see."""
    match principal.role:
        case Role.OPERATOR:
            return JobFilter()
        case Role.GATEWAY:
            return JobFilter(owner=_own(principal) or "\x01nobody")
        case _:
            return JobFilter(producer=principal.name)


def _may_see(row: JobRow, principal: Principal) -> bool:
    rights = _rights(principal)
    return rights.owner in (None, row["owner"]) and rights.producer in (None, row["producer"])


def _filter(request: pb.ListJobsRequest, principal: Principal) -> JobFilter:
    rights = _rights(principal)
    owner = rights.owner
    if request.owner:
        owner = request.owner if owner in (None, request.owner) else "\x01nobody"
    states = []
    for index, state in enumerate(request.states):
        if state not in job_message.STATE_WORDS:
            raise invalid(f"states[{index}]", "expected a JobState other than UNSPECIFIED")
        states.append(job_message.STATE_WORDS[state])
    return JobFilter(
        queue=check_text("queue", request.queue, 64),
        kind=check_text("kind", request.kind, 64),
        owner=None if owner is None else check_text("owner", owner, MAX_OWNER),
        producer=rights.producer,
        states=states,
        labels={
            check_text("labels", key, 64): check_text("labels", value, 255) for key, value in request.labels.items()
        },
        created_after=_time("created_after", request),
        created_before=_time("created_before", request),
    )


def _time(name: str, request: pb.ListJobsRequest) -> datetime | None:
    value = epoch(name, request, name)
    return None if value is None else datetime.fromtimestamp(value, UTC)

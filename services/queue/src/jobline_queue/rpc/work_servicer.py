"""WorkService: the stream, and its unary twins on the same desk with the same tokens."""

from __future__ import annotations

import asyncio
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator
from typing import Any

from jobline.v1 import job_pb2
from jobline.v1 import work_service_pb2 as pb
from jobline.v1.work_service_pb2_grpc import WorkServiceServicer
from jobline_queue.core.ending import Outcome
from jobline_queue.core.errors import (
    DatabaseUnavailable,
    JoblineError,
    RunCancelled,
    StaleLease,
    TooLarge,
    invalid,
)
from jobline_queue.core.job_input import InputStore
from jobline_queue.core.json_text import check_text
from jobline_queue.core.new_job import MAX_OWNER
from jobline_queue.dispatch.active import QueueCore
from jobline_queue.dispatch.session import LeaseState, OutcomeStatus, Session, StepStatus
from jobline_queue.rpc import convert
from jobline_queue.rpc.principal import current
from jobline_queue.rpc.work_stream import WorkStream, lease_status, worker_scope

#: How long, and how many, answers to claims are kept for repeated request ids.
CLAIM_MEMORY_SECONDS = 60.0
CLAIM_MEMORY = 10_000
Context = Any
#: (deadline, the answer)
Remembered = tuple[float, asyncio.Task[pb.ClaimJobsResponse]]


class WorkServicer(WorkServiceServicer):
    """See work_service.proto for what each call promises."""

    def __init__(self, core: QueueCore, inputs: InputStore) -> None:
        self._core = core
        self._inputs = inputs
        self._claims: OrderedDict[tuple[str, str], Remembered] = OrderedDict()

    async def Work(  # type: ignore[override]  # the stream is served by reads and writes on the context
        self, request_iterator: Any, context: Context
    ) -> None:
        await WorkStream(self._core.active, current.get(), context).run()

    async def ClaimJobs(self, request: pb.ClaimJobsRequest, context: Context) -> pb.ClaimJobsResponse:
        if not request.request_id:
            return await self._claim(request)
        request_id = convert.uuid_text("request_id", request.request_id)
        key = (current.get().name, request_id)
        now = asyncio.get_running_loop().time()
        while self._claims and (next(iter(self._claims.values()))[0] < now or len(self._claims) > CLAIM_MEMORY):
            self._claims.popitem(last=False)
        if key not in self._claims:
            self._claims[key] = (now + CLAIM_MEMORY_SECONDS, asyncio.create_task(self._claim(request)))
        claim = self._claims[key][1]
        try:
            # Shielded: a caller that hangs up and asks again gets the leases of the first call.
            return await asyncio.shield(claim)
        except JoblineError:
            if self._claims.get(key, (0.0, None))[1] is claim:
                del self._claims[key]  # it claimed nothing: the next try is a new one
            raise

    async def _claim(self, request: pb.ClaimJobsRequest) -> pb.ClaimJobsResponse:
        active = self._core.active
        session = Session(str(uuid.uuid4()), *worker_scope(current.get(), request))
        most = request.max_jobs or 1
        if not 1 <= most <= 1000:
            raise invalid("max_jobs", "expected 1 to 1000")
        wait = convert.seconds("wait", request, "wait", 30.0) or 0.0
        left = None
        if request.HasField("due"):
            owner, at = _due(request)
            items, left = await active.desk.claim_due(session, most, wait, owner, at)
        else:
            items = await active.desk.claim(session, most, wait)
        policies = [active.dispatcher.policy(queue) for queue in sorted({item.job.queue for item in items})]
        return pb.ClaimJobsResponse(
            assignments=[convert.assignment(item) for item in items],
            queues=[convert.queue_terms(policy) for policy in policies],
            due=None if left is None else convert.due_state(left),
        )

    async def Heartbeat(self, request: pb.HeartbeatRequest, context: Context) -> pb.HeartbeatResponse:
        held = [(group.lease_token, list(group.job_ids)) for group in request.held]
        states = self._core.active.desk.heartbeat(held)
        return pb.HeartbeatResponse(leases=[lease_status(status) for status in states])

    async def ReportProgress(self, request: pb.ReportProgressRequest, context: Context) -> pb.ReportProgressResponse:
        desk = self._core.active.desk
        job_id, token = _run(request)
        progress = convert.progress("progress", request.progress)
        steps = [convert.step_output(f"steps[{index}]", step) for index, step in enumerate(request.steps)]
        for step in steps:
            await self._store_step(job_id, token, *step)
        state = desk.heartbeat([(token, [job_id])])[0][2]
        if state is not LeaseState.LOST and request.HasField("progress"):
            state = desk.progress(job_id, token, *progress)
            await desk.store_progress(job_id, token)
        if state is LeaseState.LOST:
            raise StaleLease
        return pb.ReportProgressResponse(lease=pb.LeaseState.ValueType(state.value))

    async def _store_step(self, job_id: str, token: str, name: str, output: str, seconds: float) -> None:
        done: asyncio.Future[tuple[StepStatus, str]] = asyncio.get_running_loop().create_future()

        def answer(status: StepStatus, detail: str) -> None:
            if not done.done():
                done.set_result((status, detail))

        self._core.active.desk.step(job_id, token, name, output, seconds, answer)
        status, detail = await done
        match status:
            case StepStatus.LOST:
                raise StaleLease
            case StepStatus.INVALID:
                raise TooLarge(f"steps: {detail}")
            case StepStatus.RETRY:
                raise DatabaseUnavailable

    async def ReadJobInput(
        self, request: pb.ReadJobInputRequest, context: Context
    ) -> AsyncIterator[pb.ReadJobInputResponse]:
        """One part is read at a time, and not before the one before it has left."""
        job_id, token = _run(request)
        item = request.first_item
        if item < 0:
            raise invalid("first_item", "expected 0 or more")
        self._expect_current(job_id, token)
        total = await self._inputs.items(job_id) or 0
        part = await self._inputs.part_with(job_id, item) if item < total else None
        while item < total:
            self._expect_current(job_id, token)
            if part is None:
                raise StaleLease  # it goes with its job, or with the end of the run
            item = part.first_item + part.items
            chunk = job_pb2.InputChunk(items_json=part.data)
            yield pb.ReadJobInputResponse(first_item=part.first_item, total_items=total, chunk=chunk)
            if item < total:
                part = await self._inputs.part(job_id, part.number + 1)

    def _expect_current(self, job_id: str, token: str) -> None:
        if self._core.active.dispatcher.current_run(job_id, token) is None:
            raise StaleLease

    async def CompleteJob(self, request: pb.CompleteJobRequest, context: Context) -> pb.CompleteJobResponse:
        message = pb.Outcome(completed=pb.Completed(result_json=request.result_json))
        return pb.CompleteJobResponse(status=await self._end(request, message))

    async def FailJob(self, request: pb.FailJobRequest, context: Context) -> pb.FailJobResponse:
        message = pb.Outcome(failed=pb.Failed(error=request.error))
        if request.HasField("retry_after"):
            message.failed.retry_after.CopyFrom(request.retry_after)
        return pb.FailJobResponse(status=await self._end(request, message))

    async def SnoozeJob(self, request: pb.SnoozeJobRequest, context: Context) -> pb.SnoozeJobResponse:
        message = pb.Outcome(snoozed=pb.Snoozed())
        if request.HasField("delay"):
            message.snoozed.delay.CopyFrom(request.delay)
        return pb.SnoozeJobResponse(status=await self._end(request, message))

    async def ReleaseJob(self, request: pb.ReleaseJobRequest, context: Context) -> pb.ReleaseJobResponse:
        message = pb.Outcome(released=pb.Released(reason=request.reason))
        return pb.ReleaseJobResponse(status=await self._end(request, message))

    async def _end(self, request: Any, message: pb.Outcome) -> pb.OutcomeStatus.ValueType:
        """Ends a run; a refusal becomes the error that the contract names."""
        job_id, token = _run(request)
        outcome: Outcome = convert.outcome("outcome", message)
        actor = current.get().actor
        status, detail = await self._core.active.desk.outcome_now(job_id, token, outcome, actor)
        match status:
            case OutcomeStatus.STALE:
                raise StaleLease
            case OutcomeStatus.CANCELLED:
                raise RunCancelled
            case OutcomeStatus.INVALID:
                raise invalid("outcome", detail)
            case OutcomeStatus.RETRY:
                raise DatabaseUnavailable
        return pb.OutcomeStatus.ValueType(status.value)


def _due(request: pb.ClaimJobsRequest) -> tuple[str, float | None]:
    """(owner, moment) of a claim's scope, checked."""
    if len(set(request.queues)) != 1:
        raise invalid("queues", "expected exactly one queue with `due`")
    return check_text("due.owner", request.due.owner, MAX_OWNER), convert.epoch("due.at", request.due, "at")


def _run(request: Any) -> tuple[str, str]:
    return convert.uuid_text("job_id", request.job_id), convert.uuid_text("lease_token", request.lease_token)

"""What a session says, over the unary calls: for a worker that claims what it wants instead of being handed it.

The session (`session`) decides what to say and what answers mean, exactly as it does over a stream; this module only takes
its messages apart, makes a call of each part, and puts the answers back together. Runs in the gRPC loop's thread.

    part of a message          call                                  its answer, or its failure, as the session hears it
    heartbeat                  Heartbeat, one after the other        heartbeat_ack; none
    progress                   ReportProgress, one after the other   cancel, if the run should stop; none
    finished step              ReportProgress                        step ack; RETRY
    outcome                    CompleteJob, FailJob, …               outcome ack; RETRY, until its lease must be void
    capacity, goodbye          none: who claims is handed nothing

A claim's answer is a Welcome with assignments. So leases are confirmed at once, for an answer that was long on its way may
tell of leases that have lapsed since.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

import grpc

from jobline.calls import DEFAULT_DEADLINE, Calls
from jobline.errors import Cancelled, InvalidField, JoblineError, StaleLease, TooLarge
from jobline.stubs import work_stub
from jobline.v1 import work_service_pb2 as pb
from jobline.worker.session import Session

__all__ = ["Twins"]

log = logging.getLogger(__name__)

_TICK = 0.1
#: Seconds before a heartbeat that failed for good is composed anew.
_BEAT_AGAIN_AFTER = 0.5
#: Seconds after which progress is old.
_PROGRESS_WITHIN = 2.0

_COUNTS = (pb.OUTCOME_STATUS_COMMITTED, pb.OUTCOME_STATUS_ALREADY_COMMITTED)
_FINAL = (*_COUNTS, pb.OUTCOME_STATUS_STALE, pb.OUTCOME_STATUS_CANCELLED)


class _Ended(Protocol):
    """The response of any of the calls that end a run."""

    @property
    def status(self) -> pb.OutcomeStatus.ValueType: ...


_EndRun = Callable[[grpc.aio.Channel], Callable[..., Awaitable[_Ended]]]


class Twins:
    """Speaks for one session through `calls`. All methods are called in the gRPC loop."""

    def __init__(self, calls: Calls, session: Session) -> None:
        self._calls = calls
        self._session = session
        #: How many outcomes counted, by their kind (the name of the field in Outcome.result).
        self.counted: Counter[str] = Counter()
        #: Seconds that an outcome is told again: as long as its lease may last.
        self._patience = 0.0
        self._first_told: dict[tuple[str, str], float] = {}
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._beating, self._progressing = asyncio.Lock(), asyncio.Lock()
        #: Heartbeats of an earlier round wait behind one that failed; they are composed anew instead.
        self._round = 0

    async def run(self) -> None:
        """Says what the session wants said, until cancelled."""
        ticker = asyncio.create_task(self._tick())
        try:
            while True:
                self._session.work.clear()
                request = self._session.compose(time.monotonic())
                if request is None:
                    await self._session.work.wait()
                else:
                    self._say(request)
        finally:
            for task in (ticker, *self._tasks):
                task.cancel()

    async def claim(self, request: pb.ClaimJobsRequest, deadline: float) -> pb.ClaimJobsResponse:
        """Claims jobs; the session has them when this returns. Raises JoblineError.

        The request must have an id. Cancelling may leave jobs claimed that nobody runs until their leases lapse.
        """
        response = await self._calls.unary(
            lambda channel: work_stub(channel).ClaimJobs, request, idempotent=True, deadline=deadline
        )
        if response.assignments:
            leases = [terms.lease.ToTimedelta().total_seconds() for terms in response.queues]
            self._patience = max(self._patience, *leases)
            welcome = pb.Welcome(queues=response.queues)
            welcome.heartbeat_interval.FromNanoseconds(round(min(leases) / 3 * 1e9))
            self._hear(welcome=welcome, assignments=pb.Assignments(assignments=response.assignments))
        return response

    async def settled(self) -> None:
        """Returns once nothing is held and every outcome is answered, or too old to count."""
        while self._session.leases or self._session.outcomes:
            self._changed.clear()
            await self._changed.wait()

    # ---- between the session and the calls --------------------------------------------------------------------------

    def _hear(self, **parts: Any) -> None:
        self._session.receive(pb.WorkResponse(**parts), time.monotonic())
        self._changed.set()

    async def _tick(self) -> None:
        while True:
            self._session.tick(time.monotonic())
            self._changed.set()
            await asyncio.sleep(_TICK)

    def _say(self, request: pb.WorkRequest) -> None:
        if request.heartbeat.held:
            self._begin(self._beat(request.heartbeat, self._round))
        for progress in request.reports.progress:
            self._begin(self._progress(progress))
        for step in request.reports.steps:
            self._begin(self._step(step))
        for outcome in request.outcomes.outcomes:
            for job_id in outcome.job_ids:
                self._begin(self._end(job_id, outcome))

    def _begin(self, call: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(call)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _beat(self, heartbeat: pb.Heartbeat, round_: int) -> None:
        async with self._beating:
            if round_ != self._round:
                return
            try:
                response = await self._calls.unary(
                    lambda channel: work_stub(channel).Heartbeat,
                    pb.HeartbeatRequest(held=heartbeat.held),
                    idempotent=True,
                    deadline=self._session.heartbeat_interval,
                )
            except JoblineError as error:
                log.warning("a heartbeat is not answered: %s", error)
                await asyncio.sleep(_BEAT_AGAIN_AFTER)
                self._round += 1
                self._session.heartbeats_lost()
            else:
                for status in response.leases:
                    if self._is_told(status.lease_token, status.job_id):
                        status.state = pb.LEASE_STATE_HELD
                self._hear(heartbeat_ack=pb.HeartbeatAck(leases=response.leases))

    async def _progress(self, report: pb.ProgressReport) -> None:
        request = pb.ReportProgressRequest(
            job_id=report.job_id, lease_token=report.lease_token, progress=report.progress
        )
        async with self._progressing:
            try:
                await self._report(request, idempotent=False, deadline=_PROGRESS_WITHIN)
            except JoblineError as error:
                log.info("progress of job %s is not told: %s", report.job_id, error)

    async def _step(self, report: pb.StepReport) -> None:
        request = pb.ReportProgressRequest(job_id=report.job_id, lease_token=report.lease_token, steps=[report.step])
        status, detail = pb.STEP_STATUS_STORED, ""
        try:
            await self._report(request, idempotent=True, deadline=DEFAULT_DEADLINE)
        except StaleLease:
            status = pb.STEP_STATUS_LOST
        except (InvalidField, TooLarge) as error:
            status, detail = pb.STEP_STATUS_INVALID, str(error)
        except JoblineError as error:
            log.warning("a step of job %s is not stored: %s", report.job_id, error)
            status = pb.STEP_STATUS_RETRY
        ack = pb.StepAck(job_id=report.job_id, step=report.step.name, status=status, detail=detail)
        self._hear(report_acks=pb.ReportAcks(steps=[ack]))

    async def _report(self, request: pb.ReportProgressRequest, *, idempotent: bool, deadline: float) -> None:
        """The answer says whether the run should stop, as a push on a stream would."""
        try:
            response = await self._calls.unary(
                lambda channel: work_stub(channel).ReportProgress, request, idempotent=idempotent, deadline=deadline
            )
            state = response.lease
        except StaleLease:
            self._push(request, pb.LEASE_STATE_LOST)
            raise
        if state != pb.LEASE_STATE_HELD:
            self._push(request, state)

    def _push(self, request: pb.ReportProgressRequest, state: pb.LeaseState.ValueType) -> None:
        if self._is_told(request.lease_token, request.job_id):
            return
        status = pb.LeaseStatus(lease_token=request.lease_token, job_id=request.job_id, state=state)
        self._hear(cancel=pb.Cancel(leases=[status]))

    def _is_told(self, token: str, job_id: str) -> bool:
        """Whether an outcome is on its way: its answer says what becomes of the run. Calls overtake one another, and one that
        comes after the outcome is told that the lease is over, as it is, while the outcome's answer may still be under way.
        """
        return (token, job_id) in self._first_told

    async def _end(self, job_id: str, outcome: pb.Outcome) -> None:
        key = outcome.lease_token, job_id
        first_told = self._first_told.setdefault(key, time.monotonic())
        status, detail = await self._told(job_id, outcome)
        if status == pb.OUTCOME_STATUS_RETRY and time.monotonic() - first_told > self._patience:
            log.warning("job %s: its outcome was not answered for as long as its lease lasts", job_id)
            status = pb.OUTCOME_STATUS_STALE
        if status in _COUNTS:
            self.counted[outcome.WhichOneof("result") or ""] += 1
        if status in _FINAL:
            del self._first_told[key]
        ack = pb.OutcomeAck(job_ids=[job_id], lease_token=outcome.lease_token, status=status, detail=detail)
        self._hear(outcome_acks=pb.OutcomeAcks(acks=[ack]))

    async def _told(self, job_id: str, outcome: pb.Outcome) -> tuple[pb.OutcomeStatus.ValueType, str]:
        """The answer to an outcome, in the words of an OutcomeAck."""
        call, request = _ending(job_id, outcome)
        try:
            response = await self._calls.unary(call, request, idempotent=True, deadline=DEFAULT_DEADLINE)
        except StaleLease:
            return pb.OUTCOME_STATUS_STALE, ""
        except Cancelled:
            return pb.OUTCOME_STATUS_CANCELLED, ""
        except (InvalidField, TooLarge) as error:
            return pb.OUTCOME_STATUS_INVALID, str(error)
        except JoblineError as error:
            log.warning("the outcome of job %s is not answered: %s", job_id, error)
            return pb.OUTCOME_STATUS_RETRY, ""
        return response.status, ""


def _ending(job_id: str, outcome: pb.Outcome) -> tuple[_EndRun, Any]:
    """The call that ends a run this way. There is none for `cancelled`: to give back a job whose cancel was requested
    cancels it."""
    token = outcome.lease_token
    match outcome.WhichOneof("result"):
        case "completed":
            completed = pb.CompleteJobRequest(
                job_id=job_id, lease_token=token, result_json=outcome.completed.result_json
            )
            return (lambda channel: work_stub(channel).CompleteJob), completed
        case "failed":
            failed = pb.FailJobRequest(job_id=job_id, lease_token=token, error=outcome.failed.error)
            if outcome.failed.HasField("retry_after"):
                failed.retry_after.CopyFrom(outcome.failed.retry_after)
            return (lambda channel: work_stub(channel).FailJob), failed
        case "snoozed":
            snoozed = pb.SnoozeJobRequest(job_id=job_id, lease_token=token, delay=outcome.snoozed.delay)
            return (lambda channel: work_stub(channel).SnoozeJob), snoozed
        case _:
            released = pb.ReleaseJobRequest(job_id=job_id, lease_token=token, reason=outcome.released.reason)
            return (lambda channel: work_stub(channel).ReleaseJob), released

"""The work stream, server side: one reader, one writer, one session.

The life of a stream:

    worker                          queue service
      │ Hello, Capacity                 │
      ├────────────────────────────────▶│ hello(): resume the session or begin it; say of each held lease whether it is held
      │◀────────────────────────────────┤ Welcome
      │◀────────────────────────────────┤ Assignments        as room, order and limits allow; batched
      │ Heartbeat (receipt) ───────────▶│ HeartbeatAck       within 1 s of the assignment, then every lease/3
      │ Reports ───────────────────────▶│ ReportAcks         for finished steps, after their commit
      │ Outcomes ──────────────────────▶│ OutcomeAcks        after their commit; the next job comes in the same message
      │◀────────────────────────────────┤ Cancel             pushed; the HeartbeatAck says it again
      │ Goodbye, half-close ───────────▶│ end with OK, once everything is answered

The reader turns each message into calls of the desk (`dispatch/work_desk.py`) in the order of its fields. What is bad about
an item is answered in its place; only a breach of the protocol ends the stream. Nothing here decides anything about jobs.

The writer takes everything that waits in the session's outbox into as few messages as fit under the cap. While a write is
blocked, because the worker does not read, `stalled_since` keeps the dispatcher from handing it more; what it was handed but
never received returns by the receipt deadline.

Either side may go at any time. When the stream ends, whatever the reason, the session is detached and keeps its leases.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, cast

from grpc.aio import EOF, InternalError  # type: ignore[attr-defined]  # the stubs leave EOF out

from jobline.v1 import work_service_pb2 as pb
from jobline_queue.core.errors import InvalidField, JoblineError, ProtocolViolation, TooLarge, invalid
from jobline_queue.core.json_text import check_text
from jobline_queue.core.live_job import LiveJob
from jobline_queue.core.new_job import KIND
from jobline_queue.core.policy import QUEUE_NAME
from jobline_queue.dispatch.active import ActiveTerm
from jobline_queue.dispatch.acts import EndRun
from jobline_queue.dispatch.session import (
    MAX_UNSENT,
    Assignment,
    LeaseState,
    Outbox,
    OutcomeStatus,
    Session,
    StepStatus,
)
from jobline_queue.dispatch.work_desk import Held, Status
from jobline_queue.rpc import convert
from jobline_queue.rpc.principal import Principal

logger = logging.getLogger(__name__)

#: Assignments are cut into messages of about this many bytes of payload (the cap on a message is 4 MiB).
BATCH_BYTES = 1024 * 1024
#: Answers that wait to be sent, or for their commit, beyond which the worker's next message is not read.
MAX_UNREAD = 20_000
#: A write that takes longer marks the session as stalled.
STALL_AFTER = 5.0


class WorkStream:
    """One stream of one worker."""

    def __init__(self, active: ActiveTerm, principal: Principal, context: Any) -> None:
        self._active = active
        self._desk = active.desk
        self._principal = principal
        self._actor = principal.actor
        self._context = context
        #: Set when the outbox has been emptied into messages and the last of them has been written.
        self._sent = asyncio.Event()

    async def run(self) -> None:
        """Serves the stream to its end. Raises what the stream is to end with."""
        first = await self._context.read()
        if first is EOF or first is None or not first.HasField("hello"):
            raise ProtocolViolation("the first message must have `hello` set")
        session = self._session(first.hello)
        states = self._desk.hello(session, _held(first.hello.held))
        try:
            await self._context.write(self._welcome(session, states))
            await self._serve(session, first)
        except InternalError:  # gRPC's word for a write to a worker that has just gone
            logger.info("worker %s is gone", session.name)
        finally:
            self._desk.detach(session)

    async def _serve(self, session: Session, first: pb.WorkRequest) -> None:
        self._handle(session, first)
        reader = asyncio.create_task(self._read(session))
        writer = asyncio.create_task(self._write(session))
        try:
            done, _ = await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            if reader in done:  # half-closed: the answers still under way are sent before the end
                await self._finish(session, writer)
        finally:
            reader.cancel()
            writer.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)

    async def _finish(self, session: Session, writer: asyncio.Task[None]) -> None:
        deadline = asyncio.get_running_loop().time() + STALL_AFTER
        session.capacity.clear()
        while (session.unanswered or session.outbox) and asyncio.get_running_loop().time() < deadline:
            if writer.done():
                writer.result()
                return
            await asyncio.sleep(0.01)

    # ---- reading ----------------------------------------------------------------------------------------------------

    async def _read(self, session: Session) -> None:
        while (message := await self._context.read()) is not EOF:
            if message is None:
                raise ProtocolViolation("expected a WorkRequest")
            if message.HasField("hello"):
                raise ProtocolViolation("`hello` belongs into the first message only")
            self._handle(session, message)
            while session.unanswered + session.outbox.answers > MAX_UNREAD:
                # Who asks and does not read the answers is not read either, or its answers would fill the memory.
                self._sent.clear()
                await self._sent.wait()

    def _handle(self, session: Session, message: pb.WorkRequest) -> None:
        session.last_seen_at = self._active.term.clock.now()
        if session.silent:
            session.silent = False
            self._desk.wake()
        if message.HasField("capacity"):
            self._desk.set_capacity(session, [(each.queue, each.jobs) for each in message.capacity.queues])
        if message.HasField("heartbeat"):
            session.answer_heartbeat(self._desk.heartbeat(_held(message.heartbeat.held)))
        if message.HasField("reports"):
            self._reports(session, message.reports)
        if message.HasField("outcomes"):
            for outcome in message.outcomes.outcomes:
                self._outcome(session, outcome)
        if message.HasField("goodbye"):
            self._desk.goodbye(session)

    def _reports(self, session: Session, reports: pb.Reports) -> None:
        for report in reports.progress:
            try:
                progress = convert.progress("progress", report.progress)
            except JoblineError as error:
                logger.warning("worker %s: bad progress of job %s: %s", session.name, report.job_id, error)
                continue
            state = self._desk.progress(report.job_id, report.lease_token, *progress)
            if state is not LeaseState.HELD:
                session.push_cancel(report.lease_token, report.job_id, state)
        for step in reports.steps:
            self._step(session, step)

    def _step(self, session: Session, report: pb.StepReport) -> None:
        session.unanswered += 1

        def answer(status: StepStatus, detail: str) -> None:
            session.unanswered -= 1
            session.acknowledge_step(report.job_id, report.step.name, status, detail)

        try:
            name, output, seconds = convert.step_output("step", report.step)
        except (InvalidField, TooLarge) as error:
            answer(StepStatus.INVALID, str(error))
        else:
            self._desk.step(report.job_id, report.lease_token, name, output, seconds, answer)

    def _outcome(self, session: Session, message: pb.Outcome) -> None:
        token, job_ids = message.lease_token, message.job_ids
        if not job_ids:
            session.acknowledge("", token, OutcomeStatus.INVALID, "job_ids: expected at least one")
            return
        try:
            outcome = convert.outcome("outcome", message)
        except (InvalidField, TooLarge) as error:
            for job_id in job_ids:
                session.acknowledge(job_id, token, OutcomeStatus.INVALID, str(error))
            return
        acts: list[tuple[LiveJob | None, EndRun]] = []
        for job_id in job_ids:
            job = self._active.dispatcher.current_run(job_id, token)
            # A run that memory knows has a job id and a token of the right form.
            if job is None and not (convert.is_uuid(job_id) and convert.is_uuid(token)):
                detail = "job_ids, lease_token: expected canonical UUIDs"
                session.acknowledge(job_id, token, OutcomeStatus.INVALID, detail)
                continue
            acts.append((job, EndRun(job_id, token, outcome, session.answer_outcome, self._actor)))
        self._desk.session_outcomes(session, acts)

    # ---- writing ----------------------------------------------------------------------------------------------------

    async def _write(self, session: Session) -> None:
        while True:
            await session.wake.wait()
            outbox = session.take()
            if len(outbox.assignments) >= MAX_UNSENT:
                self._desk.wake()  # it had no room as long as they waited
            for message in _messages(outbox):
                await self._write_one(session, message)
            self._sent.set()
            if session.ended is not None:
                raise session.ended

    async def _write_one(self, session: Session, message: pb.WorkResponse) -> None:
        loop = asyncio.get_running_loop()
        stalled = loop.call_later(STALL_AFTER, self._stall, session)
        try:
            await self._context.write(message)
        finally:
            stalled.cancel()
        if session.stalled_since is not None:
            session.stalled_since = None
            self._desk.wake()

    def _stall(self, session: Session) -> None:
        logger.warning("worker %s does not read; it is handed nothing more for now", session.name)
        session.stalled_since = self._active.term.clock.now()

    # ---- hello ------------------------------------------------------------------------------------------------------

    def _session(self, hello: pb.Hello) -> Session:
        if not convert.is_uuid(hello.session_id):
            raise ProtocolViolation("hello.session_id: expected a canonical UUID")
        try:
            return Session(hello.session_id, *worker_scope(self._principal, hello))
        except InvalidField as error:
            raise ProtocolViolation(f"hello.{error}") from None

    def _welcome(self, session: Session, states: list[Status]) -> pb.WorkResponse:
        policies = [self._active.dispatcher.policy(queue) for queue in sorted(session.queues)]
        interval = min(policy.lease for policy in policies) / 3
        return pb.WorkResponse(
            welcome=pb.Welcome(
                heartbeat_interval=convert.duration(interval),
                queues=[convert.queue_terms(policy) for policy in policies],
                leases=[lease_status(status) for status in states],
            )
        )


def worker_scope(principal: Principal, message: Any) -> tuple[str, str, set[str], frozenset[str]]:
    """(name, principal, queues, kinds) of a Hello or a ClaimJobsRequest, checked. Raises InvalidField."""
    name = getattr(message, "name", "") or getattr(message, "worker", "") or principal.name
    check_text("name", name, 128)
    queues, kinds = set(message.queues), frozenset(message.kinds)
    _check_names("queues", queues, 64, QUEUE_NAME.fullmatch)
    _check_names("kinds", kinds, 256, KIND.fullmatch)
    return name, principal.name, queues, kinds


def _check_names(field: str, names: set[str] | frozenset[str], most: int, matches: Callable[[str], object]) -> None:
    if not 1 <= len(names) <= most:
        raise invalid(field, f"expected 1 to {most} names")
    for name in names:
        if not matches(name):
            raise invalid(field, f"{name!r} is not a name of 1-64 allowed characters")


def _held(groups: Any) -> list[Held]:
    return [(group.lease_token, list(group.job_ids)) for group in groups]


def lease_status(status: Status) -> pb.LeaseStatus:
    token, job_id, state = status
    return pb.LeaseStatus(lease_token=token, job_id=job_id, state=cast("pb.LeaseState.ValueType", state))


def _messages(outbox: Outbox) -> Iterator[pb.WorkResponse]:
    """The outbox as messages: one, or more when the assignments are too large for one."""
    message = pb.WorkResponse()
    _add_outcome_acks(message, outbox)
    for job_id, step, step_status, detail in outbox.step_acks:
        message.report_acks.steps.add(
            job_id=job_id, step=step, status=cast("pb.StepStatus.ValueType", step_status), detail=detail
        )
    if outbox.heartbeat_due:
        message.heartbeat_ack.SetInParent()
        message.heartbeat_ack.leases.extend(lease_status(status) for status in outbox.lease_states)
    if outbox.cancels:
        message.cancel.leases.extend(lease_status(status) for status in outbox.cancels)
    if outbox.drain is not None:
        seconds, reason = outbox.drain
        message.drain.deadline.FromMicroseconds(round(seconds * 1e6))
        message.drain.reason = reason
    size = 0
    for item in outbox.assignments:
        weight = _weight(item)
        if size and size + weight > BATCH_BYTES:
            yield message
            message, size = pb.WorkResponse(), 0
        convert.fill_assignment(message.assignments.assignments.add(), item)
        size += weight
    if message.ByteSize():
        yield message


def _add_outcome_acks(message: pb.WorkResponse, outbox: Outbox) -> None:
    """The runs of a lease mostly end alike, and then have one answer."""
    for (token, status, detail), answers in groupby(outbox.outcome_acks, key=_answer):
        ack = message.outcome_acks.acks.add(
            lease_token=token, status=cast("pb.OutcomeStatus.ValueType", status), detail=detail
        )
        ack.job_ids.extend([job_id for job_id, *_ in answers if job_id])


#: Of an entry of `Outbox.outcome_acks`, all but the job.
_answer = itemgetter(1, 2, 3)


def _weight(item: Assignment) -> int:
    """An upper bound of its bytes: a character is at most 4."""
    payload = item.payload
    text = len(payload)
    if item.steps:
        text += sum(len(step.output) for step in item.steps)
    return (text if payload.isascii() and not item.steps else 4 * text) + 512

"""Job rows and live jobs as contract messages. Memory is fresher than the row for whatever lives, so it is laid over."""

from __future__ import annotations

from collections.abc import Sequence

from jobline.v1 import job_pb2, job_service_pb2
from jobline_queue.core.job_filter import JobRow
from jobline_queue.core.live_job import LiveJob
from jobline_queue.dispatch.dispatcher import Dispatcher
from jobline_queue.dispatch.forecast import Estimate
from jobline_queue.dispatch.waiting import WaitReason
from jobline_queue.rpc.convert import duration, labels, timestamp

STATES = {
    "pending": job_pb2.JOB_STATE_PENDING,
    "running": job_pb2.JOB_STATE_RUNNING,
    "succeeded": job_pb2.JOB_STATE_SUCCEEDED,
    "failed": job_pb2.JOB_STATE_FAILED,
    "cancelled": job_pb2.JOB_STATE_CANCELLED,
}
STATE_WORDS = {number: word for word, number in STATES.items()}
OUTCOMES = {
    "failed": job_pb2.ATTEMPT_OUTCOME_FAILED,
    "released": job_pb2.ATTEMPT_OUTCOME_RELEASED,
    "snoozed": job_pb2.ATTEMPT_OUTCOME_SNOOZED,
    "lost": job_pb2.ATTEMPT_OUTCOME_LOST,
    "timed_out": job_pb2.ATTEMPT_OUTCOME_TIMED_OUT,
    "cancelled": job_pb2.ATTEMPT_OUTCOME_CANCELLED,
}


def from_row(row: JobRow, dispatcher: Dispatcher) -> job_pb2.Job:
    """The job of a row, with what memory knows better."""
    return from_rows((row,), dispatcher)[0]


def from_rows(rows: Sequence[JobRow], dispatcher: Dispatcher) -> list[job_pb2.Job]:
    """The same of many, all of one moment."""
    living = [live for row in rows if (live := dispatcher.jobs.get(row["id"])) and row["finished_at"] is None]
    places = {live.id: (live, place) for live, place in zip(living, dispatcher.positions(living), strict=True)}
    return [_from_row(row, *places.get(row["id"], (None, 0))) for row in rows]


def _from_row(row: JobRow, live: LiveJob | None, position: int) -> job_pb2.Job:
    message = job_pb2.Job(
        id=row["id"],
        queue=row["queue"],
        kind=row["kind"],
        owner=row["owner"],
        state=STATES[row["state"]],
        priority=row["priority"],
        run_at=timestamp(row["run_at"]),
        seq=row["seq"],
        concurrency_key=row["concurrency_key"],
        idempotency_key=row["idempotency_key"] or "",
        correlation_id=row["correlation_id"],
        labels=row["labels"],
        payload_json=row.get("payload") or "",
        result_json=row.get("result") or "",
        attempt=row["attempt"],
        max_attempts=row["max_attempts"],
        created_at=timestamp(row["created_at"]),
        started_at=timestamp(row["started_at"]),
        finished_at=timestamp(row["finished_at"]),
        updated_at=timestamp(row["updated_at"]),
        cancel_requested_at=timestamp(row["cancel_requested_at"]),
        input_items=row["input_items"],
    )
    _set_progress(message, row["step"], row["progress_current"], row["progress_total"], row["progress_message"])
    if row["error_code"]:
        message.error.CopyFrom(error_of(row))
    if live is not None:
        _lay_over(message, live, position)
    if message.state not in (job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_PENDING):
        message.ClearField("error")  # of an earlier run
    return message


def from_live(jobs: Sequence[LiveJob], dispatcher: Dispatcher) -> list[job_pb2.Job]:
    """Live jobs from memory alone, all of one moment: without payload and error."""
    return [_from_live(job, position) for job, position in zip(jobs, dispatcher.positions(jobs), strict=True)]


def _from_live(job: LiveJob, position: int) -> job_pb2.Job:
    message = job_pb2.Job(
        id=job.id,
        queue=job.queue,
        kind=job.kind,
        owner=job.owner,
        priority=job.priority,
        run_at=timestamp(job.run_at),
        seq=job.seq,
        concurrency_key=job.key,
        correlation_id=job.correlation_id,
        labels=labels(job.labels),
        max_attempts=job.max_attempts,
        created_at=timestamp(job.created_at),
    )
    _lay_over(message, job, position)
    return message


def add_etas(messages: Sequence[job_pb2.Job], dispatcher: Dispatcher) -> None:
    """Says of those that live when they will have ended."""
    living = [(message, live) for message in messages if (live := dispatcher.jobs.get(message.id)) and _lives(message)]
    positions = [message.position for message, _ in living]
    estimates = dispatcher.forecast.estimates([live for _, live in living], positions)
    for (message, _), estimate in zip(living, estimates, strict=True):
        message.eta.CopyFrom(eta(estimate))


def _lives(message: job_pb2.Job) -> bool:
    return message.state in (job_pb2.JOB_STATE_PENDING, job_pb2.JOB_STATE_RUNNING)


def eta(estimate: Estimate) -> job_pb2.Eta:
    return job_pb2.Eta(p50=duration(estimate.p50), p90=duration(estimate.p90), reason=estimate.reason)


def _lay_over(message: job_pb2.Job, live: LiveJob, position: int) -> None:
    message.state = STATES[live.state]
    message.run_at.FromMicroseconds(round(live.run_at * 1e6))
    message.attempt = live.attempt + (live.lease is not None)
    message.position = position
    if live.lease is not None:
        message.started_at.FromMicroseconds(round((live.started_at or 0.0) * 1e6))
        message.lease.CopyFrom(
            job_pb2.Lease(
                worker=live.lease.worker,
                session_id=live.lease.session_id,
                expires_at=timestamp(live.expires_at),
                received=live.received,
            )
        )
    _set_progress(message, live.step, live.current, live.total, live.message)


def _set_progress(message: job_pb2.Job, step: str | None, current: int, total: int, text: str) -> None:
    message.ClearField("progress")
    if step or total or text:
        message.progress.CopyFrom(job_pb2.Progress(step=step or "", current=current, total=total, message=text))


def error_of(row: JobRow) -> job_pb2.JobError:
    return job_pb2.JobError(
        code=row["error_code"], message=row["error_message"] or "", retryable=bool(row["error_retryable"])
    )


def attempt(row: JobRow) -> job_pb2.Attempt:
    message = job_pb2.Attempt(
        number=row["number"],
        worker=row["worker"],
        session_id=row["session_id"],
        started_at=timestamp(row["started_at"]),
        finished_at=timestamp(row["finished_at"]),
        outcome=OUTCOMES[row["outcome"]],
        step=row["step"] or "",
    )
    if row["error_code"]:
        message.error.CopyFrom(error_of(row))
    return message


def own_attempt(job: job_pb2.Job, row: JobRow) -> job_pb2.Attempt | None:
    """The run that the job's own row tells: the one under way, or the one that succeeded."""
    if job.state == job_pb2.JOB_STATE_RUNNING:
        return job_pb2.Attempt(
            number=job.attempt,
            worker=job.lease.worker,
            session_id=job.lease.session_id,
            started_at=job.started_at,
            step=job.progress.step,
        )
    if job.state == job_pb2.JOB_STATE_SUCCEEDED:
        return job_pb2.Attempt(
            number=job.attempt,
            worker=row["worker"] or "",
            session_id=row["session_id"] or "",
            started_at=job.started_at,
            finished_at=job.finished_at,
            outcome=job_pb2.ATTEMPT_OUTCOME_SUCCEEDED,
            step=job.progress.step,
        )
    return None


def event(row: JobRow) -> job_pb2.JobEvent:
    return job_pb2.JobEvent(
        time=timestamp(row["at"]),
        name=row["name"],
        from_state=STATES.get(row["from_state"], job_pb2.JOB_STATE_UNSPECIFIED),
        to_state=STATES.get(row["to_state"], job_pb2.JOB_STATE_UNSPECIFIED),
        actor=row["actor"],
        detail=row["detail"],
        job_id=row["job_id"] or "",
        queue=row["queue"],
    )


def wait_reason(reason: WaitReason) -> job_service_pb2.WaitReason:
    return job_service_pb2.WaitReason(
        code=reason.code,
        detail=reason.detail,
        job_ids=reason.job_ids,
        until=timestamp(reason.until),
        since=timestamp(reason.since),
        actor=reason.actor,
        count=reason.count,
    )

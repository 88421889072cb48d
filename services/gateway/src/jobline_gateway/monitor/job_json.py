"""Between the queue service's messages about jobs and the monitor's JSON."""

from __future__ import annotations

from datetime import UTC

from jobline.v1 import job_pb2, job_service_pb2, queue_pb2
from jobline_gateway.monitor import schemas
from jobline_gateway.monitor.reading import seconds_of, time_of, word_of

__all__ = ["attempt", "count", "event", "full_job", "job", "page", "progress", "share", "step", "wait_reason"]


def job(found: job_pb2.Job) -> schemas.Job:
    return schemas.Job.model_validate(_state(found))


def full_job(found: job_pb2.Job) -> schemas.FullJob:
    return schemas.FullJob.model_validate(
        {
            **_state(found),
            "payload_json": found.payload_json or None,
            "result_json": found.result_json or None,
            "input_items": found.input_items,
            "lease": _lease(found.lease) if found.HasField("lease") else None,
        }
    )


def _state(found: job_pb2.Job) -> dict[str, object]:
    """What is said of a job everywhere."""
    return {
        "id": found.id,
        "queue": found.queue,
        "kind": found.kind,
        "owner": found.owner,
        "state": word_of(found, "state"),
        "priority": found.priority,
        "attempt": found.attempt,
        "max_attempts": found.max_attempts,
        "position": found.position,
        "eta": _eta(found.eta) if found.HasField("eta") else None,
        "progress": progress(found),
        "error": _error(found),
        "created_at": found.created_at.ToDatetime(UTC),
        "run_at": time_of(found, "run_at"),
        "started_at": time_of(found, "started_at"),
        "finished_at": time_of(found, "finished_at"),
        "updated_at": time_of(found, "updated_at"),
        "worker": found.lease.worker if found.HasField("lease") else None,
        "cancel_requested_at": time_of(found, "cancel_requested_at"),
        "labels": dict(sorted(found.labels.items())),
        "correlation_id": found.correlation_id,
        "concurrency_key": found.concurrency_key,
    }


def _eta(found: job_pb2.Eta) -> schemas.Eta:
    return schemas.Eta(p50=seconds_of(found, "p50"), p90=seconds_of(found, "p90"), reason=found.reason or None)


def progress(found: job_pb2.Job | queue_pb2.HeldJob) -> schemas.Progress | None:
    if not found.HasField("progress"):
        return None
    told = found.progress
    return schemas.Progress(step=told.step, current=told.current, total=told.total, message=told.message)


def _error(found: job_pb2.Job | job_pb2.Attempt) -> schemas.JobError | None:
    if not found.HasField("error"):
        return None
    return schemas.JobError(code=found.error.code, message=found.error.message, retryable=found.error.retryable)


def _lease(found: job_pb2.Lease) -> schemas.Lease:
    return schemas.Lease(
        worker=found.worker,
        session_id=found.session_id,
        expires_at=found.expires_at.ToDatetime(UTC),
        received=found.received,
    )


def page(found: job_service_pb2.ListJobsResponse) -> schemas.JobPage:
    return schemas.JobPage(jobs=[job(each) for each in found.jobs], next_cursor=found.next_page_token or None)


def count(found: job_service_pb2.CountJobsResponse) -> schemas.Count:
    return schemas.Count(count=found.count, states={word_of(each, "state"): each.count for each in found.states})


def attempt(found: job_pb2.Attempt) -> schemas.Attempt:
    return schemas.Attempt(
        number=found.number,
        worker=found.worker,
        session_id=found.session_id,
        started_at=found.started_at.ToDatetime(UTC),
        finished_at=time_of(found, "finished_at"),
        outcome=word_of(found, "outcome") or None,
        error=_error(found),
        step=found.step or None,
    )


def step(found: job_pb2.StepOutput) -> schemas.Step:
    return schemas.Step(
        name=found.name,
        seconds=seconds_of(found, "duration"),
        output_json=found.output_json or None,
        finished_at=time_of(found, "finished_at"),
        attempt=found.attempt,
    )


def event(found: job_pb2.JobEvent) -> schemas.Event:
    return schemas.Event(
        time=found.time.ToDatetime(UTC),
        name=found.name,
        from_=word_of(found, "from_state") or None,
        to=word_of(found, "to_state") or None,
        actor=found.actor,
        detail=found.detail,
        job_id=found.job_id or None,
        queue=found.queue or None,
    )


def wait_reason(found: job_service_pb2.WaitReason) -> schemas.WaitReason:
    return schemas.WaitReason(
        code=found.code,
        detail=found.detail,
        job_ids=list(found.job_ids),
        until=time_of(found, "until"),
        since=time_of(found, "since"),
        actor=found.actor or None,
        count=found.count or None,
    )


def share(found: job_service_pb2.BulkProgress) -> schemas.Share:
    return schemas.Share(total=found.total, done=found.done, skipped=found.skipped, finished=found.finished)

"""Between the contract's messages and the client's values. One function a type, named after it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from jobline.client import models
from jobline.client.fields import optional_seconds, seconds_of, time_of, word_of
from jobline.v1 import account_service_pb2, job_pb2, job_service_pb2

__all__ = [
    "attempt",
    "bulk_progress",
    "change",
    "credit_source_number",
    "credits",
    "event",
    "explanation",
    "job",
    "job_details",
    "job_filter",
    "job_order_number",
    "json_text",
    "new_job",
    "progress",
    "state",
    "state_number",
    "timestamp",
]


#: `json.dumps` with arguments builds an encoder at every call. A cycle ends in a RecursionError as well.
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), check_circular=False).encode


def new_job(new: models.NewJob, message: job_service_pb2.NewJob | None = None) -> job_service_pb2.NewJob:
    """Fills `message`, or a new one. Raises ValueError for a payload that JSON cannot hold.

    On the hot path: setting a field costs more than looking whether there is anything to set.
    """
    payload = json_text("payload", new.payload)
    message = job_service_pb2.NewJob() if message is None else message
    message.queue = new.queue
    message.kind = new.kind
    message.payload_json = payload
    for name in _RARELY_SET:
        if value := getattr(new, name):
            setattr(message, name, value)
    if new.labels:
        message.labels.update(new.labels)
    if new.run_at is not None:
        message.run_at.CopyFrom(timestamp(new.run_at))
    return message


def json_text(name: str, value: models.Json) -> str:
    """Raises ValueError, naming it, for what JSON cannot hold."""
    try:
        text = _encode(value)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{name}: expected a JSON value: {error}") from error
    return text


_RARELY_SET = ("owner", "priority", "concurrency_key", "idempotency_key", "correlation_id", "max_attempts")


def timestamp(time: datetime) -> Timestamp:
    """Raises ValueError for a time without a zone: it could mean two hours."""
    if time.tzinfo is None:
        raise ValueError(f"expected a time with a time zone, got {time.isoformat()}")
    message = Timestamp()
    message.FromDatetime(time.astimezone(UTC))
    return message


def state_number(state: models.JobState) -> job_pb2.JobState.ValueType:
    return job_pb2.JobState.Value(f"JOB_STATE_{state.name}")


def job_filter(where: models.JobFilter) -> job_service_pb2.JobFilter:
    return job_service_pb2.JobFilter(
        queues=where.queues,
        kind=where.kind,
        owner=where.owner,
        states=map(state_number, where.states),
        labels=where.labels,
        created_after=timestamp(where.created_after) if where.created_after else None,
        created_before=timestamp(where.created_before) if where.created_before else None,
        error=where.error,
    )


def job_order_number(order: models.JobOrder) -> job_service_pb2.JobOrder.ValueType:
    return job_service_pb2.JobOrder.Value(f"JOB_ORDER_{order.name}")


def credit_source_number(source: models.CreditSource) -> account_service_pb2.CreditSource.ValueType:
    return account_service_pb2.CreditSource.Value(f"CREDIT_SOURCE_{source.name}")


def credits(message: account_service_pb2.Credits) -> models.Credits:
    return models.Credits(message.active, message.reserved, message.used, message.expired)


def job(message: job_pb2.Job) -> models.Job:
    return models.Job(
        id=message.id,
        queue=message.queue,
        kind=message.kind,
        owner=message.owner,
        state=state(message.state),
        priority=message.priority,
        run_at=time_of(message, "run_at"),
        seq=message.seq,
        concurrency_key=message.concurrency_key,
        idempotency_key=message.idempotency_key,
        correlation_id=message.correlation_id,
        labels=dict(message.labels),
        payload_json=message.payload_json,
        result_json=message.result_json,
        error=_error(message.error) if message.HasField("error") else None,
        attempt=message.attempt,
        max_attempts=message.max_attempts,
        progress=progress(message.progress) if message.HasField("progress") else None,
        created_at=time_of(message, "created_at"),
        started_at=time_of(message, "started_at"),
        finished_at=time_of(message, "finished_at"),
        updated_at=time_of(message, "updated_at"),
        cancel_requested_at=time_of(message, "cancel_requested_at"),
        lease=_lease(message.lease) if message.HasField("lease") else None,
        position=message.position,
        input_items=message.input_items,
        eta=eta(message.eta) if message.HasField("eta") else None,
    )


def attempt(message: job_pb2.Attempt) -> models.Attempt:
    return models.Attempt(
        number=message.number,
        worker=message.worker,
        session_id=message.session_id,
        started_at=time_of(message, "started_at"),
        finished_at=time_of(message, "finished_at"),
        outcome=word_of(job_pb2.AttemptOutcome.DESCRIPTOR, message.outcome, "ATTEMPT_OUTCOME_")
        if message.outcome
        else "",
        error=_error(message.error) if message.HasField("error") else None,
        step=message.step,
    )


def job_details(message: job_service_pb2.GetJobResponse) -> models.JobDetails:
    return models.JobDetails(
        job=job(message.job),
        attempts=tuple(map(attempt, message.attempts)),
        steps=tuple(map(_step, message.steps)),
    )


def explanation(message: job_service_pb2.ExplainJobResponse) -> models.Explanation:
    return models.Explanation(
        job=job(message.job) if message.HasField("job") else None,
        attempts=tuple(map(attempt, message.attempts)),
        events=tuple(map(event, message.events)),
        waiting_for=tuple(map(_wait_reason, message.waiting_for)),
    )


def _wait_reason(message: job_service_pb2.WaitReason) -> models.WaitReason:
    return models.WaitReason(
        code=message.code,
        detail=message.detail,
        job_ids=tuple(message.job_ids),
        until=time_of(message, "until"),
        since=time_of(message, "since"),
        actor=message.actor,
        count=message.count,
    )


def change(message: job_service_pb2.WatchJobsResponse) -> models.Change:
    return models.Change(
        change_id=message.change_id,
        resync=message.resync,
        job=job(message.job) if message.HasField("job") else None,
        removed_id=message.removed_id,
        removed_queue=message.removed_queue,
        removed_owner=message.removed_owner,
        places=tuple(map(place, message.places)),
    )


def place(message: job_pb2.JobPlace) -> models.JobPlace:
    return models.JobPlace(message.id, message.position, eta(message.eta) if message.HasField("eta") else None)


def eta(message: job_pb2.Eta) -> models.Eta:
    return models.Eta(optional_seconds(message, "p50"), optional_seconds(message, "p90"), message.reason)


def _step(message: job_pb2.StepOutput) -> models.Step:
    return models.Step(
        message.name,
        message.output_json,
        seconds_of(message.duration),
        time_of(message, "finished_at"),
        message.attempt,
    )


def bulk_progress(message: job_service_pb2.BulkProgress) -> models.BulkProgress:
    return models.BulkProgress(message.total, message.done, message.skipped, message.finished)


def event(message: job_pb2.JobEvent) -> models.JobEvent:
    return models.JobEvent(
        time=time_of(message, "time"),
        name=message.name,
        from_state=state(message.from_state) if message.from_state else None,
        to_state=state(message.to_state) if message.to_state else None,
        actor=message.actor,
        detail=message.detail,
        job_id=message.job_id,
        queue=message.queue,
    )


def _lease(message: job_pb2.Lease) -> models.Lease:
    return models.Lease(message.worker, message.session_id, time_of(message, "expires_at"), message.received)


def progress(message: job_pb2.Progress) -> models.Progress:
    return models.Progress(message.step, message.current, message.total, message.message)


def _error(message: job_pb2.JobError) -> models.JobError:
    return models.JobError(message.code, message.message, message.retryable)


def state(number: int) -> models.JobState:
    """`unspecified` for one that is newer than this client."""
    try:
        return models.JobState(word_of(job_pb2.JobState.DESCRIPTOR, number, "JOB_STATE_"))
    except ValueError:
        return models.JobState.UNSPECIFIED

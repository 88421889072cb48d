"""Between the contract's messages and the client's values. One function a type, named after it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from jobline.client import models
from jobline.v1 import account_service_pb2, job_pb2, job_service_pb2, queue_pb2

__all__ = [
    "attempt",
    "change",
    "credit_source_number",
    "credits",
    "explanation",
    "job",
    "job_details",
    "json_text",
    "new_job",
    "queue",
    "state_number",
    "timestamp",
    "worker",
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
        state=_state(message.state),
        priority=message.priority,
        run_at=_time(message, "run_at"),
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
        progress=_progress(message.progress) if message.HasField("progress") else None,
        created_at=_time(message, "created_at"),
        started_at=_time(message, "started_at"),
        finished_at=_time(message, "finished_at"),
        updated_at=_time(message, "updated_at"),
        cancel_requested_at=_time(message, "cancel_requested_at"),
        lease=_lease(message.lease) if message.HasField("lease") else None,
        position=message.position,
        input_items=message.input_items,
    )


def attempt(message: job_pb2.Attempt) -> models.Attempt:
    return models.Attempt(
        number=message.number,
        worker=message.worker,
        session_id=message.session_id,
        started_at=_time(message, "started_at"),
        finished_at=_time(message, "finished_at"),
        outcome=_word(job_pb2.AttemptOutcome.DESCRIPTOR, message.outcome, "ATTEMPT_OUTCOME_")
        if message.outcome
        else "",
        error=_error(message.error) if message.HasField("error") else None,
        step=message.step,
    )


def job_details(message: job_service_pb2.GetJobResponse) -> models.JobDetails:
    return models.JobDetails(
        job=job(message.job),
        attempts=tuple(map(attempt, message.attempts)),
        steps=tuple(models.Step(s.name, s.output_json, _seconds(s.duration)) for s in message.steps),
    )


def explanation(message: job_service_pb2.ExplainJobResponse) -> models.Explanation:
    return models.Explanation(
        job=job(message.job) if message.HasField("job") else None,
        attempts=tuple(map(attempt, message.attempts)),
        events=tuple(map(_event, message.events)),
        waiting_for=tuple(models.WaitReason(reason.code, reason.detail) for reason in message.waiting_for),
    )


def change(message: job_service_pb2.WatchJobsResponse) -> models.Change:
    return models.Change(
        change_id=message.change_id,
        resync=message.resync,
        job=job(message.job) if message.HasField("job") else None,
        removed_id=message.removed_id,
    )


def queue(message: queue_pb2.Queue) -> models.Queue:
    stats = message.stats
    return models.Queue(
        policy=_policy(message.policy),
        paused=message.paused,
        stats=models.QueueStats(
            ready=stats.ready,
            delayed=stats.delayed,
            running=stats.running,
            oldest_ready_age=_optional_seconds(stats, "oldest_ready_age"),
            free_capacity=stats.free_capacity,
        ),
        history=_history(message.history) if message.HasField("history") else None,
    )


def _history(message: queue_pb2.QueueHistory) -> models.QueueHistory:
    return models.QueueHistory(
        succeeded=message.succeeded,
        failed=message.failed,
        cancelled=message.cancelled,
        failure_rate=message.failure_rate,
        mean_run_time=_optional_seconds(message, "mean_run_time"),
        oldest_pending=_time(message, "oldest_pending"),
    )


def worker(message: queue_pb2.WorkerInfo) -> models.WorkerInfo:
    return models.WorkerInfo(
        session_id=message.session_id,
        name=message.name,
        queues=tuple(message.queues),
        kinds=tuple(message.kinds),
        capacity=message.capacity,
        running=message.running,
        connected_at=_time(message, "connected_at"),
        last_seen_at=_time(message, "last_seen_at"),
        draining=message.draining,
    )


def _policy(message: queue_pb2.QueuePolicy) -> models.QueuePolicy:
    return models.QueuePolicy(
        queue=message.queue,
        max_running=message.max_running,
        max_running_per_key=message.max_running_per_key,
        timeout=_optional_seconds(message, "timeout"),
        max_attempts=message.max_attempts,
        backoff=tuple(map(_seconds, message.backoff)),
        step_tries=message.step_tries,
        step_backoff=tuple(map(_seconds, message.step_backoff)),
        cancel=_word(queue_pb2.CancelMode.DESCRIPTOR, message.cancel, "CANCEL_MODE_"),
        retry_resumes=message.retry_resumes,
        expires_after=_optional_seconds(message, "expires_after"),
        retention=_optional_seconds(message, "retention"),
        lease=_optional_seconds(message, "lease"),
        receipt=_optional_seconds(message, "receipt"),
        order=_word(queue_pb2.QueueOrder.DESCRIPTOR, message.order, "QUEUE_ORDER_"),
        rate_count=message.rate_count,
        rate_period=_optional_seconds(message, "rate_period"),
    )


def _event(message: job_pb2.JobEvent) -> models.JobEvent:
    return models.JobEvent(
        time=_time(message, "time"),
        name=message.name,
        from_state=_state(message.from_state) if message.from_state else None,
        to_state=_state(message.to_state) if message.to_state else None,
        actor=message.actor,
        detail=message.detail,
    )


def _lease(message: job_pb2.Lease) -> models.Lease:
    return models.Lease(message.worker, message.session_id, _time(message, "expires_at"), message.received)


def _progress(message: job_pb2.Progress) -> models.Progress:
    return models.Progress(message.step, message.current, message.total, message.message)


def _error(message: job_pb2.JobError) -> models.JobError:
    return models.JobError(message.code, message.message, message.retryable)


def _state(number: int) -> models.JobState:
    try:
        return models.JobState(_word(job_pb2.JobState.DESCRIPTOR, number, "JOB_STATE_"))
    except ValueError:
        return models.JobState.UNSPECIFIED


def _word(enum: EnumDescriptor, number: int, prefix: str) -> str:
    """The lower-case word of an enum value; the number itself for one that is newer than this client."""
    value = enum.values_by_number.get(number)
    return str(value.name).removeprefix(prefix).lower() if value is not None else str(number)


def _time(message: Message, field: str) -> datetime | None:
    return getattr(message, field).ToDatetime(tzinfo=UTC) if message.HasField(field) else None


def _seconds(duration: Duration) -> float:
    return duration.ToTimedelta().total_seconds()


def _optional_seconds(message: Message, field: str) -> float | None:
    return _seconds(getattr(message, field)) if message.HasField(field) else None

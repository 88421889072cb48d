"""Between the contract's messages and the domain. Shapes are checked here, meaning in `core`."""

from __future__ import annotations

import json
import re
import uuid
from datetime import UTC, datetime
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from jobline.v1 import job_pb2, queue_pb2
from jobline.v1 import work_service_pb2 as work_pb
from jobline_queue.core.ending import Completed, Failed, Outcome, Released, RunError, Snoozed, Stopped, cut
from jobline_queue.core.errors import invalid
from jobline_queue.core.json_text import MAX_STEP_BYTES, check_json, check_text
from jobline_queue.core.policy import CancelMode, Order, QueuePolicy
from jobline_queue.dispatch.due_scope import DueLeft
from jobline_queue.dispatch.session import Assignment

_CANONICAL_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
MAX_SNOOZE = 30 * 86400.0
#: A longer time of a step is no time that was measured.
MAX_STEP_SECONDS = 366 * 86400.0

CANCEL_MODES = {
    CancelMode.NOW: queue_pb2.CANCEL_MODE_NOW,
    CancelMode.BOUNDARY: queue_pb2.CANCEL_MODE_BOUNDARY,
    CancelMode.PENDING_ONLY: queue_pb2.CANCEL_MODE_PENDING_ONLY,
}
ORDERS = {Order.FIFO: queue_pb2.QUEUE_ORDER_FIFO, Order.FAIR: queue_pb2.QUEUE_ORDER_FAIR}


def timestamp(value: float | datetime | None) -> Timestamp | None:
    """From epoch seconds or an aware datetime."""
    if value is None:
        return None
    message = Timestamp()
    if isinstance(value, datetime):
        message.FromDatetime(value.astimezone(UTC))
    else:
        message.FromMicroseconds(round(value * 1_000_000))
    return message


def epoch(field: str, message: Any, name: str) -> float | None:
    """Epoch seconds of the optional Timestamp `name` of a message."""
    if not message.HasField(name):
        return None
    value = getattr(message, name)
    if not -62_135_596_800 <= value.seconds < 253_402_300_799 or not 0 <= value.nanos < 1_000_000_000:
        raise invalid(field, "expected a time between the years 1 and 9999")
    return float(round(value.seconds + value.nanos / 1e9, 6))


def duration(seconds: float | None) -> Duration | None:
    if seconds is None:
        return None
    micros = round(seconds * 1_000_000)
    return Duration(seconds=micros // 1_000_000, nanos=micros % 1_000_000 * 1000)


def seconds(field: str, message: Any, name: str, most: float) -> float | None:
    """Seconds of the optional Duration `name`, from 0 to `most`."""
    if not message.HasField(name):
        return None
    value = getattr(message, name)
    total = float(value.seconds + value.nanos / 1e9)
    if not 0 <= total <= most:
        raise invalid(field, f"expected a duration from 0 to {most:g} s")
    return total


def uuid_text(field: str, text: str) -> str:
    """The canonical form of a UUID."""
    if len(text) != 36:
        raise invalid(field, "expected a UUID such as 018f3e5c-0000-7000-8000-000000000000")
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise invalid(field, "expected a UUID such as 018f3e5c-0000-7000-8000-000000000000") from None


def is_uuid(text: str) -> bool:
    """Whether `text` is a UUID in its canonical form. On the hot path, twice a job."""
    return _CANONICAL_UUID.fullmatch(text) is not None


def run_error(field: str, error: job_pb2.JobError) -> RunError:
    """A worker's error: an empty code is INTERNAL, a long message is cut, NUL and lone surrogates are replaced."""
    code = error.code or "INTERNAL"
    if len(code) > 64 or not all(char.isascii() and (char.isupper() or char.isdigit() or char == "_") for char in code):
        raise invalid(f"{field}.code", "expected 1-64 characters of A-Z, 0-9 and '_'")
    message = error.message.replace("\0", "�") or code
    return RunError(code, cut(message), error.retryable)


def outcome(field: str, message: work_pb.Outcome) -> Outcome:
    """Raises InvalidField or TooLarge; then the run goes on."""
    match message.WhichOneof("result"):
        case "completed":
            text = message.completed.result_json or "null"
            if text != "null":
                check_json(f"{field}.result_json", text)
            return Completed(text)
        case "failed":
            wait = seconds(f"{field}.retry_after", message.failed, "retry_after", MAX_SNOOZE)
            return Failed(run_error(f"{field}.error", message.failed.error), wait)
        case "cancelled":
            return Stopped()
        case "snoozed":
            return Snoozed(seconds(f"{field}.delay", message.snoozed, "delay", MAX_SNOOZE) or 0.0)
        case "released":
            return Released(check_text(f"{field}.reason", message.released.reason, 255))
        case _:
            raise invalid(f"{field}.result", "expected one of completed, failed, cancelled, snoozed, released")


def step_output(field: str, step: job_pb2.StepOutput) -> tuple[str, str, float]:
    """(name, output JSON, seconds), checked."""
    check_text(f"{field}.name", step.name, 64, 1)
    text = step.output_json or "null"
    check_json(f"{field}.output_json", text, MAX_STEP_BYTES)
    return step.name, text, min(max(0.0, step.duration.seconds + step.duration.nanos / 1e9), MAX_STEP_SECONDS)


def progress(field: str, message: job_pb2.Progress) -> tuple[str, int, int, str]:
    """(step, current, total, message), checked; a long message is cut."""
    check_text(f"{field}.step", message.step, 64)
    if not 0 <= message.current <= max(message.total, 0):
        raise invalid(f"{field}.current", "expected 0 ≤ current ≤ total")
    return message.step, message.current, message.total, cut(message.message.replace("\0", "�"), 255)


def assignment(item: Assignment) -> work_pb.Assignment:
    message = work_pb.Assignment()
    fill_assignment(message, item)
    return message


def fill_assignment(message: work_pb.Assignment, item: Assignment) -> None:
    """Fills a message that lies in its batch already: building it apart and appending it would copy it."""
    job = item.job
    message.job_id = job.id
    message.lease_token = item.lease_token
    message.queue = job.queue
    message.kind = job.kind
    message.payload_json = item.payload
    message.attempt = item.attempt
    message.max_attempts = job.max_attempts
    if job.owner:
        message.owner = job.owner
    if job.correlation_id:
        message.correlation_id = job.correlation_id
    if job.labels != "{}":
        message.labels.update(labels(job.labels))
    for step in item.steps:
        message.finished_steps.add(name=step.name, output_json=step.output, duration=duration(step.seconds))


def labels(text: str) -> dict[str, str]:
    return dict(json.loads(text))


def queue_terms(policy: QueuePolicy) -> work_pb.QueueTerms:
    return work_pb.QueueTerms(
        queue=policy.queue,
        lease=duration(policy.lease),
        receipt=duration(policy.receipt),
        timeout=duration(policy.timeout),
        step_tries=policy.step_tries,
        step_backoff=[_duration(wait) for wait in policy.step_backoff],
    )


def due_state(left: DueLeft) -> work_pb.DueState:
    return work_pb.DueState(at=timestamp(left.at), pending=left.pending, running=left.running, paused=left.paused)


def queue_policy(policy: QueuePolicy) -> queue_pb2.QueuePolicy:
    return queue_pb2.QueuePolicy(
        queue=policy.queue,
        max_running=policy.max_running,
        max_running_per_key=policy.max_running_per_key,
        timeout=duration(policy.timeout),
        max_attempts=policy.max_attempts,
        backoff=[_duration(wait) for wait in policy.backoff],
        step_tries=policy.step_tries,
        step_backoff=[_duration(wait) for wait in policy.step_backoff],
        cancel=CANCEL_MODES[policy.cancel],
        retry_resumes=policy.retry_resumes,
        expires_after=duration(policy.expires_after),
        retention=duration(policy.retention),
        lease=duration(policy.lease),
        receipt=duration(policy.receipt),
        order=ORDERS[policy.order],
        rate_count=policy.rate.count if policy.rate else 0,
        rate_period=duration(policy.rate.period) if policy.rate else None,
    )


def _duration(value: float) -> Duration:
    message = duration(value)
    assert message is not None
    return message

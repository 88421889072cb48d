"""From the arguments of a database queue's methods to the contract's messages.

Checked here is what decides where a job goes, and what would otherwise be refused in words that do not fit the caller's
(`jobs[0].run_at`). The rest is the queue service's to judge: each rule is kept in one place.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from google.protobuf.duration_pb2 import Duration

from jobline.client.models import Json, NewJob
from jobline.database_queue.values import JOB_TYPES

__all__ = ["NewQueueJob", "checked_types", "checked_wait", "error_text", "new_queue_job", "retention"]

_INT32 = range(-(2**31), 2**31)
_MAX_ATTEMPTS = range(1, 101)
#: A retention that reaches behind the beginning of every calendar deletes nothing, and a Duration could not hold it.
_MAX_DAYS = 3_000_000
_SECONDS_OF_A_DAY = 86_400


@dataclass(frozen=True, slots=True)
class NewQueueJob:
    """A job to enqueue: what goes into its row, and the records that go beside it; None for a type without."""

    job: NewJob
    records: Sequence[Json] | None


def new_queue_job(
    job_type: str, payload: Mapping[str, Any], priority: int, max_attempts: int, scheduled_for: datetime | None
) -> NewQueueJob:
    """Raises ValueError or TypeError; the message begins with the argument's name."""
    (job_type,) = checked_types((job_type,), "job_type")
    lane = JOB_TYPES[job_type]
    row, records = _parted(payload, lane.has_records)
    project = payload.get("projectId")
    project_id = project if isinstance(project, str) else ""
    job = NewJob(
        lane.queue,
        job_type,
        row,
        owner=f"project:{project_id}" if project_id else "",
        priority=_whole_number("priority", priority, _INT32),
        run_at=_aware(scheduled_for),
        concurrency_key=project_id if lane.one_per_project else "",
        max_attempts=_whole_number("max_attempts", max_attempts, _MAX_ATTEMPTS),
    )
    return NewQueueJob(job, records)


def _parted(payload: Mapping[str, Any], has_records: bool) -> tuple[dict[str, Any], Sequence[Json] | None]:
    """The payload's row and its records."""
    if not isinstance(payload, Mapping):
        raise TypeError(f"payload: expected an object, got {type(payload).__name__}")
    if not has_records:
        return dict(payload), None
    records = payload.get("records")
    if not isinstance(records, list | tuple) or not records:
        raise ValueError("payload.records: expected a list of 1 or more records")
    return {key: value for key, value in payload.items() if key != "records"}, records


def checked_types(types: str | Collection[str], name: str = "types") -> tuple[str, ...]:
    """The job types as they are, or a single one in a tuple. Raises ValueError for none, and for any other."""
    listed = (types,) if isinstance(types, str) else tuple(types)
    unknown = [each for each in listed if each not in JOB_TYPES]
    if unknown or not listed:
        raise ValueError(f"{name}: expected {' or '.join(JOB_TYPES)}, got {unknown[0] if unknown else 'none'!r}")
    return listed


def checked_wait(seconds: float) -> float:
    """Raises ValueError for less than 0, and for no number."""
    if not seconds >= 0:
        raise ValueError(f"wait: expected a number of seconds from 0 on, got {seconds!r}")
    return seconds


def _whole_number(name: str, value: int, allowed: range) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value not in allowed:
        raise ValueError(f"{name}: expected a whole number from {allowed[0]} to {allowed[-1]}, got {value!r}")
    return value


def _aware(time: datetime | None) -> datetime | None:
    if time is not None and time.tzinfo is None:
        raise ValueError(f"scheduled_for: expected a time with a time zone, got {time.isoformat()}")
    return time


def error_text(error: BaseException | str) -> str:
    """What to keep of an error: its message, or the name of its class where it has none."""
    text = str(error) or (type(error).__name__ if isinstance(error, BaseException) else "unknown error")
    return text.encode("utf-8", "replace").decode()


def retention(days: float) -> Duration:
    """Raises ValueError."""
    if not 0 <= days <= _MAX_DAYS:
        raise ValueError(f"older_than_days: expected a number from 0 to {_MAX_DAYS}, got {days!r}")
    duration = Duration()
    duration.FromSeconds(round(days * _SECONDS_OF_A_DAY))
    return duration

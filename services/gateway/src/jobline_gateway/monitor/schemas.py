"""The JSON that the monitor's page reads. All keys are there always; what does not apply is null; times are in UTC and
durations in seconds.

It is the page's own interface and not part of the product's description: the two are installed together and change together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

__all__ = [
    "Attempt",
    "Commands",
    "Count",
    "DryRun",
    "ErrorCount",
    "Eta",
    "EtaCoverage",
    "Event",
    "EventPage",
    "FullJob",
    "HeldJob",
    "Job",
    "JobActed",
    "JobError",
    "JobPage",
    "JobStory",
    "Lane",
    "Lease",
    "Me",
    "Pause",
    "Policy",
    "Progress",
    "Quantiles",
    "Queue",
    "QueueActed",
    "Queues",
    "Rate",
    "Share",
    "Step",
    "TrendPoint",
    "Trends",
    "WaitReason",
    "Worker",
    "Workers",
]


class _Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True)


class Me(_Model):
    """Who is looking."""

    sub: str
    email: str
    role: str
    can_act: bool
    expires_at: datetime | None
    version: str


# ---- jobs -----------------------------------------------------------------------------------------------------------


class Eta(_Model):
    """Without an estimate there is a reason."""

    p50: float | None
    p90: float | None
    reason: str | None


class Progress(_Model):
    step: str
    current: int
    total: int
    message: str


class JobError(_Model):
    code: str
    message: str
    retryable: bool


class Job(_Model):
    id: str
    queue: str
    kind: str
    owner: str
    state: str
    priority: int
    attempt: int
    max_attempts: int
    position: int
    eta: Eta | None
    progress: Progress | None
    error: JobError | None
    created_at: datetime
    run_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    updated_at: datetime | None
    worker: str | None
    cancel_requested_at: datetime | None
    labels: Mapping[str, str]
    correlation_id: str
    concurrency_key: str


class Lease(_Model):
    worker: str
    session_id: str
    expires_at: datetime
    received: bool


class FullJob(Job):
    """With what went in and came out, as JSON text."""

    payload_json: str | None
    result_json: str | None
    input_items: int
    lease: Lease | None


class JobPage(_Model):
    jobs: Sequence[Job]
    next_cursor: str | None


class Count(_Model):
    count: int
    states: Mapping[str, int]


class Attempt(_Model):
    number: int
    worker: str
    session_id: str
    started_at: datetime
    finished_at: datetime | None
    outcome: str | None
    error: JobError | None
    step: str | None


class Step(_Model):
    name: str
    seconds: float | None
    output_json: str | None
    finished_at: datetime | None
    attempt: int


class Event(_Model):
    time: datetime
    name: str
    #: States; null for an act on no job.
    from_: str | None
    to: str | None
    actor: str
    detail: str
    job_id: str | None
    queue: str | None

    # `from` is a word of Python's, not of JSON's.
    model_config = ConfigDict(alias_generator=lambda name: to_camel(name.rstrip("_")))


class WaitReason(_Model):
    code: str
    detail: str
    job_ids: Sequence[str]
    until: datetime | None
    since: datetime | None
    actor: str | None
    count: int | None


class Commands(_Model):
    """The same question asked in a terminal."""

    jobline: str
    grpcurl: str
    curl: str


class JobStory(_Model):
    """All that is known of a job; of a removed one only its events."""

    job: FullJob | None
    attempts: Sequence[Attempt]
    steps: Sequence[Step]
    events: Sequence[Event]
    waiting_for: Sequence[WaitReason]
    commands: Commands


class JobActed(_Model):
    job: Job


class DryRun(_Model):
    total: int


class Share(_Model):
    """How far an act on many jobs has come."""

    total: int
    done: int
    skipped: int
    finished: bool


class EventPage(_Model):
    events: Sequence[Event]
    next_cursor: str | None


# ---- queues and workers ---------------------------------------------------------------------------------------------


class Rate(_Model):
    count: int
    seconds: float


class Policy(_Model):
    """No limit is null."""

    max_running: int | None
    max_running_per_key: int | None
    timeout_seconds: float | None
    max_attempts: int
    order: str
    rate: Rate | None
    cancel: str
    lease_seconds: float | None
    retention_seconds: float | None
    expires_after_seconds: float | None


class Pause(_Model):
    actor: str
    since: datetime | None
    reason: str


class EtaCoverage(_Model):
    scored: int
    p50: float
    p90: float


class Queue(_Model):
    name: str
    policy: Policy
    paused: bool
    pause: Pause | None
    limit_overridden: bool
    ready: int
    delayed: int
    running: int
    oldest_ready_seconds: float | None
    free_capacity: int
    change_id: str
    eta_coverage: EtaCoverage


class Queues(_Model):
    queues: Sequence[Queue]
    now: datetime


class QueueActed(_Model):
    queue: Queue


class Quantiles(_Model):
    p50: float
    p90: float
    p99: float


class TrendPoint(_Model):
    time: datetime
    seconds: float
    ready: int
    delayed: int
    running: int
    enqueued: int
    started: int
    succeeded: int
    failed: int
    cancelled: int
    retried: int
    wait: Quantiles | None
    run: Quantiles | None


class ErrorCount(_Model):
    code: str
    count: int


class QueueTrends(_Model):
    queue: str
    points: Sequence[TrendPoint]
    errors: Sequence[ErrorCount]
    total: TrendPoint


class Trends(_Model):
    range: str
    trends: Sequence[QueueTrends]


class Lane(_Model):
    queue: str
    capacity: int
    running: int


class HeldJob(_Model):
    id: str
    queue: str
    kind: str
    started_at: datetime | None
    expires_at: datetime | None
    progress: Progress | None
    received: bool


class Worker(_Model):
    session_id: str
    name: str
    queues: Sequence[str]
    kinds: Sequence[str]
    capacity: int
    running: int
    connected_at: datetime
    last_seen_at: datetime
    draining: bool
    lanes: Sequence[Lane]
    jobs: Sequence[HeldJob]


class Workers(_Model):
    workers: Sequence[Worker]

"""What the client returns: frozen values in plain Python types.

Times are aware UTC datetimes, durations seconds, ids strings, absent values None. Words of the contract's enums are
lower case, without their prefix (`JOB_STATE_RUNNING` is `JobState.RUNNING == "running"`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

__all__ = [
    "Attempt",
    "Change",
    "CreditSource",
    "Credits",
    "EnqueuedJob",
    "Explanation",
    "Job",
    "JobDetails",
    "JobError",
    "JobEvent",
    "JobState",
    "Json",
    "Lease",
    "NewJob",
    "Progress",
    "Queue",
    "QueueHistory",
    "QueuePolicy",
    "QueueStats",
    "Step",
    "WaitReason",
    "WorkerInfo",
]

Json: TypeAlias = Any


class JobState(StrEnum):
    """Where a job is in its life. `unspecified` is a state that is newer than this client."""

    UNSPECIFIED = "unspecified"
    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be stored; see the contract's NewJob for every field's bounds. What is left out is the policy's."""

    queue: str
    kind: str
    payload: Json = field(default_factory=dict)
    owner: str = ""
    priority: int = 0
    run_at: datetime | None = None
    concurrency_key: str = ""
    idempotency_key: str = ""
    correlation_id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    max_attempts: int = 0


@dataclass(frozen=True, slots=True)
class EnqueuedJob:
    """A stored job's id; `deduplicated` when it existed before (idempotency key or a repeated call)."""

    id: str
    deduplicated: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come; `total` 0 means unknown."""

    step: str
    current: int
    total: int
    message: str


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a run failed."""

    code: str
    message: str
    retryable: bool


@dataclass(frozen=True, slots=True)
class Lease:
    """Who holds a running job."""

    worker: str
    session_id: str
    expires_at: datetime | None
    received: bool


@dataclass(frozen=True, slots=True)
class Job:
    """A unit of work. Lists and changes come without payload, lists also without result: the texts are then empty."""

    id: str
    queue: str
    kind: str
    owner: str
    state: JobState
    priority: int
    run_at: datetime | None
    seq: int
    concurrency_key: str
    idempotency_key: str
    correlation_id: str
    labels: Mapping[str, str]
    payload_json: str
    result_json: str
    error: JobError | None
    attempt: int
    max_attempts: int
    progress: Progress | None
    created_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    updated_at: datetime | None
    cancel_requested_at: datetime | None
    lease: Lease | None
    position: int
    #: How many values its input has; 0 in changes, which do not tell.
    input_items: int

    @property
    def payload(self) -> Json:
        return json.loads(self.payload_json) if self.payload_json else None

    @property
    def result(self) -> Json:
        return json.loads(self.result_json) if self.result_json else None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run. `outcome` is empty while it goes on, else `succeeded`, `failed`, `released`, `snoozed`, `lost`, …"""

    number: int
    worker: str
    session_id: str
    started_at: datetime | None
    finished_at: datetime | None
    outcome: str
    error: JobError | None
    step: str


@dataclass(frozen=True, slots=True)
class Step:
    """The stored output of a finished step; `seconds` is how long it ran."""

    name: str
    output_json: str
    seconds: float

    @property
    def output(self) -> Json:
        return json.loads(self.output_json) if self.output_json else None


@dataclass(frozen=True, slots=True)
class JobDetails:
    """A job with its runs and the steps it has finished."""

    job: Job
    attempts: tuple[Attempt, ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One line of a job's history; a state is None where there was or is none."""

    time: datetime | None
    name: str
    from_state: JobState | None
    to_state: JobState | None
    actor: str
    detail: str


@dataclass(frozen=True, slots=True)
class WaitReason:
    """One reason why a pending job does not run now."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a job is where it is. `job` is None when it was removed and only its events are left."""

    job: Job | None
    attempts: tuple[Attempt, ...]
    events: tuple[JobEvent, ...]
    waiting_for: tuple[WaitReason, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """A job as it stands now, or the id of one that was removed. `resync`: forget what was known before."""

    change_id: str
    resync: bool
    job: Job | None
    removed_id: str


@dataclass(frozen=True, slots=True)
class QueuePolicy:
    """The rules of a queue. Durations in seconds; None where there is no limit, 0 for counts without one."""

    queue: str
    max_running: int
    max_running_per_key: int
    timeout: float | None
    max_attempts: int
    backoff: tuple[float, ...]
    step_tries: int
    step_backoff: tuple[float, ...]
    cancel: str
    retry_resumes: bool
    expires_after: float | None
    retention: float | None
    lease: float | None
    receipt: float | None
    order: str
    rate_count: int
    rate_period: float | None


@dataclass(frozen=True, slots=True)
class QueueStats:
    """Counts of a queue's live jobs; `oldest_ready_age` in seconds."""

    ready: int
    delayed: int
    running: int
    oldest_ready_age: float | None
    free_capacity: int


@dataclass(frozen=True, slots=True)
class QueueHistory:
    """What became of a queue's jobs; `failure_rate` in percent of all, `mean_run_time` in seconds."""

    succeeded: int
    failed: int
    cancelled: int
    failure_rate: float
    mean_run_time: float | None
    oldest_pending: datetime | None


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue as it stands now; `history` only where it was asked for."""

    policy: QueuePolicy
    paused: bool
    stats: QueueStats
    history: QueueHistory | None

    @property
    def name(self) -> str:
        return self.policy.queue


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A connected worker session."""

    session_id: str
    name: str
    queues: tuple[str, ...]
    kinds: tuple[str, ...]
    capacity: int
    running: int
    connected_at: datetime | None
    last_seen_at: datetime | None
    draining: bool


class CreditSource(StrEnum):
    """Where credits come from: purchases are spent first, then referrals, then the others."""

    SUBSCRIPTION = "subscription"
    PURCHASE = "purchase"
    REFERRAL = "referral"
    ADMIN_GRANT = "admin_grant"


@dataclass(frozen=True, slots=True)
class Credits:
    """A user's credits in numbers; only the active ones can be spent."""

    active: int
    reserved: int
    used: int
    expired: int

"""What the client returns: frozen values in plain Python types.

Times are aware UTC datetimes, durations seconds, ids strings, absent values None. Words of the contract's enums are
lower case, without their prefix (`JOB_STATE_RUNNING` is `JobState.RUNNING == "running"`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

__all__ = [
    "Attempt",
    "BulkProgress",
    "Change",
    "CreditSource",
    "Credits",
    "EnqueuedJob",
    "Eta",
    "Explanation",
    "Job",
    "JobDetails",
    "JobError",
    "JobEvent",
    "JobFilter",
    "JobOrder",
    "JobPlace",
    "JobState",
    "Json",
    "Lease",
    "NewJob",
    "Progress",
    "Step",
    "WaitReason",
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
class JobFilter:
    """Which jobs: those that match everything that is set; see the contract's JobFilter."""

    #: Any of these.
    queues: Collection[str] = ()
    kind: str = ""
    owner: str = ""
    #: Any of these.
    states: Collection[JobState] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    created_after: datetime | None = None
    created_before: datetime | None = None
    #: An error's code, or a part of its message.
    error: str = ""


class JobOrder(StrEnum):
    """By what a list of jobs is ordered."""

    CREATED = "created"
    UPDATED = "updated"
    FINISHED = "finished"
    RUN_AT = "run_at"
    PRIORITY = "priority"
    ATTEMPT = "attempt"


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
    #: None when it has ended, and in changes.
    eta: Eta | None = None

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
    """The stored output of a finished step; `seconds` is how long it ran, `attempt` the number of its run."""

    name: str
    output_json: str
    seconds: float
    finished_at: datetime | None
    attempt: int

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
    """One line of the history; a state is None where there was or is none, ids and names are empty."""

    time: datetime | None
    name: str
    from_state: JobState | None
    to_state: JobState | None
    actor: str
    detail: str
    job_id: str
    queue: str


@dataclass(frozen=True, slots=True)
class BulkProgress:
    """How far an act on many jobs has come: of `total`, how many are done, and how many were skipped."""

    total: int
    done: int
    skipped: int
    finished: bool


@dataclass(frozen=True, slots=True)
class WaitReason:
    """One reason why a pending job does not run now; `detail` is a sentence that says all of it."""

    code: str
    detail: str
    job_ids: tuple[str, ...] = ()
    until: datetime | None = None
    since: datetime | None = None
    actor: str = ""
    count: int = 0


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a job is where it is. `job` is None when it was removed and only its events are left."""

    job: Job | None
    attempts: tuple[Attempt, ...]
    events: tuple[JobEvent, ...]
    waiting_for: tuple[WaitReason, ...]


@dataclass(frozen=True, slots=True)
class Eta:
    """When a job that lives will have ended, in seconds from when it was asked for: as likely sooner as later (`p50`), and
    the time by which nine of ten have (`p90`). None with a `reason`: `QUEUE_PAUSED`, `NO_WORKER` or `NO_HISTORY`."""

    p50: float | None
    p90: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class JobPlace:
    """Where a job that lives is in its queue: `position` as in Job."""

    id: str
    position: int
    eta: Eta | None


@dataclass(frozen=True, slots=True)
class Change:
    """A job as it stands now, or the id, queue and owner of one that was removed, or places that have moved (without a
    `change_id`). `resync`: forget what was known before."""

    change_id: str
    resync: bool
    job: Job | None
    removed_id: str
    removed_queue: str = ""
    removed_owner: str = ""
    places: tuple[JobPlace, ...] = ()


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

"""What the client returns of queues and workers; see `models.py`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from jobline.client.models import Progress

__all__ = [
    "ErrorCount",
    "EtaCoverage",
    "HeldJob",
    "Pause",
    "Quantiles",
    "Queue",
    "QueueHistory",
    "QueuePolicy",
    "QueueStats",
    "QueueTrends",
    "TrendPoint",
    "WorkerInfo",
    "WorkerQueue",
]


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
class Pause:
    """Who paused a queue, since when, and why; by `policy` there is no time."""

    actor: str
    since: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class EtaCoverage:
    """How many of a queue's last estimates are counted, and the shares of them whose p50 and whose p90 held."""

    scored: int
    p50: float
    p90: float


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue as it stands now; `history` only where it was asked for."""

    policy: QueuePolicy
    paused: bool
    stats: QueueStats
    history: QueueHistory | None
    pause: Pause | None
    #: An operator's limit is in force instead of the policy's; `policy` has it.
    limit_overridden: bool
    #: The same as before: nothing has happened to a job of the queue.
    change_id: str
    eta_coverage: EtaCoverage

    @property
    def name(self) -> str:
        return self.policy.queue


@dataclass(frozen=True, slots=True)
class WorkerQueue:
    """A worker session's share in a queue."""

    queue: str
    capacity: int
    running: int


@dataclass(frozen=True, slots=True)
class HeldJob:
    """A job that a worker holds."""

    id: str
    queue: str
    kind: str
    started_at: datetime | None
    expires_at: datetime | None
    progress: Progress | None
    received: bool


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A connected worker session; `jobs` (at most 100, the longest-running first) only where they were asked for."""

    session_id: str
    name: str
    queues: tuple[str, ...]
    kinds: tuple[str, ...]
    capacity: int
    running: int
    connected_at: datetime | None
    last_seen_at: datetime | None
    draining: bool
    lanes: tuple[WorkerQueue, ...]
    jobs: tuple[HeldJob, ...]


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Of a set of times, in seconds; each is right to 10 %."""

    p50: float
    p90: float
    p99: float


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """What a queue did in `length` seconds from `time` on; the levels are those of their last full minute, and `wait` and
    `run` None where nothing started or ended. Runs that failed and were tried again count as retried."""

    time: datetime | None
    length: float
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


@dataclass(frozen=True, slots=True)
class ErrorCount:
    """How many runs ended with an error code."""

    code: str
    count: int


@dataclass(frozen=True, slots=True)
class QueueTrends:
    """What a queue did, point by point and in all; an empty `queue` stands for all of them together."""

    queue: str
    points: tuple[TrendPoint, ...]
    errors: tuple[ErrorCount, ...]
    total: TrendPoint

"""A job that has not ended, as the dispatcher holds it in memory.

A million may wait, so a job is kept small (about 450 bytes in all, besides its payload): it shares its words with other
jobs, and what can only be told of a run is kept beside it, and only once something was told.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Generic, NamedTuple, TypeVar

from jobline_queue.core.lifecycle import State

#: (−priority, run_at, seq): the order of due jobs within a queue.
Rank = tuple[int, float, int]
#: (run_at, −priority, seq): the order of the others.
DueRank = tuple[float, int, int]


class Place(IntEnum):
    """Where the dispatcher has a live job."""

    #: In no structure: being added, or taken out by an act that is under way.
    NOWHERE = 0
    #: In its queue's order.
    DUE = 1
    #: Waiting for `run_at`.
    DELAYED = 2
    #: Taken out of the order for a claim that is not committed yet.
    PICKED = 3
    #: In a lease.
    LEASED = 4
    #: Due, and out of the order for a moment, because its claim was refused.
    HELD_BACK = 5


@dataclass(slots=True, eq=False)
class Lease:
    """A batch handed to one session. `jobs` holds those that have not ended yet, by id."""

    token: str
    queue: str
    session_id: str
    worker: str
    principal: str
    granted_at: float
    expires_at: float
    jobs: dict[str, LiveJob] = field(default_factory=dict)
    #: What the row in the database says; it may lag behind `expires_at` by a third of the lease.
    stored_expires_at: float = 0.0
    #: When deliveries that showed no receipt go back to the queue.
    receipt_by: float = 0.0
    #: Granted by an earlier term: what its worker has received is not known for certain.
    adopted: bool = False
    #: Its queue had a limit when its jobs were picked: the claim looks whether their rows are still there.
    limited: bool = False


@dataclass(slots=True, eq=False)
class Report:
    """What was told of the run under way."""

    step: str = ""
    current: int = 0
    total: int = 0
    message: str = ""
    cancel_requested: bool = False
    #: Progress that the job's row does not say yet.
    dirty: bool = False
    #: Bytes of step outputs that this run has stored.
    step_bytes: int = 0


class RemovedJob(NamedTuple):
    """What is left to say of a job whose row is gone and that memory did not know, for it had ended."""

    id: str
    queue: str
    owner: str
    producer: str


V = TypeVar("V")


class _Reported(Generic[V]):
    """An attribute of a job that is kept in its report; `default` as long as there is none."""

    def __init__(self, default: V) -> None:
        self._default = default

    def __set_name__(self, _owner: type, name: str) -> None:
        self._name = name

    def __get__(self, job: LiveJob, _owner: type) -> V:
        return self._default if job.report is None else getattr(job.report, self._name)

    def __set__(self, job: LiveJob, value: V) -> None:
        if job.report is None:
            if value == self._default:
                return
            job.report = Report()
        setattr(job.report, self._name, value)


@dataclass(slots=True, eq=False)
class LiveJob:
    """Times in epoch seconds of the database's clock."""

    id: str
    queue: str
    kind: str
    owner: str
    producer: str
    priority: int
    run_at: float
    seq: int
    key: str
    correlation_id: str
    labels: str
    #: JSON text; None when memory was full: read by id when the job comes up.
    payload: str | None
    #: Counted runs that have ended; the run under way is number `attempt + 1`.
    attempt: int
    max_attempts: int
    losses: int
    created_at: float
    #: Deliveries in a row that vanished with their worker before it said that they arrived.
    vanished: int = 0
    place: Place = Place.NOWHERE
    #: Its worker has shown that it arrived.
    received: bool = False
    #: Its own row says `running`.
    marked: bool = False
    #: It may have outputs of finished steps in the database.
    has_steps: bool = False
    lease: Lease | None = None
    expires_at: float = 0.0
    report: Report | None = None

    step = _Reported("")
    current = _Reported(0)
    total = _Reported(0)
    message = _Reported("")
    cancel_requested = _Reported(False)
    dirty = _Reported(False)
    step_bytes = _Reported(0)

    @property
    def rank(self) -> Rank:
        return (-self.priority, self.run_at, self.seq)

    @property
    def due_rank(self) -> DueRank:
        return (self.run_at, -self.priority, self.seq)

    @property
    def started_at(self) -> float | None:
        """When the run under way was handed out; None: none is."""
        return None if self.lease is None else self.lease.granted_at

    @property
    def state(self) -> State:
        return State.RUNNING if self.lease is not None else State.PENDING

    def share_words(self) -> None:
        """Uses the same objects for what is the same in many jobs. Every read of a row or a message makes new ones."""
        self.queue, self.kind = sys.intern(self.queue), sys.intern(self.kind)
        self.owner, self.producer = sys.intern(self.owner), sys.intern(self.producer)
        self.labels = sys.intern(self.labels)
        if self.created_at == self.run_at:
            self.created_at = self.run_at

    @classmethod
    def from_row(cls, row: Any) -> LiveJob:
        """From the columns of load_live_jobs.sql. A row that says `running` counts that run already; memory does not."""
        (job_id, queue, kind, owner, producer, state, priority, run_at, seq, key, correlation_id, labels, payload,
         attempt, max_attempts, losses, step, current, total, message, created_at, asked, ran) = row  # fmt: skip
        running = state == State.RUNNING
        job = cls(
            job_id, queue, kind, owner, producer, priority, run_at, seq, key, correlation_id, labels, payload,
            attempt - running, max_attempts, losses, created_at, marked=running, has_steps=ran or attempt > 0,
        )  # fmt: skip
        if running:
            job.step, job.current, job.total, job.message = step or "", current, total, message
        job.cancel_requested = asked  # also of a run that only its lease knows
        return job

"""A job that has not ended, as the dispatcher holds it in memory (about 500 bytes besides its payload)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from jobline_queue.core.lifecycle import State

#: (−priority, run_at, seq): the order of due jobs within a queue.
Rank = tuple[int, float, int]


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
    step: str = ""
    current: int = 0
    total: int = 0
    message: str = ""
    started_at: float | None = None
    cancel_requested: bool = False
    place: Place = Place.NOWHERE
    #: Its worker has shown that it arrived.
    received: bool = False
    #: Its own row says `running`.
    marked: bool = False
    #: Progress that its own row does not say yet.
    dirty: bool = False
    #: It may have outputs of finished steps in the database.
    has_steps: bool = False
    #: Bytes of step outputs that this run has stored.
    step_bytes: int = 0
    lease: Lease | None = None
    expires_at: float = 0.0

    @property
    def rank(self) -> Rank:
        return (-self.priority, self.run_at, self.seq)

    @property
    def state(self) -> State:
        return State.RUNNING if self.lease is not None else State.PENDING

    @classmethod
    def from_row(cls, row: Any) -> LiveJob:
        """From the columns of load_live_jobs.sql. A row that says `running` counts that run already; memory does not."""
        (job_id, queue, kind, owner, producer, state, priority, run_at, seq, key, correlation_id, labels, payload,
         attempt, max_attempts, losses, step, current, total, message, created_at, started_at, asked) = row  # fmt: skip
        running = state == State.RUNNING
        return cls(
            job_id, queue, kind, owner, producer, priority, run_at, seq, key, correlation_id, labels, payload,
            attempt - running, max_attempts, losses, created_at, step or "", current, total, message, started_at, asked,
            marked=running, has_steps=attempt > 0 or losses > 0,
        )  # fmt: skip

"""What the methods of a database queue return, and what they raise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ["JOB_TYPES", "ClaimedJob", "DatabaseQueueError", "DatabaseQueueStats", "Lane"]


class Lane(NamedTuple):
    """Where the jobs of a type wait."""

    queue: str
    #: At most one job of a project runs at a time.
    one_per_project: bool
    #: Its payload has `records`, which travel as the job's input, in chunks.
    has_records: bool


#: Every job type, with its lane.
JOB_TYPES = {
    "INGEST_DATA": Lane("ingestion", one_per_project=False, has_records=True),
    "VECTORIZE": Lane("vectorization", one_per_project=True, has_records=False),
}


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job that this queue object holds, until it is completed, failed or given back by closing the queue object."""

    job_id: str
    #: INGEST_DATA or VECTORIZE.
    job_type: str
    #: As it was enqueued, the records included.
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class DatabaseQueueStats:
    """How many jobs there are of both types, by status; cancelled ones count as failed."""

    pending: int
    processing: int
    completed: int
    failed: int


class DatabaseQueueError(Exception):
    """A method of a database queue failed: `Failed to claim job: {cause}`.

    `__cause__` is what it failed by: an error of `jobline.errors` (StaleLease and Cancelled: the job is not this claimer's
    any more; NotFound, WrongState; Unavailable and DeadlineExceeded: the queue service does not answer), or a ValueError or
    TypeError for an argument that was refused before anything was sent.
    """

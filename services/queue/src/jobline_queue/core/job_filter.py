"""How jobs are read: what a list shows and in which order, and the reader that the RPCs are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from jobline_queue.core.lifecycle import State

JobRow = Mapping[str, Any]


@dataclass(frozen=True)
class JobFilter:
    """None and empty mean "any". `owner` and `producer` also carry the caller's rights."""

    #: Any of these.
    queues: Sequence[str] = ()
    kind: str = ""
    owner: str | None = None
    producer: str | None = None
    #: Any of these, as they are: a job in a lease is running, whatever its row says yet.
    states: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    created_after: datetime | None = None
    created_before: datetime | None = None
    #: An error's code, or a part of its message, in any case. Only jobs that have failed or wait for their next run show one.
    error: str = ""
    #: Jobs with these ids only.
    ids: Sequence[str] | None = None


class JobOrder(StrEnum):
    """By what a list is ordered; the words are columns. Ids begin with the time of their making, and break ties."""

    CREATED = "id"
    UPDATED = "updated_at"
    #: Jobs that have not ended count as the latest.
    FINISHED = "finished_at"
    RUN_AT = "run_at"
    PRIORITY = "priority"
    ATTEMPT = "attempt"


@dataclass(frozen=True)
class Sorting:
    order: JobOrder = JobOrder.CREATED
    ascending: bool = False


NEWEST_FIRST = Sorting()


class JobPlace(NamedTuple):
    """Where a page of jobs ended: what the last one is ordered by (None: it has not ended), and its id."""

    value: datetime | int | None
    id: str


class ChosenJob(NamedTuple):
    """A job that an act is for. `seq` changes with every retry: it tells one life of a job from the next."""

    id: str
    seq: int


class JobReader(Protocol):
    """Reads of jobs; rows have the columns of `jobline.jobs`. Searches that take too long raise TooBroad."""

    async def page(
        self,
        where: JobFilter,
        after: JobPlace | None,
        size: int,
        *,
        sorting: Sorting = NEWEST_FIRST,
        payloads: bool = False,
    ) -> list[JobRow]:
        """Up to `size` jobs behind `after`."""

    async def count(self, where: JobFilter) -> dict[State, int]:
        """How many jobs there are in each state that has one."""

    async def choose(self, where: JobFilter, most: int) -> list[ChosenJob]:
        """Up to `most` jobs, the oldest first."""

    async def get(self, job_id: str) -> JobRow | None: ...

    async def attempts(self, job_id: str) -> list[JobRow]: ...

    async def steps(self, job_id: str) -> list[JobRow]: ...

    async def events(self, job_id: str) -> list[JobRow]: ...

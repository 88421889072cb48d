"""Acts on many jobs: RetryJobs and CancelJobs.

The jobs are chosen once, at the start. Then each is an act of its own, in flights that keep the finisher busy and leave it
room for everybody else. The acts go on in a task of their own, so that how fast a caller reads does not slow them down; one
who hangs up stops them behind the flight that is under way. What was done is done, and the history says how much that was.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from jobline.v1 import job_service_pb2 as pb
from jobline_queue.core.ending import cut
from jobline_queue.core.errors import CountChanged, DatabaseUnavailable, JoblineError, NotActive, TooBroad, invalid
from jobline_queue.core.history import History
from jobline_queue.core.job_filter import ChosenJob, JobFilter, JobReader
from jobline_queue.core.json_text import check_text
from jobline_queue.core.lifecycle import State
from jobline_queue.dispatch.active import ActiveTerm, QueueCore
from jobline_queue.dispatch.acts import Act, ActAnswer, CancelJob, RetryJob
from jobline_queue.rpc import rights
from jobline_queue.rpc.job_query import among_live, described, job_filter
from jobline_queue.rpc.principal import Principal

logger = logging.getLogger(__name__)

MAX_JOBS = 100_000
#: Acts that are under way at once.
FLIGHT = 200
#: Seconds between two messages.
_INTERVAL = 0.25
_MAX_DETAIL = 500

#: The act on one job.
_Make = Callable[[ChosenJob, ActAnswer], Act]


@dataclass(frozen=True)
class _Order:
    """What is to be done: the jobs, how each of them, and how the history calls it."""

    event: str
    where: JobFilter
    actor: str
    make: _Make
    expected: int | None
    dry_run: bool


class BulkActs:
    """Runs acts on many jobs."""

    def __init__(self, core: QueueCore, jobs: JobReader, history: History) -> None:
        self._core = core
        self._jobs = jobs
        self._history = history
        #: Kept from the garbage collector: some outlive their callers.
        self._tasks: set[asyncio.Task[None]] = set()

    def retry(self, request: pb.RetryJobsRequest, principal: Principal) -> AsyncIterator[pb.BulkProgress]:
        where = _chosen(request.filter, principal, frozenset({State.FAILED, State.CANCELLED}))

        def make(job: ChosenJob, answer: ActAnswer) -> Act:
            return RetryJob(job.id, principal.actor, answer, job.seq)

        return self._run(_order(request, "bulk_retried", where, principal.actor, make))

    def cancel(self, request: pb.CancelJobsRequest, principal: Principal) -> AsyncIterator[pb.BulkProgress]:
        check_text("reason", request.reason, 255)
        where = _chosen(request.filter, principal, frozenset({State.PENDING, State.RUNNING}))
        pending_only, running_only = State.RUNNING not in where.states, State.PENDING not in where.states

        def make(job: ChosenJob, answer: ActAnswer) -> Act:
            return CancelJob(
                job.id, principal.actor, request.reason, answer, pending_only=pending_only, running_only=running_only
            )

        return self._run(_order(request, "bulk_cancelled", where, principal.actor, make))

    async def _run(self, order: _Order) -> AsyncIterator[pb.BulkProgress]:
        active = self._core.active
        jobs = await self._jobs.choose(among_live(order.where, active.dispatcher), MAX_JOBS + 1)
        if len(jobs) > MAX_JOBS:
            raise TooBroad(f"the filter chooses more than {MAX_JOBS} jobs: narrow it")
        if order.dry_run:
            yield pb.BulkProgress(total=len(jobs), finished=True)
            return
        if order.expected is None or order.expected != len(jobs):
            raise CountChanged(order.expected or 0, len(jobs))
        flights = _Flights(active, jobs, order.make)
        task = asyncio.create_task(self._perform(flights, order))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            while not task.done():
                yield flights.progress()
                await asyncio.wait({task}, timeout=_INTERVAL)
            task.result()
            yield flights.progress(finished=True)
        finally:
            flights.stop()
            task.add_done_callback(
                lambda task: task.cancelled() or task.exception()
            )  # a caller that is gone reads none

    async def _perform(self, flights: _Flights, order: _Order) -> None:
        queue = order.where.queues[0] if len(order.where.queues) == 1 else ""
        about = f"{flights.total} jobs of {described(order.where)}"
        line = await self._history.begin(order.event, queue, order.actor, cut(about, _MAX_DETAIL))
        try:
            await flights.run()
        finally:
            await self._history.amend(line, f"{flights.told()}; {cut(about, _MAX_DETAIL)}")


class _Flights:
    """The acts of one call."""

    def __init__(self, active: ActiveTerm, jobs: Sequence[ChosenJob], make: _Make) -> None:
        self._active = active
        self._jobs = jobs
        self._make = make
        self._done = self._skipped = self._under_way = 0
        self._refused: list[ChosenJob] = []
        self._landed = asyncio.Event()
        self._stopped = False

    @property
    def total(self) -> int:
        return len(self._jobs)

    def progress(self, *, finished: bool = False) -> pb.BulkProgress:
        return pb.BulkProgress(total=self.total, done=self._done, skipped=self._skipped, finished=finished)

    def told(self) -> str:
        """For the history."""
        broken = "" if self._done + self._skipped == self.total else ", then it was broken off"
        return f"{self._done} done, {self._skipped} skipped{broken}"

    def stop(self) -> None:
        """No more flights."""
        self._stopped = True

    async def run(self) -> None:
        """All flights, until stopped. Raises NotActive when the term ends."""
        for first in range(0, self.total, FLIGHT):
            if self._stopped:
                return
            await self._fly(self._jobs[first : first + FLIGHT])
            if self._active.term.over.is_set():
                raise NotActive

    async def _fly(self, jobs: Sequence[ChosenJob]) -> None:
        """Acts on some jobs, and once more on those that the database did not change: it may be gone, and the term with it,
        which then answers the second time."""
        self._refused = []
        await self._act(jobs)
        again, self._refused = self._refused, []
        if again:
            await self._act(again)
        if not self._active.term.over.is_set():
            self._skipped += len(self._refused)  # somebody has locked them

    async def _act(self, jobs: Sequence[ChosenJob]) -> None:
        self._under_way = len(jobs)
        self._landed.clear()
        for job in jobs:
            self._active.finisher.put(self._make(job, partial(self._answer, job)))
        await self._landed.wait()

    def _answer(self, job: ChosenJob, error: Exception | None) -> None:
        match error:
            case None:
                self._done += 1
            case DatabaseUnavailable():
                self._refused.append(job)
            case JoblineError():
                self._skipped += 1
            case _:
                logger.error("an act of many on job %s failed", job.id, exc_info=error)
                self._skipped += 1
        self._under_way -= 1
        if not self._under_way:
            self._landed.set()


def _order(
    request: pb.RetryJobsRequest | pb.CancelJobsRequest, event: str, where: JobFilter, actor: str, make: _Make
) -> _Order:
    expected = request.expected_count if request.HasField("expected_count") else None
    if expected is None and not request.dry_run:
        raise invalid("expected_count", "expected a number, unless dry_run is set")
    return _Order(event, where, actor, make, expected, request.dry_run)


def _chosen(message: pb.JobFilter, principal: Principal, states: frozenset[State]) -> JobFilter:
    """The filter, narrowed to jobs that are in a state which the act is for. Raises InvalidField or Forbidden."""
    where = job_filter(message, principal)
    left = sorted(states.intersection(map(State, where.states)) if where.states else states)
    if not left:
        raise invalid("filter.states", f"expected {' or '.join(sorted(states))}")
    if len(left) == len(states) and not any(value for field, value in message.ListFields() if field.name != "states"):
        raise invalid("filter", "expected one that does not choose everything")
    rights.check_acts(principal, where.owner)
    return replace(where, states=left)

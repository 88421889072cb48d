"""Where jobs are in their queues and when they will have ended: for LocateJobs, and for watches that ask for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence

from jobline.places import ToldPlaces
from jobline.v1 import job_pb2
from jobline_queue.core.job_filter import JobFilter
from jobline_queue.core.live_job import Place
from jobline_queue.dispatch.active import ActiveTerm
from jobline_queue.dispatch.dispatcher import Dispatcher
from jobline_queue.rpc import job_message

#: Jobs that one LocateJobs call may name.
MAX_LOCATED = 10_000
#: Seconds between two looks while something changes, and while nothing does: estimates move by themselves.
EVERY, AT_REST = 0.5, 5.0
#: Jobs of which a watch is told; the newest, where it watches more.
MAX_WATCHED = 1000
#: Jobs that are looked for in one go, which takes the event loop some 3 ms.
SLICE = 250


async def locate(dispatcher: Dispatcher, ids: Iterable[str], rights: JobFilter) -> list[job_pb2.JobPlace]:
    """The places of those that live and may be seen, in the order of `ids`: slice by slice, each of one moment."""
    wanted = list(ids)
    found: list[job_pb2.JobPlace] = []
    for start in range(0, len(wanted), SLICE):
        if start:
            await asyncio.sleep(0)
        found += _locate(dispatcher, wanted[start : start + SLICE], rights)
    return found


def _locate(dispatcher: Dispatcher, ids: Sequence[str], rights: JobFilter) -> list[job_pb2.JobPlace]:
    found = [job for each in ids if (job := dispatcher.jobs.get(each)) is not None and job.place is not Place.NOWHERE]
    jobs = [job for job in found if rights.owner in (None, job.owner) and rights.producer in (None, job.producer)]
    positions = dispatcher.positions(jobs)
    estimates = dispatcher.forecast.estimates(jobs, positions)
    return [
        job_pb2.JobPlace(id=job.id, position=position, eta=job_message.eta(estimate))
        for job, position, estimate in zip(jobs, positions, estimates, strict=True)
    ]


class WatchedPlaces:
    """The jobs of one watch that live, and what it was told of their places."""

    def __init__(self, active: ActiveTerm, rights: JobFilter) -> None:
        self._active = active
        self._rights = rights
        self._living: dict[str, None] = {}
        self._told = ToldPlaces()
        self._looked_at = float("-inf")
        self._change = -1

    def begin(self, jobs: Iterable[job_pb2.Job]) -> None:
        """The watch begins, or begins anew, with these; it is told all there is to know of them."""
        self._living, self._told = {}, ToldPlaces()
        self._looked_at = float("-inf")
        for job in jobs:
            self.note(job.id, job.state)

    def note(self, job_id: str, state: job_pb2.JobState.ValueType | None) -> None:
        """The job has entered a state; None: it was removed."""
        if state in (job_pb2.JOB_STATE_PENDING, job_pb2.JOB_STATE_RUNNING):
            self._living[job_id] = None
            if len(self._living) > MAX_WATCHED:
                self._drop(next(iter(self._living)))
        else:
            self._drop(job_id)

    async def news(self) -> list[job_pb2.JobPlace]:
        """What the watch must be told now: nothing, if it was told less than half a second ago."""
        now, change = time.monotonic(), self._active.term.changes.last
        if now < self._looked_at + (EVERY if change != self._change else AT_REST):
            return []
        self._looked_at, self._change = now, change
        return self._told.news(await locate(self._active.dispatcher, self._living, self._rights), now)

    def _drop(self, job_id: str) -> None:
        self._living.pop(job_id, None)
        self._told.forget((job_id,))

"""WatchJobs: the present state of the chosen jobs, then every change, from the ring of the term.

The order matters: the place in the ring is noted first and the present state read second, so no change can fall between.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from jobline.v1 import job_pb2
from jobline.v1 import job_service_pb2 as pb
from jobline_queue.core.errors import NotActive
from jobline_queue.core.lifecycle import FINISHED, State
from jobline_queue.dispatch.active import ActiveTerm
from jobline_queue.dispatch.changes import Change
from jobline_queue.rpc import job_message
from jobline_queue.store.job_list import JobFilter, JobList

#: Live jobs sent at the start when no ids are named.
MAX_SNAPSHOT = 1000
_ENDED = frozenset(job_message.STATES[state] for state in FINISHED)


async def watch(
    active: ActiveTerm, jobs: JobList, request: pb.WatchJobsRequest, ids: list[str], rights: JobFilter
) -> AsyncIterator[pb.WatchJobsResponse]:
    """The messages of one WatchJobs call. Raises NotActive when the term ends: the client reconnects and resyncs."""
    changes = active.term.changes
    open_ids = set(ids)
    after = changes.resume_point(request.resume_after) if request.resume_after else None
    if after is None:
        after = changes.last
        resync = bool(request.resume_after)
        for job in await _present(active, jobs, request, ids, rights):
            yield pb.WatchJobsResponse(change_id=changes.change_id(after), resync=resync, job=job)
            resync = False
            if job.state in _ENDED:
                open_ids.discard(job.id)
        if resync:
            yield pb.WatchJobsResponse(change_id=changes.change_id(after), resync=True)
    if ids and not open_ids:
        return
    async for batch in changes.read(after):
        chosen = [change for change in batch if _chosen(change, request, ids, rights)]
        for change in _latest_progress(chosen):
            message = await _message(active, jobs, change)
            message.change_id = changes.change_id(change.number)
            yield message
            if change.state is None or change.state in FINISHED:
                open_ids.discard(change.job_id)
        if ids and not open_ids:
            return
    raise NotActive


async def _present(
    active: ActiveTerm, jobs: JobList, request: pb.WatchJobsRequest, ids: list[str], rights: JobFilter
) -> list[job_pb2.Job]:
    if ids:
        rows = await jobs.page(JobFilter(ids=ids), None, len(ids), payloads=True)
    else:
        where = JobFilter(
            queue=request.queue,
            owner=request.owner or rights.owner,
            producer=rights.producer,
            states=[State.PENDING, State.RUNNING],
        )
        rows = await jobs.page(where, None, MAX_SNAPSHOT, payloads=True)
        rows = [row for row in rows if rights.owner in (None, row["owner"])]
    present = [job_message.from_row(row, active.dispatcher) for row in reversed(rows)]
    for job in present:
        job.ClearField("payload_json")
    return present


def _chosen(change: Change, request: pb.WatchJobsRequest, ids: Iterable[str], rights: JobFilter) -> bool:
    if ids and change.job_id not in ids:
        return False
    if (request.queue and change.queue != request.queue) or (request.owner and change.owner != request.owner):
        return False
    return rights.owner in (None, change.owner) and rights.producer in (None, change.producer)


def _latest_progress(changes: list[Change]) -> list[Change]:
    """Of several changes of progress alone, the last of each job."""
    last = {change.job_id: change.number for change in changes if change.progress}
    return [change for change in changes if not change.progress or last[change.job_id] == change.number]


async def _message(active: ActiveTerm, jobs: JobList, change: Change) -> pb.WatchJobsResponse:
    if change.state is None:
        return pb.WatchJobsResponse(removed_id=change.job_id)
    live = active.dispatcher.jobs.get(change.job_id)
    if live is not None:
        job = job_message.from_live(live, active.dispatcher)
        job.state = job_message.STATES[change.state]
        return pb.WatchJobsResponse(job=job)
    row = await jobs.get(change.job_id)
    if row is None:
        return pb.WatchJobsResponse(removed_id=change.job_id)
    job = job_message.from_row(row, active.dispatcher)
    job.ClearField("payload_json")
    job.state = job_message.STATES[change.state]
    return pb.WatchJobsResponse(job=job)

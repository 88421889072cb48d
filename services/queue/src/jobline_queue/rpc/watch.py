"""WatchJobs: the present state of the chosen jobs, then every change, from the ring of the term.

The order matters: the place in the ring is noted first and the present state read second, so no change can fall between.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from jobline.v1 import job_pb2
from jobline.v1 import job_service_pb2 as pb
from jobline_queue.core.errors import NotActive
from jobline_queue.core.job_filter import JobFilter, JobReader
from jobline_queue.core.json_text import check_text
from jobline_queue.core.lifecycle import FINISHED, State
from jobline_queue.core.new_job import MAX_OWNER
from jobline_queue.dispatch.active import ActiveTerm
from jobline_queue.dispatch.changes import Change
from jobline_queue.rpc import job_message

#: Live jobs sent at the start when no ids are named.
MAX_SNAPSHOT = 1000
_ENDED = frozenset(job_message.STATES[state] for state in FINISHED)


async def watch(
    active: ActiveTerm, jobs: JobReader, request: pb.WatchJobsRequest, ids: list[str], rights: JobFilter
) -> AsyncIterator[pb.WatchJobsResponse]:
    """The messages of one WatchJobs call. Raises NotActive when the term ends: the client reconnects and resyncs."""
    check_text("queue", request.queue, 64)
    check_text("owner", request.owner, MAX_OWNER)
    watcher = _Watcher(active, jobs, request, ids, rights)
    after = active.term.changes.resume_point(request.resume_after) if request.resume_after else None
    resync = bool(request.resume_after)
    while True:
        if after is None:
            after = active.term.changes.last
            async for message in watcher.snapshot(after, resync):
                yield message
        else:
            await watcher.find_ended()
        try:
            async for message in watcher.follow(after):
                yield message
            return
        except LookupError:  # it read too slowly, and the ring has moved on
            after, resync = None, True


class _Watcher:
    """One call. `open` are the named jobs that have not ended yet."""

    def __init__(
        self, active: ActiveTerm, jobs: JobReader, request: pb.WatchJobsRequest, ids: list[str], rights: JobFilter
    ) -> None:
        self._active = active
        self._changes = active.term.changes
        self._jobs = jobs
        self._request = request
        self._ids = frozenset(ids)
        self._rights = rights
        self._open = set(ids)
        #: Jobs that had ended when the call resumed, and the number of the last change until then.
        self._ended: set[str] = set()
        self._ended_by = 0

    async def snapshot(self, after: int, resync: bool) -> AsyncIterator[pb.WatchJobsResponse]:
        """The present state; with `resync` at least one message. The last one alone has a number to resume from: who was cut
        off before has not been told of every job, and begins anew."""
        change_id = self._changes.change_id(after)
        present = await self._present()
        for left, job in zip(range(len(present) - 1, -1, -1), present, strict=True):
            yield pb.WatchJobsResponse(change_id="" if left else change_id, resync=resync, job=job)
            resync = False
            if job.state in _ENDED:
                self._open.discard(job.id)
        if resync:
            yield pb.WatchJobsResponse(change_id=change_id, resync=True)

    async def find_ended(self) -> None:
        """On a resume nothing is repeated; so the jobs whose end the client has been told already must be found out."""
        if self._ids:
            ended = {job.id for job in await self._present() if job.state in _ENDED}
            self._ended = ended - self._active.dispatcher.jobs.keys()
            self._ended_by = self._changes.last

    async def follow(self, after: int) -> AsyncIterator[pb.WatchJobsResponse]:
        """The changes from there on, until every named job has ended. Raises NotActive, or LookupError if it fell behind."""
        if self._has_ended(after):
            return
        async for batch in self._changes.read(after):
            chosen = [change for change in batch if self._chosen(change)]
            for change in _latest_progress(chosen):
                message = await _message(self._active, self._jobs, change)
                message.change_id = self._changes.change_id(change.number)
                yield message
                if change.state is None or change.state in FINISHED:
                    self._open.discard(change.job_id)
            if self._has_ended(batch[-1].number):
                return
        raise NotActive

    def _has_ended(self, read: int) -> bool:
        if read >= self._ended_by:
            self._open -= self._ended
        return bool(self._ids) and not self._open

    async def _present(self) -> list[job_pb2.Job]:
        rights, request = self._rights, self._request
        if self._ids:
            rows = await self._jobs.page(JobFilter(ids=sorted(self._ids)), None, len(self._ids), payloads=True)
        else:
            where = JobFilter(
                queue=request.queue,
                owner=request.owner or rights.owner,
                producer=rights.producer,
                states=[State.PENDING, State.RUNNING],
            )
            rows = await self._jobs.page(where, None, MAX_SNAPSHOT, payloads=True)
            rows = [row for row in rows if rights.owner in (None, row["owner"])]
        present = [job_message.from_row(row, self._active.dispatcher) for row in reversed(rows)]
        for job in present:
            job.ClearField("payload_json")
        return present

    def _chosen(self, change: Change) -> bool:
        request, rights = self._request, self._rights
        if self._ids and change.job_id not in self._ids:
            return False
        if (request.queue and change.queue != request.queue) or (request.owner and change.owner != request.owner):
            return False
        return rights.owner in (None, change.owner) and rights.producer in (None, change.producer)


def _latest_progress(changes: list[Change]) -> list[Change]:
    """Of several changes of progress alone, the last of each job."""
    last = {change.job_id: change.number for change in changes if change.progress}
    return [change for change in changes if not change.progress or last[change.job_id] == change.number]


async def _message(active: ActiveTerm, jobs: JobReader, change: Change) -> pb.WatchJobsResponse:
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

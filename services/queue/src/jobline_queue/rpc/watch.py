"""WatchJobs: the present state of the chosen jobs, then every change, from the ring of the term.

The order matters: the place in the ring is noted first and the present state read second, so no change can fall between. What
the present state has told of a job that lives, up to the moment at which memory was asked, is not told again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from jobline.v1 import job_pb2
from jobline.v1 import job_service_pb2 as pb
from jobline_queue.core.errors import NotActive
from jobline_queue.core.job_filter import JobFilter, JobReader, JobRow
from jobline_queue.core.json_text import check_text
from jobline_queue.core.lifecycle import FINISHED, State
from jobline_queue.core.new_job import MAX_OWNER
from jobline_queue.dispatch.active import ActiveTerm
from jobline_queue.dispatch.changes import Change
from jobline_queue.rpc import job_message
from jobline_queue.rpc.places import EVERY, WatchedPlaces

#: Live jobs sent at the start when no ids are named.
MAX_SNAPSHOT = 1000
#: Rows that are read in one go: each may have half a MiB of payload and as much of a result.
_READ_AT_ONCE = 50
_ENDED = frozenset(job_message.STATES[state] for state in FINISHED)


async def watch(
    active: ActiveTerm, jobs: JobReader, request: pb.WatchJobsRequest, ids: list[str], rights: JobFilter
) -> AsyncIterator[pb.WatchJobsResponse]:
    """The messages of one WatchJobs call. Raises NotActive when the term ends: the client reconnects and resyncs."""
    for index, queue in enumerate(request.queues):
        check_text(f"queues[{index}]", queue, 64)
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
            await watcher.resume()
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
        self._queues = frozenset(request.queues)
        self._rights = rights
        self._open = set(ids)
        #: Jobs that had ended when the call resumed, and the number of the last change until then.
        self._ended: set[str] = set()
        self._ended_by = 0
        #: Jobs that the present state told as memory had them, and the number of the last change until then.
        self._told: set[str] = set()
        self._told_by = 0
        self._places = WatchedPlaces(active, rights) if request.places else None

    async def snapshot(self, after: int, resync: bool) -> AsyncIterator[pb.WatchJobsResponse]:
        """The present state; with `resync` at least one message. The last one alone has a number to resume from: who was cut
        off before has not been told of every job, and begins anew."""
        change_id = self._changes.change_id(after)
        present = await self._present()
        self._told = self._active.dispatcher.jobs.keys() & {job.id for job in present}
        self._told_by = self._changes.last
        if self._places:
            self._places.begin(present)
        for left, job in zip(range(len(present) - 1, -1, -1), present, strict=True):
            yield pb.WatchJobsResponse(change_id="" if left else change_id, resync=resync, job=job)
            resync = False
            if job.state in _ENDED:
                self._open.discard(job.id)
        if resync:
            yield pb.WatchJobsResponse(change_id=change_id, resync=True)

    async def resume(self) -> None:
        """Nothing is repeated; so the jobs whose end the client has been told already must be found out, and who lives."""
        if not self._ids and not self._places:
            return
        present = await self._present()
        if self._ids:
            ended = {job.id for job in present if job.state in _ENDED}
            self._ended = ended - self._active.dispatcher.jobs.keys()
            self._ended_by = self._changes.last
        if self._places:
            self._places.begin(present)

    async def follow(self, after: int) -> AsyncIterator[pb.WatchJobsResponse]:
        """The changes from there on, until every named job has ended. Raises NotActive, or LookupError if it fell behind."""
        if self._has_ended(after):
            return
        async for batch in self._changes.read(after, EVERY if self._places else None):
            chosen = _latest_progress([change for change in batch if self._chosen(change)])
            for start in range(0, len(chosen), _READ_AT_ONCE):
                for message in await self._messages(chosen[start : start + _READ_AT_ONCE]):
                    yield message
            if batch and self._has_ended(batch[-1].number):
                return
            if self._places and (moved := await self._places.news()):
                yield pb.WatchJobsResponse(places=moved)
        raise NotActive

    async def _messages(self, changes: Sequence[Change]) -> list[pb.WatchJobsResponse]:
        """What is told of these changes. The jobs that have ended are read in one go."""
        told = {change.job_id for change in changes if change.state is not None}
        known = self._active.dispatcher.jobs
        ended = told - known.keys()
        jobs = job_message.from_live([known[job_id] for job_id in told - ended], self._active.dispatcher)
        living = {job.id: job for job in jobs}
        where = JobFilter(ids=sorted(ended))
        rows = (
            {row["id"]: row for row in await self._jobs.page(where, None, len(ended), payloads=True)} if ended else {}
        )
        found = []
        for change in changes:
            live = living.get(change.job_id)
            message = await _message(self._active, self._jobs, live, rows.get(change.job_id), change)
            message.change_id = self._changes.change_id(change.number)
            found.append(message)
            if change.state is None or change.state in FINISHED:
                self._open.discard(change.job_id)
            if self._places:
                self._places.note(change.job_id, None if change.state is None else job_message.STATES[change.state])
        return found

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
                queues=request.queues,
                owner=request.owner or rights.owner,
                producer=rights.producer,
                states=[State.PENDING, State.RUNNING],
            )
            rows = await self._jobs.page(where, None, MAX_SNAPSHOT)
            rows = [row for row in rows if rights.owner in (None, row["owner"])]
        present = job_message.from_rows(rows[::-1], self._active.dispatcher)
        for job in present:
            job.ClearField("payload_json")
        return present

    def _chosen(self, change: Change) -> bool:
        request, rights = self._request, self._rights
        if self._ids and change.job_id not in self._ids:
            return False
        if self._queues and change.queue not in self._queues:
            return False
        if request.owner and change.owner != request.owner:
            return False
        if change.number <= self._told_by and change.job_id in self._told:
            return False
        return rights.owner in (None, change.owner) and rights.producer in (None, change.producer)


def _latest_progress(changes: list[Change]) -> list[Change]:
    """Of several changes of progress alone, the last of each job."""
    last = {change.job_id: change.number for change in changes if change.progress}
    return [change for change in changes if not change.progress or last[change.job_id] == change.number]


async def _message(
    active: ActiveTerm, jobs: JobReader, live: job_pb2.Job | None, row: JobRow | None, change: Change
) -> pb.WatchJobsResponse:
    """`live` is the job as memory had it; `row` that of one that had ended. One that has ended in between is read now."""
    removed = pb.WatchJobsResponse(removed_id=change.job_id, removed_queue=change.queue, removed_owner=change.owner)
    if change.state is None:
        return removed
    if live is not None:
        told = pb.WatchJobsResponse(job=live)
        told.job.state = job_message.STATES[change.state]
        return told
    row = row or await jobs.get(change.job_id)
    if row is None:
        return removed
    job = job_message.from_row(row, active.dispatcher)
    job.ClearField("payload_json")
    job.state = job_message.STATES[change.state]
    return pb.WatchJobsResponse(job=job)

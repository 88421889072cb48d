"""Enqueue: – → pending. One task, one connection, group commit over the calls of all callers.

Everything that waits while a commit is in flight goes into the next statement, up to 1000 jobs. A call is all or nothing
even so: what could make PostgreSQL refuse a row is checked before, and idempotency keys are looked up first, on the only
connection that ever inserts, so the answer cannot change before the insert.

**Direct hand-off.** When a worker has room for a job and nothing is before it, the job is stored with its lease in the one
statement and sent at once: one commit from enqueue to handler instead of two. Only for queues without limits and kinds
without hooks, and never past another due job.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import psycopg

from jobline_queue.core.errors import DatabaseUnavailable, IdempotencyConflict, invalid
from jobline_queue.core.lifecycle import State
from jobline_queue.core.live_job import Lease, LiveJob
from jobline_queue.core.new_job import NewJob, job_id, request_time
from jobline_queue.dispatch.claimer import ClaimWriter, lease_row
from jobline_queue.dispatch.group_commit import GroupCommit
from jobline_queue.dispatch.term import Term, TermLost
from jobline_queue.store.job_store import JobStore, encode

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Enqueued:
    id: str
    deduplicated: bool


@dataclass(slots=True, eq=False)
class _Call:
    jobs: Sequence[NewJob]
    producer: str
    request_id: str
    done: asyncio.Future[list[Enqueued]]
    #: One for each job: its id, or the id of the job that holds its idempotency key.
    ids: list[str] = field(default_factory=list)
    hashes: list[str | None] = field(default_factory=list)
    live: list[LiveJob] = field(default_factory=list)


_Key = tuple[str, str, str]


class Enqueuer:
    """The enqueueing task of a term."""

    def __init__(self, term: Term, store: JobStore, writer: ClaimWriter, on_stored: Callable[[], None]) -> None:
        self._term = term
        self._store = store
        self._writer = writer
        self._on_stored = on_stored
        self._group: GroupCommit[_Call] = GroupCommit(self._flush, 1000, _weight)

    async def enqueue(self, jobs: Sequence[NewJob], producer: str, request_id: str) -> list[Enqueued]:
        """Stores checked jobs, all or nothing; the ids in their order.

        Raises InvalidField (request_id), IdempotencyConflict, or DatabaseUnavailable: then the call may or may not have
        been stored, and the same request_id finds out.
        """
        if self._term.over.is_set():
            raise DatabaseUnavailable
        time_bits = request_time(request_id)
        call = _Call(jobs, producer, request_id, asyncio.get_running_loop().create_future())
        call.ids = [job_id(time_bits, producer, request_id, index, job) for index, job in enumerate(jobs)]
        call.hashes = [job.content_hash() if job.idempotency_key else None for job in jobs]
        self._group.put(call)
        return await call.done

    async def run(self) -> None:
        await self._group.run()

    def abandon(self) -> None:
        """The term has ended: callers are told to try again."""
        for call in self._group.drain():
            _fail(call, DatabaseUnavailable())

    async def _flush(self, calls: list[_Call]) -> None:
        try:
            await self._store_calls(calls)
        except psycopg.Error as error:
            if self._store.connection.closed:
                for call in calls:
                    _fail(call, DatabaseUnavailable())
                raise TermLost(f"enqueue: {error}") from error
            await self._one_by_one(calls, error)

    async def _one_by_one(self, calls: list[_Call], error: psycopg.Error) -> None:
        """The database refused the group and stored nothing: a call that is bad all the same fails alone."""
        logger.error("the database refused %d enqueue calls: %s", len(calls), error)
        if len(calls) == 1:
            _fail(calls[0], invalid("jobs", f"refused by the database ({error.sqlstate})"))
            return
        for call in calls:
            call.live.clear()
            await self._flush([call])

    async def _store_calls(self, calls: list[_Call]) -> None:
        accepted = await self._resolve_keys(calls)
        now = self._term.clock.now()
        rows: list[str] = []
        seen: set[str] = set()
        for call in accepted:
            self._prepare(call, now, rows, seen)
        if not rows:
            for call in accepted:
                _answer(call, set())
            return
        leases = self._pick_direct([job for call in accepted for job in call.live])
        lease_rows = [lease_row(lease, self._term.epoch) for lease in leases]
        try:
            stored = await self._store.enqueue_jobs(f"[{','.join(rows)}]", lease_rows)
        except psycopg.Error:
            for lease in leases:
                for job in list(lease.jobs.values()):
                    self._term.dispatcher.drop_picked(lease, job)
            raise
        await self._take_in(accepted, stored, leases)

    # ---- idempotency keys -------------------------------------------------------------------------------------------

    async def _resolve_keys(self, calls: list[_Call]) -> list[_Call]:
        """Calls that may be stored; those in conflict are answered."""
        known = await self._known_keys(calls)
        accepted = []
        for call in calls:
            mine = dict(known)
            try:
                for index, job in enumerate(call.jobs):
                    _claim_key(call, index, job, mine)
            except IdempotencyConflict as error:
                _fail(call, error)
                continue
            known = mine
            accepted.append(call)
        return accepted

    async def _known_keys(self, calls: list[_Call]) -> dict[_Key, tuple[str, str]]:
        keys = {_key(job) for call in calls for job in call.jobs if job.idempotency_key}
        if not keys:
            return {}
        rows = [{"owner": owner, "queue": queue, "idempotency_key": key} for owner, queue, key in keys]
        found = await self._store.find_idempotency_keys(rows)
        return {(owner, queue, key): (found_id, content) for owner, queue, key, found_id, content in found}

    # ---- storing ----------------------------------------------------------------------------------------------------

    def _prepare(self, call: _Call, now: float, rows: list[str], seen: set[str]) -> None:
        """The rows of a call's new jobs. `seen` are the ids of this flush: a call that is repeated while the first one waits
        meets itself here."""
        time_bits = request_time(call.request_id)
        for index, new in enumerate(call.jobs):
            own_id = job_id(time_bits, call.producer, call.request_id, index, new) if call.hashes[index] else ""
            if call.hashes[index] and call.ids[index] != own_id:
                continue  # another job holds the key
            if call.ids[index] in seen:
                continue
            seen.add(call.ids[index])
            live = self._live(call, index, new, now)
            call.live.append(live)
            rows.append(_row(live, new, call.hashes[index]))

    def _live(self, call: _Call, index: int, new: NewJob, now: float) -> LiveJob:
        policy = self._term.dispatcher.policy(new.queue)
        return LiveJob(
            id=call.ids[index],
            queue=new.queue,
            kind=new.kind,
            owner=new.owner,
            producer=call.producer,
            priority=new.priority,
            run_at=max(now, new.run_at or 0.0),
            seq=self._term.dispatcher.next_seq(),
            key=new.concurrency_key,
            correlation_id=new.correlation_id,
            labels=json.dumps(dict(new.labels)) if new.labels else "{}",
            payload=new.payload,
            attempt=0,
            max_attempts=new.max_attempts or policy.max_attempts,
            losses=0,
            created_at=now,
        )

    async def _take_in(self, calls: list[_Call], stored: set[str], leases: list[Lease]) -> None:
        """After the commit: memory learns of the new jobs, the callers of their ids."""
        direct = {job_id for lease in leases for job_id in lease.jobs}
        dispatcher = self._term.dispatcher
        for call in calls:
            for job in call.live:
                if job.id not in stored:
                    continue
                self._term.changes.publish(job, State.PENDING)
                if job.id in direct:
                    dispatcher.learn(job)
                else:
                    dispatcher.add(job)
            _answer(call, stored)
        for lease in leases:
            for job in [job for job in lease.jobs.values() if job.id not in stored]:
                dispatcher.drop_picked(lease, job)
        await self._writer.hand_out(leases)
        self._on_stored()

    # ---- direct hand-off --------------------------------------------------------------------------------------------

    def _pick_direct(self, jobs: list[LiveJob]) -> list[Lease]:
        """Leases for the jobs that a worker has room for now, with nothing before them."""
        by_queue: dict[str, list[LiveJob]] = {}
        for job in jobs:
            by_queue.setdefault(job.queue, []).append(job)
        leases = []
        for queue, mine in by_queue.items():
            leases += self._term.dispatcher.pick_new(queue, [job for job in mine if not self._hooked(job)])
        return leases

    def _hooked(self, job: LiveJob) -> bool:
        return self._term.hooks.of(job.kind) is not None


def _weight(call: _Call) -> int:
    """Its jobs, or its size where that is more: 1000 stand for 8 MiB, so no statement grows without bound."""
    return max(len(call.jobs), sum(len(job.payload) for job in call.jobs) // 8192)


def _key(job: NewJob) -> _Key:
    return (job.owner, job.queue, job.idempotency_key)


def _claim_key(call: _Call, index: int, job: NewJob, known: dict[_Key, tuple[str, str]]) -> None:
    content = call.hashes[index]
    if content is None:
        return
    holder = known.setdefault(_key(job), (call.ids[index], content))
    if holder[1] != content:
        raise IdempotencyConflict(f"jobs[{index}].idempotency_key")
    call.ids[index] = holder[0]


def _row(live: LiveJob, new: NewJob, content: str | None) -> str:
    """One object for enqueue_jobs.sql; labels and payload are JSON text already."""
    head = encode(
        {
            "id": live.id,
            "queue": live.queue,
            "kind": live.kind,
            "owner": live.owner,
            "producer": live.producer,
            "priority": live.priority,
            "run_at": live.run_at,
            "seq": live.seq,
            "concurrency_key": live.key,
            "idempotency_key": new.idempotency_key or None,
            "content_hash": content,
            "correlation_id": live.correlation_id,
            "max_attempts": live.max_attempts,
            "created_at": live.created_at,
        }
    )
    return f'{head[:-1]},"labels":{live.labels},"payload":{live.payload}}}'


def _answer(call: _Call, stored: set[str]) -> None:
    """The first mention of a job that this call stored is new; everything else existed."""
    if call.done.done():
        return
    new = {job.id for job in call.live} & stored
    answers = []
    for each in call.ids:
        answers.append(Enqueued(each, deduplicated=each not in new))
        new.discard(each)
    call.done.set_result(answers)


def _fail(call: _Call, error: Exception) -> None:
    if not call.done.done():
        call.done.set_exception(error)

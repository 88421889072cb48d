"""Enqueue: – → pending. One task, one connection, group commit over the calls of all callers.

Everything that waits while a commit is in flight goes into the next statement, up to 1000 jobs. A call is all or nothing
even so: what could make PostgreSQL refuse a row is checked before, and idempotency keys are looked up first, on the only
connection that stores any, so the answer cannot change before the insert (what an end enqueues has none, `hook_runner.py`).

**Direct hand-off.** When a worker has room for a job and nothing is before it, the job is stored with its lease in the one
statement and sent at once: one commit from enqueue to handler instead of two. Only for queues without limits and kinds
without hooks, and never past another due job.

**Many at once.** From `COPY_FROM` jobs on, a flush without idempotency keys is a COPY: 10 instead of 17 µs of PostgreSQL's
time a job, and PostgreSQL inserts the first rows while the next ones are written here. It hands nothing over directly; the
claimer's one commit more is little for so many. When an id exists already (a call that is repeated after an unknown
outcome), the COPY is refused whole, and the same jobs go the other way.

**With a hook.** Calls with jobs whose kind has an `on_enqueue` hook share a transaction of their own, each under a savepoint:
a hook that refuses its call undoes the rows of this call and no other's. They are answered after the commit, all of them.
A job with an input goes this way, too, and takes it over in the same savepoint: all of it, or the call is refused.
A hook may meet a row that a stranger has locked, an open transaction of an operator say. The wait for it is bounded, and its
end fails the one call (`store/engine.py: LockPatience`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import psycopg

from jobline import failpoints
from jobline_queue.core.errors import DatabaseUnavailable, IdempotencyConflict, JoblineError, invalid
from jobline_queue.core.job_input import StagedInput
from jobline_queue.core.lifecycle import State
from jobline_queue.core.live_job import Lease, LiveJob
from jobline_queue.core.new_job import NewJob, job_ids
from jobline_queue.dispatch.claimer import ClaimWriter, lease_row
from jobline_queue.dispatch.group_commit import GroupCommit
from jobline_queue.dispatch.new_rows import NewRows, row, rows_json
from jobline_queue.dispatch.term import Term, TermLost
from jobline_queue.store.engine import LockPatience, is_lost
from jobline_queue.store.job_store import JobStore

logger = logging.getLogger(__name__)

#: COPY costs a round trip more than an INSERT, about what it saves on this many jobs.
COPY_FROM = 32
#: Jobs whose lines go to PostgreSQL together, while it inserts those before.
_CHUNK = 128
#: Calls in one transaction, a savepoint each. PostgreSQL keeps 64 subtransactions of a session at hand; with more, every
#: snapshot of others gets dearer. And those who wait behind them wait for no more than these.
_HOOKED_AT_ONCE = 32


class Enqueued(NamedTuple):
    id: str
    deduplicated: bool


@dataclass(slots=True, eq=False)
class _Call:
    jobs: Sequence[NewJob]
    producer: str
    done: asyncio.Future[list[Enqueued]]
    #: One for each job.
    own_ids: list[str]
    #: The same, but the id of the job that holds a job's idempotency key, where another one does.
    ids: list[str]
    #: The content hashes of the jobs with an idempotency key, by their number.
    hashes: dict[int, str]
    #: A job of it is of a kind with an `on_enqueue` hook, or it has an input.
    hooked: bool
    #: The input of its only job.
    staged: StagedInput | None
    #: The jobs that this call stores.
    live: list[LiveJob] = field(default_factory=list)


_Key = tuple[str, str, str]
_Store = Callable[[list[_Call]], Awaitable[None]]


class Enqueuer:
    """The enqueueing task of a term."""

    def __init__(self, term: Term, store: JobStore, writer: ClaimWriter, on_change: Callable[[], None]) -> None:
        self._term = term
        self._store = store
        self._patience = LockPatience(store.connection)
        self._writer = writer
        #: Something may start now: wakes the claimer.
        self._on_change = on_change
        self._group: GroupCommit[_Call] = GroupCommit(self._flush, 1000, _weight)

    async def enqueue(
        self, jobs: Sequence[NewJob], producer: str, request_id: str, staged: StagedInput | None = None
    ) -> list[Enqueued]:
        """Stores checked jobs, all or nothing; the ids in their order. `staged` is the input of a job that is alone.

        Raises InvalidField (request_id), IdempotencyConflict, what a kind's `on_enqueue` hook raises, or DatabaseUnavailable:
        then the call may or may not have been stored, and the same request_id finds out.
        """
        if self._term.over.is_set():
            raise DatabaseUnavailable
        digest = staged.digest if staged else ""
        ids = job_ids(producer, request_id, jobs, digest)
        hashes = {index: job.content_hash(digest) for index, job in enumerate(jobs) if job.idempotency_key}
        hooked = staged is not None or not self._term.hooks.enqueue_kinds.isdisjoint(job.kind for job in jobs)
        call = _Call(jobs, producer, asyncio.get_running_loop().create_future(), ids, ids, hashes, hooked, staged)
        self._group.put(call)
        return await call.done

    async def run(self) -> None:
        await self._patience.begin()
        await self._group.run()

    def abandon(self) -> None:
        """The term has ended: callers are told to try again."""
        for call in self._group.drain():
            _fail(call, DatabaseUnavailable())

    async def _flush(self, calls: list[_Call]) -> None:
        await self._patience.begin()
        if plain := [call for call in calls if not call.hooked]:
            await self._try(self._store_calls, plain)
        hooked = [call for call in calls if call.hooked] if len(plain) < len(calls) else []
        for start in range(0, len(hooked), _HOOKED_AT_ONCE):
            await self._try(self._store_hooked, hooked[start : start + _HOOKED_AT_ONCE])

    async def _try(self, store: _Store, calls: list[_Call]) -> None:
        try:
            await store(calls)
        except psycopg.Error as error:
            if is_lost(self._store.connection, error):
                for call in calls:
                    _fail(call, DatabaseUnavailable())
                raise TermLost(f"enqueue: {error}") from error
            await self._one_by_one(store, calls, error)

    async def _one_by_one(self, store: _Store, calls: list[_Call], error: psycopg.Error) -> None:
        """The database refused the group and stored nothing: a call that is bad all the same fails alone."""
        await self._patience.note(error)
        refusal = _refusal(error, len(calls))
        if len(calls) == 1:
            _fail(calls[0], refusal)
            return
        for call in calls:
            await self._try(store, [call])

    async def _store_calls(self, calls: list[_Call]) -> None:
        if any(call.hashes for call in calls):
            calls = await self._resolve_keys(calls)
        elif sum(len(call.jobs) for call in calls) >= COPY_FROM and await self._copy(calls):
            return
        await self._insert(calls)

    async def _copy(self, calls: list[_Call]) -> bool:
        """False when an id exists already: nothing is stored."""
        await failpoints.reach("enqueue.before_commit")
        try:
            await self._store.copy_jobs(self._lines(calls))
        except psycopg.errors.UniqueViolation:
            return False
        await failpoints.reach("enqueue.after_commit")
        await self._take_in(calls, None, [])
        return True

    async def _insert(self, calls: list[_Call]) -> None:
        jobs = self._make_live(calls)
        leases = self._pick_direct(jobs)
        await failpoints.reach("enqueue.before_commit")
        try:
            stored = await self._write(calls, jobs, leases)
        except psycopg.Error:
            for lease in leases:
                for job in list(lease.jobs.values()):
                    self._term.dispatcher.drop_picked(lease, job)
            self._on_change()  # the room that they took is free again
            raise
        await failpoints.reach("enqueue.after_commit")
        await self._take_in(calls, stored, leases)

    def _make_live(self, calls: list[_Call]) -> list[LiveJob]:
        """Memory's side of the jobs to be stored."""
        rows = self._new_rows()
        for call, job_id, new in _new_jobs(calls):
            call.live.append(rows.live(job_id, new, call.producer)[0])
        return [job for call in calls for job in call.live]

    def _new_rows(self) -> NewRows:
        return NewRows(self._term.dispatcher, self._term.hooks, self._term.clock.now())

    async def _write(self, calls: list[_Call], jobs: list[LiveJob], leases: list[Lease]) -> set[str]:
        """The ids that are new."""
        if not jobs:
            return set()
        keys = {
            call.own_ids[index]: (call.jobs[index].idempotency_key, content)
            for call in calls
            for index, content in call.hashes.items()
        }
        rows = [row(job, *keys.get(job.id, ())) for job in jobs]
        lease_rows = [lease_row(lease, self._term.epoch) for lease in leases]
        if len(rows) == 1:
            return await self._store.enqueue_job(rows[0], lease_rows[0] if lease_rows else None)
        return await self._store.enqueue_jobs(rows_json(rows), lease_rows)

    def _lines(self, calls: list[_Call]) -> Iterator[str]:
        """The text of a COPY, made as it is written. Memory's side of the jobs is made along the way."""
        rows = self._new_rows()
        lines: list[str] = []
        for call, job_id, new in _new_jobs(calls):
            job, shared = rows.live(job_id, new, call.producer)
            call.live.append(job)
            lines.append(rows.line(job, shared))
            if len(lines) == _CHUNK:
                yield "".join(lines)
                lines.clear()
        yield "".join(lines)

    # ---- kinds with a hook ------------------------------------------------------------------------------------------

    async def _store_hooked(self, calls: list[_Call]) -> None:
        """Stores what the hooks do not refuse, and answers every call."""
        refused: dict[_Call, Exception] = {}
        async with self._store.connection.transaction():
            for call in calls:
                if (error := await self._refused_by_hook(call)) is not None:
                    refused[call] = error
            await failpoints.reach("enqueue.before_commit")
        await failpoints.reach("enqueue.after_commit")
        for call, error in refused.items():
            _fail(call, error)
        await self._take_in([call for call in calls if call not in refused], None, [])

    async def _refused_by_hook(self, call: _Call) -> Exception | None:
        """Stores one call; or nothing of it, and says why."""
        try:
            async with self._store.connection.transaction():
                await self._write_hooked(call)
        except psycopg.Error as error:
            if is_lost(self._store.connection, error):
                raise
            await self._patience.note(error)
            return _refusal(error, 1)
        except Exception as error:  # a bug in a hook is its caller's misfortune, not that of the others
            return error
        return None

    async def _write_hooked(self, call: _Call) -> None:
        if call.hashes:
            _claim_keys(call, await self._known_keys([call]))
        stored = await self._write([call], self._make_live([call]), [])
        call.live = [job for job in call.live if job.id in stored]
        if call.staged is not None and call.live:
            await self._take_over(call.staged, call.live[0].id)
        new: dict[str, list[LiveJob]] = {}
        for job in call.live:
            new.setdefault(job.kind, []).append(job)
        for kind, jobs in new.items():
            hooks = self._term.hooks.of(kind)
            if hooks is not None and hooks.on_enqueue is not None:
                await hooks.on_enqueue(self._store.connection, jobs)

    async def _take_over(self, staged: StagedInput, job_id: str) -> None:
        """Raises InvalidField when parts have been swept meanwhile."""
        found = await self._store.adopt_input(staged.staging_id, job_id)
        if found != (staged.parts, staged.items):
            raise invalid("chunks", "expected all of them within an hour")

    # ---- idempotency keys -------------------------------------------------------------------------------------------

    async def _resolve_keys(self, calls: list[_Call]) -> list[_Call]:
        """Calls that may be stored; those in conflict are answered."""
        known = await self._known_keys(calls)
        accepted = []
        for call in calls:
            mine = dict(known)
            try:
                _claim_keys(call, mine)
            except IdempotencyConflict as error:
                _fail(call, error)
                continue
            known = mine
            accepted.append(call)
        return accepted

    async def _known_keys(self, calls: list[_Call]) -> dict[_Key, tuple[str, str]]:
        keys = {_key(call.jobs[index]) for call in calls for index in call.hashes}
        rows = [{"owner": owner, "queue": queue, "idempotency_key": key} for owner, queue, key in keys]
        found = await self._store.find_idempotency_keys(rows)
        return {(owner, queue, key): (found_id, content) for owner, queue, key, found_id, content in found}

    # ---- after the commit -------------------------------------------------------------------------------------------

    async def _take_in(self, calls: list[_Call], stored: set[str] | None, leases: list[Lease]) -> None:
        """Memory learns of the new jobs, the callers of their ids. `stored` are the ids that were new; None: all."""
        direct = {job_id for lease in leases for job_id in lease.jobs}
        dispatcher = self._term.dispatcher
        for call in calls:
            if stored is not None:
                call.live = [job for job in call.live if job.id in stored]
            dispatcher.observers.enqueued(call.live)
            for job in call.live:
                self._term.changes.publish(job, State.PENDING)
                if job.id in direct:
                    dispatcher.learn(job)
                else:
                    dispatcher.add(job)
            _answer(call)
        for lease in leases:
            for job in [job for job in lease.jobs.values() if stored is not None and job.id not in stored]:
                dispatcher.drop_picked(lease, job)
        await self._writer.hand_out(leases)
        self._on_change()

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


def _refusal(error: psycopg.Error, calls: int) -> JoblineError:
    """What a caller is told when the database, still there, has refused its call, alone or with others."""
    transient = isinstance(error, psycopg.OperationalError)
    logger.log(
        logging.WARNING if transient else logging.ERROR, "the database refused %d enqueue calls: %s", calls, error
    )
    return DatabaseUnavailable() if transient else invalid("jobs", f"refused by the database ({error.sqlstate})")


def _weight(call: _Call) -> int:
    """Its jobs, or its size where that is more: 1000 stand for 8 MiB, so no statement grows without bound."""
    return max(len(call.jobs), sum(len(job.payload) for job in call.jobs) // 8192)


def _key(job: NewJob) -> _Key:
    return (job.owner, job.queue, job.idempotency_key)


def _claim_keys(call: _Call, known: dict[_Key, tuple[str, str]]) -> None:
    """Each job with a key gets the id of the job that holds it: the first one, which may be itself."""
    call.ids = list(call.own_ids)
    for index, content in call.hashes.items():
        holder = known.setdefault(_key(call.jobs[index]), (call.own_ids[index], content))
        if holder[1] != content:
            raise IdempotencyConflict("job.idempotency_key" if call.staged else f"jobs[{index}].idempotency_key")
        call.ids[index] = holder[0]


def _new_jobs(calls: Sequence[_Call]) -> Iterator[tuple[_Call, str, NewJob]]:
    """The jobs to be stored: not those whose key another one holds, and each id once, for a call that is repeated while the
    first one waits meets itself here."""
    seen: set[str] = set()
    for call in calls:
        call.live = []
        for own_id, job_id, new in zip(call.own_ids, call.ids, call.jobs, strict=True):
            if job_id == own_id and job_id not in seen:
                seen.add(job_id)
                yield call, job_id, new


def _answer(call: _Call) -> None:
    """The first mention of a job that this call stored is new; everything else existed."""
    if call.done.done():
        return
    new = {job.id for job in call.live}
    if len(new) == len(call.ids):
        call.done.set_result([Enqueued(each, False) for each in call.ids])
        return
    answers = []
    for each in call.ids:
        answers.append(Enqueued(each, deduplicated=each not in new))
        new.discard(each)
    call.done.set_result(answers)


def _fail(call: _Call, error: Exception) -> None:
    if not call.done.done():
        call.done.set_exception(error)

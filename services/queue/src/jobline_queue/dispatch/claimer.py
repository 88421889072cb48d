"""Claims: pending → running. One task, one connection.

The claimer wakes when something may start that could not before: a job became due, a worker has room, a run ended, a pause
was lifted. It picks for every session that has room (`looks.py`), writes one lease row a batch, and hands out after the
commit. The jobs' own rows stay as they are: the lease says that they run. Only kinds that ask for it, or have an `on_start`
hook, get their rows marked in the transaction of the claim, so that the rows alone tell the truth and agree with what the
hook wrote.

Four things a reader may wonder about:

* *Why pick in memory and not in SQL?* `ORDER BY … FOR UPDATE SKIP LOCKED` reads past every dead and locked row, which costs
  5 ms and more under an open snapshot; exact limits per key have no SQL form that neither starves nor scans. Here a pick of
  100 costs 0.1 ms whatever the table looks like.
* *What if the commit fails?* When the connection broke, its outcome is unknown, and the term ends: memory is thrown away,
  the leases that did get into the table are adopted by the next term, and jobs whose worker never heard of them return after
  the receipt time. When the server answered with an error, nothing was stored: each lease is tried alone, of one that is
  refused again each job, and a job that cannot be claimed alone is held back for a moment.
* *What if somebody has locked a row?* A kind that is marked would wait for it, and all queues with it. Such a job is left out
  of its lease and held back (mark_running.sql), whoever holds the lock and for however long. Other claims touch no row.
* *What if a row is gone?* Rows can only vanish behind our back when a user is deleted. Limited queues and marked kinds see
  it here (the lease takes in fewer jobs); others at the end of the run, which then changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import psycopg

from jobline import failpoints
from jobline_queue.core.ending import Failed, RunError, cut
from jobline_queue.core.lifecycle import FINISHED, State
from jobline_queue.core.live_job import Lease, LiveJob
from jobline_queue.dispatch.hooks import RunRefused, told_cause
from jobline_queue.dispatch.looks import Looks
from jobline_queue.dispatch.session import Assignment, FinishedStep
from jobline_queue.dispatch.term import Term, TermLost
from jobline_queue.store.engine import LockPatience, is_lost
from jobline_queue.store.job_store import JobStore

logger = logging.getLogger(__name__)

#: Seconds after which the claimer looks although nothing has asked for it. Finding something then is a fault, and is logged
#: as one: the job would have waited for ever.
LOOK_AGAIN = 5.0
LOST_WAKE_UP = "jobs could start, and nothing had woken the claimer"
#: Seconds by which a timer may fire before its time.
EARLY = 0.1


def lease_row(lease: Lease, epoch: int) -> dict[str, Any]:
    """A row for claim_jobs.sql."""
    return {
        "token": lease.token,
        "epoch": epoch,
        "queue": lease.queue,
        "session_id": lease.session_id,
        "worker": lease.worker,
        "principal": lease.principal,
        "job_ids": list(lease.jobs),
        "granted_at": lease.granted_at,
        "expires_at": lease.expires_at,
    }


def running_row(job: LiveJob, lease: Lease) -> dict[str, Any]:
    """A row for mark_running.sql."""
    return {
        "id": job.id,
        "attempt": job.attempt + 1,
        "worker": lease.worker,
        "session_id": lease.session_id,
        "started_at": lease.granted_at,
        "step": job.step or None,
        "current": job.current,
        "total": job.total,
        "message": job.message,
    }


#: Ends a run that a hook refused at its start: (job id, lease token, outcome).
Refuse = Callable[[str, str, Failed], None]


class ClaimWriter:
    """Writes picked leases on a connection; shared by the claimer and by the finisher, which claims what it frees."""

    def __init__(self, term: Term, store: JobStore, refuse: Refuse) -> None:
        self._term = term
        self._store = store
        self._refuse = refuse
        self._refused: dict[str, RunError] = {}

    def marks(self, lease: Lease) -> bool:
        """Whether the rows of its jobs are marked with the claim: of all, if one is of a kind that wants it."""
        kinds = {job.kind for job in lease.jobs.values()}
        return any((hooks := self._term.hooks.of(kind)) and hooks.marked_at_claim for kind in kinds)

    def needs_transaction(self, leases: Sequence[Lease]) -> bool:
        """Whether `write` takes more than one statement."""
        return any(map(self.marks, leases)) or len({lease.limited for lease in leases}) > 1

    async def write(self, leases: Sequence[Lease]) -> None:
        """Stores the leases. A marked one holds only jobs whose rows are there, so it needs no second look at them."""
        marked = [lease for lease in leases if self.marks(lease)]
        for lease in marked:
            await self._mark(lease)
        limited = [lease for lease in leases if lease.limited and lease not in marked]
        free = [lease for lease in leases if lease.jobs and lease not in limited]
        if free:
            await self._store.claim_jobs([lease_row(lease, self._term.epoch) for lease in free])
        if limited:
            rows = [lease_row(lease, self._term.epoch) for lease in limited]
            self.drop_missing(limited, await self._store.claim_limited(rows))
        for lease in marked:
            for job in lease.jobs.values():
                await self._start_hook(job)

    def drop_missing(self, leases: Iterable[Lease], there: Collection[str]) -> None:
        """Jobs that were found to have no row any more are not handed out."""
        for lease in leases:
            for job in [job for job in lease.jobs.values() if job.id not in there]:
                logger.warning("job %s is gone from the table; not handed out", job.id)
                self._term.dispatcher.drop_picked(lease, job)

    async def _mark(self, lease: Lease) -> None:
        first_step = self._term.hooks.first_step
        rows = [{**running_row(job, lease), "step": first_step(job.kind) or None} for job in lease.jobs.values()]
        marked = await self._store.mark_running(rows, self._term.clock.now())
        if left := lease.jobs.keys() - marked:
            locked = await self._unfinished(lease, left)
            self.drop_missing([lease], marked | locked)
            for job_id in locked:
                self._term.dispatcher.hold_back(lease, lease.jobs[job_id])

    async def _unfinished(self, lease: Lease, ids: Collection[str]) -> set[str]:
        found = await self._store.find_outcomes([{"id": job_id, "token": lease.token} for job_id in ids])
        return {job_id for job_id, _, state, *_ in found if state is not None and state not in FINISHED}

    async def _start_hook(self, job: LiveJob) -> None:
        hooks = self._term.hooks.of(job.kind)
        if hooks is None or hooks.on_start is None:
            return
        self._refused.pop(job.id, None)  # of a claim that was undone
        try:
            async with self._store.connection.transaction():
                await hooks.on_start(self._store.connection, job)
        except psycopg.OperationalError:
            raise
        except RunRefused as refusal:
            self._refused[job.id] = refusal.error
        except Exception as error:
            logger.exception("on_start of %s refused job %s", job.kind, job.id)
            self._refused[job.id] = RunError(
                "RESULT_REJECTED", cut(f"The run could not start: {told_cause(error)}"), False
            )

    async def hand_out(self, leases: Sequence[Lease]) -> None:
        """After the commit: the jobs run, and wait in their session's outbox."""
        for lease in leases:
            if not lease.jobs:
                continue
            assignments = await self._assignments(lease)
            self._term.dispatcher.grant(lease, marked=self.marks(lease))
            publish = self._term.changes.publish
            for job in lease.jobs.values():
                publish(job, State.RUNNING)
            if self._refused:
                assignments = [item for item in assignments if not self._refuse_if_asked(item)]
            session = self._term.dispatcher.sessions.get(lease.session_id)
            if session:
                session.assign(assignments)

    def _refuse_if_asked(self, item: Assignment) -> bool:
        error = self._refused.pop(item.job.id, None)
        if error is not None:
            self._refuse(item.job.id, item.lease_token, Failed(error))
        return error is not None

    async def _assignments(self, lease: Lease) -> list[Assignment]:
        """What the worker gets: payloads and finished steps are read where memory has none."""
        jobs = lease.jobs.values()
        for kind in {job.kind for job in jobs}:
            if first_step := self._term.hooks.first_step(kind):
                _enter(first_step, [job for job in jobs if job.kind == kind])
        token = lease.token
        if not any(job.payload is None or job.has_steps for job in jobs):
            return [Assignment(job, token, job.payload or "null", job.attempt + 1) for job in jobs]
        missing = [job.id for job in jobs if job.payload is None]
        payloads = await self._store.find_payloads(missing) if missing else {}
        resumed = [job.id for job in jobs if job.has_steps]
        steps: dict[str, list[FinishedStep]] = {}
        for job_id, name, output, seconds, *_ in await self._store.find_steps(resumed) if resumed else ():
            steps.setdefault(job_id, []).append(FinishedStep(name, output, seconds))
        return [
            Assignment(
                job,
                lease.token,
                payloads.get(job.id, "null") if job.payload is None else job.payload,
                job.attempt + 1,
                tuple(steps.get(job.id, ())),
            )
            for job in jobs
        ]


def _enter(step: str, jobs: Iterable[LiveJob]) -> None:
    for job in jobs:
        job.step = step


class Claimer:
    """The claiming task of a term."""

    def __init__(self, term: Term, writer: ClaimWriter, store: JobStore, on_settled: Callable[[], None]) -> None:
        self._term = term
        self._dispatcher = term.dispatcher
        self._writer = writer
        self._connection = store.connection
        self._patience = LockPatience(store.connection)
        #: Called when claims have settled: acts on a picked job wait for it.
        self._on_settled = on_settled
        self._wake = asyncio.Event()
        self.looks = Looks(term.dispatcher)

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        """Claims until cancelled. Raises TermLost when nobody knows whether a claim was stored."""
        await self._patience.begin()
        while True:
            asked = await self._wait()
            while leases := self.looks.look():
                if not asked:
                    logger.error("%s: %s", LOST_WAKE_UP, ", ".join(sorted({lease.queue for lease in leases})))
                    asked = True
                try:
                    await self._patience.begin()
                    await self._claim(leases)
                except psycopg.Error as error:
                    raise TermLost(f"claim: {error}") from error
                self._on_settled()

    async def _wait(self) -> bool:
        """Waits for a reason to look; False when there was none for `LOOK_AGAIN`."""
        at = self.looks.next_at
        until = LOOK_AGAIN if at is None else min(LOOK_AGAIN, max(0.001, at - self._term.clock.now()))
        try:
            async with asyncio.timeout(until):
                await self._wake.wait()
        except TimeoutError:
            # A wake-up may come in the very turn of the loop in which the wait ends.
            asked = self._wake.is_set() or (at is not None and at - self._term.clock.now() < EARLY)
        else:
            asked = True
        self._wake.clear()
        return asked

    async def _claim(self, leases: list[Lease]) -> None:
        """Stores leases and hands them out; holds back what the database refuses. Raises psycopg.Error for an unknown end."""
        try:
            await self._store_leases(leases)
        except psycopg.Error as error:
            if is_lost(self._connection, error) or error.sqlstate is None:
                raise
            await self._patience.note(error)
            await self._claim_apart(leases, error)
            return
        await failpoints.reach("claim.after_commit")
        await self._writer.hand_out(leases)

    async def _claim_apart(self, leases: list[Lease], error: psycopg.Error) -> None:
        """The database has refused leases and stored none: one that may be good is tried alone, and so is its first job."""
        if len(leases) > 1:
            for lease in leases:
                await self._claim([lease])
            return
        (lease,) = leases
        jobs = list(lease.jobs.values())
        if len(jobs) > 1:
            self._dispatcher.unpick(lease, jobs[1:])
            await self._claim([lease])
        elif jobs:
            logger.warning("the claim of job %s was refused; it is tried again in a moment: %s", jobs[0].id, error)
            self._dispatcher.hold_back(lease, jobs[0])

    async def _store_leases(self, leases: list[Lease]) -> None:
        if self._writer.needs_transaction(leases):
            async with self._connection.transaction():
                await self._writer.write(leases)
                await failpoints.reach("claim.before_commit")
        else:
            await failpoints.reach("claim.before_commit")
            await self._writer.write(leases)

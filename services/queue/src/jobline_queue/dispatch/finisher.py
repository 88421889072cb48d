"""The finisher: every arrow but enqueue and claim. One task, one connection, group commit.

Everything that ends a run or changes a job from outside passes through here, one flush after another: outcomes, finished
steps, cancels, retries, deletes, expiry, rescue, time-outs, heartbeats' lease extensions and progress. One after another
is what makes the races of the lifecycle harmless: complete against cancel, rescue against a late outcome, retry against
delete are decided in the order in which they arrived, against memory, and each caller is told the truth.

A flush goes

    plan     decide every act against memory (`plan.py`); what conflicts inside a flush waits for the next one
    write    lock hooked rows → hooks (`hook_runner.py`) → one statement for each kind of arrow → jobs that ends enqueue →
             the next claims; a single statement runs in autocommit, more share one transaction. Successes are one
             statement, and so are the successes of a limited queue together with the claims of what comes next
    apply    memory follows, watchers are told, callers are answered

The fence. An outcome is planned only if its token is the job's current lease in memory. The statement asks once more
that the row is unfinished, and the connection itself can only belong to the present epoch (`store/engine.py`). So a run
that was lost, cancelled or superseded finds nothing to change, and neither does an old service.

When the database refuses a transaction but the connection lives, or a hook refuses a cancel or a retry, the plan is undone
and its acts are tried one by one, so that one bad act fails alone; the slots that they free are left to the claimer, for it
may have been a claim that was refused. When the connection is gone, nobody knows whether the commit happened: the term
ends, callers are told RETRY, and the next term reads the truth from the table.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

import psycopg

from jobline import failpoints
from jobline_queue.core.ending import Completed, Failed, RunError
from jobline_queue.core.errors import DatabaseUnavailable
from jobline_queue.core.lifecycle import State
from jobline_queue.core.live_job import Lease, LiveJob
from jobline_queue.dispatch.acts import Act, Ending, EndRun, ExtendLease, MarkRunning, StoreStep, unheard
from jobline_queue.dispatch.claimer import ClaimWriter, lease_row, running_row
from jobline_queue.dispatch.end_rows import Successes, cancel_row, end_row, lease_changes, runs_text
from jobline_queue.dispatch.group_commit import GroupCommit
from jobline_queue.dispatch.hook_runner import HookRefusal, HookRunner
from jobline_queue.dispatch.new_rows import row, rows_json
from jobline_queue.dispatch.plan import Plan, Planner
from jobline_queue.dispatch.session import OutcomeStatus, StepStatus
from jobline_queue.dispatch.settle import Settler
from jobline_queue.dispatch.term import Term, TermLost
from jobline_queue.store.engine import LockPatience, is_lost
from jobline_queue.store.job_store import JobStore

logger = logging.getLogger(__name__)

_Write = Callable[[], Awaitable[object]]


class Finisher:
    """The finishing task of a term."""

    def __init__(self, term: Term, store: JobStore, claims: ClaimWriter, on_change: Callable[[], None]) -> None:
        self._term = term
        self._store = store
        self._patience = LockPatience(store.connection)
        self._claims = claims
        #: Something may start now: wakes the claimer.
        self._on_change = on_change
        self._planner = Planner(term)
        self._hooks = HookRunner(term, store)
        self._settler = Settler(term, store)
        self._group: GroupCommit[Act] = GroupCommit(self._flush, 1000, _weight)

    def put(self, act: Act) -> None:
        """Queues an act; its answer comes later, once, also when the term ends."""
        if self._term.over.is_set():
            refuse(act)
        else:
            self._group.put(act)

    def nudge(self) -> None:
        """A claim has settled: acts that waited for it are tried again."""
        self._group.nudge()

    async def run(self) -> None:
        await self._patience.begin()
        await self._group.run()

    def abandon(self) -> None:
        """The term has ended: whoever waits is told to try again."""
        for act in self._group.drain():
            refuse(act)

    async def _flush(self, acts: list[Act], *, alone: bool = False) -> None:
        await self._patience.begin()
        plan = self._planner.plan(acts, claim_next=not alone)
        self._group.put_back(plan.deferred)
        waiting = [act for act in acts if act not in plan.deferred] if plan.deferred else acts
        try:
            missing = await self._write(plan)
        except psycopg.Error as error:
            await self._recover(plan, waiting, error)
        except HookRefusal as refusal:
            self._planner.undo(plan)
            refusal.act.answer(refusal.cause)
            await self._one_by_one(act for act in waiting if act is not refusal.act)
        else:
            await self._apply(plan, missing)
        if plan.deferred and not any(self._is_picked(act) for act in plan.deferred):
            self._group.nudge()
        self._on_change()

    def _is_picked(self, act: Act) -> bool:
        return bool(self._planner.is_picked(act.job_id))

    async def _apply(self, plan: Plan, missing: set[str]) -> None:
        try:
            await self._settler.settle(plan, missing)
            self._fail_refused(plan)
            await self._claims.hand_out(plan.claims)
        except psycopg.Error as error:
            raise TermLost(f"finish: {error}") from error

    def _fail_refused(self, plan: Plan) -> None:
        """Ends the runs whose step's output a hook has refused; their workers learn that they are void."""
        for act, why in plan.refused_steps:
            self.put(EndRun(act.job_id, act.token, Failed(RunError("RESULT_REJECTED", why, False)), unheard))
            act.answer(StepStatus.LOST, why)

    async def _recover(self, plan: Plan, acts: list[Act], error: psycopg.Error) -> None:
        if is_lost(self._store.connection, error):
            for act in acts:
                refuse(act)
            raise TermLost(f"finish: {error}") from error
        await self._patience.note(error)
        self._planner.undo(plan)
        if len(acts) == 1 and not plan.claims:
            level = logging.WARNING if isinstance(error, psycopg.OperationalError) else logging.ERROR
            name = type(acts[0]).__name__
            logger.log(level, "the database refused %s of job %s: %s", name, acts[0].job_id, error)
            refuse(acts[0], f"refused by the database ({error.sqlstate})")
            return
        logger.warning(
            "the database refused %d acts with their claims (%s); trying them one by one", len(acts), error.sqlstate
        )
        await self._one_by_one(acts)

    async def _one_by_one(self, acts: Iterable[Act]) -> None:
        for act in acts:
            await self._flush([act], alone=True)

    # ---- writing ----------------------------------------------------------------------------------------------------

    async def _write(self, plan: Plan) -> set[str]:
        """Writes the plan; the ids of jobs whose rows turned out to be gone or finished."""
        missing: set[str] = set()
        hooked = self._hooks.has_hooks(plan)
        writes = self._statements(plan, missing)
        if not hooked and len(writes) <= 1:
            await failpoints.reach("finish.before_commit")
            for write in writes:
                await write()
        else:
            async with self._store.connection.transaction():
                if hooked:
                    await self._hooks.before_writes(plan, missing)
                    writes = self._statements(plan, missing)
                for write in writes:
                    await write()
                await failpoints.reach("finish.before_commit")
        await failpoints.reach("finish.after_commit")
        return missing

    def _statements(self, plan: Plan, missing: set[str]) -> list[_Write]:
        """One call for each statement that has something to do, in an order that locks rows consistently."""
        successes = _successes(plan, missing)
        others = [ending for ending in plan.endings if ending.end.state is not State.SUCCEEDED]
        taken = [(job.lease, job.id) for _, job in plan.removals if job is not None and job.lease is not None]
        gone, shortened = lease_changes(successes, plan.endings, taken)
        claims = plan.claims
        writes: list[_Write] = []
        if successes and claims and not any(map(self._claims.marks, claims)):
            writes.append(partial(self._complete_and_claim, successes, gone, claims, plan.now, missing))
            claims = []
        elif successes:
            writes.append(partial(self._complete, successes, gone, plan.now, missing))
        elif gone:
            shortened += [{"token": token, "job_ids": []} for token in gone]
        if others:
            writes.append(lambda: self._end(others, plan.now, missing))
        if plan.follow_ups:
            writes.append(lambda: self._store.enqueue_jobs(rows_json(map(row, plan.follow_ups)), []))
        if shortened:
            writes.append(lambda: self._store.shorten_leases(shortened))
        writes += self._acts_of_callers(plan, missing)
        writes += self._reports(plan)
        if claims:
            writes.append(lambda: self._claims.write(claims))
        return writes

    async def _complete(self, successes: Successes, gone: list[str], now: float, missing: set[str]) -> None:
        done = await self._store.complete_jobs(runs_text(successes), gone, now)
        await self._look_for_missing(successes, done, missing)

    async def _complete_and_claim(
        self, successes: Successes, gone: list[str], claims: list[Lease], now: float, missing: set[str]
    ) -> None:
        rows = [lease_row(lease, self._term.epoch) for lease in claims]
        done, claimed = await self._store.complete_and_claim(runs_text(successes), gone, rows, now)
        self._claims.drop_missing(claims, claimed)
        await self._look_for_missing(successes, done, missing)

    async def _look_for_missing(self, successes: Successes, done: int, missing: set[str]) -> None:
        if done != sum(map(len, successes.values())):
            missing |= await self._settler.not_ended_by(successes)

    async def _end(self, endings: list[Ending], now: float, missing: set[str]) -> None:
        endings = [ending for ending in endings if ending.job.id not in missing]
        there = await self._store.end_runs([end_row(ending) for ending in endings], now)
        missing |= {ending.job.id for ending in endings} - there

    def _acts_of_callers(self, plan: Plan, missing: set[str]) -> list[_Write]:
        writes: list[_Write] = []
        if plan.cancels:
            writes.append(lambda: self._cancel(plan, missing))
        if plan.cancel_requests:
            rows = [{"id": act.job_id, "actor": act.actor, "detail": act.reason} for act, _ in plan.cancel_requests]
            writes.append(lambda: self._store.request_cancel(rows, plan.now))
        if plan.removals:
            writes.append(lambda: self._remove(plan, missing))
        if plan.retries:
            writes.append(lambda: self._retry(plan))
        return writes

    async def _cancel(self, plan: Plan, missing: set[str]) -> None:
        rows = [cancel_row(act, remove=self._settler.cancel_removes(job)) for act, job in plan.cancels]
        there = await self._store.cancel_jobs(rows, plan.now)
        for act, job in plan.cancels:
            if job.id in there:
                await self._hooks.after_cancel(act, job)
            else:
                missing.add(job.id)

    async def _remove(self, plan: Plan, missing: set[str]) -> None:
        rows = [
            {"id": act.job_id, "name": act.name, "actor": act.actor, "detail": act.detail} for act, _ in plan.removals
        ]
        plan.removed = await self._store.remove_jobs(rows, plan.now)
        missing |= {act.job_id for act, _ in plan.removals} - plan.removed.keys()

    async def _retry(self, plan: Plan) -> None:
        dispatcher = self._term.dispatcher
        rows = [
            {"id": act.job_id, "seq": dispatcher.next_seq(), "actor": act.actor, "seen": act.seq}
            for act in plan.retries
        ]
        plan.retried = await self._store.retry_jobs(rows, dispatcher.resuming(), plan.now)
        for act in plan.retries:
            if (job := plan.retried.get(act.job_id)) is not None:
                await self._hooks.after_retry(act, job)

    def _reports(self, plan: Plan) -> list[_Write]:
        writes: list[_Write] = []
        if plan.steps:
            writes.append(lambda: self._store_steps(plan))
        if plan.marks:
            writes.append(lambda: self._mark(plan))
        if plan.extends:
            leases = [{"token": lease.token, "expires_at": lease.expires_at} for lease in plan.extends]
            writes.append(lambda: self._store.extend_leases(leases))
        return writes

    async def _mark(self, plan: Plan) -> None:
        jobs = [mark.job for mark in plan.marks]
        rows = [running_row(job, job.lease) for job in jobs if job.lease is not None]
        written = await self._store.mark_running(rows, plan.now)
        for job in jobs:
            job.dirty = job.dirty or job.id not in written  # somebody has locked its row: it will be marked later

    async def _store_steps(self, plan: Plan) -> None:
        rows = [
            {
                "job_id": job.id,
                "name": act.name,
                "attempt": job.attempt + 1,
                "output": act.output,
                "seconds": act.seconds,
            }
            for act, job in plan.steps
        ]
        await self._store.store_steps(rows, plan.now)


def _weight(act: Act) -> int:
    """One act, or its size where that is more: 1000 stand for 8 MiB, so no statement grows without bound."""
    if type(act) is EndRun:
        return 1 + len(act.outcome.result) // 8192 if type(act.outcome) is Completed else 1
    return 1 + len(act.output) // 8192 if type(act) is StoreStep else 1


def _successes(plan: Plan, missing: set[str]) -> Successes:
    """The runs that succeed, those that passed a hook included. A job in `missing` passed none: its row is gone."""
    successes: dict[Lease, list[tuple[LiveJob, str]]] = {
        lease: [(job, act.outcome.result) for act, job in completions if type(act.outcome) is Completed]
        for lease, completions in plan.completes.items()
    }
    for ending in plan.endings:
        if ending.end.state is State.SUCCEEDED and ending.job.id not in missing:
            successes.setdefault(ending.lease, []).append((ending.job, ending.end.result or "null"))
    return successes


def refuse(act: Act, detail: str = "") -> None:
    """Answers an act that was not done."""
    match act:
        case EndRun():
            act.answer(act, OutcomeStatus.RETRY, detail)
        case StoreStep():
            act.answer(StepStatus.RETRY, detail)
        case MarkRunning():
            act.answer()
        case ExtendLease():
            pass
        case _:
            act.answer(DatabaseUnavailable())

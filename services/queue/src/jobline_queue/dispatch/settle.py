"""After the commit: memory follows the database, watchers are told, and everyone who asked is answered.

Also the answers that need a look into the table: outcomes of runs that memory no longer knows, and acts on jobs that have
ended long ago.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from jobline_queue.core.ending import Completed, Failed, Released, Snoozed, Stopped, summary
from jobline_queue.core.errors import DatabaseUnavailable, IllegalTransition, NotFound
from jobline_queue.core.lifecycle import Arrow, State, may
from jobline_queue.core.live_job import Lease, LiveJob
from jobline_queue.dispatch.acts import CancelJob, Ending, EndRun, RetryJob
from jobline_queue.dispatch.end_rows import Successes
from jobline_queue.dispatch.plan import Completion, Plan
from jobline_queue.dispatch.session import LeaseState, OutcomeStatus, StepStatus
from jobline_queue.dispatch.term import Term
from jobline_queue.store.job_store import JobStore, Row

logger = logging.getLogger(__name__)

#: Attempt outcomes that a worker's own outcome leads to.
_SAID_BY_WORKER = {"failed", "released", "snoozed", "cancelled"}
_NO_TOKEN = "00000000-0000-0000-0000-000000000000"
#: What is said to the worker of a run that counts no more.
_VOID = {OutcomeStatus.CANCELLED, OutcomeStatus.STALE}

#: An outcome and what its worker is told.
Answer = tuple[EndRun, OutcomeStatus]


class Settler:
    """Applies written plans."""

    def __init__(self, term: Term, store: JobStore) -> None:
        self._term = term
        self._dispatcher = term.dispatcher
        self._store = store

    async def settle(self, plan: Plan, missing: set[str]) -> None:
        """Applies `plan`; jobs in `missing` had no unfinished row any more."""
        for lease, completions in plan.completes.items():
            self._settle_completes(lease, completions, missing, plan.now)
        for ending in plan.endings:
            self._settle_ending(ending, ending.job.id in missing, plan.now)
        self._dispatcher.observers.enqueued(plan.follow_ups)
        for job in plan.follow_ups:
            self._dispatcher.add(job)
            self._term.changes.publish(job, State.PENDING)
        self._settle_acts(plan, missing)
        self._settle_reports(plan)
        await self._settle_retries(plan)
        void = _overruled(plan, missing)
        if plan.unknown or missing:
            void += _without_row(plan, missing) + await self._late(plan.unknown)
        await self._answer_void(void, plan.now)
        await self._refuse(Arrow.CANCEL, plan.strangers)

    def cancel_removes(self, job: LiveJob) -> bool:
        hooks = self._term.hooks.of(job.kind)
        return bool(hooks and hooks.cancel_removes)

    # ---- endings ----------------------------------------------------------------------------------------------------

    def _settle_completes(self, lease: Lease, completions: Sequence[Completion], missing: set[str], at: float) -> None:
        jobs = [job for _, job in completions]
        lost = {job.id for job in jobs if job.id in missing} if missing else missing
        self._observe(lease, jobs, lost, at)
        self._dispatcher.finish(lease, jobs)
        for act, job in completions:
            if lost and job.id in lost:
                self._revoke(lease, job)
                self._term.changes.publish(job, None)
            else:
                self._term.changes.publish(job, State.SUCCEEDED)
                act.answer(act, OutcomeStatus.COMMITTED, "")

    def _observe(self, lease: Lease, jobs: Sequence[LiveJob], lost: set[str], at: float) -> None:
        observers = self._dispatcher.observers
        observers.succeeded(lease, [job for job in jobs if job.id not in lost] if lost else jobs, at)
        for job_id in lost:
            observers.ended(lease.jobs[job_id], lease, None, at)

    def _settle_ending(self, ending: Ending, missing: bool, at: float) -> None:
        job, end = ending.job, ending.end
        self._dispatcher.observers.ended(job, ending.lease, None if missing else end, at)
        if ending.tell_worker or missing:
            self._revoke(ending.lease, job)
        self._dispatcher.end(job)
        if missing:
            self._dispatcher.forget(job)
            self._term.changes.publish(job, None)
            if ending.said is None:
                ending.answer(OutcomeStatus.STALE, "")
            return
        job.attempt, job.losses, job.run_at, job.vanished = end.attempt, end.losses, end.run_at, end.vanished
        if end.state is State.PENDING:
            job.has_steps = True
            self._dispatcher.restore(job)
        else:
            self._dispatcher.forget(job)
        self._term.changes.publish(job, end.state)
        if ending.overruled is None:
            ending.answer(OutcomeStatus.COMMITTED, "")

    def _revoke(self, lease: Lease, job: LiveJob) -> None:
        """Tells the worker of a run that it is void."""
        session = self._dispatcher.sessions.get(lease.session_id)
        if session and session.attached:
            session.push_cancel(lease.token, job.id, LeaseState.LOST)

    async def not_ended_by(self, successes: Successes) -> set[str]:
        """Of these runs, those whose outcome is not what ended the job's row."""
        runs = [{"id": job.id, "token": lease.token} for lease, jobs in successes.items() for job, _ in jobs]
        found = await self._store.find_outcomes(runs)
        return {job_id for job_id, token, state, ended_by, _ in found if state != "succeeded" or ended_by != token}

    # ---- acts of callers --------------------------------------------------------------------------------------------

    def _settle_acts(self, plan: Plan, missing: set[str]) -> None:
        for cancel, job in plan.cancels:
            if cancel.job_id not in missing:
                self._dispatcher.observers.cancelled(job)
            removed = cancel.job_id in missing or self.cancel_removes(job)
            self._dispatcher.forget(job)
            self._term.changes.publish(job, None if removed else State.CANCELLED)
            cancel.answer(NotFound("job", job.id) if job.id in missing else None)
        for request, job in plan.cancel_requests:
            job.cancel_requested = True
            session = job.lease and self._dispatcher.sessions.get(job.lease.session_id)
            if session and job.lease:
                session.push_cancel(job.lease.token, job.id, LeaseState.CANCEL_REQUESTED)
            self._term.changes.publish(job, State.RUNNING)
            request.answer(None)
        for removal, live in plan.removals:
            if live is not None:
                self._settle_removal(live, plan.now)
            elif gone := plan.removed.get(removal.job_id):
                self._term.changes.publish(gone, None)
            removal.answer(NotFound("job", removal.job_id) if removal.job_id in missing else None)

    def _settle_removal(self, job: LiveJob, at: float) -> None:
        if job.lease is not None:
            self._dispatcher.observers.ended(job, job.lease, None, at)
            session = self._dispatcher.sessions.get(job.lease.session_id)
            if session:
                session.push_cancel(job.lease.token, job.id, LeaseState.LOST)
            self._dispatcher.end(job)
        self._dispatcher.forget(job)
        self._term.changes.publish(job, None)

    async def _settle_retries(self, plan: Plan) -> None:
        for act in plan.retries:
            job = plan.retried.get(act.job_id)
            if job is not None:
                job.has_steps = True
                self._dispatcher.add(job)
                self._term.changes.publish(job, State.PENDING)
                act.answer(None)
        await self._refuse(Arrow.RETRY, [act for act in plan.retries if act.job_id not in plan.retried])

    async def _refuse(self, arrow: Arrow, acts: Sequence[CancelJob | RetryJob]) -> None:
        """Tells why jobs that memory does not know cannot take this arrow."""
        if not acts:
            return
        found = await self._store.find_outcomes([{"id": act.job_id, "token": _NO_TOKEN} for act in acts])
        states = {row[0]: row[2] for row in found}
        for act in acts:
            state = states.get(act.job_id)
            if state is None:
                act.answer(NotFound("job", act.job_id))
            elif may(State(state), arrow):
                act.answer(DatabaseUnavailable())  # somebody has locked the row, or has changed it past this service
            else:
                act.answer(IllegalTransition(arrow, state))

    # ---- reports and late outcomes ----------------------------------------------------------------------------------

    def _settle_reports(self, plan: Plan) -> None:
        for act, job in plan.steps:
            job.has_steps = True
            job.step_bytes += len(act.output)
            act.answer(StepStatus.STORED, "")
        for mark in plan.marks:
            mark.job.marked = True
            mark.answer()
        for lease in plan.extends:
            lease.stored_expires_at = lease.expires_at

    async def _late(self, acts: Sequence[EndRun]) -> list[Answer]:
        """The answers to outcomes of runs that memory does not know."""
        if not acts:
            return []
        found = await self._store.find_outcomes([{"id": act.job_id, "token": act.token} for act in acts])
        known = {(row[0], row[1]): row[2:] for row in found}
        return [(act, _late_status(act, *known.get((act.job_id, act.token), (None, None, None)))) for act in acts]

    async def _answer_void(self, answers: Sequence[Answer], now: float) -> None:
        """Notes what was done in vain before its worker is told: one that was told does not say it again."""
        rows = [
            self._voided_row(act, act.outcome)
            for act, status in answers
            if status in _VOID and isinstance(act.outcome, Completed | Failed)
        ]
        if rows:
            await self._store.note_voided(rows, now)
        for act, status in answers:
            act.answer(act, status, "")

    def _voided_row(self, act: EndRun, outcome: Completed | Failed) -> Row:
        live = self._dispatcher.jobs.get(act.job_id)
        return {
            "id": act.job_id,
            "token": act.token,
            "state": live and live.state,
            "actor": act.actor,
            "detail": summary(outcome),
        }


def _overruled(plan: Plan, missing: set[str]) -> list[Answer]:
    """The answers to successes that came after a cancel had been granted."""
    acts = [act for ending in plan.endings if (act := ending.overruled) is not None]
    return [(act, OutcomeStatus.CANCELLED) for act in acts if act.job_id not in missing]


def _without_row(plan: Plan, missing: set[str]) -> list[Answer]:
    """The answers to outcomes of runs whose rows were gone or had ended, unnoticed by memory."""
    acts = [act for completions in plan.completes.values() for act, _ in completions]
    acts += [ending.said for ending in plan.endings if ending.said is not None]
    return [(act, OutcomeStatus.STALE) for act in acts if act.job_id in missing]


def _late_status(act: EndRun, state: str | None, ended_by: str | None, outcome: str | None) -> OutcomeStatus:
    """The answer to an outcome of a run that is not current: was it stored before, or is it void?"""
    if not isinstance(act.outcome, Completed | Failed | Stopped | Snoozed | Released):
        return OutcomeStatus.STALE
    if outcome == "cancelled" and not isinstance(act.outcome, Stopped):
        return OutcomeStatus.CANCELLED
    if outcome in _SAID_BY_WORKER:
        return OutcomeStatus.ALREADY_COMMITTED
    if outcome is None and state == "succeeded" and ended_by == act.token:
        return OutcomeStatus.ALREADY_COMMITTED
    return OutcomeStatus.CANCELLED if state == "cancelled" else OutcomeStatus.STALE

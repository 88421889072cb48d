"""What one flush of the finisher will do: acts sorted by statement, decided against memory.

A plan takes each job at most once; a second act on the same job waits for the next flush, so it meets what the first one
left. Deciding takes jobs out of the order (so that no claim gets them) and picks the next jobs for the slots that come
free; `undo` puts both back when the database refused the transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import assert_never

from jobline_queue.core.ending import Completed, Lost, Revoked, TimedOut, end_run
from jobline_queue.core.errors import IllegalTransition, JoblineError
from jobline_queue.core.lifecycle import FINISHED, State
from jobline_queue.core.live_job import Lease, LiveJob, Place, RemovedJob
from jobline_queue.core.policy import CancelMode
from jobline_queue.dispatch.acts import (
    Act,
    CancelJob,
    Ending,
    EndRun,
    ExtendLease,
    MarkRunning,
    RemoveJob,
    RetryJob,
    StoreStep,
)
from jobline_queue.dispatch.session import OutcomeStatus, StepStatus
from jobline_queue.dispatch.term import Term

MAX_STEP_BYTES_PER_JOB = 1024 * 1024

#: A success and the job that it ends.
Completion = tuple[EndRun, LiveJob]


@dataclass(slots=True)
class Plan:
    """Decided acts, by what is to be written."""

    now: float
    touched: set[str] = field(default_factory=set)
    #: Acts that must wait for the next flush.
    deferred: list[Act] = field(default_factory=list)
    #: Successes of kinds without an `on_end` hook, by lease. They are nearly all there is under load, so they carry no more
    #: than this: where a success leads is no question, once nobody has asked for a cancel.
    completes: dict[Lease, list[Completion]] = field(default_factory=dict)
    #: Every other accepted outcome.
    endings: list[Ending] = field(default_factory=list)
    #: Outcomes of runs that memory does not know; the database says what became of them.
    unknown: list[EndRun] = field(default_factory=list)
    steps: list[tuple[StoreStep, LiveJob]] = field(default_factory=list)
    #: Of these, what a hook will not have, and why.
    refused_steps: list[tuple[StoreStep, str]] = field(default_factory=list)
    marks: list[MarkRunning] = field(default_factory=list)
    extends: list[Lease] = field(default_factory=list)
    #: Jobs that hooks of these ends want stored with them.
    follow_ups: list[LiveJob] = field(default_factory=list)
    cancels: list[tuple[CancelJob, LiveJob]] = field(default_factory=list)
    cancel_requests: list[tuple[CancelJob, LiveJob]] = field(default_factory=list)
    removals: list[tuple[RemoveJob, LiveJob | None]] = field(default_factory=list)
    #: What the statement found of them, by id.
    removed: dict[str, RemovedJob] = field(default_factory=dict)
    retries: list[RetryJob] = field(default_factory=list)
    #: What the statement made of them: the jobs that went back to pending, by id.
    retried: dict[str, LiveJob] = field(default_factory=dict)
    #: Cancels of jobs that are not live.
    strangers: list[CancelJob] = field(default_factory=list)
    #: The next jobs for slots of limited queues that the endings free.
    claims: list[Lease] = field(default_factory=list)


class Planner:
    """Decides acts against the memory of a term."""

    def __init__(self, term: Term) -> None:
        self._dispatcher = term.dispatcher
        self._clock = term.clock
        self._hooks = term.hooks

    def plan(self, acts: Iterable[Act], *, claim_next: bool = True) -> Plan:
        plan = Plan(self._clock.now())
        for act in acts:
            if act.job_id in plan.touched or self.is_picked(act.job_id):
                plan.deferred.append(act)
                continue
            if act.job_id:
                plan.touched.add(act.job_id)
            self._decide(act, plan)
        if claim_next:
            self._claim_next(plan)
        return plan

    def undo(self, plan: Plan) -> None:
        """The transaction was refused: memory is as before."""
        for lease in plan.claims:
            self._dispatcher.unpick(lease)
        withdrawn = [job for _, job in plan.cancels] + [job for _, job in plan.removals if job is not None]
        for job in withdrawn:
            if job.place is Place.NOWHERE:
                self._dispatcher.restore(job)

    def is_picked(self, job_id: str) -> bool:
        job = self._dispatcher.jobs.get(job_id)
        return job is not None and job.place is Place.PICKED

    def _decide(self, act: Act, plan: Plan) -> None:
        match act:
            case EndRun():
                self._end(act, plan)
            case StoreStep():
                self._step(act, plan)
            case MarkRunning(job):
                if job.place is Place.LEASED:
                    plan.marks.append(act)
                else:
                    act.answer()
            case ExtendLease(lease):
                if lease.token in self._dispatcher.leases:
                    plan.extends.append(lease)
            case CancelJob():
                self._cancel(act, plan)
            case RetryJob():
                self._retry(act, plan)
            case RemoveJob():
                self._remove(act, plan)
            case _:
                assert_never(act)

    def _end(self, act: EndRun, plan: Plan) -> None:
        job = self._dispatcher.current_run(act.job_id, act.token)
        if job is None or job.lease is None:
            plan.unknown.append(act)
            return
        if type(act.outcome) is Completed and not (self._has_end_hook(job) or job.cancel_requested):
            plan.completes.setdefault(job.lease, []).append((act, job))
            return
        try:
            end = end_run(job, self._dispatcher.policy(job.queue), act.outcome, plan.now)
        except JoblineError as error:
            act.answer(act, OutcomeStatus.INVALID, str(error))
            return
        by_others = isinstance(act.outcome, Lost | TimedOut | Revoked)
        plan.endings.append(Ending(job, job.lease, end, partial(act.answer, act), by_others, act))

    def _has_end_hook(self, job: LiveJob) -> bool:
        hooks = self._hooks.of(job.kind)
        return hooks is not None and hooks.on_end is not None

    def _step(self, act: StoreStep, plan: Plan) -> None:
        job = self._dispatcher.current_run(act.job_id, act.token)
        if job is None:
            act.answer(StepStatus.LOST, "")
        elif job.step_bytes + len(act.output) > MAX_STEP_BYTES_PER_JOB:
            act.answer(StepStatus.INVALID, f"expected at most {MAX_STEP_BYTES_PER_JOB} bytes of step outputs a job")
        else:
            plan.steps.append((act, job))

    def _cancel(self, act: CancelJob, plan: Plan) -> None:
        job = self._dispatcher.jobs.get(act.job_id)
        if job is None:
            plan.strangers.append(act)
        elif job.lease is None and act.running_only:
            act.answer(IllegalTransition("cancel", State.PENDING, "only running jobs are meant"))
        elif job.lease is None:
            self._dispatcher.withdraw(job)
            plan.cancels.append((act, job))
        else:
            self._cancel_running(act, job, job.lease, plan)

    def _cancel_running(self, act: CancelJob, job: LiveJob, lease: Lease, plan: Plan) -> None:
        policy = self._dispatcher.policy(job.queue)
        if act.pending_only or policy.cancel is CancelMode.PENDING_ONLY:
            act.answer(IllegalTransition("cancel", State.RUNNING, "its queue cancels pending jobs only"))
        elif policy.cancel is CancelMode.NOW:
            end = end_run(job, policy, Revoked(act.actor, act.reason, act.result), plan.now)
            plan.endings.append(Ending(job, lease, end, lambda _status, _detail: act.answer(None), True))
        elif job.cancel_requested:
            act.answer(None)
        else:
            plan.cancel_requests.append((act, job))

    def _retry(self, act: RetryJob, plan: Plan) -> None:
        job = self._dispatcher.jobs.get(act.job_id)
        if job is None:
            plan.retries.append(act)
        else:
            act.answer(IllegalTransition("retry", job.state))

    def _remove(self, act: RemoveJob, plan: Plan) -> None:
        job = self._dispatcher.jobs.get(act.job_id)
        if job is not None and job.lease is None:
            self._dispatcher.withdraw(job)
        plan.removals.append((act, job))

    def _claim_next(self, plan: Plan) -> None:
        """Jobs for the slots that come free, so that a limited queue ends one job and starts the next in one commit.

        Only ends that are final free a slot here: a job that goes back to pending may be the next one itself.
        """
        freed: dict[tuple[str, str], int] = {}
        #: Of those, the ones whose places their sessions have free already: said while the queue had no limit yet.
        counted: dict[tuple[str, str], int] = {}
        for ending in plan.endings:
            if ending.end.state in FINISHED and self._dispatcher.queue(ending.job.queue).limited:
                key = (ending.job.queue, ending.lease.session_id)
                freed[key] = freed.get(key, 0) + 1
                counted[key] = counted.get(key, 0) + bool(ending.said and ending.said.freed)
        by_queue: dict[str, int] = {}
        for lease, completions in plan.completes.items():
            if self._dispatcher.queue(lease.queue).limited:
                key = (lease.queue, lease.session_id)
                freed[key] = freed.get(key, 0) + len(completions)
                counted[key] = counted.get(key, 0) + sum([act.freed != "" for act, _ in completions])
        for (queue, session_id), count in freed.items():
            by_queue[queue] = by_queue.get(queue, 0) + count
            session = self._dispatcher.sessions.get(session_id)
            ended = count - counted[queue, session_id]
            claim = session and self._dispatcher.pick(session, queue, plan.now, by_queue[queue], ended)
            if claim:
                plan.claims.append(claim)

"""Runs a plan's hooks in the finisher's transaction, each under a savepoint of its own.

What a hook that raises costs depends on who can still be told:

    on_end     a success becomes a failure, of which the hook hears as of any other; of other ends its writes are undone
    on_step    the output is not stored, and its run fails with the next flush
    on_cancel  the act alone is refused: `HookRefusal`, upon which the finisher undoes the plan and goes on without it
    on_retry   the same

An end may enqueue (ADR 11): the jobs that it returns are made here, and stored with it. They are checked first, so that one
that cannot be stored spoils the end of its own job and no other's.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

import psycopg
from uuid_utils import uuid7

from jobline_queue.core.ending import RunEnd, cut, rejected
from jobline_queue.core.errors import JoblineError, invalid
from jobline_queue.core.lifecycle import Arrow
from jobline_queue.core.live_job import LiveJob
from jobline_queue.core.new_job import NewJob
from jobline_queue.dispatch.acts import CancelJob, Ending, RetryJob, StoreStep
from jobline_queue.dispatch.hooks import KindHooks, StepHook, told_cause
from jobline_queue.dispatch.new_rows import NewRows
from jobline_queue.dispatch.plan import Plan
from jobline_queue.dispatch.term import Term
from jobline_queue.store.job_store import JobStore

logger = logging.getLogger(__name__)

#: The producer of jobs that no caller asked for.
SYSTEM = "system"


class HookRefusal(Exception):
    """A hook raised `cause`: this act of a caller must not be stored."""

    def __init__(self, act: CancelJob | RetryJob, cause: Exception) -> None:
        super().__init__(f"{type(act).__name__} of job {act.job_id}: {cause}")
        self.act = act
        self.cause = cause


class HookRunner:
    """The hooks of a term on the finisher's connection. Every method lets a psycopg.OperationalError through: what failed
    then is the transaction, not the hook."""

    def __init__(self, term: Term, store: JobStore) -> None:
        self._term = term
        self._store = store

    def has_hooks(self, plan: Plan) -> bool:
        """Whether the plan needs a transaction for them. Which kinds its retries have, only their rows say."""
        return (
            any((of := self._of(ending.job)) and of.on_end for ending in plan.endings)
            or any((of := self._of(job)) and of.on_step for _, job in plan.steps)
            or any((of := self._of(job)) and of.on_cancel for _, job in plan.cancels)
            or bool(plan.retries)
        )

    async def before_writes(self, plan: Plan, missing: set[str]) -> None:
        """Ends and steps: what their hooks say decides what is written."""
        hooked = [ending for ending in plan.endings if (of := self._of(ending.job)) and of.on_end]
        there = await self._store.lock_jobs([ending.job.id for ending in hooked])
        for ending in hooked:
            if ending.job.id in there:
                ending.end = await self._end(ending)
            else:
                missing.add(ending.job.id)
        plan.follow_ups = self._live(plan, (new for ending in hooked for new in ending.end.follow_ups))
        for act, job in list(plan.steps):
            of = self._of(job)
            if of and of.on_step:
                await self._step(of.on_step, plan, act, job)

    async def after_cancel(self, act: CancelJob, job: LiveJob) -> None:
        """Raises HookRefusal."""
        of = self._of(job)
        if of and of.on_cancel:
            try:
                async with self._store.connection.transaction():
                    await of.on_cancel(self._store.connection, job, act.actor, act.reason)
            except psycopg.OperationalError:
                raise
            except Exception as error:
                raise HookRefusal(act, error) from error

    async def after_retry(self, act: RetryJob, job: LiveJob) -> None:
        """Raises HookRefusal."""
        of = self._of(job)
        if of and of.on_retry:
            try:
                async with self._store.connection.transaction():
                    await of.on_retry(self._store.connection, job)
            except psycopg.OperationalError:
                raise
            except Exception as error:
                raise HookRefusal(act, error) from error

    async def _step(self, hook: StepHook, plan: Plan, act: StoreStep, job: LiveJob) -> None:
        try:
            async with self._store.connection.transaction():
                await hook(self._store.connection, job, act.name, act.output)
        except psycopg.OperationalError:
            raise
        except Exception as error:
            if not isinstance(error, JoblineError):
                logger.exception("on_step of %s failed for job %s", job.kind, job.id)
            plan.steps.remove((act, job))
            plan.refused_steps.append((act, cut(f"The output of step '{act.name}' was refused: {told_cause(error)}")))

    async def _end(self, ending: Ending) -> RunEnd:
        """The end as the hook wants it."""
        hooks = self._of(ending.job)
        assert hooks is not None
        assert hooks.on_end is not None
        policy = self._term.dispatcher.policy(ending.job.queue)
        try:
            async with self._store.connection.transaction():
                end = await hooks.on_end(self._store.connection, ending.job, policy, ending.end)
                for index, new in enumerate(end.follow_ups):
                    _check_follow_up(new, f"follow_ups[{index}].")
                return end
        except psycopg.OperationalError:
            raise
        except Exception as error:
            logger.exception("on_end of %s failed for job %s", ending.job.kind, ending.job.id)
            if ending.end.arrow is not Arrow.COMPLETE:
                return ending.end
            ending.end = rejected(ending.end, f"The result could not be stored: {type(error).__name__}")
            return await self._end(ending)

    def _live(self, plan: Plan, new_jobs: Iterable[NewJob]) -> list[LiveJob]:
        rows = NewRows(self._term.dispatcher, self._term.hooks, plan.now)
        return [rows.live(str(uuid7()), new, SYSTEM)[0] for new in new_jobs]

    def _of(self, job: LiveJob) -> KindHooks | None:
        return self._term.hooks.of(job.kind)


def _check_follow_up(new: NewJob, path: str) -> None:
    """Raises InvalidField or TooLarge. Idempotency keys are the enqueuer's alone: it looks them up before it stores."""
    if new.idempotency_key:
        raise invalid(f"{path}idempotency_key", "expected none")
    new.check(path)

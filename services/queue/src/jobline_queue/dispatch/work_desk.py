"""What workers may say, whether over the stream or through the unary twins: one code path, the same tokens.

Synchronous where memory is enough (capacity, heartbeats, progress); outcomes and steps go to the finisher and are answered
after the commit.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Sequence

from jobline_queue.core.ending import Lost, Outcome
from jobline_queue.core.errors import Forbidden, NotActive, Superseded, invalid
from jobline_queue.core.lifecycle import State
from jobline_queue.core.live_job import LiveJob
from jobline_queue.dispatch.acts import EndRun, ExtendLease, MarkRunning, OutcomeAnswer, StepAnswer, StoreStep, unheard
from jobline_queue.dispatch.claimer import Claimer
from jobline_queue.dispatch.due_scope import DueLeft
from jobline_queue.dispatch.finisher import Finisher
from jobline_queue.dispatch.open_scopes import OpenScopes
from jobline_queue.dispatch.session import Assignment, LeaseState, OutcomeStatus, Session
from jobline_queue.dispatch.term import Term

#: (lease token, ids of the jobs held under it)
Held = tuple[str, Sequence[str]]
Status = tuple[str, str, LeaseState]


class WorkDesk:
    """The worker-facing side of a term."""

    def __init__(self, term: Term, claimer: Claimer, finisher: Finisher) -> None:
        self._term = term
        self._dispatcher = term.dispatcher
        self._claimer = claimer
        self._finisher = finisher
        self._scopes = OpenScopes(term.dispatcher)

    # ---- sessions ---------------------------------------------------------------------------------------------------

    def hello(self, session: Session, held: Sequence[Held]) -> list[Status]:
        """A stream begins. A session that is known goes on; the state of each lease it says it holds is returned.

        Raises Forbidden when the session belongs to another principal.
        """
        known = self._dispatcher.sessions.get(session.id)
        if known is not None:
            if known.principal not in ("", session.principal):
                raise Forbidden("the session belongs to another service token")
            if known.attached:
                known.end(Superseded())
            session.held = known.held
            session.connected_at = known.connected_at
        now = self._term.clock.now()
        session.connected_at = session.connected_at or now
        session.last_seen_at = now
        session.attached = True
        self._dispatcher.sessions[session.id] = session
        states = self.heartbeat(held)
        self._return_undelivered(session, {job_id for _, ids in held for job_id in ids})
        return states

    def _return_undelivered(self, session: Session, held: set[str]) -> None:
        """Leases of the session that it did not list died on the way, or with its memory: they end now."""
        for lease in list(self._dispatcher.leases.values()):
            if lease.session_id != session.id:
                continue
            for job in list(lease.jobs.values()):
                if job.id not in held:
                    # A row that was marked at its claim looks received after a take-over; its worker knows better.
                    job.received = job.received and not lease.adopted
                    self._finisher.put(EndRun(job.id, lease.token, Lost(), unheard))

    def detach(self, session: Session) -> None:
        """The stream is gone. The leases stay; what was not sent is thrown away."""
        if self._dispatcher.sessions.get(session.id) is not session:
            return  # a newer stream took over
        session.attached = False
        session.take()
        self._dispatcher.drop_session_if_done(session.id)

    def set_capacity(self, session: Session, capacity: Iterable[tuple[str, int]]) -> None:
        for queue, jobs in capacity:
            if queue in session.queues:
                session.capacity[queue] = max(0, min(jobs, 10_000))
        self._claimer.wake()

    def goodbye(self, session: Session) -> None:
        session.draining = True

    def wake(self) -> None:
        """A session has room again."""
        self._claimer.wake()

    # ---- leases -----------------------------------------------------------------------------------------------------

    def heartbeat(self, held: Iterable[Held]) -> list[Status]:
        """Extends each lease to now + lease; says of each whether it is held."""
        now = self._term.clock.now()
        states = []
        for token, job_ids in held:
            for job_id in job_ids:
                job = self._dispatcher.current_run(job_id, token)
                states.append((token, job_id, self._extend(job, now) if job else LeaseState.LOST))
        return states

    def _extend(self, job: LiveJob, now: float) -> LeaseState:
        lease = job.lease
        assert lease is not None
        seconds = self._dispatcher.policy(job.queue).lease
        job.received = True
        job.expires_at = lease.expires_at = now + seconds
        if lease.expires_at - lease.stored_expires_at > seconds / 3:
            lease.stored_expires_at = lease.expires_at
            self._finisher.put(ExtendLease(lease))
        return LeaseState.CANCEL_REQUESTED if job.cancel_requested else LeaseState.HELD

    def progress(self, job_id: str, token: str, step: str, current: int, total: int, message: str) -> LeaseState:
        """The latest progress of a run; kept in memory at once, written to the row within 100 ms."""
        job = self.tell_progress(job_id, token, step, current, total, message)
        if job is None:
            return LeaseState.LOST
        job.dirty = True
        return LeaseState.CANCEL_REQUESTED if job.cancel_requested else LeaseState.HELD

    async def store_progress(self, job_id: str, token: str) -> None:
        """Returns when the row says the latest progress of a run; at once for one that is not current."""
        job = self._dispatcher.current_run(job_id, token)
        if job is not None:
            job.dirty = False
            stored = asyncio.Event()
            self._finisher.put(MarkRunning(job, stored.set))
            await stored.wait()

    def tell_progress(
        self, job_id: str, token: str, step: str, current: int, total: int, message: str
    ) -> LiveJob | None:
        """Tells memory and who watches of a run's progress, and nobody writes it; the job, if the run is current."""
        job = self._dispatcher.current_run(job_id, token)
        if job is not None:
            job.received = True
            if step and step != job.step:
                self._dispatcher.forecast.entered(job, step)
            job.step, job.current, job.total, job.message = step or job.step, current, total, message
            self._term.changes.publish(job, State.RUNNING, progress=True)
        return job

    def step(self, job_id: str, token: str, name: str, output: str, seconds: float, answer: StepAnswer) -> None:
        """Stores a finished step's output (checked JSON text); answers after the commit."""
        job = self._dispatcher.current_run(job_id, token)
        if job is not None:
            job.received = True
        self._finisher.put(StoreStep(job_id, token, name, output, seconds, answer))

    def outcome(self, job_id: str, token: str, outcome: Outcome, answer: OutcomeAnswer, actor: str = "system") -> None:
        """Ends a run; answers after the commit."""
        self._finisher.put(EndRun(job_id, token, outcome, answer, actor))

    def session_outcomes(self, session: Session, acts: Iterable[tuple[LiveJob | None, EndRun]]) -> None:
        """Ends runs that a session says have ended, each with the run's job, if it is current.

        Its place in the session's capacity is free from now on, not from the commit on, so that the next claim is written
        while this end is. In a queue with a limit the end frees it: there the finisher claims what comes next.
        """
        for job, act in acts:
            session.unanswered += 1
            if job is not None and not self._dispatcher.queue(job.queue).limited:
                act.freed = job.queue
                session.free(job.queue)
                self._claimer.wake()
            self._finisher.put(act)

    async def outcome_now(self, job_id: str, token: str, outcome: Outcome, actor: str) -> tuple[OutcomeStatus, str]:
        """Ends a run and waits for the answer."""
        done: asyncio.Future[tuple[OutcomeStatus, str]] = asyncio.get_running_loop().create_future()
        self.outcome(job_id, token, outcome, lambda _act, status, detail: _set(done, (status, detail)), actor)
        return await done

    # ---- the unary claims -------------------------------------------------------------------------------------------

    async def claim(self, session: Session, most: int, wait: float) -> list[Assignment]:
        """Up to `most` jobs, waiting up to `wait` seconds for the first. The answer is the receipt.

        A claim is a session that lives for one answer: it goes through the same order, limits and turn as the streams.
        """
        self._dispatcher.sessions[session.id] = session
        session.attached = True
        session.connected_at = session.last_seen_at = self._term.clock.now()
        session.capacity = dict.fromkeys(session.queues, most)
        session.most = most
        try:
            return await self._first_batch(session, wait)
        finally:
            self.detach(session)

    async def claim_due(
        self, session: Session, most: int, wait: float, owner: str, at: float | None
    ) -> tuple[list[Assignment], DueLeft]:
        """The same from the jobs of the session's one queue and its kinds that were due `at` a moment (epoch seconds; None:
        now), of an owner or (empty) of all, past the others; and what is left of them.

        It does not wait when nothing is left or the queue is paused. Raises InvalidField for a moment that has not come.
        """
        now = self._term.clock.now()
        at = now if at is None else at
        if at > now:
            raise invalid("due.at", "expected a moment that has come")
        (queue,) = session.queues
        async with self._scopes.use(queue, owner, session.kinds, at) as scope:
            if self._term.over.is_set():
                raise NotActive
            session.scope = scope
            scope.sessions.add(session)
            try:
                taken = await self.claim(session, most, wait)
            finally:
                scope.sessions.remove(session)
            return taken, scope.left(session, paused=not taken and self._dispatcher.queue(queue).paused)

    async def _first_batch(self, session: Session, wait: float) -> list[Assignment]:
        self._claimer.wake()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + max(wait, 0.05)
        # A batch that is picked already is waited for, whatever the caller's patience: its leases are being stored.
        while not session.outbox.assignments and session.ended is None:
            # With many claims under way, or a slow disk, the claimer comes to this one long after its patience has ended.
            in_time = loop.time() < deadline or not session.looked_for
            if not session.holding and (not in_time or self._waits_in_vain(session)):
                break
            session.wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.05, deadline - loop.time())):
                    await session.wake.wait()
        await self._await_picked(session)
        session.attached = False
        taken = session.take().assignments
        if session.ended is not None and not taken:
            raise session.ended
        for item in taken:
            item.job.received = True
        return taken

    def _waits_in_vain(self, session: Session) -> bool:
        """Whether a claim from a scope would wait for what cannot come, or not before somebody resumes the queue."""
        scope = session.scope
        return scope is not None and (scope.is_empty or self._dispatcher.queue(scope.queue).paused)

    async def _await_picked(self, session: Session) -> None:
        """Nothing more is picked for the session, and what was picked beside its first batch arrives too."""
        session.draining = True
        while session.holding > len(session.outbox.assignments) and session.ended is None:
            session.wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    await session.wake.wait()


def _set(future: asyncio.Future[tuple[OutcomeStatus, str]], value: tuple[OutcomeStatus, str]) -> None:
    if not future.done():
        future.set_result(value)

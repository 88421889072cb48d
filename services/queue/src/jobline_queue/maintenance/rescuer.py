"""Finds runs whose worker is gone, whose delivery never arrived, or whose time is up, and ends them."""

from __future__ import annotations

from jobline_queue.core.ending import Lost, Outcome, TimedOut
from jobline_queue.core.live_job import Lease, LiveJob
from jobline_queue.dispatch.acts import EndRun, unheard
from jobline_queue.dispatch.finisher import Finisher
from jobline_queue.dispatch.term import Term


class Rescuer:
    """One round looks at every running job in memory (about 1 µs each); the database is asked only to end one."""

    def __init__(self, term: Term, finisher: Finisher) -> None:
        self._term = term
        self._finisher = finisher

    def run_once(self) -> int:
        """How many runs were found to have ended."""
        now = self._term.clock.now()
        ended = 0
        for lease in list(self._term.dispatcher.leases.values()):
            for job in list(lease.jobs.values()):
                outcome = self._verdict(lease, job, now)
                if outcome is not None:
                    ended += 1
                    if not job.received:
                        self._pass_over(lease)
                    self._finisher.put(EndRun(job.id, lease.token, outcome, unheard))
        return ended

    def _pass_over(self, lease: Lease) -> None:
        """Its worker has said nothing since it was handed the job: it would swallow the job again and again."""
        session = self._term.dispatcher.sessions.get(lease.session_id)
        if session is not None and session.last_seen_at <= lease.granted_at:
            session.silent = True

    def _vanished(self, lease: Lease, job: LiveJob) -> int:
        """How many times in a row the job's worker is gone now; 0: it is there, or a take-over hides what it knew."""
        session = self._term.dispatcher.sessions.get(lease.session_id)
        if lease.adopted or (session is not None and session.attached):
            return 0
        return job.vanished + 1

    def _verdict(self, lease: Lease, job: LiveJob, now: float) -> Outcome | None:
        if job.received and now > job.expires_at:
            return Lost()
        if not job.received and now > lease.receipt_by:
            return Lost(self._vanished(lease, job))
        timeout = self._term.dispatcher.policy(job.queue).timeout
        if timeout is None or job.started_at is None or now <= job.started_at + timeout:
            return None
        # After a start, a worker that finished in time gets one lease time to come back and say so.
        session = self._term.dispatcher.sessions.get(lease.session_id)
        resumed = session is not None and session.attached
        return TimedOut() if resumed or not lease.adopted or now > lease.receipt_by else None

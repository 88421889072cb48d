"""The jobs of a queue that were due at a moment: what a claim with `ClaimJobsRequest.due` chooses from.

A scope is a second, smaller backlog beside the queue's own. It is filled once, when it is opened (`open_scopes.py`), and from
then on the queue tells it of each job that moves (`QueueState.moved`, `gone`). So a call costs what it claims, however many
jobs the queue and the scope have; and what it says of what is left is exact, because nothing is asked twice.

**It only shrinks.** A job belongs to it by its `run_at` and `created_at`. The first one changes in one way, to a later time
than any moment that has come; the second never does. A job that a worker gave back, or that never arrived, has kept its
`run_at`: it waits in the scope again. So does one that is held back, because its claim was refused. One that an act of a
caller has taken out (`Place.NOWHERE`) counts as waiting until the act is committed; it would come back if the database
refused the act.

**What is being stored at the moment** enters when its row is committed, if its `created_at` says so. A call that is answered
before may say that nothing is left; that is right, because the enqueue was not answered by then, so nobody can tell that it
was before the claim. What was answered is in memory, and in the scope.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from jobline_queue.core.live_job import LiveJob, Place
from jobline_queue.dispatch.backlog import Backlog

if TYPE_CHECKING:
    from jobline_queue.dispatch.session import Session


class DueLeft(NamedTuple):
    """What is left of a scope beside what a call has claimed."""

    at: float
    pending: int
    running: int
    paused: bool


class DueScope:
    """The live jobs of these kinds with `run_at` and `created_at` at or before `at`, of one owner or (empty) of all.

    Costs, for n jobs: O(log n) for each job that moves, O(1) for the next one.
    """

    def __init__(self, queue: str, owner: str, kinds: frozenset[str], at: float, due: Backlog) -> None:
        self.queue = queue
        self.owner = owner
        self.at = at
        self._kinds = kinds
        #: Those in the queue's order; empty at first.
        self._due = due
        #: The others: picked, in a lease, held back, or being taken out.
        self._away: set[LiveJob] = set()
        #: The sessions of the calls that claim from it now.
        self.sessions: set[Session] = set()

    def covers(self, job: LiveJob) -> bool:
        """Whether a job of the queue is in the scope."""
        in_time = job.run_at <= self.at and job.created_at <= self.at
        return in_time and job.kind in self._kinds and (not self.owner or job.owner == self.owner)

    def place(self, job: LiveJob) -> None:
        """Takes note of where the dispatcher has a live job of the queue now; it may have known."""
        self._due.remove(job)
        self._away.discard(job)
        if self.covers(job):
            if job.place is Place.DUE:
                self._due.add(job)
            else:
                self._away.add(job)
        elif self.is_empty:
            self.wake()

    def drop(self, job: LiveJob) -> None:
        """The job lives no more."""
        self._away.discard(job)
        if self.is_empty:
            self.wake()

    def close(self) -> None:
        """Nobody will ask again."""
        self._due.close()

    @property
    def is_empty(self) -> bool:
        return not self._away and not self._due

    @property
    def next(self) -> LiveJob | None:
        """The first job by rank whose key is not full."""
        return self._due.next

    @property
    def is_called_for(self) -> bool:
        """Whether a call waits for nothing but a slot of the queue."""
        return self.next is not None and any(session.room(self.queue) for session in self.sessions)

    def left(self, session: Session, paused: bool) -> DueLeft:
        """What is left beside what `session` holds."""
        held_by = [job.lease.session_id if job.lease is not None else None for job in self._away]
        waiting = held_by.count(None)
        running = len(held_by) - waiting - held_by.count(session.id)
        return DueLeft(self.at, len(self._due) + waiting, running, paused)

    def wake(self) -> None:
        """The calls look again whether there is something to wait for."""
        for session in self.sessions:
            session.wake.set()

"""Looks of the claimer: who may be handed what now, and when to look again.

A look goes from session to session and from queue to queue, and it sees all of them *at one moment*. That is not for beauty.
What may start later is waited for by its time: that of a delayed job, or of the end of a rate's window. If the clock went on
during a look, a job could come due after its queue was passed and before the look has ended. It would be in the order, where
this look does not come again, and no more among those whose time is waited for; so nobody would look for it until something
else happened. In a busy queue that is at once, in a quiet one never.

So what was due at the moment of the look has been looked at, what becomes due after it has a time to wait for
(`next_at`), and everything else that lets a job start wakes the claimer: a job stored, ended, retried or put back, room in a
worker, a pause lifted.
"""

from __future__ import annotations

from collections.abc import Collection

from jobline_queue.core.live_job import Lease
from jobline_queue.dispatch.dispatcher import Dispatcher
from jobline_queue.dispatch.session import Session


class Looks:
    """The looks of one claimer."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._turn = 0
        #: The moment of the last look, in epoch seconds.
        self.at = dispatcher.clock.now()

    def look(self) -> list[Lease]:
        """One batch for each session and queue with room; another session begins each time, after those that claim the jobs
        of a scope, past all others. Of these, one an owner: the next one of the same owner comes after the others."""
        self.at = self._dispatcher.clock.now()
        self._dispatcher.admit_due(self.at)
        sessions = [session for session in self._dispatcher.sessions.values() if session.attached]
        self._turn += 1
        shift = self._turn % len(sessions) if sessions else 0
        leases = []
        late = []
        for session in sorted(sessions[shift:] + sessions[:shift], key=_claims_in_turn):
            if session.scope and self._dispatcher.queue(session.scope.queue).is_past_turn(session.scope):
                late.append(session)
            else:
                leases += self._pick_for(session)
        for session in late:
            leases += self._pick_for(session)
        return leases

    @property
    def next_at(self) -> float | None:
        """When time alone lets something start that the last look could not hand out (epoch seconds); None: never."""
        return self._dispatcher.next_wake(self.at)

    def _pick_for(self, session: Session) -> list[Lease]:
        session.looked_for = True
        queues = self._in_turn(session)
        picked = (self._dispatcher.pick(session, queue, self.at) for queue in queues if session.room(queue))
        return [lease for lease in picked if lease is not None]

    def _in_turn(self, session: Session) -> Collection[str]:
        """The session's queues. One that takes a few jobs of them all begins where the next job has the lowest rank."""
        if session.most is None or len(session.queues) == 1:
            return session.queues
        orders = {queue: self._dispatcher.queue(queue).order for queue in session.queues}
        firsts = [
            (job.rank, queue) for queue, order in orders.items() if (job := order.next(session.kinds)) is not None
        ]
        return [queue for _, queue in sorted(firsts)]


def _claims_in_turn(session: Session) -> bool:
    return session.scope is None

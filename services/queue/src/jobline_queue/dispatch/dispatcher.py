"""The dispatcher: every live job in memory, and who gets what, when.

Memory decides and the database records. The dispatcher holds all jobs that have not ended (about 450 bytes each besides
the payload), the order of those that are due, what runs where, and the worker sessions. Its methods are plain and
synchronous, so each is atomic on the event loop; the three writers (`enqueuer`, `claimer`, `finisher`) call them before a
statement to decide and after its commit to let the decision count:

    decide   pick, withdraw                    takes jobs out of the order: nobody else can decide about them
    write    one statement, or one transaction
    commit   grant, end, add, forget           memory follows the database
    undo     unpick, restore                   the statement was refused; memory is as before
             hold_back                         the same, but the job may not be picked for a moment

A claim never asks the database for the order. That keeps it flat under long snapshots and huge tables, makes limits exact
(there is one counter, and it cannot drift, because it counts the leases in memory), and answers positions at once.

A term has one dispatcher. When the term ends, whatever the reason, all of this is thrown away and read anew.
"""

from __future__ import annotations

import heapq
import math
import uuid
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from sys import getsizeof

from jobline_queue.core.live_job import Lease, LiveJob, Place
from jobline_queue.core.policy import QueuePolicy
from jobline_queue.dispatch.clock import Clock
from jobline_queue.dispatch.forecast import Forecast
from jobline_queue.dispatch.observer import Observers
from jobline_queue.dispatch.positions import WAITING, positions
from jobline_queue.dispatch.queue_state import QueueState
from jobline_queue.dispatch.session import Session

#: Seconds until a job whose claim was refused is tried again: at first, and more for each that waits like it, so that no
#: more than a thousand a second are tried in vain.
HELD_BACK, HELD_BACK_EACH = 0.5, 0.001

#: `seq` is the epoch times this, plus a counter: it rises over terms without asking the table for its maximum.
SEQ_PER_EPOCH = 2**40


class Dispatcher:
    """Everything that is live, of one term."""

    def __init__(self, policies: Mapping[str, QueuePolicy], clock: Clock, epoch: int, payload_cap: int) -> None:
        self.clock = clock
        self.epoch = epoch
        self.jobs: dict[str, LiveJob] = {}
        self.leases: dict[str, Lease] = {}
        self.sessions: dict[str, Session] = {}
        self.queues: dict[str, QueueState] = {}
        #: Told by whoever has committed: of grants here, of the rest by the enqueuer and the settler.
        self.forecast = Forecast(self)
        self.observers = Observers([self.forecast])
        self._policies = policies
        self._seq = epoch * SEQ_PER_EPOCH
        #: No delayed job, and none that is held back, may start before (epoch seconds). It may be too early.
        self._next_due = math.inf
        #: Withdrawn because they are too old; their rows are still there.
        self.expired: list[LiveJob] = []
        self._expiring: list[tuple[float, int, LiveJob]] = []
        self._payload_room = payload_cap
        for name in policies:
            self.queue(name)

    # ---- queues and order -------------------------------------------------------------------------------------------

    def queue(self, name: str) -> QueueState:
        """The queue's state; a name that no policy mentions gets the defaults."""
        state = self.queues.get(name)
        if state is None:
            policy = self._policies.get(name) or QueuePolicy(name)
            state = self.queues[name] = QueueState(policy, self.clock.now())
        return state

    def policy(self, name: str) -> QueuePolicy:
        state = self.queues.get(name)
        return state.policy if state else self._policies.get(name) or QueuePolicy(name)

    def resuming(self) -> list[str]:
        """The queues whose retried jobs keep their finished steps."""
        return [name for name, policy in self._policies.items() if policy.retry_resumes]

    def next_seq(self) -> int:
        self._seq += 1
        return self._seq

    def learn(self, job: LiveJob) -> None:
        """A job whose row is committed becomes known; it is in no structure yet."""
        self.jobs[job.id] = job
        if job.payload is not None:
            size = getsizeof(job.payload)
            if size > self._payload_room:
                job.payload = None
            else:
                self._payload_room -= size
        policy = self.queue(job.queue).policy
        if policy.expires_after is not None:
            heapq.heappush(self._expiring, (job.created_at + policy.expires_after, job.seq, job))

    def add(self, job: LiveJob) -> None:
        """A job whose row is committed enters its queue."""
        job.share_words()
        self.learn(job)
        self.restore(job)

    def restore(self, job: LiveJob, not_before: float = 0.0) -> None:
        """Puts a pending job where it belongs: into the order, or to the delayed ones. One that is due may be held back until
        `not_before`."""
        state = self.queue(job.queue)
        now = self.clock.now()
        expires_after = state.policy.expires_after
        if expires_after is not None and job.created_at + expires_after <= now:
            job.place = Place.NOWHERE
            self.expired.append(job)
        elif job.run_at > now:
            state.later.add(job)
            job.place = Place.DELAYED
            self._next_due = min(self._next_due, job.run_at)
        elif not_before > now:
            state.hold_back(job, not_before)
            job.place = Place.HELD_BACK
            self._next_due = min(self._next_due, not_before)
        else:
            state.order.add(job)
            job.place = Place.DUE
        if state.scopes:
            state.moved(job)

    def withdraw(self, job: LiveJob) -> None:
        """Takes a due or delayed job out, so that no claim can get it."""
        state = self.queue(job.queue)
        if job.place is Place.DUE:
            state.order.discard(job)
        elif job.place is Place.DELAYED:
            state.later.remove(job)
        elif job.place is Place.HELD_BACK:
            state.let_go(job)
        job.place = Place.NOWHERE
        state.moved(job)

    def forget(self, job: LiveJob) -> None:
        """The job has ended, or its row is gone."""
        self.queue(job.queue).gone(job)
        if self.jobs.get(job.id) is job:
            del self.jobs[job.id]
            if job.payload is not None:
                self._payload_room += getsizeof(job.payload)
                job.payload = None

    def admit_due(self, now: float) -> None:
        """Moves jobs whose time has come into the order."""
        if now < self._next_due:
            return
        for state in self.queues.values():
            for job in state.take_due(now):
                state.order.add(job)
                job.place = Place.DUE
                if state.scopes:
                    state.moved(job)
        self._next_due = min((state.next_due for state in self.queues.values()), default=math.inf)

    def expire(self) -> None:
        """Withdraws the pending jobs whose `expires_after` has passed: from now on they are not claimed or counted.

        They wait in `expired` for the expirer to remove their rows. One that runs now is caught when it comes back.
        """
        now = self.clock.now()
        while self._expiring and self._expiring[0][0] <= now:
            _, _, job = heapq.heappop(self._expiring)
            if self.jobs.get(job.id) is job and job.place in (Place.DUE, Place.DELAYED, Place.HELD_BACK):
                self.withdraw(job)
                self.expired.append(job)

    def next_wake(self, now: float) -> float | None:
        """When something may start that may not start `now`: a delayed job, or a rate's window. Epoch seconds."""
        times = [self._next_due] if self._next_due < math.inf else []
        for state in self.queues.values():
            if state.rate and len(state.order) and (at := state.rate.next_at(now)) is not None:
                times.append(at)
        return min(times, default=None)

    def position(self, job: LiveJob) -> int:
        """See `positions`."""
        return self.positions((job,))[0]

    def positions(self, jobs: Sequence[LiveJob]) -> list[int]:
        """The places of jobs in their queues as of now, see `Job.position`; 0 for one that runs, or is being taken out."""
        self.admit_due(self.clock.now())
        waiting: dict[str, list[LiveJob]] = {}
        for job in jobs:
            if job.place in WAITING:
                waiting.setdefault(job.queue, []).append(job)
        places: dict[LiveJob, int] = {}
        for queue, of_queue in waiting.items():
            places.update(positions(self.queue(queue), of_queue))
        return [places.get(job, 0) for job in jobs]

    @property
    def held_back(self) -> int:
        """How many jobs are held back, of all queues."""
        return sum(len(state.held_back) for state in self.queues.values())

    # ---- claims -----------------------------------------------------------------------------------------------------

    def pick(self, session: Session, queue: str, now: float, freed: int = 0, ended: int = 0) -> Lease | None:
        """The next jobs for a session as of `now`, in a lease that is not committed yet; None when there are none.

        `freed` slots of the queue's limit, and `ended` jobs of the session, come free in the same transaction.
        """
        self.expire()
        self.admit_due(now)  # the finisher picks, too, and must not pass a job that came due while the claimer waits
        state = self.queue(queue)
        most = state.startable(session.room(queue, ended), now, freed)
        if most <= 0 or not len(state.order) or (freed and state.owes_scopes):
            return None  # what is owed, the claimer hands out after this commit
        scope = session.scope
        jobs = state.pick(session.kinds, most, now) if scope is None else state.pick_in(scope, most, now)
        if not jobs:
            return None
        session.hold(queue, len(jobs))
        lease = self._new_lease(session, state.policy, now)
        lease.jobs = {job.id: job for job in jobs}
        return lease

    def pick_new(self, queue: str, jobs: Iterable[LiveJob]) -> list[Lease]:
        """Leases for jobs that are not stored yet, where a worker has room and no other job waits before them."""
        now = self.clock.now()
        self.admit_due(now)
        state = self.queue(queue)
        policy = state.policy
        if len(state.order) or state.paused or state.limited or policy.max_running_per_key or state.rate:
            return []
        due = deque(sorted((job for job in jobs if job.run_at <= now), key=lambda job: job.rank))
        if policy.is_fair and len(due) > 1:
            return []  # whose turn it is, the order knows
        leases = []
        for session in list(self.sessions.values()):
            lease = self._new_lease(session, policy, now)
            room = session.room(queue) if queue in session.queues and session.scope is None else 0
            while due and len(lease.jobs) < room and due[0].kind in session.kinds:
                job = due.popleft()
                lease.jobs[job.id] = job
            if lease.jobs:
                state.pick_past_order(lease.jobs.values())
                session.hold(queue, len(lease.jobs))
                leases.append(lease)
        return leases

    def unpick(self, lease: Lease, jobs: Iterable[LiveJob] | None = None) -> None:
        """The lease was not committed, or these jobs of it were not: they go back to their old place."""
        for job in list(lease.jobs.values()) if jobs is None else list(jobs):
            del lease.jobs[job.id]
            self.restore(job)  # first, so that its owner is never seen without jobs
            self._stop(job, lease, unpaid=True)

    def hold_back(self, lease: Lease, job: LiveJob) -> None:
        """A picked job could not be claimed now, somebody has locked its row: others go first for a moment."""
        del lease.jobs[job.id]
        self.restore(job, self.clock.now() + HELD_BACK + HELD_BACK_EACH * self.held_back)
        self._stop(job, lease, unpaid=True)

    def drop_picked(self, lease: Lease, job: LiveJob) -> None:
        """A picked job's row turned out to be gone."""
        del lease.jobs[job.id]
        self._stop(job, lease)
        job.place = Place.NOWHERE
        self.forget(job)

    def grant(self, lease: Lease, *, received: bool = False, marked: bool = False) -> None:
        """The lease is committed: its jobs are running."""
        self.leases[lease.token] = lease
        self.queue(lease.queue).granted(lease.jobs.values())
        for job in lease.jobs.values():
            job.lease = lease
            job.place = Place.LEASED
            job.received = received
            job.marked = marked
            job.expires_at = lease.expires_at
        self.observers.granted(lease)

    def adopt(self, lease: Lease, jobs: Iterable[LiveJob]) -> None:
        """A lease of an earlier term, found at the start: its jobs go on running, for a full lease time from now."""
        self.leases[lease.token] = lease
        lease.adopted = True
        session = self.sessions.get(lease.session_id)
        for job in jobs:
            self.learn(job)
            lease.jobs[job.id] = job
            job.lease = lease
            job.place = Place.LEASED
            job.received = job.marked
            job.expires_at = lease.expires_at
            state = self.queue(job.queue)
            state.taken += 1
            state.order.started(job)
            if session:
                session.hold(job.queue, 1)

    # ---- ends -------------------------------------------------------------------------------------------------------

    def end(self, job: LiveJob) -> None:
        """The run's end is committed: the job leaves its lease, and its slots are free."""
        lease = job.lease
        assert lease is not None
        lease.jobs.pop(job.id, None)
        if not lease.jobs:
            self.leases.pop(lease.token, None)
        self._stop(job, lease)
        job.place = Place.NOWHERE
        job.lease = None
        job.received = job.marked = False
        job.report = None

    def finish(self, lease: Lease, jobs: Sequence[LiveJob]) -> None:
        """These runs of a lease are over for good: `end` and `forget` for many at once. Nearly every job leaves this way."""
        state = self.queue(lease.queue)
        for job in jobs:
            del lease.jobs[job.id], self.jobs[job.id]
            state.stop(job)
            if state.scopes:
                state.gone(job)
            job.place = Place.NOWHERE
            job.lease = None
            if job.payload is not None:
                self._payload_room += getsizeof(job.payload)
                job.payload = None
        if not lease.jobs:
            self.leases.pop(lease.token, None)
        session = self.sessions.get(lease.session_id)
        if session:
            session.hold(lease.queue, -len(jobs))
            self.drop_session_if_done(session.id)

    def drop_session_if_done(self, session_id: str) -> None:
        """A session without stream and leases is forgotten."""
        session = self.sessions.get(session_id)
        if session and not session.attached and not session.holding:
            del self.sessions[session_id]

    def current_run(self, job_id: str, token: str) -> LiveJob | None:
        """The job, if `token` is its current lease."""
        job = self.jobs.get(job_id)
        return job if job is not None and job.lease is not None and job.lease.token == token else None

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _stop(self, job: LiveJob, lease: Lease, *, unpaid: bool = False) -> None:
        self.queue(job.queue).stop(job, unpaid=unpaid)
        session = self.sessions.get(lease.session_id)
        if session:
            session.hold(job.queue, -1)
            self.drop_session_if_done(session.id)

    def _new_lease(self, session: Session, policy: QueuePolicy, now: float) -> Lease:
        # The token is random in all its bits: it is the right to end the runs.
        expires = now + policy.lease
        return Lease(
            str(uuid.uuid4()), policy.queue, session.id, session.name, session.principal, now, expires, {}, expires,
            now + policy.receipt, limited=bool(policy.max_running),
        )  # fmt: skip

"""A dispatcher that nobody writes for, on a clock that a test sets: what its queue's estimates are made from."""

from __future__ import annotations

from jobline_queue.core.live_job import LiveJob
from jobline_queue.core.policy import QueuePolicy
from jobline_queue.dispatch.clock import Clock
from jobline_queue.dispatch.dispatcher import Dispatcher
from jobline_queue.dispatch.forecast import Estimate
from jobline_queue.dispatch.session import Session

EPOCH = 1_800_000_000.0


class House:
    """A dispatcher, a clock that a test sets, and workers."""

    def __init__(self, policy: QueuePolicy | None = None) -> None:
        self.now = 0.0
        policy = policy or QueuePolicy("q")
        self.dispatcher = Dispatcher({"q": policy}, Clock(EPOCH, lambda: self.now), 1, 0)

    def worker(self, capacity: int = 1, *kinds: str) -> Session:
        session = Session(f"s{len(self.dispatcher.sessions)}", "w", "p", {"q"}, frozenset(kinds or ("a",)))
        session.attached = True
        session.capacity = {"q": capacity}
        self.dispatcher.sessions[session.id] = session
        return session

    def job(self, kind: str = "a", *, after: float = 0.0, key: str = "") -> LiveJob:
        seq, at = self.dispatcher.next_seq(), self.dispatcher.clock.now()
        made = LiveJob(str(seq), "q", kind, "", "p", 0, at + after, seq, key, "", "{}", "null", 0, 3, 0, created_at=at)
        self.dispatcher.add(made)
        return made

    def run(self, session: Session, seconds: float) -> None:
        """The next job runs for so long and succeeds."""
        lease = self.start(session)
        assert lease is not None
        self.now += seconds
        jobs = list(lease.jobs.values())
        self.dispatcher.observers.succeeded(lease, jobs, self.dispatcher.clock.now())
        self.dispatcher.finish(lease, jobs)

    def start(self, session: Session):
        lease = self.dispatcher.pick(session, "q", self.dispatcher.clock.now())
        if lease is not None:
            self.dispatcher.grant(lease)
        return lease

    def learn(self, *times: float, kind: str = "a") -> None:
        session = self.worker(1, kind)
        for seconds in times:
            self.job(kind)
            self.run(session, seconds)
        del self.dispatcher.sessions[session.id]
        self.now += 1.0

    def told(self, job: LiveJob) -> Estimate:
        return self.dispatcher.forecast.estimate(job)

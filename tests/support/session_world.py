"""A worker session whose transport is the test: the messages of the work stream, one by one, on a clock of the test's."""

from dataclasses import dataclass, field

from jobline.v1 import work_service_pb2 as pb
from jobline.worker.backlog import Backlog
from jobline.worker.results import NO_RESULT, Ending
from jobline.worker.run import Delivery
from jobline.worker.session import Session

__all__ = ["World", "outcomes"]


@dataclass
class World:
    """A session whose transport is the test: it composes, receives and lets time pass."""

    prefetch: int = 8
    now: float = 1000.0
    lost: list[Delivery] = field(default_factory=list)
    drains: int = 0

    def __post_init__(self) -> None:
        self.backlog = Backlog("q", 2, self.prefetch, lambda: self.now)
        self.session = Session(
            "worker",
            {"q": self.backlog},
            ["noop"],
            post=lambda function, *arguments: function(*arguments),
            on_work=lambda: None,
            on_lost=self.lost.append,
            on_drain=self._count_drain,
        )

    def connect(self, *leases: pb.LeaseStatus) -> pb.WorkRequest:
        """Hello, Welcome, and the first message after it."""
        self.session.hello()
        welcome = pb.Welcome(queues=[pb.QueueTerms(queue="q", step_tries=3)], leases=leases)
        welcome.heartbeat_interval.FromSeconds(10)
        welcome.queues[0].lease.FromSeconds(30)
        self.session.receive(pb.WorkResponse(welcome=welcome), self.now)
        first = self.compose()
        assert first is not None
        return first

    def assign(self, *job_ids: str, token: str = "t") -> None:
        assignments = [pb.Assignment(job_id=job_id, lease_token=token, queue="q", kind="noop") for job_id in job_ids]
        self.session.receive(pb.WorkResponse(assignments=pb.Assignments(assignments=assignments)), self.now)

    def begin(self, job_id: str) -> Delivery:
        """Has the job assigned, and its run begun."""
        self.assign(job_id)
        delivery = self.backlog.take()
        assert delivery is not None
        return delivery

    def compose(self) -> pb.WorkRequest | None:
        return self.session.compose(self.now)

    def messages(self) -> list[pb.WorkRequest]:
        """Everything there is to say now."""
        said = []
        while (request := self.compose()) is not None:
            said.append(request)
        return said

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.session.tick(self.now)

    def end(self, *job_ids: str, token: str = "t") -> None:
        self.session.ended([Ending(token, job_id, NO_RESULT) for job_id in job_ids])

    def answer(self, *job_ids: str, status: pb.OutcomeStatus.ValueType = pb.OUTCOME_STATUS_COMMITTED) -> None:
        ack = pb.OutcomeAck(job_ids=job_ids, lease_token="t", status=status)
        self.session.receive(pb.WorkResponse(outcome_acks=pb.OutcomeAcks(acks=[ack])), self.now)

    def lease_says(self, job_id: str, state: pb.LeaseState.ValueType) -> None:
        status = pb.LeaseStatus(lease_token="t", job_id=job_id, state=state)
        self.session.receive(pb.WorkResponse(heartbeat_ack=pb.HeartbeatAck(leases=[status])), self.now)

    def _count_drain(self) -> None:
        self.drains += 1


def outcomes(request: pb.WorkRequest | None) -> list[str]:
    assert request is not None
    return [job_id for outcome in request.outcomes.outcomes for job_id in outcome.job_ids]

"""One change of a job of one of the products, as the hub keeps it and hands it to those whom it concerns.

Whom a change concerns is said by its topic: one word, made of what the change itself tells. A watcher names the topics that
it listens to; so a change costs as much as it has listeners, however many watchers there are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

from jobline.v1 import job_pb2
from jobline.v1 import job_service_pb2 as pb

__all__ = ["QUEUES", "Change", "of_job", "of_owner", "of_queue"]


def of_owner(queue: str, owner: str) -> str:
    """The topic of an owner's jobs in a queue."""
    return f"{queue} of {owner}"


def of_job(queue: str, job_id: str) -> str:
    """The topic of one job."""
    return f"{queue} job {job_id}"


def of_queue(queue: str) -> str:
    """The topic of a whole queue."""
    return queue


#: Queue → the topic of a change in it, made of queue, owner and job.
QUEUES: Mapping[str, Callable[[str, str, str], str]] = {
    "email_default": lambda queue, owner, job_id: of_owner(queue, owner),
    "communications": lambda queue, owner, job_id: of_owner(queue, owner),
    "amb-jobs": lambda queue, owner, job_id: of_job(queue, job_id),
    "ingestion": lambda queue, owner, job_id: of_queue(queue),
    "vectorization": lambda queue, owner, job_id: of_queue(queue),
}
#: What the products show of a queue; jobs of other kinds are nobody's. A queue that is absent tells of all.
_KINDS: Mapping[str, str] = {
    "email_default": "generate_email",
    "communications": "send_message",
    "ingestion": "INGEST_DATA",
    "vectorization": "VECTORIZE",
}
_NOBODYS = ""
#: Of these the result is not kept: it may be large, and is read elsewhere.
_WITHOUT_RESULT = frozenset({"communications", "amb-jobs"})


@dataclass(slots=True, eq=False)
class Change:
    """`job` is None when it was removed. `at` is in seconds of the hub's clock."""

    change_id: str
    number: int
    queue: str
    topic: str
    job_id: str
    job: job_pb2.Job | None
    at: float
    #: What it looks like to those who listen: the same to all of them, so it is made once.
    text: bytes | None = None

    @classmethod
    def of(cls, message: pb.WatchJobsResponse, number: int, at: float) -> Self:
        """One that a watch of QUEUES has told of."""
        job = message.job if message.HasField("job") else None
        queue = job.queue if job else message.removed_queue
        job_id = job.id if job else message.removed_id
        owner = job.owner if job else message.removed_owner
        topic = QUEUES[queue](queue, owner, job_id)
        if job and job.kind != _KINDS.get(queue, job.kind):
            topic = _NOBODYS
        if job and queue in _WITHOUT_RESULT:
            job.ClearField("result_json")
        return cls(message.change_id, number, queue, topic, job_id, job, at)

    @property
    def phase(self) -> tuple[int, int] | None:
        """Two changes of a job in a row with the same phase differ in what may be left out, the progress for one."""
        return (self.job.state, self.job.attempt) if self.job else None

    @property
    def lives(self) -> bool:
        return self.job is not None and self.job.state in (job_pb2.JOB_STATE_PENDING, job_pb2.JOB_STATE_RUNNING)

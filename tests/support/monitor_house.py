"""The queue monitor in front of a real queue service, and everybody who makes something happen in it."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobline.v1 import job_pb2, queue_service_pb2
from jobline.v1 import work_service_pb2 as work_pb
from support.gateway import gateway_process, user_token
from support.monitor_rest import role
from support.queue_calls import Calls, RawWorker, new_job
from support.queue_service import QueueServiceUnderTest, queue_service

__all__ = ["BOSS", "KEYED", "STEADY", "MonitorHouse", "monitor_house"]

#: Whose acts the admin's are.
BOSS = "user:boss"
#: The queue in which one job of a key runs at a time.
KEYED = "keyed"
#: The queue whose jobs run on although their worker says nothing.
STEADY = "steady"

POLICIES = f"""
[queues.{KEYED}]
max_running_per_key = 1
[queues.{STEADY}]
lease = "10m"
receipt = "10m"
[queues.ingestion]
backoff = ["10ms"]
[queues.vectorization]
backoff = ["10ms"]
"""


class MonitorHouse:
    """Tests share it; each uses queues of its own, the database queue's apart."""

    def __init__(self, service: QueueServiceUnderTest, url: str) -> None:
        self.service = service
        self.url = url
        self.operator = Calls(service.address, service.operator_token)
        self.worker = Calls(service.address, service.worker_token)

    def close(self) -> None:
        self.operator.close()
        self.worker.close()

    def token(self, name: str, sub: str = "boss", seconds: float = 3600) -> str:
        """Of somebody with this platform role, good for so long."""
        return user_token(sub, exp=int(time.time() + seconds), email=f"{sub}@example.com", **role(name))

    @staticmethod
    def new_queue() -> str:
        return f"q-{uuid.uuid4().hex[:10]}"

    def pending(self, queue: str, number: int = 1, payload: Any = None, **fields: Any) -> list[str]:
        """The ids of new jobs, oldest first."""
        return self.operator.enqueue(*(new_job(queue, payload, **fields) for _ in range(number)))

    def run(self, queue: str, kind: str = "test") -> work_pb.Assignment:
        """The next job, which runs from now on."""
        return self.worker.claim_one(queue, kind=kind)

    def failed(self, queue: str, number: int = 1, code: str = "TIMEOUT", **fields: Any) -> list[str]:
        """The ids of jobs that have failed for good."""
        ids = self.pending(queue, number, **{"max_attempts": 1, **fields})
        for _ in range(0, number, 100):
            for run in self.worker.claim(queue, kinds=[fields.get("kind", "test")], most=100, wait=10):
                self.worker.fail(run, code, message="the provider took too long")
        assert {self.operator.state(id) for id in ids} == {"failed"}
        return ids

    def report(self, run: work_pb.Assignment, step: str, current: int = 0, total: int = 0, message: str = "") -> None:
        """How far a run is."""
        progress = job_pb2.Progress(step=step, current=current, total=total, message=message)
        self.worker.work.ReportProgress(
            work_pb.ReportProgressRequest(job_id=run.job_id, lease_token=run.lease_token, progress=progress)
        )

    def pause(self, queue: str, reason: str = "") -> None:
        self.operator.queues.PauseQueue(queue_service_pb2.PauseQueueRequest(queue=queue, reason=reason))

    @contextlib.contextmanager
    def connected(self, *queues: str, name: str = "packer-1", capacity: int = 3) -> Iterator[RawWorker]:
        """A worker with this name, connected for the length of the block."""
        raw = RawWorker(self.worker, *queues, hello=False)
        hello = raw.hello(queues, ["test"])
        hello.name = name
        raw.send(hello=hello)
        raw.await_welcome()
        raw.capacity(capacity)
        try:
            yield raw
        finally:
            raw.cut()


@contextlib.contextmanager
def monitor_house(database_url: str, folder: Path) -> Iterator[MonitorHouse]:
    """Both services on this database."""
    with queue_service(database_url, folder, POLICIES) as service:
        settings = {"JOBLINE_QUEUE_ADDRESS": service.address, "JOBLINE_TOKEN": service.gateway_token}
        with (
            gateway_process(folder, **settings) as (process, url),
            contextlib.closing(MonitorHouse(service, url)) as house,
        ):
            yield house
            assert " ERROR " not in process.errors.read_text()
        assert service.faults == [], "nothing that a page does is a fault of the service"

"""A queue service and what a test of its fences needs to play with it."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc

from support.invariants import Evidence, violations
from support.queue_calls import Calls, RawWorker, Refusal
from support.queue_service import QueueServiceUnderTest, queue_service

__all__ = ["Field", "field_of", "said"]

POLICIES = """
[queues.one]
max_running = 1
[queues.other_one]
max_running = 1
[queues.boundary]
cancel = "boundary"
[queues.short]
lease = "500ms"
receipt = "500ms"
backoff = ["10ms"]
[queues.pruned]
retention = "100ms"
"""


@dataclass
class Field:
    """A service, and what a scenario needs to play with it."""

    service: QueueServiceUnderTest
    calls: Calls

    @property
    def queue(self) -> str:
        return f"q-{uuid.uuid4().hex[:12]}"

    def behind_its_back(self, job_id: str, state: str = "cancelled") -> None:
        """The row ends, and the service does not know."""
        ended = self.service.execute(
            "UPDATE jobline.jobs SET state = %s, finished_at = now() WHERE id = %s RETURNING 1", state, job_id
        )
        assert ended == [(1,)]

    def no_longer(self, job_id: str, state: str) -> list[str]:
        """The complaint if the row does not say `state` any more."""
        rows = self.service.execute("SELECT state FROM jobline.jobs WHERE id = %s", job_id)
        return [] if rows == [(state,)] else [f"I3 {job_id} was {state} and is {rows}"]

    def violations_of(self, job_id: str) -> list[str]:
        return [line for line in violations(Evidence.read(self.service.database_url)) if job_id in line]

    def worker(self, queue: str, capacity: int = 1) -> RawWorker:
        worker = RawWorker(self.calls, queue)
        worker.await_welcome()
        worker.capacity(capacity)
        return worker


def said(act: Callable[[], object]) -> str:
    """`ok`, or the reason of the refusal."""
    try:
        act()
    except grpc.RpcError as error:
        return Refusal.of(error).reason
    return "ok"


@contextlib.contextmanager
def field_of(database: str, folder: Path, **settings: str) -> Iterator[Field]:
    with (
        queue_service(database, folder, POLICIES, **settings) as service,
        Calls(service.address, service.operator_token) as calls,
    ):
        yield Field(service, calls)

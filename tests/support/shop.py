"""A business that sends messages through the REST surface, and a worker for its messages that the test plays itself."""

from __future__ import annotations

import contextlib
import re
import uuid
from typing import Any

import grpc
import httpx

from jobline.v1 import work_service_pb2 as work_pb
from support.eventually import eventually_blocking
from support.gateway import bearer
from support.queue_calls import Calls
from support.rest_stack import RestStack

__all__ = ["Shop", "next_link"]

QUEUE, KIND = "communications", "send_message"


class Shop:
    """A new business with an Admin, whose calls these are. No other test's worker gets its messages, nor the other way
    round: claims are scoped to the business."""

    def __init__(self, client: httpx.Client, queue_address: str, worker_token: str) -> None:
        self.id = f"shop-{uuid.uuid4()}"
        self.path = f"/api/businesses/{self.id}"
        self.admin = bearer(f"user-{uuid.uuid4()}", app_metadata={"businesses": {self.id: "Admin"}})
        self._client = client
        self._worker = Calls(queue_address, worker_token)
        self._held: list[work_pb.Assignment] = []

    @classmethod
    def of(cls, stack: RestStack) -> Shop:
        """One in the stack."""
        endpoints = stack.stack.endpoints
        return cls(stack.client, endpoints.queue, endpoints.worker_token)

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """`path` begins below the business; by its Admin unless `headers` say otherwise."""
        return self._client.request(method, f"{self.path}{path}", **{"headers": self.admin, **options})

    def queue(self, method: str, path: str, **options: Any) -> httpx.Response:
        """The same below the base path of the queue."""
        return self.call(method, f"/communication-queue{path}", **options)

    def read(self, path: str) -> Any:
        got = self.queue("GET", path)
        assert got.status_code == 200, got.text
        return got.json()

    def submit(self, **fields: Any) -> dict[str, Any]:
        """The job of a new message; fields that are None are left out."""
        message = {
            "channel": "email",
            "recipientContact": "user@example.com",
            "subject": "Hello",
            "body": "…",
            **fields,
        }
        given = {name: value for name, value in message.items() if value is not None}
        got = self.call("POST", "/communications", json=given)
        assert got.status_code == 201, got.text
        job: dict[str, Any] = got.json()["job"]
        return job

    def job(self, id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.read(f"/{id}")
        return found

    # ---- work -------------------------------------------------------------------------------------------------------

    def claim(self) -> work_pb.Assignment:
        """The next message, once it is due; it is `processing` from now on."""
        request = work_pb.ClaimJobsRequest(queues=[QUEUE], kinds=[KIND], max_jobs=1)
        request.due.owner = f"business:{self.id}"
        [run] = eventually_blocking(lambda: self._worker.work.ClaimJobs(request).assignments, what="a message is due")
        self._held.append(run)
        return run

    def complete(self, run: work_pb.Assignment) -> None:
        """Sends to the outbox, as a worker without a provider does."""
        self._held.remove(run)
        self._worker.complete(run, {"provider": "outbox", "message_id": run.job_id})

    def fail(self, run: work_pb.Assignment, message: str = "Connection timeout") -> None:
        self._held.remove(run)
        self._worker.fail(run, "PROVIDER_ERROR", message=message)

    def completed(self, **fields: Any) -> str:
        """The id of a message that was sent."""
        id: str = self.submit(**fields)["id"]
        self.complete(self.claim())
        return id

    def failed(self, error: str = "Connection timeout", **fields: Any) -> str:
        """The id of a message that failed in its only attempt."""
        id: str = self.submit(**{"maxAttempts": 1, **fields})["id"]
        self.fail(self.claim(), error)
        return id

    def processing(self, **fields: Any) -> str:
        id: str = self.submit(**fields)["id"]
        self.claim()
        return id

    def cancelled(self, **fields: Any) -> str:
        id: str = self.submit(**fields)["id"]
        assert self.queue("POST", f"/{id}/cancel").json()["success"]
        return id

    def close(self) -> None:
        """Frees the slots that the test left taken; runs of jobs that it cancelled or deleted hold none."""
        for run in list(self._held):
            with contextlib.suppress(grpc.RpcError):
                self.fail(run, "left by a test")
        self._worker.close()


def next_link(got: httpx.Response) -> str | None:
    """The target of the header `Link` with rel="next"."""
    if "link" not in got.headers:
        return None
    found = re.fullmatch(r'<([^>]*)>; rel="next"', got.headers["link"])
    assert found, got.headers["link"]
    return found[1]

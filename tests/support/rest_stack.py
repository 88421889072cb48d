"""A running stack seen through its REST surfaces, with a worker that the test plays itself where a state must be exact.

The stack's own worker is told to pull a queue that stays empty, so that nothing moves unless the test moves it.
"""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import httpx
import psycopg

from jobline.v1 import job_pb2, work_service_pb2
from jobline.v1.work_service_pb2_grpc import WorkServiceStub
from support.gateway import bearer
from support.processes import StackUnderTest, running_stack
from support.stack import scratch_data_dir

__all__ = ["EMAIL_RESULT", "HandWorker", "RestStack", "User", "rest_stack"]

EMAIL_QUEUE, EMAIL_KIND = "email_default", "generate_email"

EMAIL_RESULT: dict[str, Any] = {
    "recipient_name": "Dr. Alice Johnson",
    "recipient_interest": "protein folding",
    "email_message": "Dear Dr. Alice Johnson, …",
    "template_type": "research",
    "metadata": {
        "search_terms": ["Dr. Alice Johnson protein folding"],
        "sources": ["https://example.org/johnson"],
        "scraped_urls": ["https://example.org/johnson"],
        "papers_used": ["Folding at scale"],
        "arxiv_papers": [{"title": "Folding at scale", "arxiv_url": "http://arxiv.org/abs/2401.00001", "year": 2024}],
        "step_timings": {"template_parser": 1.2, "web_scraper": 3.4, "arxiv_helper": 2.1, "email_composer": 4.8},
        "generation_time": 11.5,
        "model": "embedded",
        "temperature": 0.7,
        "warnings": [],
    },
    "is_confident": True,
}


class User:
    """A user with a token of their own, and the calls that tests make most."""

    def __init__(self, client: httpx.Client, sub: str) -> None:
        self._client = client
        self.sub = sub
        self.headers = bearer(sub)

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {**self.headers, **options.pop("headers", {})}
        return self._client.request(method, path, headers=headers, **options)

    def submit(self, *names: str, template: str = "Hey {{name}}, I loved your work!") -> list[str]:
        """The ids of a batch with these recipients."""
        items = [{"recipient_name": name, "recipient_interest": "machine learning"} for name in names]
        answer = self.call("POST", "/api/queue/batch", json={"items": items, "email_template": template})
        assert answer.status_code == 201, answer.text
        ids: list[str] = answer.json()["queue_item_ids"]
        return ids

    def items(self) -> list[dict[str, Any]]:
        answer = self.call("GET", "/api/queue/")
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()
        return found

    def item(self, id: str) -> dict[str, Any]:
        return next(item for item in self.items() if item["id"] == id)


class HandWorker:
    """A worker that does what the test says, through the unary calls."""

    def __init__(self, address: str, token: str) -> None:
        self._channel = grpc.insecure_channel(address)
        self._work = WorkServiceStub(self._channel)
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._held: dict[str, work_service_pb2.Assignment] = {}

    def close(self) -> None:
        self._channel.close()

    def claim(self) -> work_service_pb2.Assignment:
        """The next e-mail job, which is `processing` from now on."""
        job = self.try_claim(wait=5)
        assert job is not None
        return job

    def try_claim(self, wait: int = 0) -> work_service_pb2.Assignment | None:
        """The same, or None when there is none to be had within `wait` seconds."""
        request = work_service_pb2.ClaimJobsRequest(queues=[EMAIL_QUEUE], kinds=[EMAIL_KIND], max_jobs=1)
        request.wait.FromSeconds(wait)
        for job in self._work.ClaimJobs(request, metadata=self._metadata, timeout=15).assignments:
            self._held[job.job_id] = job
            return job
        return None

    def reach(self, job: work_service_pb2.Assignment, step: str) -> None:
        request = work_service_pb2.ReportProgressRequest(
            job_id=job.job_id, lease_token=job.lease_token, progress=job_pb2.Progress(step=step)
        )
        self._work.ReportProgress(request, metadata=self._metadata, timeout=15)

    def complete(self, job: work_service_pb2.Assignment, **changes: Any) -> None:
        request = work_service_pb2.CompleteJobRequest(
            job_id=job.job_id, lease_token=job.lease_token, result_json=json.dumps({**EMAIL_RESULT, **changes})
        )
        self._work.CompleteJob(request, metadata=self._metadata, timeout=15)
        del self._held[job.job_id]

    def fail(self, job: work_service_pb2.Assignment, message: str) -> None:
        error = job_pb2.JobError(code="PROVIDER_ERROR", message=message)
        request = work_service_pb2.FailJobRequest(job_id=job.job_id, lease_token=job.lease_token, error=error)
        self._work.FailJob(request, metadata=self._metadata, timeout=15)
        del self._held[job.job_id]

    def fail_all(self) -> None:
        """Ends what the test left running."""
        for job in list(self._held.values()):
            self.fail(job, "left by a test")


class RestStack:
    """The stack, a client of its gateway, and a worker for the test to play."""

    def __init__(self, stack: StackUnderTest) -> None:
        self.stack = stack
        endpoints = stack.endpoints
        self.client = httpx.Client(base_url=endpoints.gateway, timeout=30, trust_env=False)
        self.worker = HandWorker(endpoints.queue, endpoints.worker_token)
        self.database_url = endpoints.database_url

    def close(self) -> None:
        self.client.close()
        self.worker.close()

    def user(self) -> User:
        """Somebody new."""
        return User(self.client, f"user-{uuid.uuid4()}")

    def execute(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """The rows of a statement on the stack's database."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

    def empty_queue(self) -> None:
        """Ends what a test left running or pending, so that positions begin at 1 again."""
        self.worker.fail_all()
        users: dict[str, User] = {}
        with ThreadPoolExecutor(8) as pool:
            for sub, id in self.execute("SELECT user_id, id FROM queue_items WHERE status = 'pending'"):
                user = users.setdefault(sub, User(self.client, sub))
                pool.submit(user.call, "DELETE", f"/api/queue/{id}")


@contextlib.contextmanager
def rest_stack(logs: Path, **settings: str) -> Iterator[RestStack]:
    """A stack whose worker leaves the e-mail queue alone, unless the settings say otherwise."""
    idle = {"JOBLINE_WORKER_QUEUES": "nothing_comes_here", "JOBLINE_CRON": "off"}
    with scratch_data_dir() as data, running_stack(data.root, logs, **{**idle, **settings}) as stack:
        world = RestStack(stack)
        try:
            yield world
        finally:
            world.close()
            stack.stop()

"""The jobs API as an operator deploys it: a gateway, a queue service, workers that can be killed, and the world outside.

    with content_house(fresh_database, tmp_path) as house:
        house.start_worker()
        caller = house.user()
        job = caller.ended(caller.analyse(house.providers.page("clinic")))

What users see goes through REST; what is stored is read from the database.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from support.eventually import eventually_blocking
from support.gated_content import GatedContent, gated_content
from support.gateway import bearer, gateway_process
from support.jobs_rest import BASE, GENERATION, job_path
from support.processes import ProgramUnderTest, clean_environ
from support.queue_service import QueueServiceUnderTest

__all__ = ["Caller", "ContentHouse", "content_house"]

#: A lost worker is noticed within a test; long enough that a busy machine does not lose a living one.
_POLICIES = """
[queues.amb-jobs]
lease = "4s"
receipt = "4s"
"""
_CREDITS = "SELECT status, count(*) FROM user_credits WHERE user_id = %s GROUP BY 1"
_POSTS = "SELECT count(*), count(DISTINCT job_id) FROM blog_posts WHERE user_id = %s"


class Caller:
    """A user or a session, and the calls that tests make most."""

    def __init__(self, house: ContentHouse, headers: Mapping[str, str], sub: str = "") -> None:
        self._house = house
        self.headers = headers
        self.sub = sub

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self._house.client.request(method, path, headers=self.headers, **options)

    def analyse(self, url: str) -> str:
        """The id of a new job."""
        return self._created("website-analysis", {"url": url})

    def write(self, title: str = "Plan the week", **changed: Any) -> str:
        return self._created("content-generation", {**GENERATION, "topic": {"title": title}, **changed})

    def _created(self, kind: str, body: Mapping[str, Any]) -> str:
        answer = self.call("POST", f"{BASE}/{kind}", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["jobId"])

    def status(self, job_id: str) -> dict[str, Any]:
        answer = self.call("GET", job_path("status", job_id))
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def ended(self, job_id: str, within: float = 60.0) -> dict[str, Any]:
        """The status of the job once it has ended."""

        def status() -> dict[str, Any] | None:
            found = self.status(job_id)
            return found if found["status"] in ("succeeded", "failed") else None

        found = eventually_blocking(status, within=within, what=f"{job_id} has ended")
        assert found
        return found

    def cancel(self, job_id: str) -> None:
        answer = self.call("POST", job_path("cancel", job_id))
        assert (answer.status_code, answer.json()) == (200, {"cancelled": True})

    def retry(self, job_id: str) -> None:
        answer = self.call("POST", job_path("retry", job_id))
        assert (answer.status_code, answer.json()) == (200, {"jobId": job_id})

    def credits(self) -> dict[str, int]:
        """How many of the user's credits have each status."""
        return dict(self._house.queue.execute(_CREDITS, self.sub))

    def posts(self) -> int:
        """How many posts of the user are stored, each by a job of its own."""
        ((posts, jobs),) = self._house.queue.execute(_POSTS, self.sub)
        assert posts == jobs
        return int(posts)


class ContentHouse:
    """The running processes."""

    def __init__(
        self, queue: QueueServiceUnderTest, providers: GatedContent, client: httpx.Client, folder: Path
    ) -> None:
        self.queue = queue
        self.providers = providers
        self.client = client
        self.workers: list[ProgramUnderTest] = []
        self._folder = folder
        self._employed: Mapping[str, str] = {}

    def user(self) -> Caller:
        """Somebody new with a token."""
        sub = f"user-{uuid.uuid4()}"
        return Caller(self, bearer(sub), sub)

    def session(self) -> Caller:
        """Somebody new without one."""
        return Caller(self, {"x-session-id": f"session-{uuid.uuid4()}"})

    def employ(self, settings: Mapping[str, str]) -> None:
        """From now on one worker serves, with these settings of its providers."""
        living = [worker for worker in self.workers if worker.returncode is None]
        if self._employed != settings or not living:
            self.kill_workers()
            self.start_worker(settings)
            self._employed = settings

    def start_worker(self, settings: Mapping[str, str] | None = None) -> ProgramUnderTest:
        """A worker that is connected. It asks the providers of the house, unless other settings are given."""
        environ = clean_environ(
            JOBLINE_DATA_DIR=str(self._folder),
            JOBLINE_QUEUE_ADDRESS=self.queue.address,
            JOBLINE_TOKEN=self.queue.worker_token,
            JOBLINE_WORKER_PORT="0",
            JOBLINE_WORKER_QUEUES="amb-jobs",
            **(self.providers.settings if settings is None else settings),
        )
        name = f"worker-{len(self.workers)}"
        worker = ProgramUnderTest(("-m", "jobline_worker", "serve"), environ, self._folder, name)
        self.workers.append(worker)
        eventually_blocking(lambda: "is connected to" in worker.errors.read_text(), within=60, what=f"{name} connected")
        return worker

    def kill_workers(self) -> None:
        for worker in self.workers:
            if worker.returncode is None:
                worker.kill()


@contextlib.contextmanager
def content_house(database_url: str, folder: Path) -> Iterator[ContentHouse]:
    """All of it but workers."""
    with contextlib.ExitStack() as stack:
        providers = stack.enter_context(gated_content())
        queue = QueueServiceUnderTest(database_url, folder, _POLICIES)
        stack.callback(queue.kill)
        queue.start()
        settings = {"JOBLINE_QUEUE_ADDRESS": queue.address, "JOBLINE_TOKEN": queue.gateway_token}
        _, address = stack.enter_context(gateway_process(folder, **settings))
        client = stack.enter_context(httpx.Client(base_url=address, timeout=30, trust_env=False))
        house = ContentHouse(queue, providers, client, folder)
        stack.callback(house.kill_workers)
        yield house

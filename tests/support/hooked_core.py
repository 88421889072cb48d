"""The queue's core inside the test's own process, with hooks of the test's: real code on a real database, without gRPC.

    async with hooked_core(fresh_database, KindHooks("noted", accept, on_enqueue=note)) as core:
        ids = await core.enqueue(NewJob("q", "noted"))
        (run,) = await core.claim("q", kinds=["noted"])

What modules may do is wired in `app.py` only, and each of them has its own rules; here a test makes its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import uuid_utils

from jobline_queue.core.ending import Completed, Failed, Outcome, RunError
from jobline_queue.core.new_job import NewJob
from jobline_queue.core.pace import RunTime
from jobline_queue.core.policy import QueuePolicy
from jobline_queue.dispatch.active import ActiveTerm, QueueCore
from jobline_queue.dispatch.acts import Act, ActAnswer, CancelJob, RemoveJob, RetryJob
from jobline_queue.dispatch.hooks import HookRegistry, KindHooks
from jobline_queue.dispatch.session import Assignment, OutcomeStatus, Session
from jobline_queue.rpc.job_servicer import perform
from support.queue_service import execute

__all__ = ["HookedCore", "accept", "hooked_core"]


def accept(_job: NewJob, _path: str) -> None:
    """The check of a kind that takes everything."""


class HookedCore:
    """A service that is active, and what callers and workers do with it."""

    def __init__(self, core: QueueCore, database_url: str) -> None:
        self._core = core
        self.database_url = database_url

    @property
    def core(self) -> QueueCore:
        """What ways in are given."""
        return self._core

    @property
    def active(self) -> ActiveTerm:
        return self._core.active

    def rows(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """The rows of a statement, past the service."""
        return execute(self.database_url, statement, *parameters)

    async def enqueue(self, *jobs: NewJob, request_id: str = "") -> list[str]:
        stored = await self.active.enqueuer.enqueue(jobs, "tests", request_id or str(uuid_utils.uuid7()))
        return [each.id for each in stored]

    async def claim(self, queue: str, kinds: Sequence[str], most: int = 1, wait: float = 5.0) -> list[Assignment]:
        """Jobs that have arrived."""
        return await self.active.desk.claim(self._session(queue, kinds), most, wait)

    def stream(self, queue: str, kinds: Sequence[str], room: int) -> Session:
        """A worker that is connected and says nothing: what it is handed lies in its outbox."""
        session = self._session(queue, kinds)
        self.active.desk.hello(session, [])
        self.active.desk.set_capacity(session, [(queue, room)])
        return session

    @staticmethod
    def _session(queue: str, kinds: Sequence[str]) -> Session:
        return Session(str(uuid.uuid4()), "by-hand", "tests", {queue}, frozenset(kinds))

    async def end(self, run: Assignment, outcome: Outcome) -> OutcomeStatus:
        status, _ = await self.active.desk.outcome_now(run.job.id, run.lease_token, outcome, "service:tests")
        return status

    async def complete(self, run: Assignment) -> OutcomeStatus:
        return await self.end(run, Completed("null"))

    async def fail(self, run: Assignment, *, retry_after: float = 0.0, retryable: bool = True) -> OutcomeStatus:
        return await self.end(run, Failed(RunError("BROKEN", "it broke", retryable), retry_after))

    async def cancel(self, job_id: str, result: str | None = None) -> None:
        await self._perform(lambda answer: CancelJob(job_id, "user:ada", "no more", answer, result=result))

    async def retry(self, job_id: str) -> None:
        await self._perform(lambda answer: RetryJob(job_id, "user:ada", answer))

    async def delete(self, job_id: str) -> None:
        await self._perform(lambda answer: RemoveJob(job_id, "deleted", "user:ada", answer))

    async def _perform(self, make: Callable[[ActAnswer], Act]) -> None:
        await perform(self.active, make)


@contextlib.asynccontextmanager
async def hooked_core(
    database_url: str, *hooks: KindHooks, policies: Mapping[str, QueuePolicy] | None = None
) -> AsyncIterator[HookedCore]:
    """Active on entry; handed over at the end as after a SIGTERM."""

    serves = asyncio.Event()

    async def on_active(active: bool) -> None:
        if active:
            serves.set()

    async def no_run_times(_before: Sequence[str]) -> list[RunTime]:
        return []

    instance = f"test-{uuid.uuid4()}"
    core = QueueCore(database_url, instance, policies or {}, HookRegistry(hooks), on_active, 15.0, no_run_times)
    running = asyncio.create_task(core.run())
    try:
        await asyncio.wait_for(serves.wait(), 30)
        yield HookedCore(core, database_url)
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

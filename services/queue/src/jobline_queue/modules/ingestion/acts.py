"""What callers do to queue jobs and ingest jobs that exist. The arrows are the core's; here is what they leave behind."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from jobline_queue.core.errors import IllegalTransition, NotFound, invalid
from jobline_queue.dispatch.active import QueueCore
from jobline_queue.dispatch.acts import Act, ActAnswer, CancelJob, RetryJob
from jobline_queue.modules.ingestion.store import IngestionStore, Row
from jobline_queue.rpc.convert import is_uuid
from jobline_queue.rpc.principal import Principal

Perform = Callable[[Any, Callable[[ActAnswer], Act]], Awaitable[None]]
BY_ADMIN, BY_USER = "Job cancelled by admin", "Job cancelled by user"
#: The core's words → the surface's.
_WORDS = {
    "pending": "PENDING",
    "running": "PROCESSING",
    "succeeded": "COMPLETED",
    "failed": "FAILED",
    "cancelled": "FAILED",
}
_ENDED = frozenset({"COMPLETED", "FAILED"})


class QueueActs:
    """Retry and cancel, for the principal that asks."""

    def __init__(self, core: QueueCore, store: IngestionStore, perform: Perform) -> None:
        self._core = core
        self._store = store
        self._perform = perform

    async def retry(self, principal: Principal, job_id: str) -> None:
        """Raises InvalidField, NotFound or IllegalTransition."""
        found = await self._job_id(job_id)
        await self._do("retry", lambda answer: RetryJob(found, principal.actor, answer))

    async def cancel(self, principal: Principal, job_id: str) -> None:
        """Raises InvalidField, NotFound or IllegalTransition."""
        await self._cancel(principal, await self._job_id(job_id), BY_ADMIN)

    async def cancel_ingest(self, principal: Principal, ingest_job: Row) -> None:
        """Ends every open job of an ingest job; one that ends by itself meanwhile may leave another one, so it looks again
        until there is no new one. Raises IllegalTransition when nothing was left to cancel.
        """
        cancelled, seen = False, set[str]()
        while new := set(await self._store.open_jobs(ingest_job)) - seen:
            for job_id in new:
                cancelled |= await self._cancel_if_open(principal, job_id)
            seen |= new
        if not cancelled:
            now = await self._store.ingest_job(ingest_job["id"])
            raise IllegalTransition("cancel", (now or ingest_job)["status"])

    async def _cancel_if_open(self, principal: Principal, job_id: str) -> bool:
        """Raises IllegalTransition where the queue's policy lets nobody cancel the job."""
        try:
            await self._cancel(principal, job_id, BY_USER)
        except NotFound:
            return False
        except IllegalTransition as error:
            if error.metadata["state"] not in _ENDED:
                raise
            return False
        return True

    async def _cancel(self, principal: Principal, job_id: str, why: str) -> None:
        result = cancel_result(why, principal, self._core.active.term.clock.now())
        await self._do("cancel", lambda answer: CancelJob(job_id, principal.actor, "", answer, result=result))

    async def _job_id(self, text: str) -> str:
        if not text:
            raise invalid("id", "expected the id of a job")
        job_id = text.lower()
        if not is_uuid(job_id) or not await self._store.is_queue_job(job_id):
            raise NotFound("job", text[:255])
        return job_id

    async def _do(self, arrow: str, make: Callable[[ActAnswer], Act]) -> None:
        try:
            await self._perform(self._core.active, make)
        except IllegalTransition as error:
            raise IllegalTransition(arrow, _WORDS[error.metadata["state"]]) from None


def cancel_result(why: str, principal: Principal, now: float) -> str:
    """The result of a job that was cancelled at `now` (epoch seconds), as JSON text."""
    user = principal.user
    who = (user.email or user.sub) if user else principal.name
    at = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"error": why, "cancelledBy": who, "cancelledAt": at}, ensure_ascii=False)
